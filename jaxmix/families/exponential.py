r"""Exponential families that are known by expectations: counts, yes or no, categories.

A component's density is $h(x)\,e^{\langle\eta(m), t(x)\rangle - A(m)}$ with $E\,t(x) = m$. One
M-step, one penalty by pseudo-observations and one divergence then serve every member
(notes/families.md, eq. 1 to 5); a member states its features, natural parameters and coordinates.
"""

from abc import abstractmethod

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from jaxmix.families.base import Coordinates, Family, Incomplete, Recentered, other_columns
from jaxmix.moments import Survey
from jaxmix.prior import Penalty


class ExponentialFamily(Family):
    """k components by the expectations of p statistics, which are the first of their features."""

    expectations: Float[Array, "k p"]

    @classmethod
    @abstractmethod
    def standard(cls, x: np.ndarray, k: int) -> "ExponentialFamily":
        """k equal components for data [n d], from which an M-step makes others."""

    @abstractmethod
    def coefficients(self) -> Float[Array, "k f"]:
        """Natural parameters: the log-density as a linear function of the features."""

    @abstractmethod
    def expected_log_prob(self, expectations: Float[Array, "m p"]) -> Float[Array, "k m"]:
        """Expected log-density, less log h(x), under other components with these expectations."""

    @abstractmethod
    def divergences(self, new: "ExponentialFamily") -> Float[Array, " k"]:
        """Kullback-Leibler divergence of each new component from its old one, to full accuracy."""

    @abstractmethod
    def pseudo_mean(self, penalty: Penalty) -> Float[Array, " p"]:
        """The statistics of the prior's pseudo-observations."""

    @abstractmethod
    def with_expectations(self, expectations: Float[Array, "k p"]) -> "ExponentialFamily":
        """Components like these with other expectations."""

    @abstractmethod
    def to_coordinates(self) -> Float[Array, "k p"]:
        """Expectations as real coordinates; finite on the boundary."""

    @abstractmethod
    def from_coordinates(self, coordinates: Float[Array, "k p"]) -> Float[Array, "k p"]:
        """Expectations from their coordinates."""

    def condition(
        self, columns: tuple[int, ...], values: Float[Array, " c"]
    ) -> "ExponentialFamily":
        return self.marginal(other_columns(columns, self.shape[1]))

    @abstractmethod
    def marginal(self, columns: tuple[int, ...]) -> "ExponentialFamily":
        """The components in these columns alone, in this order; columns are independent."""

    @property
    def centered(self) -> bool:
        return False

    @property
    def recentered(self) -> Recentered | None:
        return None

    @property
    def origins(self) -> Float[Array, "k d"]:
        return jnp.zeros(self.shape, self.expectations.dtype)

    def cancellation(self, natural: Float[Array, "k f"]) -> Float[Array, " k"]:
        return jnp.zeros_like(natural[:, 0])

    @property
    def incomplete(self) -> Incomplete | None:
        return None

    def check_spread(self, seen: Survey, columns: tuple[str, ...], fixed: tuple[str, ...]) -> None:
        pass

    def natural(self, ridge: Float[Array, ""]) -> Float[Array, "k f"]:
        return self.coefficients()

    @property
    def expected_features(self) -> Float[Array, "k f"]:
        f, p = self.coefficients().shape[1], self.expectations.shape[1]
        # What lies between, the base measure's feature, has no part in an M-step.
        return jnp.pad(self.expectations, ((0, 0), (0, f - p))).at[:, -1].set(1.0)

    def maximize(
        self, statistics: Float[Array, "k f"], penalty: Penalty, fixed: tuple[str, ...]
    ) -> "ExponentialFamily":
        if self.parts[0] in fixed:
            return self
        sums, counts = statistics[:, : self.expectations.shape[1]], statistics[:, -1:]
        pseudo = penalty.mean_strength
        sums = sums + pseudo * self.pseudo_mean(penalty)
        return self.with_expectations(sums / (counts + pseudo))

    def divergence(
        self, new: "ExponentialFamily", counts: Float[Array, " k"], penalty: Penalty
    ) -> Float[Array, ""]:
        weights = counts + penalty.mean_strength
        # A component without rows may move to where its old self gives nothing.
        return jnp.sum(jnp.where(weights > 0, weights * self.divergences(new), 0.0))

    def log_penalty(self, natural: Float[Array, "k f"], penalty: Penalty) -> Float[Array, ""]:
        pseudo = self.pseudo_mean(penalty)[None]
        return penalty.mean_strength * jnp.sum(self.expected_log_prob(pseudo))

    def jeffreys(self, other: "ExponentialFamily") -> Float[np.ndarray, "k m"]:
        own = jnp.diagonal(self.expected_log_prob(self.expectations))[:, None]
        others = jnp.diagonal(other.expected_log_prob(other.expectations))
        crossed = self.expected_log_prob(other.expectations)
        return np.asarray(own + others - crossed - other.expected_log_prob(self.expectations).T)

    def collapsed(
        self, pooled: Float[Array, "d d"], floor: Float[Array, "d d"], fixed: tuple[str, ...]
    ) -> Bool[Array, ""]:
        return jnp.array(False)

    def minimum_count(self, penalty: Penalty, fixed: tuple[str, ...]) -> Float[Array, ""]:
        return jnp.ones_like(penalty.ridge)

    def unconstrain(self) -> Coordinates:
        return {self.parts[0]: self.to_coordinates()}

    def constrain(self, coordinates: Coordinates) -> "ExponentialFamily":
        if self.parts[0] not in coordinates:
            return self
        return self.with_expectations(self.from_coordinates(coordinates[self.parts[0]]))

    def translate(self, shift: Float[Array, "*k d"]) -> "ExponentialFamily":
        if not isinstance(shift, Tracer) and np.any(np.asarray(shift) != 0):
            raise ValueError(f"{self.name} components have no other origin, got the shift {shift}")
        return self

    def affine(self, scale: Float[Array, "..."], shift: Float[Array, " d"]) -> "ExponentialFamily":
        raise ValueError(f"{self.name} components are not closed under a change of units")

    def take(self, order: Int[Array, " m"]) -> "ExponentialFamily":
        return self.with_expectations(self.expectations[order])


def safe_log(probabilities: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Logarithms, of 0 a number so low that its exponential is 0 and its product with 0 is 0."""
    lowest = -(jnp.finfo(probabilities.dtype).max ** 0.5)
    positive = probabilities > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, probabilities, 1.0)), lowest)


def check_whole(x: np.ndarray, columns: tuple[str, ...], most: np.ndarray, family: str) -> None:
    """Raise unless every entry is a whole number from 0 to its column's largest."""
    bad = (x < 0) | (x > most) | (x != np.floor(x))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        limit = np.broadcast_to(most, x.shape[1])[column]
        wanted = "at least 0" if np.isinf(limit) else f"from 0 to {limit:g}"
        raise ValueError(
            f"{family} components need whole numbers {wanted}; column {columns[column]!r} has "
            f"{x[row, column]:g} in row {row}"
        )
