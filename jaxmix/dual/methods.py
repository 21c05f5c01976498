"""What arrays have and the lecture's dual numbers do without: indices, entries, methods, copies.

NumPy's functions come here by `__array_function__`, and find those of this package by their names
(notes/dual.md, eq. 7).
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxmix.dual.arrays import (
    cumsum,
    max,
    mean,
    min,
    moveaxis,
    prod,
    ravel,
    reshape,
    squeeze,
    sum,
    swapaxes,
    transpose,
)
from jaxmix.dual.core import FUNCTIONS, Dual, Tag


def _array_function(self: Dual, function: Any, types: Any, args: Any, options: Any) -> Any:
    if function.__name__ not in FUNCTIONS:
        raise TypeError(f"jaxmix.dual has no {function.__name__}; build it from what it has")
    return FUNCTIONS[function.__name__](*args, **options)


def _as_plain_array(self: Dual, *args: Any, **options: Any) -> Any:
    raise TypeError(
        "a dual number is no plain array: join dual numbers by jaxmix.dual.stack, or take .value"
    )


def _entries(self: Dual) -> Iterator[Any]:
    return (self[i] for i in range(_length(self)))


def _length(self: Dual) -> int:
    if not self.shape:
        raise TypeError("a dual number has no length, nor entries")
    return self.shape[0]


_indexed_by_slices = Dual.__getitem__


def _indexed(self: Dual, index: Any) -> Dual:
    """Arrays as indices may move their axis to the front: the partials' axis stands behind."""
    parts = np.index_exp[index]
    if all(part is None or part is ... or isinstance(part, int | slice) for part in parts):
        return _indexed_by_slices(self, index)
    chosen = moveaxis(self.partials, 0, -1)[(*parts, slice(None))]
    return Dual(self.value[index], moveaxis(chosen, -1, 0), self.tag)


def _refuse_to_pickle(self: Tag) -> None:
    raise TypeError("a dual number lives within its derivative: pickle .value and .partials")


METHODS: dict[str, Any] = {
    "__getitem__": _indexed,
    "__array_function__": _array_function,
    "__array__": _as_plain_array,
    "__iter__": _entries,
    "__len__": _length,
    "__bool__": lambda self: bool(self.value),
    "astype": lambda self, dtype: Dual(
        self.value.astype(dtype), self.partials.astype(dtype), self.tag
    ),
    "ndim": property(lambda self: len(self.shape)),
    "size": property(lambda self: math.prod(self.shape)),
    "T": property(lambda self: transpose(self)),
    "reshape": lambda self, *new: reshape(self, new[0] if len(new) == 1 else new),
    "transpose": lambda self, *axes: transpose(self, axes[0] if len(axes) == 1 else axes or None),
    **{one.__name__: one for one in (sum, mean, prod, max, min, cumsum, ravel, squeeze)},
    "swapaxes": swapaxes,
}
"""What arrays have and the lecture's dual numbers do without."""

for _name, _method in METHODS.items():
    setattr(Dual, _name, _method)
for _name, _method in (
    ("__deepcopy__", lambda self, memo: self),
    ("__reduce__", _refuse_to_pickle),
):
    setattr(Tag, _name, _method)  # a copy of a dual number carries the same perturbation
