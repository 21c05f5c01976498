"""Functions of whole arrays: shapes, sums, selections, and the methods that arrays have.

A linear map acts on the value and on every partial alike; partials have one axis more, in front
(notes/dual.md, eq. 7). Products and factorizations are in linalg.py.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxmix.dual.core import FUNCTIONS, Dual, Tag, exp, log

Shape = int | tuple[int, ...]


def opened(*args: Any) -> tuple[Tag | None, list[Any], list[Any]]:
    """The innermost perturbation among arguments, their values without it, and their partials.

    A partial is None where an argument does not carry the perturbation; there is no perturbation
    where all of them are plain, or where those that they carry have ended.
    """
    tags = [arg.tag for arg in args if isinstance(arg, Dual)]
    if not tags:
        return None, list(args), [None] * len(args)
    tag = sorted(tags, key=lambda tag: tag.number)[-1]
    mine = [isinstance(arg, Dual) and arg.tag is tag for arg in args]
    values = [arg.value if own else arg for arg, own in zip(args, mine)]
    if not tag.alive:
        return opened(*values)
    return tag, values, [arg.partials if own else None for arg, own in zip(args, mine)]


def home_of(*args: Any) -> Any:
    """The library of plain arguments: jax.numpy where one is a jax array, else NumPy."""
    homes = [arg.__array_namespace__() for arg in args if hasattr(arg, "__array_namespace__")]
    return next((home for home in homes if home is not np), np)


def shape(x: Any) -> tuple[int, ...]:
    """The shape of a number, an array, a list or a dual number."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


def aligned(partials: Any, rank: int) -> Any:
    """Partials whose axes after the first broadcast as those of a value of this rank do."""
    missing = rank + 1 - len(shape(partials))
    return partials[(slice(None), *[None] * missing)] if missing else partials


def _linear(name: str, on_partials: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's linear map of this name; `on_partials(partials, value, ...)` leaves axis 0 alone."""

    def function(x: Any, *args: Any, **options: Any) -> Any:
        tag, (x,), (partials,) = opened(x)
        if tag is None:
            return getattr(home_of(x), name)(x, *args, **options)
        value = function(x, *args, **options)
        return Dual(value, on_partials(partials, value, *args, **options), tag)

    function.__name__ = name
    return FUNCTIONS.setdefault(name, function)


def _after(axis: Any) -> Any:
    """An axis of the value as an axis of the partials."""
    if isinstance(axis, tuple):
        return tuple(_after(one) for one in axis)
    return axis if axis < 0 else axis + 1


def _as_value(partials: Any, value: Any, *args: Any, **options: Any) -> Any:
    return reshape(partials, (len(partials), *shape(value)))


def _each_sum(partials: Any, value: Any, axis: Any = None, **options: Any) -> Any:
    every = tuple(range(1, len(shape(partials))))
    return _as_value(sum(partials, axis=every if axis is None else _after(axis)), value)


def _each_mean(partials: Any, value: Any, *args: Any, **options: Any) -> Any:
    summed = _each_sum(partials, value, *args, **options)
    return summed * (math.prod(shape(value)) / math.prod(shape(partials)[1:]))


def _each_transpose(partials: Any, value: Any, axes: Any = None) -> Any:
    axes = range(len(shape(value)))[::-1] if axes is None else axes
    return transpose(partials, (0, *(axis % len(shape(value)) + 1 for axis in axes)))


def _each_cumsum(partials: Any, value: Any, axis: int | None = None) -> Any:
    if axis is None:
        return cumsum(_as_value(partials, value), 1)
    return cumsum(partials, _after(axis))


def _each_broadcast(partials: Any, value: Any, *args: Any) -> Any:
    return broadcast_to(aligned(partials, len(shape(value))), (len(partials), *shape(value)))


reshape = _linear("reshape", _as_value)
ravel = _linear("ravel", _as_value)
squeeze = _linear("squeeze", _as_value)
expand_dims = _linear("expand_dims", _as_value)
sum = _linear("sum", _each_sum)
mean = _linear("mean", _each_mean)
cumsum = _linear("cumsum", _each_cumsum)
transpose = _linear("transpose", _each_transpose)
moveaxis = _linear("moveaxis", lambda p, value, a, b: moveaxis(p, _after(a), _after(b)))
swapaxes = _linear("swapaxes", lambda p, value, a, b: swapaxes(p, _after(a), _after(b)))
broadcast_to = _linear("broadcast_to", _each_broadcast)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; the partials are taken, never multiplied by 0."""
    while isinstance(condition, Dual):
        condition = condition.value
    tag, values, partials = opened(x, y)
    if tag is None:
        return home_of(condition, *values).where(condition, *values)
    value = where(condition, *values)
    rank, given = len(shape(value)), next(p for p in partials if p is not None)
    chosen = where(condition, *(0.0 if p is None else aligned(p, rank) for p in partials))
    return Dual(value, broadcast_to(chosen, (len(given), *shape(value))), tag)


def concatenate(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays joined along an axis, dual numbers among them or not."""
    tag, values, partials = opened(*arrays)
    if tag is None:
        return home_of(*values).concatenate(values, axis)
    given = next(p for p in partials if p is not None)
    every = [
        np.zeros((len(given), *shape(v)), given.dtype) if p is None else p
        for v, p in zip(values, partials)
    ]
    return Dual(concatenate(values, axis), concatenate(every, _after(axis)), tag)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Numbers or arrays of one shape, along a new axis."""
    return concatenate([_new_axis(array, axis) for array in arrays], axis)


def _new_axis(x: Any, axis: int) -> Any:
    return expand_dims(x if hasattr(x, "shape") else np.asarray(x), axis)


def prod(x: Any, axis: int | None = None) -> Any:
    """The product along an axis, factor by factor: its slopes are right where a factor is 0."""
    x = ravel(x) if axis is None else moveaxis(x, axis, 0)
    result = ones_like(x[0]) if len(x) else 1.0
    for factor in x:
        result = result * factor
    return result


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest entry along an axis; equal ones share the slope."""
    return _extreme("max", x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest entry along an axis; equal ones share the slope."""
    return _extreme("min", x, axis, keepdims)


def _extreme(name: str, x: Any, axis: Any, keepdims: bool) -> Any:
    tag, (x,), (partials,) = opened(x)
    if tag is None:
        return getattr(home_of(x), name)(x, axis=axis, keepdims=keepdims)
    hits = x == _extreme(name, x, axis, True)
    taken = Dual(where(hits, x, 0.0), where(hits, partials, 0.0), tag)
    return sum(taken, axis=axis, keepdims=keepdims) / hits.sum(axis=axis, keepdims=keepdims)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) along an axis, without overflow."""
    largest = x
    while isinstance(largest, Dual):
        largest = largest.value
    largest = max(largest, axis=axis, keepdims=True)
    largest = where(abs(largest) < np.inf, largest, 0.0)
    total = log(sum(exp(x - largest), axis=axis, keepdims=keepdims))
    return total + reshape(largest, shape(total))


def zeros_like(x: Any) -> Any:
    """Zeros with the shape of x, and its perturbation: where a loop's carry starts."""
    tag, (x,), (partials,) = opened(x)
    return (
        home_of(x).zeros_like(x) if tag is None else Dual(zeros_like(x), zeros_like(partials), tag)
    )


def ones_like(x: Any) -> Any:
    """Ones with the shape of x, and its perturbation."""
    return zeros_like(x) + 1.0


for _function in (where, concatenate, stack, prod, max, min, logsumexp, zeros_like, ones_like):
    FUNCTIONS[_function.__name__] = _function
FUNCTIONS |= {"amax": max, "amin": min, "shape": shape}
FUNCTIONS |= {"ndim": lambda x: len(shape(x)), "size": lambda x: math.prod(shape(x))}


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


METHODS: dict[str, Any] = {
    "__array_function__": _array_function,
    "__array__": _as_plain_array,
    "__iter__": _entries,
    "__len__": _length,
    "__bool__": lambda self: bool(self.value),
    "ndim": property(lambda self: len(self.shape)),
    "size": property(lambda self: math.prod(self.shape)),
    "T": property(lambda self: transpose(self)),
    "reshape": lambda self, *new: reshape(self, new[0] if len(new) == 1 else new),
    **{one.__name__: one for one in (sum, mean, prod, max, min, cumsum, ravel, squeeze)},
    **{one.__name__: one for one in (swapaxes, transpose)},
}
"""What arrays have and the lecture's dual numbers do without."""

for _name, _method in METHODS.items():
    setattr(Dual, _name, _method)
