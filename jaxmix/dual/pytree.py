"""Dual numbers as JAX pytrees, so that they pass through jit, vmap, scan, while_loop and cond.

What a compiled function remembers of a perturbation is how deeply it is nested: the same program
serves every later derivative of that depth, and is traced once. Partials travel with their axis
near the end, so that vmap and scan take the leading axis of value and partials alike; an axis of
length 1 behind it keeps a negative axis of vmap from being taken for it.
"""

from typing import Any

import jax
import numpy as np

from jaxmix.dual.arrays import moveaxis, shape
from jaxmix.dual.core import OUTERMOST, Dual, Tag, in_progress


class _Nesting:
    """A perturbation by its depth, for comparisons between calls of a compiled function."""

    def __init__(self, tag: Tag):
        self.tag = tag

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Nesting) and other.tag.depth == self.tag.depth

    def __hash__(self) -> int:
        return hash(self.tag.depth)

    def now(self) -> Tag:
        """The perturbation in progress at this depth: of many calls, that of the present one."""
        tags = in_progress.__dict__.get("tags", [OUTERMOST])
        if self.tag.depth >= len(tags):
            raise RuntimeError("a derivative and what it calls compiled must run in one thread")
        return tags[self.tag.depth]


def _flatten(dual: Dual) -> tuple[tuple[Any, ...], _Nesting | None]:
    if not dual.tag.alive:
        return (dual.value,), None
    value, partials = _alike(dual.value, dual.partials), _alike(dual.partials, dual.value)
    return (value, _to_the_end(partials)), _Nesting(dual.tag)


def _alike(x: Any, other: Any) -> Any:
    """x with every perturbation that the other carries, so that loops see one structure."""
    if not isinstance(other, Dual):
        return x
    if isinstance(x, Dual) and x.tag.number > other.tag.number:
        return Dual(_alike(x.value, other), _alike(x.partials, other), x.tag)
    mine = isinstance(x, Dual) and x.tag is other.tag
    value, partials = (x.value, x.partials) if mine else (x, _no_partials(x, other))
    return Dual(_alike(value, other.value), _alike(partials, other.partials), other.tag)


def _no_partials(x: Any, other: Dual) -> np.ndarray:
    return np.zeros((len(other.partials), *np.shape(x)), getattr(x, "dtype", float))


def _unflatten(nesting: _Nesting | None, children: tuple[Any, ...]) -> Any:
    if nesting is None:
        return children[0]
    dual = object.__new__(Dual)
    dual.value, dual.partials = children[0], _from_the_end(children[1], children[0])
    dual.tag = nesting.now()
    dual.shape, dual.dtype = np.shape(dual.value), getattr(dual.value, "dtype", None)
    return dual


ARRAYS = np.ndarray | jax.Array | Dual
"""What partials are, where they are not the placeholders that JAX puts for them."""


def _to_the_end(partials: Any) -> Any:
    return moveaxis(partials, 0, -1)[..., None] if isinstance(partials, ARRAYS) else partials


def _from_the_end(partials: Any, value: Any) -> Any:
    if not (isinstance(partials, ARRAYS) and hasattr(value, "shape")):
        return partials
    if shape(partials)[:-2] != shape(value) or shape(partials)[-1] != 1:
        raise TypeError("axes of dual numbers under jax.vmap are counted from the front: 0, 1, ...")
    return moveaxis(partials[..., 0], -1, 0)


jax.tree_util.register_pytree_node(Dual, _flatten, _unflatten)
