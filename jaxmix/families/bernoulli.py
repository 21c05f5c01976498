"""Bernoulli components: yes or no in d independent columns (notes/families.md, eq. 7)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logit, xlog1py, xlogy
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmix.families.base import Features
from jaxmix.families.exponential import ExponentialFamily, check_whole, safe_log
from jaxmix.numerics import divergence_terms
from jaxmix.prior import Penalty


class Bernoulli(ExponentialFamily):
    """k components whose columns are 1 with probabilities [k d]; a probability may be 0 or 1."""

    @classmethod
    def standard(cls, x: np.ndarray, k: int) -> "Bernoulli":
        return cls(jnp.full((k, x.shape[1]), 0.5, jax.dtypes.canonicalize_dtype(x.dtype)))

    @property
    def name(self) -> str:
        return "bernoulli"

    @property
    def parts(self) -> tuple[str, ...]:
        return ("probabilities",)

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
        return {"probabilities": self.expectations.size}

    @property
    def features(self) -> Features:
        return _YesNoFeatures()

    def check(self, x: np.ndarray, columns: tuple[str, ...]) -> None:
        check_whole(x, columns, np.array(1.0), self.name)

    def check_prior_mean(self, mean: np.ndarray) -> None:
        if not np.all((mean >= 0) & (mean <= 1)):
            raise ValueError(f"the prior's mean of 0 and 1 must be 0 to 1, got {mean.tolist()}")

    @property
    def at_boundary(self) -> Bool[Array, ""]:
        return jnp.any((self.expectations <= 0) | (self.expectations >= 1))

    def embed(self, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return x

    def about(
        self, points: Float[Array, "k d"], mean: Float[Array, " d"], spread: Float[Array, "d d"]
    ) -> "Bernoulli":
        return type(self)((jnp.clip(points, 0.0, 1.0) + 0.5) / 2)

    def log_prob(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        yes, p = x[:, None, :], self.expectations
        return jnp.sum(xlogy(yes, p) + xlog1py(1 - yes, -p), axis=-1)

    def coefficients(self) -> Float[Array, "k f"]:
        p = self.expectations
        return jnp.concatenate([safe_log(p), safe_log(1 - p), jnp.zeros_like(p[:, :1])], axis=1)

    def expected_log_prob(self, expectations: Float[Array, "m p"]) -> Float[Array, "k m"]:
        p = self.expectations
        return safe_log(p) @ expectations.T + safe_log(1 - p) @ (1 - expectations).T

    def divergences(self, new: "Bernoulli") -> Float[Array, " k"]:
        old = self.expectations
        yes = divergence_terms(new.expectations, old)
        no = divergence_terms(1 - new.expectations, 1 - old)
        return jnp.sum(yes + no, axis=1)

    def pseudo_mean(self, penalty: Penalty) -> Float[Array, " p"]:
        return jnp.where(penalty.mean_is_given, penalty.mean, 0.5)

    def with_expectations(self, expectations: Float[Array, "k p"]) -> "Bernoulli":
        return type(self)(expectations)

    def to_coordinates(self) -> Float[Array, "k p"]:
        # Floats stand closer together near 0 than near 1.
        limits = jnp.finfo(self.expectations.dtype)
        return logit(jnp.clip(self.expectations, limits.tiny, 1 - limits.epsneg))

    def from_coordinates(self, coordinates: Float[Array, "k p"]) -> Float[Array, "k p"]:
        return jax.nn.sigmoid(coordinates)

    @property
    def moments(self) -> tuple[Float[Array, "k d"], Float[Array, "k d d"]]:
        p = self.expectations
        return p, jax.vmap(jnp.diag)(p * (1 - p))

    def marginal(self, columns: tuple[int, ...]) -> "Bernoulli":
        return type(self)(self.expectations[:, np.array(columns)])

    def draw(self, key: PRNGKeyArray, labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        probabilities = self.expectations[labels]
        return jax.random.bernoulli(key, probabilities).astype(probabilities.dtype)

    def describe(self, columns: tuple[str, ...]) -> list[dict[str, float]]:
        return [
            {f"probability {name}": float(p) for name, p in zip(columns, row, strict=True)}
            for row in np.asarray(self.expectations)
        ]


class _YesNoFeatures(eqx.Module):
    """Whether 1, whether 0, and 1: on the boundary no coefficient then cancels another."""

    def __call__(self, x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        return jnp.concatenate([x, 1 - x, jnp.ones_like(x[:1])])
