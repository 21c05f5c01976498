"""Categorical components: one of several levels in d independent columns.

A column's levels are the whole numbers from 0; probabilities of all levels of all columns stand in
one row a component (notes/families.md, eq. 8).
"""

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy
from jaxtyping import Array, Bool, DTypeLike, Float, Int, PRNGKeyArray

from jaxmix.families.base import Features
from jaxmix.families.exponential import ExponentialFamily, check_whole, safe_log
from jaxmix.inputs import column_names
from jaxmix.numerics import divergence_terms
from jaxmix.prior import Penalty

MOST_LEVELS = 10**4
"""Levels of a column, beyond which codes are taken for a mistake, such as an account's number."""


class Categorical(ExponentialFamily):
    """k components that choose among levels; a level's probability may be 0."""

    levels: tuple[int, ...] = eqx.field(static=True)
    """How many levels each column has."""

    @classmethod
    def standard(cls, x: np.ndarray, k: int) -> "Categorical":
        check_whole(x, column_names(x.shape[1]), np.array(MOST_LEVELS - 1.0), "categorical")
        levels = tuple(int(most) + 1 for most in x.max(axis=0))
        dtype = jax.dtypes.canonicalize_dtype(x.dtype)
        return cls(jnp.tile(_uniform(levels, dtype), (k, 1)), levels)

    @property
    def name(self) -> str:
        return "categorical"

    @property
    def parts(self) -> tuple[str, ...]:
        return ("probabilities",)

    def part(self, name: str) -> Float[Array, "*batch k d c"]:
        """Probabilities, 0 for levels that only other columns have."""
        most = max(self.levels)
        columns = [
            jnp.pad(one, [(0, 0)] * (one.ndim - 1) + [(0, most - one.shape[-1])])
            for one in self._by_column(self.expectations)
        ]
        return jnp.stack(columns, axis=-2)

    def _by_column(self, flat: Float[Array, "*batch k p"]) -> list[Float[Array, "*batch k c"]]:
        bounds = np.cumsum([0, *self.levels])
        return [flat[..., first:last] for first, last in pairwise(bounds.tolist())]

    @property
    def shape(self) -> tuple[int, int]:
        return self.expectations.shape[0], len(self.levels)

    @property
    def settings(self) -> dict[str, Any]:
        return {"levels": list(self.levels)}

    @property
    def sizes(self) -> dict[str, int]:
        return {"probabilities": self.shape[0] * (sum(self.levels) - len(self.levels))}

    @property
    def features(self) -> Features:
        return _LevelFeatures(self.levels)

    def check(self, x: np.ndarray, columns: tuple[str, ...]) -> None:
        check_whole(x, columns, np.array(self.levels) - 1.0, self.name)

    def check_prior_mean(self, mean: np.ndarray) -> None:
        raise ValueError(
            "levels of a category have no mean; leave the prior's mean out: mean_strength alone "
            "gives every level the same pseudo-count"
        )

    @property
    def at_boundary(self) -> Bool[Array, ""]:
        return jnp.any(self.expectations <= 0)

    def embed(self, x: Float[Array, "n d"]) -> Float[Array, "n p"]:
        return self.features(x.T)[:-1].T

    def about(
        self, points: Float[Array, "k d"], mean: Float[Array, " d"], spread: Float[Array, "d d"]
    ) -> "Categorical":
        nearest = jnp.clip(jnp.round(points), 0.0, jnp.array(self.levels, points.dtype) - 1)
        return self.with_expectations(
            (self.embed(nearest) + _uniform(self.levels, points.dtype)) / 2
        )

    def log_prob(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        return jnp.sum(xlogy(self.embed(x)[:, None, :], self.expectations), axis=-1)

    def coefficients(self) -> Float[Array, "k f"]:
        logs = safe_log(self.expectations)
        return jnp.concatenate([logs, jnp.zeros_like(logs[:, :1])], axis=1)

    def expected_log_prob(self, expectations: Float[Array, "m p"]) -> Float[Array, "k m"]:
        return safe_log(self.expectations) @ expectations.T

    def divergences(self, new: "Categorical") -> Float[Array, " k"]:
        return jnp.sum(divergence_terms(new.expectations, self.expectations), axis=1)

    def pseudo_mean(self, penalty: Penalty) -> Float[Array, " p"]:
        return _uniform(self.levels, self.expectations.dtype)

    def with_expectations(self, expectations: Float[Array, "k p"]) -> "Categorical":
        return type(self)(expectations, self.levels)

    def to_coordinates(self) -> Float[Array, "k p"]:
        return jnp.log(jnp.maximum(self.expectations, jnp.finfo(self.expectations.dtype).tiny))

    def from_coordinates(self, coordinates: Float[Array, "k p"]) -> Float[Array, "k p"]:
        columns = [jax.nn.softmax(one, axis=-1) for one in self._by_column(coordinates)]
        return jnp.concatenate(columns, axis=-1)

    @property
    def moments(self) -> tuple[Float[Array, "k d"], Float[Array, "k d d"]]:
        raise ValueError("levels of a category have no mean; see marginal and probabilities")

    def marginal(self, columns: tuple[int, ...]) -> "Categorical":
        chosen = [self._by_column(self.expectations)[column] for column in columns]
        levels = tuple(self.levels[column] for column in columns)
        return type(self)(jnp.concatenate(chosen, axis=1), levels)

    def draw(self, key: PRNGKeyArray, labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        columns = self._by_column(safe_log(self.expectations[labels]))
        keys = jax.random.split(key, len(columns))
        drawn = [jax.random.categorical(one, logits) for one, logits in zip(keys, columns)]
        return jnp.stack(drawn, axis=1).astype(self.expectations.dtype)

    def describe(self, columns: tuple[str, ...]) -> list[dict[str, float]]:
        names = [f"{c} = {level}" for c, m in zip(columns, self.levels) for level in range(m)]
        return [
            {name: float(p) for name, p in zip(names, row, strict=True)}
            for row in np.asarray(self.expectations)
        ]


def _uniform(levels: tuple[int, ...], dtype: DTypeLike) -> Float[Array, " p"]:
    """Equal probabilities of the levels of every column."""
    return jnp.asarray(np.concatenate([np.full(c, 1 / c) for c in levels]), dtype)


class _LevelFeatures(eqx.Module):
    """Whether a column has a level, for every level of every column, and 1."""

    levels: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        chosen = [
            column == jnp.arange(count, dtype=x.dtype)[:, None]
            for column, count in zip(x, self.levels, strict=True)
        ]
        return jnp.concatenate([*chosen, jnp.ones_like(x[:1], bool)]).astype(x.dtype)
