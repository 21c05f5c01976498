"""Gaussian components: k means and one of the covariance structures.

The log-density is linear in second-order features, the coordinates and 1, so that one table of
natural parameters serves the one pass; the M-step and its gain follow from the same table's
expected features. Equations: notes/em.md, eq. 3 to 11, and notes/stopping.md, eq. 4.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float, Int, PRNGKeyArray

from jaxmix.families.base import (
    Coordinates,
    Family,
    Features,
    Incomplete,
    Recentered,
    other_columns,
)
from jaxmix.families.covariances import Covariances
from jaxmix.families.recentered import RecenteredGaussian
from jaxmix.families.spread import check_spread
from jaxmix.moments import Survey
from jaxmix.prior import Penalty

MATRICES = ("full", "tied")
"""Structures whose covariances are matrices."""

COLLAPSE = {"float64": 1e-8, "float32": 1e-5}
"""Smallest eigenvalue that is not degenerate, where the pooled covariance is the identity."""


class Gaussian(Family):
    """k Gaussian components in d columns."""

    means: Float[Array, "k d"]
    structure: Covariances

    @classmethod
    def standard(cls, kind: type[Covariances], k: int, d: int, dtype: DTypeLike) -> "Gaussian":
        """k standard Gaussians in d columns."""
        # Made by NumPy, which compiles nothing.
        unit = np.eye(d, dtype=dtype) if kind.name in MATRICES else np.ones((), dtype)
        values = jnp.asarray(np.broadcast_to(unit, kind.expected_shape(k, d)))
        return cls(jnp.asarray(np.zeros((k, d), dtype)), kind.from_values(values, k, d))

    @property
    def name(self) -> str:
        return self.structure.name

    @property
    def covariances(self) -> Float[Array, "..."]:
        """Covariances in scikit-learn's shapes: [k d d], tied [d d], diag [k d], spherical [k]."""
        return self.structure.values

    @property
    def matrices(self) -> Float[Array, "k d d"]:
        """Covariances as one matrix a component."""
        return self.structure.matrices(*self.shape)

    @property
    def shape(self) -> tuple[int, int]:
        k, d = self.means.shape
        return k, d

    @property
    def parts(self) -> tuple[str, ...]:
        return ("means", "covariances")

    def part(self, name: str) -> Float[Array, "..."]:
        return getattr(self, name)

    @property
    def settings(self) -> dict[str, Any]:
        return {}

    @property
    def sizes(self) -> dict[str, int]:
        return {name: int(np.prod(jnp.shape(part))) for name, part in self.unconstrain().items()}

    @property
    def centered(self) -> bool:
        return True

    def check(self, x: np.ndarray, columns: tuple[str, ...]) -> None:
        pass

    def check_spread(self, seen: Survey, columns: tuple[str, ...], fixed: tuple[str, ...]) -> None:
        if "covariances" not in fixed:
            check_spread(seen, columns, self.name)

    def check_prior_mean(self, mean: np.ndarray) -> None:
        pass

    @property
    @jax.jit
    def at_boundary(self) -> Bool[Array, ""]:
        return jnp.array(False)

    def embed(self, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return x

    def about(
        self, points: Float[Array, "k d"], mean: Float[Array, " d"], spread: Float[Array, "d d"]
    ) -> "Gaussian":
        packed = jnp.tile(self._packed(spread), (len(points), 1))
        zero, ones = jnp.zeros_like(packed[0]), jnp.ones_like(points[:, 0])
        common = self.structure.maximize(packed, ones, zero, zero[0], points.shape[1])
        return type(self)(points, common)

    @property
    def features(self) -> Features:
        return _GaussianFeatures(type(self.structure))

    @property
    def recentered(self) -> Recentered:
        return RecenteredGaussian(type(self.structure))

    @property
    def origins(self) -> Float[Array, "k d"]:
        return self.means

    def cancellation(self, natural: Float[Array, "k f"]) -> Float[Array, " k"]:
        distances = jnp.abs(self.means)
        products = self.structure.products(distances, distances)
        return jnp.sum(jnp.abs(self._parts(natural)[0]) * products, axis=1)

    @property
    def incomplete(self) -> Incomplete:
        return self.structure.incomplete()

    def log_prob(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        k, d = self.shape
        whitened = self.structure.whiten(x[:, None, :] - self.means)
        constants = d * jnp.log(2 * jnp.pi) + self.structure.log_determinants(k, d)
        return -(jnp.sum(whitened**2, axis=-1) + constants) / 2

    def jeffreys(self, other: "Gaussian") -> Float[np.ndarray, "k m"]:
        first, second = (np.asarray(one.matrices, float) for one in (self, other))
        p, q = np.linalg.inv(first), np.linalg.inv(second)
        offset = np.asarray(self.means, float)[:, None] - np.asarray(other.means, float)[None]
        spread = np.einsum("aij,bji->ab", p, second) + np.einsum("bij,aji->ab", q, first)
        moved = np.einsum("abi,abij,abj->ab", offset, p[:, None] + q[None], offset)
        return (spread + moved) / 2 - first.shape[-1]

    def natural(self, ridge: Float[Array, ""]) -> Float[Array, "k f"]:
        k, d = self.shape
        quadratic = self.structure.quadratic(k)
        linear = self.structure.precision_product(quadratic, self.means)
        constants = d * jnp.log(2 * jnp.pi) + self.structure.log_determinants(k, d)
        penalties = ridge * quadratic @ self._packed(jnp.eye(d, dtype=self.means.dtype))
        constant = penalties - (jnp.sum(self.means * linear, axis=1) + constants) / 2
        return jnp.concatenate([quadratic, linear, constant[:, None]], axis=1)

    @property
    def expected_features(self) -> Float[Array, "k f"]:
        spread = jax.vmap(self._packed)(self.matrices)
        second = spread + self.structure.products(self.means, self.means)
        return jnp.concatenate([second, self.means, jnp.ones_like(self.means[:, :1])], axis=1)

    def maximize(
        self, statistics: Float[Array, "k f"], penalty: Penalty, fixed: tuple[str, ...]
    ) -> "Gaussian":
        sums, counts = self._parts(statistics)[1:]
        pseudo = penalty.mean_strength
        means = (sums + pseudo * penalty.seen_mean) / (counts + pseudo)[:, None]
        means = self.means if "means" in fixed else means
        if "covariances" in fixed:
            return type(self)(means, self.structure)
        scatter, scale = self._scatter(statistics, means, penalty), self._packed(penalty.scale)
        d = self.shape[1]
        structure = self.structure.maximize(scatter, counts, scale, penalty.strength, d)
        return type(self)(means, structure)

    def _packed(self, matrix: Float[Array, "d d"]) -> Float[Array, " q"]:
        return self.structure.packed(matrix)

    def _parts(
        self, table: Float[Array, "k f"]
    ) -> tuple[Float[Array, "k q"], Float[Array, "k d"], Float[Array, " k"]]:
        """Second-order features, coordinates and 1: statistics or natural parameters of each."""
        d = self.shape[1]
        return table[:, : -d - 1], table[:, -d - 1 : -1], table[:, -1]

    def _scatter(
        self, statistics: Float[Array, "k f"], means: Float[Array, "k d"], penalty: Penalty
    ) -> Float[Array, "k q"]:
        """Scatter about `means`, with what the ridge and the prior's mean add to it."""
        second, sums, counts = self._parts(statistics)
        about = self.structure.products
        scatter = second - 2 * about(sums, means) + counts[:, None] * about(means, means)
        ridge = (
            counts[:, None]
            * penalty.ridge
            * self._packed(jnp.eye(means.shape[1], dtype=means.dtype))
        )
        offset = means - penalty.seen_mean
        return scatter + ridge + penalty.mean_strength * about(offset, offset)

    def divergence(
        self, new: "Gaussian", counts: Float[Array, " k"], penalty: Penalty
    ) -> Float[Array, ""]:
        move = self.structure.whiten((new.means - self.means)[None])[0]
        moved = jnp.sum((counts + penalty.mean_strength) * jnp.sum(move**2, axis=-1)) / 2
        d = self.shape[1]
        return moved + self.structure.divergence(new.structure, counts, penalty.strength, d)

    def log_penalty(self, natural: Float[Array, "k f"], penalty: Penalty) -> Float[Array, ""]:
        quadratic, offset = self._parts(natural)[0], self.means - penalty.seen_mean
        log_determinants = self.structure.log_determinants(*self.shape)
        spread = quadratic @ self._packed(penalty.scale) - penalty.strength * log_determinants / 2
        spread = spread[0] if self.structure.shared else jnp.sum(spread)
        moved = jnp.sum(quadratic * self.structure.products(offset, offset))
        return spread + penalty.mean_strength * moved

    def collapsed(
        self, pooled: Float[Array, "d d"], floor: Float[Array, "d d"], fixed: tuple[str, ...]
    ) -> Bool[Array, ""]:
        # Fixed covariances cannot collapse, but may be too narrow for the features' precision.
        narrow = (COLLAPSE[pooled.dtype.name] * pooled)[None]
        return self.structure.below(
            narrow if "covariances" in fixed else jnp.concatenate([narrow, floor[None]])
        )

    def minimum_count(self, penalty: Penalty, fixed: tuple[str, ...]) -> Float[Array, ""]:
        if "covariances" in fixed or not self.structure.spends_a_count_a_column:
            return jnp.ones_like(penalty.ridge)
        return jnp.where(penalty.bounds_covariances, 1.0, self.shape[1] + 1.0)

    def unconstrain(self) -> Coordinates:
        return {"means": self.means, "covariances": self.structure.unconstrain()}

    def constrain(self, coordinates: Coordinates) -> "Gaussian":
        structure = self.structure
        if "covariances" in coordinates:
            structure = structure.constrain(coordinates["covariances"])
        return type(self)(coordinates.get("means", self.means), structure)

    def translate(self, shift: Float[Array, "*k d"]) -> "Gaussian":
        return type(self)(self.means + shift, self.structure)

    def affine(self, scale: Float[Array, "..."], shift: Float[Array, " d"]) -> "Gaussian":
        means = self.means @ scale.T if scale.ndim == 2 else self.means * scale
        return type(self)(means + shift, self.structure.affine(scale))

    def take(self, order: Int[Array, " m"]) -> "Gaussian":
        return type(self)(self.means[order], self.structure.take(order))

    @property
    def moments(self) -> tuple[Float[Array, "k d"], Float[Array, "k d d"]]:
        return self.means, self.matrices

    def marginal(self, columns: tuple[int, ...]) -> "Gaussian":
        return type(self)(self.means[:, np.array(columns)], self.structure.marginal(columns))

    def condition(self, columns: tuple[int, ...], values: Float[Array, " c"]) -> "Gaussian":
        rest = other_columns(columns, self.shape[1])
        offsets = values - self.means[:, np.array(columns)]
        shifts, structure = self.structure.condition(columns, rest, offsets)
        return type(self)(self.means[:, np.array(rest)] + shifts, structure)

    def draw(self, key: PRNGKeyArray, labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        shape = (len(labels), self.shape[1])
        noise = jax.random.normal(key, shape, self.means.dtype)
        return self.means[labels] + self.structure.color(noise, labels)

    def describe(self, columns: tuple[str, ...]) -> list[dict[str, float]]:
        deviations = np.sqrt(np.diagonal(np.asarray(self.matrices), axis1=1, axis2=2))
        return [
            {f"mean {c}": float(m) for c, m in zip(columns, row, strict=True)}
            | {f"sd {c}": float(s) for c, s in zip(columns, spread, strict=True)}
            for row, spread in zip(np.asarray(self.means), deviations, strict=True)
        ]


class _GaussianFeatures(eqx.Module):
    """Second-order features, the coordinates and 1; equal, and hashed, by their structure alone."""

    structure: type[Covariances] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        return self.structure.features(x)
