"""Full covariances: each component has a matrix of its own (notes/em.md, eq. 5 and 6)."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmix.families import factors
from jaxmix.families.base import Incomplete
from jaxmix.families.covariances import Covariances
from jaxmix.families.incomplete import IncompleteMatrices
from jaxmix.linalg import (
    cholesky_or_zero,
    each_matrix,
    has_no_factor,
    pack,
    product,
    products_of_pairs,
    triangle,
    unpack,
)


class Full(Covariances):
    """One covariance matrix a component, as its lower Cholesky factor."""

    factors: Float[Array, "k d d"]

    name: ClassVar[str] = "full"
    shared: ClassVar[bool] = False
    spends_a_count_a_column: ClassVar[bool] = True

    @classmethod
    def from_values(cls, values: Float[Array, "..."], k: int, d: int) -> "Full":
        return cls(cholesky_or_zero(values))

    def _each(self, function: Callable[..., Any], *stacks: Any) -> Any:
        """A function of every factor, and of what else there is for each component."""
        return each_matrix(function, self.factors.shape[-1], self.factors, *stacks)

    @property
    def values(self) -> Float[Array, "*batch k d d"]:
        return factors.covariance(self.factors)

    def matrices(self, k: int, d: int) -> Float[Array, "k d d"]:
        return self.values

    @staticmethod
    def expected_shape(k: int, d: int) -> tuple[int, ...]:
        return (k, d, d)

    @staticmethod
    def products(a: Float[Array, "*k d"], b: Float[Array, "*k d"]) -> Float[Array, "*k q"]:
        outer = a[..., :, None] * b[..., None, :]
        return pack(outer + jnp.swapaxes(outer, -1, -2)) / 2

    @staticmethod
    def features(x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        return products_of_pairs(x, *triangle(len(x)))

    @staticmethod
    def packed(matrix: Float[Array, "d d"]) -> Float[Array, " q"]:
        return pack(matrix)

    @staticmethod
    def quadratic_form(
        packed: Float[Array, " q"], x: Float[Array, "d rows"]
    ) -> Float[Array, " rows"]:
        d = len(x)
        matrix = unpack(packed, d) * (1 + jnp.eye(d, dtype=x.dtype)) / 2
        return jnp.sum(x * product(matrix, x), axis=0)

    @staticmethod
    def weighted_products(
        x: Float[Array, "d rows"], shares: Float[Array, " rows"]
    ) -> Float[Array, " q"]:
        return pack(product(x * shares, x.T))

    @staticmethod
    def incomplete() -> Incomplete:
        return IncompleteMatrices()

    def quadratic(self, k: int) -> Float[Array, "k q"]:
        return self._each(factors.quadratic)

    def whiten(self, x: Float[Array, "n k d"]) -> Float[Array, "n k d"]:
        whitened = self._each(factors.whiten, jnp.moveaxis(x, 1, 0))
        return jnp.moveaxis(whitened, 0, 1)

    @staticmethod
    def precision_product(
        quadratic: Float[Array, "k q"], v: Float[Array, "k d"]
    ) -> Float[Array, "k d"]:
        d = v.shape[1]
        matrices = -unpack(quadratic, d) * (1 + jnp.eye(d, dtype=v.dtype))
        return jnp.sum(matrices * v[:, None, :], axis=2)

    def color(self, z: Float[Array, "n d"], labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        return jnp.einsum("nij,nj->ni", self.factors[labels], z)

    def log_determinants(self, k: int, d: int) -> Float[Array, " k"]:
        return jax.vmap(factors.log_determinant)(self.factors)

    def maximize(
        self,
        scatter: Float[Array, "k q"],
        counts: Float[Array, " k"],
        scale: Float[Array, " q"],
        strength: Float[Array, ""],
        d: int,
    ) -> "Full":
        values = (scatter + scale) / (counts + strength)[:, None]
        return type(self)(cholesky_or_zero(unpack(values, d)))

    def divergence(
        self, new: "Full", counts: Float[Array, " k"], strength: Float[Array, ""], d: int
    ) -> Float[Array, ""]:
        divergences = self._each(factors.divergence, new.factors)
        return jnp.sum((counts + strength) * divergences)

    def below(self, bounds: Float[Array, "m d d"]) -> Bool[Array, ""]:
        return jnp.any(has_no_factor(self.values - bounds[:, None]))

    def unconstrain(self) -> Float[Array, "k q"]:
        return jax.vmap(factors.coordinates)(self.factors)

    def constrain(self, coordinates: Float[Array, "k q"]) -> "Full":
        d = self.factors.shape[-1]
        return type(self)(jax.vmap(lambda c: factors.from_coordinates(c, d))(coordinates))

    def affine(self, scale: Float[Array, "..."]) -> "Full":
        return type(self)(self._each(lambda factor: factors.affine(factor, scale)))

    def take(self, order: Int[Array, " m"]) -> "Full":
        return type(self)(self.factors[order])

    def marginal(self, columns: tuple[int, ...]) -> "Full":
        return type(self)(self._each(lambda factor: factors.marginal(factor, columns)))

    def condition(
        self, columns: tuple[int, ...], rest: tuple[int, ...], offsets: Float[Array, "k c"]
    ) -> tuple[Float[Array, "k r"], "Full"]:
        slopes, given = self._each(lambda f: factors.condition(f, columns, rest))
        return jnp.einsum("krc,kc->kr", slopes, offsets), type(self)(given)
