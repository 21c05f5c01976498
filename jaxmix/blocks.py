"""Data as the one pass reads them: rows in blocks, blocks in groups, padded with weight 0.

Sums over rows are taken block by block within a group, then group by group. The cut depends on the
number of rows, the columns, the precision and the platform alone, and so do the bits of every sum;
numbers of blocks come from a short list, so that data of another length rarely compile anything
anew.
"""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmix.devices import Devices, over_devices

BLOCK_NUMBERS, FEATURE_BYTES = 2**14, 9 * 2**19
"""Numbers of x and 1 in a block of few columns, and bytes of the features of one of 16 or more,
where products outweigh what a block costs beside them; measured by em_step.py of the benchmarks."""

FEWEST_ROWS, MOST_ROWS = 128, 8192
"""Rows of a block where there is more than one."""

ACCELERATOR_BYTES, MOST_ROWS_AT_ONCE = 2**28, 2**20
"""Of the features of a block, and its rows, on a GPU or TPU: blocks follow one another there, and
each should keep thousands of cores busy."""

GROUPS = 64
"""Groups of blocks, at most: each sends its sums, devices share no group, and one block of each
makes a pool, with rows from so many places that it resembles all."""

Block = Callable[[Any, Float[Array, "d rows"], Float[Array, " rows"]], Any]


class Layout(NamedTuple):
    """How rows are cut."""

    rows: int
    """Rows of a block."""
    blocks: int
    """Blocks, with those that are padding alone."""
    group: int
    """Blocks of a group."""

    @property
    def groups(self) -> int:
        """Groups, with those that are padding alone."""
        return self.blocks // self.group

    def over(self, devices: int) -> "Layout":
        """The same cut, with groups of padding so that every device has as many."""
        groups = -(-self.groups // devices) * devices
        return self._replace(blocks=groups * self.group)


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
    """Rows a block: a power of two by dtype, d and platform alone, except that few rows are one."""
    features, most = itemsize * (d + 1) * (d + 2) // 2, MOST_ROWS
    largest = BLOCK_NUMBERS // (d + 1) if d < 16 else FEATURE_BYTES // features
    if jax.default_backend() != "cpu":
        largest, most = ACCELERATOR_BYTES // features, MOST_ROWS_AT_ONCE
    largest = min(max(1 << largest.bit_length() - 1, FEWEST_ROWS), most)
    return min(largest, max(64, rounded_up(n, 3)))


def rounded_up(count: int, bits: int) -> int:
    """The next number with at most this many binary digits before its zeros.

    Example:
        >>> [rounded_up(count, 3) for count in (5, 9, 272, 1025)]
        [5, 10, 320, 1280]
    """
    step = 1 << max(count.bit_length() - bits, 0)
    return -(-count // step) * step


class Data(eqx.Module):
    """Rows with sample weights as the one pass sums over them, wherever they are."""

    @property
    @abstractmethod
    def num_rows(self) -> int:
        """Rows, padding included."""

    @property
    @abstractmethod
    def num_present(self) -> Float[Array, ""]:
        """Rows of positive sample weight."""

    @abstractmethod
    def added_up(self, block: Block, shared: Any) -> Any:
        """What `in_order` makes of all groups of blocks."""

    @abstractmethod
    def pool(self, places: Int[Array, " groups"], following: Int[Array, " groups"]) -> "Blocks":
        """One block of each group, on all devices.

        Args:
            places: where in its group each lies.
            following: the places of the pool that comes next; the same ones if none does.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Within it, what goes wrong with a file is raised as itself."""

    @property
    @abstractmethod
    def groups(self) -> int:
        """Groups, without those that make devices equal."""

    @property
    @abstractmethod
    def num_pools(self) -> int:
        """Pools that hold all blocks: as many as a group has blocks, a power of two."""

    def sums(self, block: Block, shared: Any) -> Any:
        """What `block(shared, x [d rows], sample_weights [rows])` makes of all blocks, added up."""
        # What follows must be compiled alike, whoever has summed.
        return jax.lax.optimization_barrier(self.added_up(block, shared))


def in_order(
    devices: Devices | None, group: Callable[[Any, Any], Any], shared: Any, *divided: Array
) -> Any:
    """Sums of `group(shared, part)` over the parts of `divided`, one part after another.

    One device adds each to those before it, and never holds two; several gather them all first.
    """

    def total(parts: Any, one: Callable[[Any], Any]) -> Any:
        first = jax.tree.map(lambda leaf: leaf[0], parts)
        if len(jax.tree.leaves(parts)[0]) == 1:
            return one(first)
        return added(one, nothing(one, first), parts)

    if devices is None:
        return total(divided, partial(group, shared))

    def groups(shared: Any, *divided: Array) -> Any:
        return jax.lax.map(partial(group, shared), divided)

    each = over_devices(devices, groups, shared, *divided)
    return total(jax.tree.map(lambda leaf: leaf[: devices.groups], each), lambda sums: sums)


def added(one: Callable[[Any], Any], sums: Any, parts: Any) -> Any:
    """Sums so far, and what each of these parts adds to them, one after another."""

    def add(carry: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, carry, one(part)), None

    return jax.lax.scan(add, sums, parts)[0]


def nothing(one: Callable[..., Any], *part: Any) -> Any:
    """Zeros in the shapes of what a part of these shapes adds."""
    shapes = jax.eval_shape(one, *part)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


class Blocks(Data):
    """Data in memory in blocks, a column of x a row of memory; padding has sample weight 0."""

    x: Float[Array, "blocks d rows"]
    sample_weights: Float[Array, "blocks rows"]
    group: int = eqx.field(static=True, default=1)
    """Blocks of a group."""
    devices: Devices | None = eqx.field(static=True, default=None)
    """The devices that hold groups; None where one holds all."""

    @property
    def groups(self) -> int:
        return len(self.x) // self.group if self.devices is None else self.devices.groups

    @property
    def num_rows(self) -> int:
        return self.sample_weights.size

    @property
    def num_present(self) -> Float[Array, ""]:
        present = jnp.sum(self.sample_weights > 0, dtype=jnp.int32)
        return present.astype(self.x.dtype)

    @property
    def total(self) -> Float[Array, ""]:
        """The sum of the sample weights: the n of means, BIC and stopping rules."""
        return jnp.sum(self.sample_weights)

    @property
    def num_pools(self) -> int:
        return self.group

    def reading(self) -> AbstractContextManager[None]:
        return nullcontext()

    def added_up(self, block: Block, shared: Any) -> Any:
        def group(shared: Any, blocks: tuple[Array, Array]) -> Any:
            first = jax.tree.map(lambda leaf: leaf[0], blocks)
            if self.group == 1:
                return block(shared, *first)
            zero = nothing(block, shared, *first)
            return added(lambda one: block(shared, *one), zero, blocks)

        shapes = jax.eval_shape(block, shared, self.x[0], self.sample_weights[0])
        numbers = sum(leaf.size for leaf in jax.tree.leaves(shapes))
        if self.devices is None and len(self.x) > 1 and numbers < self.x[0].size:
            return self._in_one_loop(block, shared)
        return in_order(self.devices, group, shared, *self._in_groups)

    def _in_one_loop(self, block: Block, shared: Any) -> Any:
        """The same sums without a loop in a loop, which copies every block; where sums are few."""
        place = jnp.arange(len(self.x)) % self.group
        zero = nothing(block, shared, self.x[0], self.sample_weights[0])

        def add(sums: tuple[Any, Any], one: Any) -> tuple[tuple[Any, Any], None]:
            (whole, mine), (x, sample_weights, place) = sums, one
            new = block(shared, x, sample_weights)
            mine = jax.tree.map(lambda a, b: jnp.where(place == 0, 0, a) + b, mine, new)
            ends = place == self.group - 1
            return (jax.tree.map(lambda a, b: a + jnp.where(ends, b, 0), whole, mine), mine), None

        return jax.lax.scan(add, (zero, zero), (self.x, self.sample_weights, place))[0][0]

    def pool(self, places: Int[Array, " groups"], following: Int[Array, " groups"]) -> "Blocks":
        if self.group == 1:
            return self

        def chosen(_: None, x: Array, sample_weights: Array, places: Array) -> tuple[Array, Array]:
            groups = jnp.arange(len(places))
            return x[groups, places], sample_weights[groups, places]

        x, sample_weights = self._in_groups
        places = jnp.pad(places, (0, len(x) - len(places)))
        parts = over_devices(self.devices, chosen, None, x, sample_weights, places)
        return Blocks(*(part[: self.groups] for part in parts))

    @property
    def _in_groups(self) -> tuple[Array, Array]:
        """Rows and sample weights with a leading axis of groups."""
        _, d, rows = self.x.shape
        x = self.x.reshape(-1, self.group, d, rows)
        return x, self.sample_weights.reshape(-1, self.group, rows)


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
