"""The one pass over the data: log-likelihood and expected sufficient statistics, block by block.

With features phi(x) and natural parameters W [k f], the log-densities of a block are W phi, and its
expected sufficient statistics S are the responsibilities times phi. The derivative of the
log-likelihood with respect to W is S (Fisher's identity, notes/gradient.md, eq. 2), so that one
gradient costs one pass, in forward mode and in reverse mode.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from jaxmix.blocks import Data
from jaxmix.families.base import (
    Expectation,
    Features,
    Incomplete,
    Recentered,
    linear_expectation,
)
from jaxmix.numerics import logarithm

Table = Float[Array, "k f"]
Origins = Float[Array, "k d"] | None
"""From where each component is seen; None where all are seen from the data's center."""

Reading = Features | Recentered | Incomplete
"""What a pass makes of rows."""

Pass = tuple[Float[Array, ""], Table]


def soft(logits: Float[Array, "k rows"]) -> tuple[Float[Array, " rows"], Float[Array, "k rows"]]:
    """Marginal log-densities and responsibilities."""
    largest = jax.lax.stop_gradient(jnp.max(logits, axis=0))
    exponentials = jnp.exp(logits - largest)
    totals = jnp.sum(exponentials, axis=0)
    return largest + logarithm(totals), exponentials / totals


def hard(logits: Float[Array, "k rows"]) -> tuple[Float[Array, " rows"], Float[Array, "k rows"]]:
    """Classification log-densities and 0-1 assignments to the most probable component."""
    assignments = jax.nn.one_hot(
        jnp.argmax(logits, axis=0), len(logits), axis=0, dtype=logits.dtype
    )
    return jnp.max(logits, axis=0), assignments


Assign = Callable[[Float[Array, "k rows"]], tuple[Float[Array, " rows"], Float[Array, "k rows"]]]


def expectation(
    reading: Reading, table: Table, x: Float[Array, "d rows"], origins: Origins = None
) -> Expectation:
    """Log-densities of a block, and its statistics for given responsibilities."""
    if isinstance(reading, Recentered):
        assert origins is not None
        return reading.expect(table, origins, x)
    if isinstance(reading, Incomplete):
        return reading.expect(table, x)
    return linear_expectation(reading, table, x)


def plain_pass(
    reading: Reading, assign: Assign, table: Table, data: Data, origins: Origins = None
) -> Pass:
    """Log-likelihood and statistics by a scan over blocks that any kind of autodiff can take apart.

    A block is computed again in the reverse sweep, so that no derivative holds [n k] numbers.
    """

    @jax.checkpoint
    def block(
        shared: tuple[Table, Origins], x: Float[Array, "d rows"], weights: Float[Array, " rows"]
    ) -> tuple[Float[Array, ""], Float[Array, "f k"]]:
        table, origins = shared
        logits, statistics = expectation(reading, table, x, origins)
        log_densities, assignments = assign(logits)
        # Features as rows, as their product has them: turned once a pass, not once a block.
        return jnp.vdot(log_densities, weights), statistics(assignments * weights).T

    log_likelihood, turned = data.sums(block, (table, origins))
    return log_likelihood, turned.T


def expected_statistics(
    reading: Reading, table: Table, data: Data, origins: Origins = None
) -> Pass:
    """The E-step: log-likelihood and responsibility-weighted features."""
    return plain_pass(reading, soft, table, data, origins)


def classified_statistics(
    reading: Reading, table: Table, data: Data, origins: Origins = None
) -> Pass:
    """The hard E-step: classification log-likelihood and features summed by assignment."""
    return plain_pass(reading, hard, table, data, origins)


def block_log_likelihood(
    reading: Reading,
    shared: tuple[Table, Origins],
    x: Float[Array, "d rows"],
    weights: Float[Array, " rows"],
) -> Float[Array, ""]:
    """The log-likelihood of a block."""
    table, origins = shared
    return jnp.vdot(soft(expectation(reading, table, x, origins)[0])[0], weights)


def differentiated_statistics(
    reading: Reading, table: Table, data: Data, origins: Origins = None
) -> Pass:
    """The same statistics by reverse-mode autodiff of every block, without any identity."""

    def block(shared: tuple[Table, Origins], *rows: Array) -> Pass:
        table, origins = shared
        return jax.value_and_grad(
            lambda table: block_log_likelihood(reading, (table, origins), *rows)
        )(table)

    return data.sums(block, (table, origins))


def autodiff_log_likelihood(
    reading: Reading, table: Table, data: Data, origins: Origins = None
) -> Float[Array, ""]:
    """The log-likelihood of a table of natural parameters, for plain autodiff.

    A block is computed again in a reverse sweep, so that no derivative holds [n k] numbers.
    """
    block = jax.checkpoint(partial(block_log_likelihood, reading))
    return data.sums(block, (table, origins))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def marginal_log_likelihood(
    reading: Reading, table: Table, data: Data, origins: Origins = None
) -> Float[Array, ""]:
    """The log-likelihood of a table of natural parameters, with Fisher's identity as its rule."""
    return autodiff_log_likelihood(reading, table, data, origins)


@partial(marginal_log_likelihood.defjvp, symbolic_zeros=True)
def _fisher(reading: Reading, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """d(log-likelihood) = <S, dW>, plus plain autodiff where data or sample weights move.

    Origins are constants: the table moves, as it is seen from them.
    """
    table, data, origins = primals
    table_tangent, data_tangent, _ = tangents
    value, statistics = expected_statistics(reading, table, data, origins)
    change = jnp.zeros_like(value)
    if not isinstance(table_tangent, SymbolicZero):
        change = change + jnp.vdot(statistics, table_tangent)
    moving = jax.tree.leaves(data_tangent, is_leaf=_is_zero)
    if not all(map(_is_zero, moving)):
        along = jax.tree.map(_instantiate, data_tangent, is_leaf=_is_zero)
        change = (
            change
            + jax.jvp(
                lambda moved: autodiff_log_likelihood(reading, table, moved, origins),
                (data,),
                (along,),
            )[1]
        )
    return value, change


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)


def _instantiate(tangent: Any) -> Array:
    return jnp.zeros(tangent.shape, tangent.dtype) if _is_zero(tangent) else tangent
