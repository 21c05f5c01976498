"""Features of rows seen from an origin of each component's own, where a common one loses digits.

A component far from the origin, in its own standard deviations, has log-densities and scatters that
are small differences of large terms. Seen from its mean nothing cancels (notes/em.md, eq. 14 and
15). Components come one after another, so that what is held of a block fits in a cache.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.families.base import Expectation, Features, Recentered, linear_expectation
from jaxmix.families.covariances import Covariances
from jaxmix.linalg import product


class RecenteredGaussian(Recentered):
    """Features of Gaussian components: quadratic forms and scatters of the differences."""

    structure: type[Covariances] = eqx.field(static=True)

    def expect(
        self, table: Float[Array, "k f"], origins: Float[Array, "k d"], x: Float[Array, "d rows"]
    ) -> Expectation:
        d = len(x)

        def log_density(
            given: tuple[Float[Array, " f"], Float[Array, " d"]],
        ) -> Float[Array, " rows"]:
            row, origin = given
            offsets = x - origin[:, None]
            quadratic = self.structure.quadratic_form(row[: -d - 1], offsets)
            return quadratic + product(row[-d - 1 : -1], offsets) + row[-1]

        def sums(given: tuple[Float[Array, " rows"], Float[Array, " d"]]) -> Float[Array, " f"]:
            shares, origin = given
            offsets = x - origin[:, None]
            second = self.structure.weighted_products(offsets, shares)
            return jnp.concatenate([second, product(offsets, shares), jnp.sum(shares)[None]])

        def statistics(shares: Float[Array, "k rows"]) -> Float[Array, "k f"]:
            return jax.lax.map(sums, (shares, origins))

        return jax.lax.map(log_density, (table, origins)), statistics


class Part(eqx.Module):
    """A group of columns and what is made of them."""

    features: Features | Recentered
    columns: tuple[int, ...] = eqx.field(static=True)
    size: int = eqx.field(static=True)
    """Features without the constant one."""

    def expect(
        self, table: Float[Array, "k g"], origins: Float[Array, "k d"], x: Float[Array, "d rows"]
    ) -> Expectation:
        """As a family of its own, whose last parameter is the constant."""
        mine = jnp.array(self.columns)
        if isinstance(self.features, Recentered):
            return self.features.expect(table, origins[:, mine], x[mine])
        return linear_expectation(self.features, table, x[mine])


class RecenteredProduct(Recentered):
    """Features of groups of columns, of which those that know another origin are recentered."""

    parts: tuple[Part, ...]

    def expect(
        self, table: Float[Array, "k f"], origins: Float[Array, "k d"], x: Float[Array, "d rows"]
    ) -> Expectation:
        logits, parts, nothing = table[:, -1:], [], jnp.zeros_like(table[:, -1:])
        start = 0
        for part in self.parts:
            own = table[:, start : start + part.size]
            start += part.size
            densities, statistics = part.expect(jnp.concatenate([own, nothing], 1), origins, x)
            logits = logits + densities
            parts.append(statistics)

        def together(shares: Float[Array, "k rows"]) -> Float[Array, "k f"]:
            counts = jnp.sum(shares, axis=1, keepdims=True)
            return jnp.concatenate([*(of(shares)[:, :-1] for of in parts), counts], axis=1)

        return logits, together
