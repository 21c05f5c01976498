"""Dual numbers as JAX pytrees, so that they pass through jit, vmap, scan, while_loop and cond.

What a compiled function remembers of a perturbation is how deeply it is nested: the same program
serves every later derivative of that depth, and is traced once. Partials travel with their axis at
the end, so that vmap and scan take the leading axis of the value and of the partials alike.
"""

from typing import Any

import jax
import numpy as np

from jaxmix.dual.arrays import moveaxis
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
        """The perturbation, or the one in progress now where a derivative before had its place."""
        tags = in_progress.__dict__.get("tags", [OUTERMOST])
        return self.tag if self.tag.alive else tags[self.tag.depth]


def _flatten(dual: Dual) -> tuple[tuple[Any, ...], _Nesting | None]:
    if not dual.tag.alive:
        return (dual.value,), None
    return (dual.value, _with_axis(dual.partials, 0, -1)), _Nesting(dual.tag)


def _unflatten(nesting: _Nesting | None, children: tuple[Any, ...]) -> Any:
    if nesting is None:
        return children[0]
    dual = object.__new__(Dual)
    dual.value, dual.partials, dual.tag = children[0], _with_axis(children[1], -1, 0), nesting.now()
    dual.shape, dual.dtype = np.shape(dual.value), getattr(dual.value, "dtype", None)
    return dual


def _with_axis(partials: Any, source: int, destination: int) -> Any:
    """The axis of the perturbations moved, where these are arrays and not JAX's placeholders."""
    if not isinstance(partials, np.ndarray | jax.Array | Dual) or len(partials.shape) < 2:
        return partials
    return moveaxis(partials, source, destination)


jax.tree_util.register_pytree_node(Dual, _flatten, _unflatten)
