"""Poisson components: counts in d independent columns (notes/families.md, eq. 6)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmix.families.base import Features
from jaxmix.families.exponential import ExponentialFamily, check_whole, safe_log
from jaxmix.numerics import divergence_terms
from jaxmix.prior import Penalty


class Poisson(ExponentialFamily):
    """k components that count events at rates [k d]; a rate may be 0."""

    @classmethod
    def standard(cls, x: np.ndarray, k: int) -> "Poisson":
        return cls(jnp.ones((k, x.shape[1]), jax.dtypes.canonicalize_dtype(x.dtype)))

    @property
    def name(self) -> str:
        return "poisson"

    @property
    def parts(self) -> tuple[str, ...]:
        return ("rates",)

    def part(self, name: str) -> Float[Array, "*batch k d"]:
        return self.expectations

    @property
    def shape(self) -> tuple[int, int]:
        k, d = self.expectations.shape
        return k, d

    @property
    def settings(self) -> dict[str, Any]:
        return {}

    @property
    def sizes(self) -> dict[str, int]:
        return {"rates": self.expectations.size}

    @property
    def features(self) -> Features:
        return _CountFeatures()

    def check(self, x: np.ndarray, columns: tuple[str, ...]) -> None:
        check_whole(x, columns, np.array(np.inf), self.name)

    def check_prior_mean(self, mean: np.ndarray) -> None:
        if not np.all(mean >= 0):
            raise ValueError(f"the prior's mean of counts must be at least 0, got {mean.min():g}")

    @property
    def at_boundary(self) -> Bool[Array, ""]:
        return jnp.any(self.expectations <= 0)

    def embed(self, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
        # Square roots of counts have one variance, whatever the rate.
        return jnp.sqrt(x)

    def about(
        self, points: Float[Array, "k d"], mean: Float[Array, " d"], spread: Float[Array, "d d"]
    ) -> "Poisson":
        return type(self)((jnp.maximum(points, 0.0) + mean) / 2)

    def log_prob(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        # Large counts: x log(rate), the rate and log x! are large and cancel, a divergence is not.
        highest = jnp.sum(_log_prob_at_mean(x), axis=-1, keepdims=True)
        counts, rates = jnp.broadcast_arrays(x[:, None, :], self.expectations)
        return highest - jnp.sum(divergence_terms(counts, rates), axis=-1)

    def coefficients(self) -> Float[Array, "k f"]:
        rates = self.expectations
        base, constant = jnp.ones_like(rates[:, :1]), -jnp.sum(rates, axis=1, keepdims=True)
        return jnp.concatenate([safe_log(rates), base, constant], axis=1)

    def expected_log_prob(self, expectations: Float[Array, "m p"]) -> Float[Array, "k m"]:
        rates = self.expectations
        return safe_log(rates) @ expectations.T - jnp.sum(rates, axis=1, keepdims=True)

    def divergences(self, new: "Poisson") -> Float[Array, " k"]:
        return jnp.sum(divergence_terms(new.expectations, self.expectations), axis=1)

    def pseudo_mean(self, penalty: Penalty) -> Float[Array, " p"]:
        return penalty.mean

    def with_expectations(self, expectations: Float[Array, "k p"]) -> "Poisson":
        return type(self)(expectations)

    def to_coordinates(self) -> Float[Array, "k p"]:
        return jnp.log(jnp.maximum(self.expectations, jnp.finfo(self.expectations.dtype).tiny))

    def from_coordinates(self, coordinates: Float[Array, "k p"]) -> Float[Array, "k p"]:
        return jnp.exp(coordinates)

    @property
    def moments(self) -> tuple[Float[Array, "k d"], Float[Array, "k d d"]]:
        rates = self.expectations
        return rates, jax.vmap(jnp.diag)(rates)

    def marginal(self, columns: tuple[int, ...]) -> "Poisson":
        return type(self)(self.expectations[:, np.array(columns)])

    def draw(self, key: PRNGKeyArray, labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        return jax.random.poisson(key, self.expectations[labels]).astype(self.expectations.dtype)

    def describe(self, columns: tuple[str, ...]) -> list[dict[str, float]]:
        return [
            {f"rate {name}": float(rate) for name, rate in zip(columns, row, strict=True)}
            for row in np.asarray(self.expectations)
        ]


def _log_prob_at_mean(x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """log(x^x e^-x / x!), the log-probability of x at the rate x, by Stirling's series from 16 on.

    Source: Loader (2000), Fast and accurate computation of binomial probabilities, section 2.
    """
    large = jnp.where(x < 16, 16.0, x)
    square = large**-2
    error = (1 / 12 - (1 / 360 - (1 / 1260 - square / 1680) * square) * square) / large
    small = jnp.where(x < 16, x, 0.0)
    exact = small * jnp.log(jnp.where(small > 0, small, 1.0)) - small - gammaln(small + 1)
    return jnp.where(x < 16, exact, -error - jnp.log(2 * jnp.pi * large) / 2)


class _CountFeatures(eqx.Module):
    """Counts, the logarithm of 1 / x!, and 1."""

    def __call__(self, x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        base = -jnp.sum(gammaln(x + 1), axis=0, keepdims=True)
        return jnp.concatenate([x, base, jnp.ones_like(base)])
