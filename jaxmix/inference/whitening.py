"""Information relative to that of complete data: symmetric, free of units, between 0 and 1.

With the complete-data metric F = L L', the matrix L^-1 I L^-T has eigenvalues 1 - rate, one for
each rate of EM; a small one is a direction that the data hardly pin down (notes/rates.md, eq. 4).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Bool, DTypeLike, Float
from scipy.sparse.linalg import aslinearoperator, eigsh

from jaxmix.inference.curvature import observed, product
from jaxmix.inference.posing import Posed
from jaxmix.metric import Matrix

DENSE = 500
"""Free parameters up to which information is one matrix; above, only products are formed."""


def resolution(dtype: DTypeLike) -> float:
    """The share of the complete-data information below which there is none to be seen."""
    return float(jnp.finfo(dtype).eps) ** 0.5


@jax.jit
def metric_factor(posed: Posed) -> Matrix:
    """L, the lower Cholesky factor of the complete-data metric."""
    return jnp.linalg.cholesky(posed.metric())


def whiten(factor: Matrix, matrix: Matrix) -> Matrix:
    """L^-1 matrix L^-T, of a symmetric matrix."""
    half = solve_triangular(factor, matrix, lower=True)
    whole = solve_triangular(factor, half.T, lower=True)
    return (whole + whole.T) / 2


@jax.jit
def whitened_product(posed: Posed, factor: Matrix, v: Float[Array, " p"]) -> Float[Array, " p"]:
    """L^-1 I L^-T v, with the observed information I."""
    return solve_triangular(
        factor, product(posed, solve_triangular(factor.T, v, lower=False)), lower=True
    )


class Spectrum(eqx.Module):
    """An information in its own directions, seen from the complete-data metric."""

    factor: Matrix
    shares: Float[Array, " p"]
    """Eigenvalues, ascending."""
    directions: Float[Array, "p p"]
    """Eigenvectors in whitened coordinates, one a column."""

    @property
    def known(self) -> Bool[Array, " p"]:
        """Which directions hold information that can be seen."""
        return self.shares > resolution(self.shares.dtype)

    @property
    @jax.jit
    def root(self) -> Float[Array, "p p"]:
        """A root R of the pseudo-inverse R R', without what is unknown."""
        safe = jnp.where(self.known, self.shares, 1.0)
        scales = jnp.where(self.known, 1 / jnp.sqrt(safe), 0.0)
        return solve_triangular(self.factor.T, self.directions * scales, lower=False)

    @jax.jit
    def misses(self, slopes: Float[Array, "q p"]) -> Bool[Array, " q"]:
        """Which functions with these derivatives move along unknown directions."""
        seen = solve_triangular(self.factor, slopes.T, lower=True)
        along = jnp.where(self.known[:, None], 0.0, self.directions.T @ seen)
        whole = jnp.linalg.norm(seen, axis=0)
        return jnp.linalg.norm(along, axis=0) > resolution(slopes.dtype) * whole


@jax.jit
def spectrum(posed: Posed, matrix: Matrix) -> Spectrum:
    """The directions of an information."""
    factor = metric_factor(posed)
    shares, directions = jnp.linalg.eigh(whiten(factor, matrix))
    return Spectrum(factor, shares, directions)


def observed_shares(posed: Posed) -> Float[Any, " p"]:
    """Shares of the observed information, ascending; for many parameters only the smallest."""
    if posed.free.size <= DENSE:
        return spectrum(posed, observed(posed)).shares
    factor = metric_factor(posed)
    size, dtype = posed.free.size, posed.vector.dtype

    def missed(v: np.ndarray) -> np.ndarray:
        moved = jnp.asarray(v.ravel(), dtype)
        return np.asarray(moved - whitened_product(posed, factor, moved))

    operator: Any = aslinearoperator(_Product((size, size), np.dtype(dtype), missed))
    start = np.random.default_rng(0).normal(size=size).astype(dtype)
    rate = np.asarray(eigsh(operator, k=1, which="LA", v0=start, return_eigenvectors=False))
    return jnp.asarray(1 - rate)


class _Product(NamedTuple):
    """A symmetric matrix as SciPy asks for it, known by its products."""

    shape: tuple[int, int]
    dtype: Any
    matvec: Callable[[np.ndarray], np.ndarray]


@jax.jit
def solved(posed: Posed, factor: Matrix, slopes: Float[Array, "q p"]) -> Float[Array, "q q"]:
    """slopes I^-1 slopes' with the observed information I, by conjugate gradients."""
    seen = solve_triangular(factor, slopes.T, lower=True)

    def solve(right: Float[Array, " p"]) -> Float[Array, " p"]:
        tolerance = 16 * float(jnp.finfo(right.dtype).eps)
        return cg(lambda v: whitened_product(posed, factor, v), right, tol=tolerance)[0]

    return seen.T @ jax.lax.map(solve, seen.T).T
