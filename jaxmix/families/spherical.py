"""Spherical covariances: each component has one variance (notes/em.md, eq. 5 and 6)."""

from typing import ClassVar

import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from jaxmix.families.base import Incomplete
from jaxmix.families.covariances import Covariances
from jaxmix.families.incomplete import IncompleteColumns
from jaxmix.linalg import product
from jaxmix.numerics import excess


class Spherical(Covariances):
    """One variance a component, the same in every direction."""

    variances: Float[Array, " k"]

    name: ClassVar[str] = "spherical"
    shared: ClassVar[bool] = False
    spends_a_count_a_column: ClassVar[bool] = False

    @classmethod
    def from_values(cls, values: Float[Array, "..."], k: int, d: int) -> "Spherical":
        return cls(values)

    @property
    def values(self) -> Float[Array, "*batch k"]:
        return self.variances

    def matrices(self, k: int, d: int) -> Float[Array, "k d d"]:
        return self.variances[:, None, None] * jnp.eye(d, dtype=self.variances.dtype)

    @staticmethod
    def expected_shape(k: int, d: int) -> tuple[int, ...]:
        return (k,)

    @staticmethod
    def products(a: Float[Array, "*k d"], b: Float[Array, "*k d"]) -> Float[Array, "*k q"]:
        return jnp.sum(a * b, axis=-1, keepdims=True)

    @staticmethod
    def features(x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        return jnp.concatenate([jnp.sum(x * x, axis=0, keepdims=True), x, jnp.ones_like(x[:1])])

    @staticmethod
    def packed(matrix: Float[Array, "d d"]) -> Float[Array, " q"]:
        return jnp.trace(matrix)[None]

    @staticmethod
    def quadratic_form(
        packed: Float[Array, " q"], x: Float[Array, "d rows"]
    ) -> Float[Array, " rows"]:
        return packed[0] * jnp.sum(x * x, axis=0)

    @staticmethod
    def weighted_products(
        x: Float[Array, "d rows"], shares: Float[Array, " rows"]
    ) -> Float[Array, " q"]:
        return product(jnp.sum(x * x, axis=0), shares)[None]

    @staticmethod
    def incomplete() -> Incomplete:
        return IncompleteColumns(Spherical)

    def quadratic(self, k: int) -> Float[Array, "k q"]:
        return -0.5 / self.variances[:, None]

    def whiten(self, x: Float[Array, "n k d"]) -> Float[Array, "n k d"]:
        return x / jnp.sqrt(self.variances)[:, None]

    @staticmethod
    def precision_product(
        quadratic: Float[Array, "k q"], v: Float[Array, "k d"]
    ) -> Float[Array, "k d"]:
        return -2 * quadratic * v

    def color(self, z: Float[Array, "n d"], labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        return z * jnp.sqrt(self.variances[labels])[:, None]

    def log_determinants(self, k: int, d: int) -> Float[Array, " k"]:
        return d * jnp.log(self.variances)

    def maximize(
        self,
        scatter: Float[Array, "k q"],
        counts: Float[Array, " k"],
        scale: Float[Array, " q"],
        strength: Float[Array, ""],
        d: int,
    ) -> "Spherical":
        # Rounding may leave less than nothing of a collapsed component.
        variances = (scatter + scale)[:, 0] / (d * (counts + strength))
        return type(self)(jnp.maximum(variances, 0.0))

    def divergence(
        self, new: "Spherical", counts: Float[Array, " k"], strength: Float[Array, ""], d: int
    ) -> Float[Array, ""]:
        ratios = (new.variances - self.variances) / self.variances
        return jnp.sum((counts + strength) * d * excess(ratios)) / 2

    def below(self, bounds: Float[Array, "m d d"]) -> Bool[Array, ""]:
        common = jnp.trace(bounds, axis1=1, axis2=2) / bounds.shape[1]
        return jnp.any(self.variances <= common[:, None])

    def unconstrain(self) -> Float[Array, " k"]:
        return jnp.log(self.variances) / 2

    def constrain(self, coordinates: Float[Array, " k"]) -> "Spherical":
        return type(self)(jnp.exp(2 * coordinates))

    def affine(self, scale: Float[Array, "..."]) -> "Spherical":
        return type(self)(self.variances * similarity(scale) ** 2)

    def take(self, order: Int[Array, " m"]) -> "Spherical":
        return type(self)(self.variances[order])

    def marginal(self, columns: tuple[int, ...]) -> "Spherical":
        return self

    def condition(
        self, columns: tuple[int, ...], rest: tuple[int, ...], offsets: Float[Array, "k c"]
    ) -> tuple[Float[Array, "k r"], "Spherical"]:
        return jnp.zeros_like(self.variances, shape=(len(offsets), len(rest))), self.marginal(rest)


def similarity(scale: Float[Array, "..."]) -> Float[Array, ""]:
    """The scale of a similarity, given as a number or as a multiple of an orthogonal matrix."""
    if scale.ndim == 0:
        return scale
    if scale.ndim == 1:
        raise ValueError("spherical covariances need one scale for all columns")
    gram = scale @ scale.T
    square = jnp.trace(gram) / len(scale)
    if not isinstance(scale, Tracer) and not jnp.allclose(gram, square * jnp.eye(len(scale))):
        raise ValueError("spherical covariances need a multiple of an orthogonal matrix")
    return jnp.sqrt(square)
