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
from jax.lax import Precision
from jaxtyping import Array, Float

from jaxmix.blocks import Data
from jaxmix.families.base import Expectation, Features, Incomplete

Table = Float[Array, "k f"]
Pass = tuple[Float[Array, ""], Table]


def soft(logits: Float[Array, "k rows"]) -> tuple[Float[Array, " rows"], Float[Array, "k rows"]]:
    """Marginal log-densities and responsibilities."""
    largest = jax.lax.stop_gradient(jnp.max(logits, axis=0))
    exponentials = jnp.exp(logits - largest)
    totals = jnp.sum(exponentials, axis=0)
    return largest + jnp.log(totals), exponentials / totals


def hard(logits: Float[Array, "k rows"]) -> tuple[Float[Array, " rows"], Float[Array, "k rows"]]:
    """Classification log-densities and 0-1 assignments to the most probable component."""
    assignments = jax.nn.one_hot(
        jnp.argmax(logits, axis=0), len(logits), axis=0, dtype=logits.dtype
    )
    return jnp.max(logits, axis=0), assignments


Assign = Callable[[Float[Array, "k rows"]], tuple[Float[Array, " rows"], Float[Array, "k rows"]]]


def expectation(
    features: Features | Incomplete, table: Table, x: Float[Array, "d rows"]
) -> Expectation:
    """Log-densities of a block, and its statistics for given responsibilities."""
    if isinstance(features, Incomplete):
        return features.expect(table, x)
    phi = features(x)

    def statistics(shares: Float[Array, "k rows"]) -> Table:
        # Features as rows of the product: the faster of its two orders on CPUs.
        return jnp.matmul(phi, shares.T, precision=Precision.HIGHEST).T

    return jnp.matmul(table, phi, precision=Precision.HIGHEST), statistics


def plain_pass(features: Features | Incomplete, assign: Assign, table: Table, data: Data) -> Pass:
    """Log-likelihood and statistics by a scan over blocks that any kind of autodiff can take apart.

    A block is computed again in the reverse sweep, so that no derivative holds [n k] numbers.
    """

    @jax.checkpoint
    def block(
        table: Table, x: Float[Array, "d rows"], weights: Float[Array, " rows"]
    ) -> tuple[Float[Array, ""], Float[Array, "f k"]]:
        logits, statistics = expectation(features, table, x)
        log_densities, assignments = assign(logits)
        # Features as rows, as their product has them: turned once a pass, not once a block.
        return jnp.vdot(log_densities, weights), statistics(assignments * weights).T

    log_likelihood, turned = data.sums(block, table)
    return log_likelihood, turned.T


def expected_statistics(features: Features | Incomplete, table: Table, data: Data) -> Pass:
    """The E-step: log-likelihood and responsibility-weighted features."""
    return plain_pass(features, soft, table, data)


def classified_statistics(features: Features | Incomplete, table: Table, data: Data) -> Pass:
    """The hard E-step: classification log-likelihood and features summed by assignment."""
    return plain_pass(features, hard, table, data)


def block_log_likelihood(
    features: Features | Incomplete,
    table: Table,
    x: Float[Array, "d rows"],
    weights: Float[Array, " rows"],
) -> Float[Array, ""]:
    """The log-likelihood of a block."""
    return jnp.vdot(soft(expectation(features, table, x)[0])[0], weights)


def differentiated_statistics(features: Features | Incomplete, table: Table, data: Data) -> Pass:
    """The same statistics by reverse-mode autodiff of every block, without any identity."""
    return data.sums(jax.value_and_grad(partial(block_log_likelihood, features)), table)


def autodiff_log_likelihood(
    features: Features | Incomplete, table: Table, data: Data
) -> Float[Array, ""]:
    """The log-likelihood of a table of natural parameters, for plain autodiff.

    A block is computed again in a reverse sweep, so that no derivative holds [n k] numbers.
    """
    return data.sums(jax.checkpoint(partial(block_log_likelihood, features)), table)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def marginal_log_likelihood(
    features: Features | Incomplete, table: Table, data: Data
) -> Float[Array, ""]:
    """The log-likelihood of a table of natural parameters, with Fisher's identity as its rule."""
    return autodiff_log_likelihood(features, table, data)


@partial(marginal_log_likelihood.defjvp, symbolic_zeros=True)
def _fisher(features: Features | Incomplete, primals: Any, tangents: Any) -> tuple[Array, Array]:
    """d(log-likelihood) = <S, dW>, plus plain autodiff where data or sample weights move."""
    table, data = primals
    table_tangent, data_tangent = tangents
    value, statistics = expected_statistics(features, table, data)
    change = jnp.zeros_like(value)
    if not isinstance(table_tangent, SymbolicZero):
        change = change + jnp.vdot(statistics, table_tangent)
    moving = jax.tree.leaves(data_tangent, is_leaf=_is_zero)
    if not all(map(_is_zero, moving)):
        along = jax.tree.map(_instantiate, data_tangent, is_leaf=_is_zero)
        change = (
            change
            + jax.jvp(
                lambda moved: autodiff_log_likelihood(features, table, moved), (data,), (along,)
            )[1]
        )
    return value, change


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)


def _instantiate(tangent: Any) -> Array:
    return jnp.zeros(tangent.shape, tangent.dtype) if _is_zero(tangent) else tangent
