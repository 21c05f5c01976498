"""Tied covariances: one matrix that all components share (notes/em.md, eq. 5 and 6)."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmix.families import factors
from jaxmix.families.covariances import Covariances
from jaxmix.families.full import Full
from jaxmix.linalg import cholesky_or_zero, has_no_factor, unpack


class Tied(Covariances):
    """One covariance matrix for all components, as its lower Cholesky factor."""

    factor: Float[Array, "d d"]

    name: ClassVar[str] = "tied"
    shared: ClassVar[bool] = True
    spends_a_count_a_column: ClassVar[bool] = False

    products = staticmethod(Full.products)
    features = staticmethod(Full.features)
    packed = staticmethod(Full.packed)
    quadratic_form = staticmethod(Full.quadratic_form)
    weighted_products = staticmethod(Full.weighted_products)
    incomplete = staticmethod(Full.incomplete)
    precision_product = staticmethod(Full.precision_product)

    @classmethod
    def from_values(cls, values: Float[Array, "..."], k: int, d: int) -> "Tied":
        return cls(cholesky_or_zero(values))

    @property
    def values(self) -> Float[Array, "*batch d d"]:
        return factors.covariance(self.factor)

    def matrices(self, k: int, d: int) -> Float[Array, "k d d"]:
        return jnp.broadcast_to(self.values, (k, d, d))

    @staticmethod
    def expected_shape(k: int, d: int) -> tuple[int, ...]:
        return (d, d)

    def quadratic(self, k: int) -> Float[Array, "k q"]:
        row = factors.quadratic(self.factor)
        return jnp.broadcast_to(row, (k, *row.shape))

    def whiten(self, x: Float[Array, "n k d"]) -> Float[Array, "n k d"]:
        n, k, d = x.shape
        return factors.whiten(self.factor, x.reshape(n * k, d)).reshape(n, k, d)

    def color(self, z: Float[Array, "n d"], labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        return z @ self.factor.T

    def log_determinants(self, k: int, d: int) -> Float[Array, " k"]:
        return jnp.broadcast_to(factors.log_determinant(self.factor), (k,))

    def maximize(
        self,
        scatter: Float[Array, "k q"],
        counts: Float[Array, " k"],
        scale: Float[Array, " q"],
        strength: Float[Array, ""],
        d: int,
    ) -> "Tied":
        value = (scatter.sum(0) + scale) / (counts.sum() + strength)
        return type(self)(cholesky_or_zero(unpack(value, d)))

    def divergence(
        self, new: "Tied", counts: Float[Array, " k"], strength: Float[Array, ""], d: int
    ) -> Float[Array, ""]:
        return (counts.sum() + strength) * factors.divergence(self.factor, new.factor)

    def below(self, bounds: Float[Array, "m d d"]) -> Bool[Array, ""]:
        return jnp.any(has_no_factor(self.values - bounds))

    def unconstrain(self) -> Float[Array, " q"]:
        return factors.coordinates(self.factor)

    def constrain(self, coordinates: Float[Array, " q"]) -> "Tied":
        return type(self)(factors.from_coordinates(coordinates, self.factor.shape[-1]))

    def affine(self, scale: Float[Array, "..."]) -> "Tied":
        return type(self)(factors.affine(self.factor, scale))

    def take(self, order: Int[Array, " m"]) -> "Tied":
        return self

    def marginal(self, columns: tuple[int, ...]) -> "Tied":
        return type(self)(factors.marginal(self.factor, columns))

    def condition(
        self, columns: tuple[int, ...], rest: tuple[int, ...], offsets: Float[Array, "k c"]
    ) -> tuple[Float[Array, "k r"], "Tied"]:
        slopes, given = factors.condition(self.factor, columns, rest)
        return offsets @ slopes.T, type(self)(given)
