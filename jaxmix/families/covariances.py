"""What the four covariance structures have in common: the interface that Gaussian builds on.

A structure holds the covariances of k Gaussians in d columns and knows them only through packed
second-order features: q numbers that stand for a symmetric matrix (notes/em.md, eq. 5). Marginal
and conditional covariances: notes/missing-data.md, eq. 6 and 7.
"""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int

from jaxmix.families.base import Incomplete


class Covariances(eqx.Module):
    """Covariances of k Gaussian components, in one of the structures."""

    name: eqx.AbstractClassVar[str]
    """What a user calls the structure."""

    shared: eqx.AbstractClassVar[bool]
    """Whether all components share one covariance."""

    spends_a_count_a_column: eqx.AbstractClassVar[bool]
    """Whether a component needs d + 1 observations of its own to have a covariance."""

    @classmethod
    @abstractmethod
    def from_values(cls, values: Float[Array, "..."], k: int, d: int) -> "Covariances":
        """From covariances as users write them: [k d d], [d d], [k d] or [k]."""

    @property
    @abstractmethod
    def values(self) -> Float[Array, "..."]:
        """Covariances as users write them."""

    @abstractmethod
    def matrices(self, k: int, d: int) -> Float[Array, "k d d"]:
        """Covariances as k matrices."""

    @staticmethod
    @abstractmethod
    def expected_shape(k: int, d: int) -> tuple[int, ...]:
        """The shape of `values`."""

    @staticmethod
    @abstractmethod
    def products(a: Float[Array, "*k d"], b: Float[Array, "*k d"]) -> Float[Array, "*k q"]:
        """Packed symmetric part of the outer product of two vectors."""

    @staticmethod
    @abstractmethod
    def features(x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        """`products(x, x)` with data as columns, then x, then 1."""

    @staticmethod
    @abstractmethod
    def packed(matrix: Float[Array, "d d"]) -> Float[Array, " q"]:
        """A symmetric matrix in packed form."""

    @staticmethod
    @abstractmethod
    def quadratic_form(
        packed: Float[Array, " q"], x: Float[Array, "d rows"]
    ) -> Float[Array, " rows"]:
        """Coefficients of second-order features times those of every column, for one component."""

    @staticmethod
    @abstractmethod
    def weighted_products(
        x: Float[Array, "d rows"], shares: Float[Array, " rows"]
    ) -> Float[Array, " q"]:
        """Second-order features summed over columns, each with its share."""

    @staticmethod
    @abstractmethod
    def incomplete() -> Incomplete:
        """Features of rows with missing entries."""

    @abstractmethod
    def quadratic(self, k: int) -> Float[Array, "k q"]:
        """Coefficients of the second-order features: minus half the precision, packed."""

    @abstractmethod
    def whiten(self, x: Float[Array, "n k d"]) -> Float[Array, "n k d"]:
        """Vectors in coordinates where each component's covariance is the identity."""

    @staticmethod
    @abstractmethod
    def precision_product(
        quadratic: Float[Array, "k q"], v: Float[Array, "k d"]
    ) -> Float[Array, "k d"]:
        """Each component's precision, given by its `quadratic`, times its vector."""

    @abstractmethod
    def color(self, z: Float[Array, "n d"], labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        """Standard normal vectors given the covariance of the component that each label names."""

    @abstractmethod
    def log_determinants(self, k: int, d: int) -> Float[Array, " k"]:
        """Logarithms of the determinants."""

    @abstractmethod
    def maximize(
        self,
        scatter: Float[Array, "k q"],
        counts: Float[Array, " k"],
        scale: Float[Array, " q"],
        strength: Float[Array, ""],
        d: int,
    ) -> "Covariances":
        """The covariances (scatter + scale) / (counts + strength) of this structure."""

    @abstractmethod
    def divergence(
        self, new: "Covariances", counts: Float[Array, " k"], strength: Float[Array, ""], d: int
    ) -> Float[Array, ""]:
        """Counts times the Kullback-Leibler divergence of N(0, new) from N(0, self)."""

    @abstractmethod
    def below(self, bounds: Float[Array, "m d d"]) -> Bool[Array, ""]:
        """Whether some covariance has an eigenvalue below those of a bound, seen from there."""

    @abstractmethod
    def unconstrain(self) -> Float[Array, "..."]:
        """Real coordinates: logarithms of scales, and factors below the diagonal."""

    @abstractmethod
    def constrain(self, coordinates: Float[Array, "..."]) -> "Covariances":
        """The covariances at these coordinates."""

    @abstractmethod
    def affine(self, scale: Float[Array, "..."]) -> "Covariances":
        """Covariances of scale x."""

    @abstractmethod
    def take(self, order: Int[Array, " m"]) -> "Covariances":
        """Components in another order, or some of them."""

    @abstractmethod
    def marginal(self, columns: tuple[int, ...]) -> "Covariances":
        """Covariances of these columns alone, in this order."""

    @abstractmethod
    def condition(
        self, columns: tuple[int, ...], rest: tuple[int, ...], offsets: Float[Array, "k c"]
    ) -> tuple[Float[Array, "k r"], "Covariances"]:
        """What these columns' offsets from their means add to the means of the rest, and the
        covariances of the rest given these columns."""


def as_diagonal(scale: Float[Array, "..."]) -> Float[Array, "..."]:
    """The diagonal of an affine map that acts column by column; raises ValueError otherwise."""
    if scale.ndim == 2:
        raise ValueError(
            "this covariance structure is not closed under matrices; give one scale a column"
        )
    return scale
