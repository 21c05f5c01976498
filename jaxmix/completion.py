"""Rows with missing entries: what fills them, and which component they belong to.

Missing entries become conditional expectations, weighed by the responsibilities of what is observed
(notes/missing-data.md, eq. 3 to 5). One row and one component after the other: over batches of
factorizations in such a loop the threads of jaxlib 0.10.2 may wait for each other for ever.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.mixture import Mixture
from jaxmix.numerics import logsumexp, softmax

ByComponent = Callable[[Float[Array, " d"]], tuple[Float[Array, " k"], Float[Array, "k d"]]]
"""Of a row: log w_k + log p_k of what is observed, and the row as each component completes it."""


@jax.jit
def completed(
    mixture: Mixture, x: Float[Array, "n d"]
) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    """Rows with conditional expectations where they are NaN; log-density of what is observed."""
    by_component = _by_component(mixture)

    def row(x: Float[Array, " d"]) -> tuple[Float[Array, " d"], Float[Array, ""]]:
        logits, values = by_component(x)
        return softmax(logits) @ values, logsumexp(logits)

    expected, log_prob = jax.lax.map(row, x)
    return jnp.where(jnp.isnan(x), expected, x), log_prob


@jax.jit
def observed_responsibilities(mixture: Mixture, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
    """Posterior probabilities of the components given what is observed of each row."""
    by_component = _by_component(mixture)
    return softmax(jax.lax.map(lambda row: by_component(row)[0], x))


def _by_component(mixture: Mixture) -> ByComponent:
    incomplete = mixture.incomplete
    # Natural parameters lose digits far from the origin: each component's own mean is its origin.
    means = mixture.means
    at_origin = eqx.tree_at(lambda mixture: mixture.family.means, mixture, jnp.zeros_like(means))

    def part(
        coefficients: Float[Array, " f"], centered: Float[Array, " d"]
    ) -> tuple[Float[Array, ""], Float[Array, " d"]]:
        table, column = coefficients[None], centered[:, None]
        logits, _ = incomplete.expect(table, column)
        return logits[0, 0], incomplete.complete(table, column)[0, :, 0]

    def row(x: Float[Array, " d"]) -> tuple[Float[Array, " k"], Float[Array, "k d"]]:
        parts = at_origin.natural(), x - means
        logits, values = jax.lax.map(lambda component: part(*component), parts)
        return logits, values + means

    return row
