"""Rows in random batches: what every method that moves before a pass is over has in common.

An epoch goes through the data pool by pool, and visits each row of positive sample weight once, in
an order drawn anew. Batches of a pool are as equal as can be, and none consists of padding
(notes/online.md, eq. 1).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from jaxmix.blocks import Blocks, Data, in_blocks
from jaxmix.inputs import as_count
from jaxmix.streams import stream


class Batch(NamedTuple):
    """Some rows of an epoch as a sample of all rows."""

    sample: Blocks
    """The rows, whose weights are larger, so that sums estimate whole sums."""
    share: Float[Array, ""]
    """The share of all rows that the batch holds."""
    begins: Bool[Array, ""]
    """Whether the epoch begins with it."""
    begins_half: Bool[Array, ""]
    """Whether its second half does."""


class Part(NamedTuple):
    """Rows of one of a fixed number of batches, all of them or some."""

    rows: Blocks
    batch: ArrayLike
    ends: ArrayLike
    """Whether nothing of the batch is left."""


class Shuffled(eqx.Module):
    """The rows of a pool in the order of their visit, cut into batches."""

    pool: Blocks
    order: Int[Array, " rows"]
    """Indices of rows, those of weight 0 last."""
    num_rows: Int[Array, ""]
    """Rows of positive weight."""
    num_batches: Int[Array, ""] | int
    length: int = eqx.field(static=True)
    """Most rows of a batch."""

    def size(self, j: ArrayLike) -> Int[Array, ""]:
        """Rows of batch j."""
        return self.num_rows // self.num_batches + (j < self.num_rows % self.num_batches)

    def batch(self, j: ArrayLike) -> Blocks:
        """Rows of batch j with their sample weights."""
        longer = jnp.minimum(j, self.num_rows % self.num_batches)
        begin = j * (self.num_rows // self.num_batches) + longer
        places = jnp.arange(self.length)
        # Out of range only where the batch has ended.
        rows = self.order.at[begin + places].get(mode="clip")
        block, row = jnp.divmod(rows, self.pool.x.shape[2])
        weights = jnp.where(places < self.size(j), self.pool.sample_weights[block, row], 0.0)
        longest = min(self.length, self.pool.x.shape[2])
        return in_blocks(self.pool.x[block, :, row], weights, longest)


def in_batches(pool: Blocks, key: Key[Array, ""], most: int) -> Shuffled:
    """The rows of a pool in batches of at most `most` rows."""
    order, num_rows = _visits(pool, key)
    length = min(most, len(order))
    return Shuffled(pool, order, num_rows, -(-num_rows // length), length)


def in_parts(pool: Blocks, key: Key[Array, ""], count: int) -> Shuffled:
    """The rows of a pool in a fixed number of batches, some of them empty where rows are few."""
    order, num_rows = _visits(pool, key)
    return Shuffled(pool, order, num_rows, count, -(-len(order) // count))


def _visits(pool: Blocks, key: Key[Array, ""]) -> tuple[Int[Array, " rows"], Int[Array, ""]]:
    """Rows of positive weight in random order, the others behind them; how many those are."""
    present = jnp.ravel(pool.sample_weights) > 0
    draws = jax.random.bits(key, present.shape, jnp.uint32) >> 1
    draws = jnp.where(present, draws, ~jnp.uint32(0))
    rows = jnp.arange(present.size, dtype=jnp.int32)
    return jax.lax.sort((draws, rows), num_keys=1)[1], jnp.sum(present, dtype=jnp.int32)


def over_batches(
    data: Data,
    seed: ArrayLike,
    number: ArrayLike,
    most: int,
    visit: Callable[[Batch, Any], Any],
    carry: Any,
) -> Any:
    """What `visit(batch, carry)` makes of the carry in all batches of an epoch.

    Args:
        data: the rows.
        seed: of the orders.
        number: of the epoch.
        most: rows of a batch, at most; nor has it more than a pool.
        visit: one batch.
        carry: what the first batch finds.
    """

    def visit_pool(number: ArrayLike, pool: Blocks, key: Key[Array, ""], carry: Any) -> Any:
        shuffled = in_batches(pool, key, most)
        # Pools are one, or a power of two.
        middle = shuffled.num_batches // 2 if data.num_pools == 1 else 0

        def visit_one(j: Int[Array, ""], carry: Any) -> Any:
            share = shuffled.size(j).astype(data.num_present.dtype) / data.num_present
            rows = shuffled.batch(j)
            begins_half = (number == data.num_pools // 2) & (j == middle)
            weights = rows.sample_weights / share
            sample = eqx.tree_at(lambda rows: rows.sample_weights, rows, weights)
            return visit(Batch(sample, share, (number == 0) & (j == 0), begins_half), carry)

        return jax.lax.fori_loop(0, shuffled.num_batches, visit_one, carry)

    return over_pools(data, seed, number, visit_pool, carry)


def over_parts(
    data: Data, seed: ArrayLike, num_batches: int, visit: Callable[[Part, Any], Any], carry: Any
) -> Any:
    """What `visit(part, carry)` makes of the carry in a fixed number of batches.

    Pools are cut into as many parts as give every batch one; it has several where pools are many.
    """
    count = -(-num_batches // data.num_pools)

    def visit_pool(number: ArrayLike, pool: Blocks, key: Key[Array, ""], carry: Any) -> Any:
        shuffled = in_parts(pool, key, count)

        def visit_one(j: Int[Array, ""], carry: Any) -> Any:
            place = number * count + j
            batch, after = ((place + i) * num_batches // (data.num_pools * count) for i in (0, 1))
            rows = pool if count == 1 else shuffled.batch(j)
            return visit(Part(rows, batch, after > batch), carry)

        return jax.lax.fori_loop(0, count, visit_one, carry)

    return over_pools(data, seed, 0, visit_pool, carry)


def over_pools(
    data: Data,
    seed: ArrayLike,
    number: ArrayLike,
    visit: Callable[[ArrayLike, Blocks, Key[Array, ""], Any], Any],
    carry: Any,
) -> Any:
    """What `visit(number, pool, key, carry)` makes of the carry in all pools of an epoch.

    A pool holds one block of each group, which makes it a sample of all rows, however sorted.
    """
    key = epoch_key(seed, number)
    if data.num_pools == 1:
        only = jnp.zeros(data.groups, jnp.int32)
        return visit(0, data.pool(only, only), key, carry)
    places = pools(data, key)

    def visit_one(p: Int[Array, ""], carry: Any) -> Any:
        following = places[jnp.minimum(p + 1, data.num_pools - 1)]
        pool = data.pool(places[p], following)
        return visit(p, pool, jax.random.fold_in(key, p + 1), carry)

    return jax.lax.fori_loop(0, data.num_pools, visit_one, carry)


def epoch_key(seed: ArrayLike, number: ArrayLike) -> Key[Array, ""]:
    """The key of all that an epoch draws."""
    return jax.random.fold_in(stream(seed, "batches"), number)


def pools(data: Data, key: Key[Array, ""]) -> Int[Array, "pools groups"]:
    """The place in its group of every block of every pool: a random order of each group."""
    shape = (data.groups, data.num_pools)
    draws = jax.random.bits(jax.random.fold_in(key, 0), shape, jnp.uint32)
    blocks = jax.lax.broadcasted_iota(jnp.int32, shape, 1)
    return jax.lax.sort((draws, blocks), num_keys=1)[1].T


def check_batches(count: Any, name: str, seed: Any) -> None:
    """Raise unless a size or number of batches and a seed can be used."""
    as_count(count, name)
    if not isinstance(seed, Tracer) and as_count(seed, "seed", least=0) >= 2**31:
        raise ValueError(f"seed must be below 2**31, got {seed}")
