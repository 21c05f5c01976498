"""One covariance matrix as its lower Cholesky factor: what full and tied structures share.

Every function takes one factor L with Sigma = L L'; full covariances are these functions under
vmap. Equations: notes/em.md, eq. 5 (features), notes/stopping.md, eq. 4 (divergence),
notes/gradient.md, eq. 4 (coordinates), notes/missing-data.md, eq. 6 and 7 (parts of the columns).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from jaxmix.linalg import cholesky_or_zero, diagonal, pack, solve_lower, triangle
from jaxmix.numerics import excess


@jax.jit
def covariance(factor: Float[Array, "*batch d d"]) -> Float[Array, "*batch d d"]:
    """Sigma = L L', also of recorded mixtures, whose arrays have a leading axis."""
    return factor @ jnp.swapaxes(factor, -1, -2)


def whiten(factor: Float[Array, "d d"], x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """L^-1 x for every row."""
    return solve_triangular(factor, x.T, lower=True).T


def precision(factor: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """Sigma^-1 by triangular solves against the identity."""
    whitening = inverse(factor)
    return whitening.T @ whitening


def inverse(factor: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """The inverse of a factor, which whitens: the precision's own factor."""
    return solve_lower(factor, jnp.eye(len(factor), dtype=factor.dtype))


def quadratic(factor: Float[Array, "d d"]) -> Float[Array, " q"]:
    """Coefficients of x_i x_j, i <= j, in -x' Sigma^-1 x / 2."""
    rows, columns = triangle(len(factor))
    halves = jnp.where(rows == columns, 0.5, 1.0).astype(factor.dtype)
    return -halves * pack(precision(factor))


def log_determinant(factor: Float[Array, "d d"]) -> Float[Array, ""]:
    """log |Sigma|."""
    return 2 * jnp.sum(jnp.log(diagonal(factor)))


def divergence(old: Float[Array, "d d"], new: Float[Array, "d d"]) -> Float[Array, ""]:
    r"""Kullback-Leibler divergence of N(0, new) from N(0, old), without cancellation.

    With $E = L^{-1}(L' - L)$ it is
    $\tfrac12\sum_{i>j}E_{ij}^2 + \sum_i (E_{ii} - \log(1 + E_{ii})) + \tfrac12\sum_i E_{ii}^2$.
    """
    change = solve_lower(old, new - old)
    return jnp.sum(change**2) / 2 + jnp.sum(excess(diagonal(change)))


def coordinates(factor: Float[Array, "d d"]) -> Float[Array, " q"]:
    """Log-Cholesky coordinates: entries below the diagonal, and the diagonal's logarithms."""
    rows, columns = np.tril_indices(len(factor))
    entries = factor[rows, columns]
    positive = jnp.where(rows == columns, entries, 1.0)
    return jnp.where(rows == columns, jnp.log(positive), entries)


def from_coordinates(packed: Float[Array, " q"], d: int) -> Float[Array, "d d"]:
    """The factor at these log-Cholesky coordinates."""
    rows, columns = np.tril_indices(d)
    logarithms = jnp.where(rows == columns, packed, 0.0)
    entries = jnp.where(rows == columns, jnp.exp(logarithms), packed)
    blank = jnp.zeros((d, d), packed.dtype)
    return blank.at[rows, columns].set(entries, unique_indices=True, indices_are_sorted=True)


def as_matrix(scale: Float[Array, "..."], d: int) -> Float[Array, "d d"]:
    """An affine map given as a number, a diagonal or a matrix, as a matrix."""
    return scale if scale.ndim == 2 else jnp.diag(jnp.broadcast_to(scale, (d,)))


def affine(factor: Float[Array, "d d"], scale: Float[Array, "..."]) -> Float[Array, "d d"]:
    """The factor of A Sigma A'."""
    return cholesky_or_zero(covariance(as_matrix(scale, len(factor)) @ factor))


def marginal(factor: Float[Array, "d d"], columns: tuple[int, ...]) -> Float[Array, "c c"]:
    """The factor of the covariance of these columns, in this order."""
    return _triangular(factor[np.array(columns)])


def condition(
    factor: Float[Array, "d d"], columns: tuple[int, ...], rest: tuple[int, ...]
) -> tuple[Float[Array, "r c"], Float[Array, "r r"]]:
    """Slopes of the rest on these columns, and the factor of the rest's covariance given them."""
    c, whole = len(columns), _triangular(factor[np.array(columns + rest)])
    slopes = solve_triangular(whole[:c, :c], whole[c:, :c].T, lower=True, trans="T").T
    return slopes, whole[c:, c:]


def _triangular(root: Float[Array, "c d"]) -> Float[Array, "c c"]:
    """The lower Cholesky factor of A A', from A by rotation: no product that would lose digits."""
    rotated = jnp.linalg.qr(root.T, mode="r").T
    return rotated * jnp.where(diagonal(rotated) < 0, -1.0, 1.0).astype(root.dtype)
