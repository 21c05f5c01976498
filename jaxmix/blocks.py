"""Data as the one pass reads them: rows in blocks, blocks in groups, padded with weight 0.

Sums over rows are taken block by block within a group, then group by group. The cut depends on the
number of rows, the columns and the precision alone, and so do the bits of every sum; numbers of
blocks come from a short list, so that data of another length rarely compile anything anew.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCK_BYTES = 3 * 2**20
"""Features of one block: what a second-level cache holds."""

FEWEST_ROWS, MOST_ROWS = 256, 8192
"""Rows of a block where there is more than one."""

GROUPS = 64
"""Groups of blocks, at most: each sends its sums, and devices share no group."""


class Layout(NamedTuple):
    """How rows are cut."""

    rows: int
    """Rows of a block."""
    blocks: int
    """Blocks, with those that are padding alone."""
    group: int
    """Blocks of a group."""


def layout(n: int, d: int, itemsize: int, rows: int | None = None) -> Layout:
    """The cut of n rows.

    Args:
        n: rows of the data.
        d: columns.
        itemsize: bytes of a number.
        rows: rows of a block; by default what a cache holds.
    """
    rows = block_length(n, d, itemsize) if rows is None else rows
    blocks = rounded_up(-(-n // rows), 5)
    group = 1
    while blocks > GROUPS * group:
        group *= 2
    return Layout(rows, blocks, group)


def block_length(n: int, d: int, itemsize: int) -> int:
    """Rows a block: a power of two by dtype and d alone, except that few rows are one block."""
    largest = BLOCK_BYTES // (itemsize * (d + 1) * (d + 2) // 2)
    largest = min(max(1 << largest.bit_length() - 1, FEWEST_ROWS), MOST_ROWS)
    return min(largest, max(64, rounded_up(n, 3)))


def rounded_up(count: int, bits: int) -> int:
    """The next number with at most this many binary digits before its zeros.

    Example:
        >>> [rounded_up(count, 3) for count in (5, 9, 272, 1025)]
        [5, 10, 320, 1280]
    """
    step = 1 << max(count.bit_length() - bits, 0)
    return -(-count // step) * step


class Blocks(eqx.Module):
    """Data in blocks, a column of x a row of memory; padding has sample weight 0."""

    x: Float[Array, "blocks d rows"]
    sample_weights: Float[Array, "blocks rows"]
    group: int = eqx.field(static=True, default=1)
    """Blocks of a group."""

    @property
    def total(self) -> Float[Array, ""]:
        """The sum of the sample weights: the n of means, BIC and stopping rules."""
        return jnp.sum(self.sample_weights)

    def sums(self, block: Callable[..., Any], shared: Any) -> Any:
        """What `block(shared, x, sample_weights)` makes of every block, added up."""
        return added(self.group_sums(block, shared))

    def group_sums(self, block: Callable[..., Any], shared: Any) -> Any:
        """What every group adds up to, along a leading axis of arrays."""

        def add(carry: Any, one: tuple[Array, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, carry, block(shared, *one)), None

        def group(blocks: tuple[Array, Array]) -> Any:
            first = jax.tree.map(lambda leaf: leaf[0], blocks)
            if self.group == 1:
                return block(shared, *first)
            shapes = jax.eval_shape(block, shared, *first)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            return jax.lax.scan(add, nothing, blocks)[0]

        def cut(leaf: Array) -> Array:
            return leaf.reshape(-1, self.group, *leaf.shape[1:])

        groups = cut(self.x), cut(self.sample_weights)
        if len(groups[0]) == 1:
            alone = group(jax.tree.map(lambda leaf: leaf[0], groups))
            return jax.tree.map(lambda leaf: leaf[None], alone)
        return jax.lax.map(group, groups)


def added(sums: Any) -> Any:
    """The sums of groups, in their order."""
    return jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), sums)


def in_blocks(
    x: Float[Array, "n d"],
    sample_weights: Float[Array, " n"] | None = None,
    rows: int | None = None,
) -> Blocks:
    """Cut data into blocks of equal length, padded with rows of weight 0."""
    n, d = x.shape
    cut = layout(n, d, x.dtype.itemsize, rows)
    weights = jnp.ones(n, x.dtype) if sample_weights is None else sample_weights.astype(x.dtype)
    padding = cut.blocks * cut.rows - n
    x = jnp.pad(x, ((0, padding), (0, 0))).reshape(cut.blocks, cut.rows, d)
    weights = jnp.pad(weights, (0, padding)).reshape(cut.blocks, cut.rows)
    return Blocks(jnp.swapaxes(x, 1, 2), weights, cut.group)
