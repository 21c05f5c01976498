"""Missing entries filled in by conditional expectations (notes/missing-data.md, eq. 5)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.mixture import Mixture
from jaxmix.numerics import softmax


@jax.jit
def completed(mixture: Mixture, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """Rows [n d], NaN where entries are missing, with their conditional expectations there."""
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

    def row(x: Float[Array, " d"]) -> Float[Array, " d"]:
        logits, values = jax.vmap(part)(at_origin.natural(), x - means)
        return softmax(logits) @ (values + means)

    return jnp.where(jnp.isnan(x), jax.lax.map(row, x, batch_size=128), x)
