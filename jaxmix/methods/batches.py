"""Rows in random batches: what every method that moves before a pass is over has in common.

An epoch visits each row of positive sample weight once, in an order drawn anew. Batches are as
equal as can be, and none consists of padding (notes/online.md, eq. 1).
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Int

from jaxmix.blocks import Blocks, in_blocks
from jaxmix.inputs import as_count
from jaxmix.streams import stream


class Epoch(eqx.Module):
    """The rows of one pass in the order of their visit, cut into batches."""

    data: Blocks
    order: Int[Array, " rows"]
    """Indices of rows, those of weight 0 last."""
    num_rows: Int[Array, ""]
    """Rows of positive weight."""
    num_batches: Int[Array, ""] | int
    length: int = eqx.field(static=True)
    """Most rows of a batch."""

    def size(self, j: Int[Array, ""]) -> Int[Array, ""]:
        """Rows of batch j."""
        return self.num_rows // self.num_batches + (j < self.num_rows % self.num_batches)

    def batch(self, j: Int[Array, ""]) -> Blocks:
        """Rows of batch j with their sample weights."""
        longer = jnp.minimum(j, self.num_rows % self.num_batches)
        begin = j * (self.num_rows // self.num_batches) + longer
        places = jnp.arange(self.length)
        # Out of range only where the batch has ended.
        rows = self.order.at[begin + places].get(mode="clip")
        block, row = jnp.divmod(rows, self.data.x.shape[2])
        weights = jnp.where(places < self.size(j), self.data.sample_weights[block, row], 0.0)
        longest = min(self.length, self.data.x.shape[2])
        return in_blocks(self.data.x[block, :, row], weights, longest)

    def share(self, j: Int[Array, ""]) -> Float[Array, ""]:
        """The share of all rows that batch j holds."""
        size, num_rows = (n.astype(self.data.x.dtype) for n in (self.size(j), self.num_rows))
        return size / num_rows

    def sample(self, j: Int[Array, ""]) -> Blocks:
        """Batch j as a sample of all rows: weights are larger, so that sums estimate whole sums."""
        batch = self.batch(j)
        return eqx.tree_at(lambda b: b.sample_weights, batch, batch.sample_weights / self.share(j))


def epoch_in_batches(data: Blocks, seed: ArrayLike, number: ArrayLike, most: int) -> Epoch:
    """Epoch `number` of a seed in batches of at most `most` rows."""
    order, num_rows = _visits(data, seed, number)
    length = min(most, len(order))
    return Epoch(data, order, num_rows, -(-num_rows // length), length)


def partition(data: Blocks, seed: ArrayLike, num_batches: int) -> Epoch:
    """The rows in a fixed number of batches, some of them empty where rows are few."""
    order, num_rows = _visits(data, seed, 0)
    return Epoch(data, order, num_rows, num_batches, -(-len(order) // num_batches))


def _visits(
    data: Blocks, seed: ArrayLike, number: ArrayLike
) -> tuple[Int[Array, " rows"], Int[Array, ""]]:
    """Rows of positive weight in random order, the others behind them; how many those are."""
    present = jnp.ravel(data.sample_weights) > 0
    key = jax.random.fold_in(stream(seed, "batches"), number)
    draws = jax.random.bits(key, present.shape, jnp.uint32) >> 1
    draws = jnp.where(present, draws, ~jnp.uint32(0))
    rows = jnp.arange(present.size, dtype=jnp.int32)
    return jax.lax.sort((draws, rows), num_keys=1)[1], jnp.sum(present, dtype=jnp.int32)


def check_batches(count: Any, name: str, seed: Any) -> None:
    """Raise unless a size or number of batches and a seed can be used."""
    as_count(count, name)
    if not isinstance(seed, Tracer) and as_count(seed, "seed", least=0) >= 2**31:
        raise ValueError(f"seed must be below 2**31, got {seed}")
