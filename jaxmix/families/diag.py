"""Diagonal covariances: each component has one variance a column (notes/em.md, eq. 5 and 6)."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxmix.families.base import Incomplete
from jaxmix.families.covariances import Covariances, as_diagonal
from jaxmix.families.incomplete import IncompleteColumns
from jaxmix.linalg import diagonal, product, products_of_pairs
from jaxmix.numerics import excess


class Diag(Covariances):
    """One variance a component and column."""

    variances: Float[Array, "k d"]

    name: ClassVar[str] = "diag"
    shared: ClassVar[bool] = False
    spends_a_count_a_column: ClassVar[bool] = False

    @classmethod
    def from_values(cls, values: Float[Array, "..."], k: int, d: int) -> "Diag":
        return cls(values)

    @property
    def values(self) -> Float[Array, "*batch k d"]:
        return self.variances

    def matrices(self, k: int, d: int) -> Float[Array, "k d d"]:
        return jax.vmap(jnp.diag)(self.variances)

    @staticmethod
    def expected_shape(k: int, d: int) -> tuple[int, ...]:
        return (k, d)

    @staticmethod
    def products(a: Float[Array, "*k d"], b: Float[Array, "*k d"]) -> Float[Array, "*k q"]:
        return a * b

    @staticmethod
    def features(x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        columns = np.arange(len(x))
        return products_of_pairs(x, columns, columns)

    @staticmethod
    def packed(matrix: Float[Array, "d d"]) -> Float[Array, " q"]:
        return diagonal(matrix)

    @staticmethod
    def quadratic_form(
        packed: Float[Array, " q"], x: Float[Array, "d rows"]
    ) -> Float[Array, " rows"]:
        return product(packed, x * x)

    @staticmethod
    def weighted_products(
        x: Float[Array, "d rows"], shares: Float[Array, " rows"]
    ) -> Float[Array, " q"]:
        return product(x * x, shares)

    @staticmethod
    def incomplete() -> Incomplete:
        return IncompleteColumns(Diag)

    def quadratic(self, k: int) -> Float[Array, "k q"]:
        return -0.5 / self.variances

    def whiten(self, x: Float[Array, "n k d"]) -> Float[Array, "n k d"]:
        return x / jnp.sqrt(self.variances)

    @staticmethod
    def precision_product(
        quadratic: Float[Array, "k q"], v: Float[Array, "k d"]
    ) -> Float[Array, "k d"]:
        return -2 * quadratic * v

    def color(self, z: Float[Array, "n d"], labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        return z * jnp.sqrt(self.variances[labels])

    def log_determinants(self, k: int, d: int) -> Float[Array, " k"]:
        return jnp.sum(jnp.log(self.variances), axis=1)

    def maximize(
        self,
        scatter: Float[Array, "k q"],
        counts: Float[Array, " k"],
        scale: Float[Array, " q"],
        strength: Float[Array, ""],
        d: int,
    ) -> "Diag":
        # Rounding may leave less than nothing of a collapsed component.
        variances = (scatter + scale) / (counts + strength)[:, None]
        return type(self)(jnp.maximum(variances, 0.0))

    def divergence(
        self, new: "Diag", counts: Float[Array, " k"], strength: Float[Array, ""], d: int
    ) -> Float[Array, ""]:
        ratios = (new.variances - self.variances) / self.variances
        return jnp.sum((counts + strength) * jnp.sum(excess(ratios), axis=1)) / 2

    def below(self, bounds: Float[Array, "m d d"]) -> Bool[Array, ""]:
        return jnp.any(self.variances <= diagonal(bounds)[:, None])

    def unconstrain(self) -> Float[Array, "k q"]:
        return jnp.log(self.variances) / 2

    def constrain(self, coordinates: Float[Array, "k q"]) -> "Diag":
        return type(self)(jnp.exp(2 * coordinates))

    def affine(self, scale: Float[Array, "..."]) -> "Diag":
        return type(self)(self.variances * as_diagonal(scale) ** 2)

    def take(self, order: Int[Array, " m"]) -> "Diag":
        return type(self)(self.variances[order])

    def marginal(self, columns: tuple[int, ...]) -> "Diag":
        return type(self)(self.variances[:, np.array(columns)])

    def condition(
        self, columns: tuple[int, ...], rest: tuple[int, ...], offsets: Float[Array, "k c"]
    ) -> tuple[Float[Array, "k r"], "Diag"]:
        return jnp.zeros_like(self.variances, shape=(len(offsets), len(rest))), self.marginal(rest)
