"""Matrix functions that the whole kit shares: products, Cholesky factors, triangular solutions.

For stacks of small matrices, one a component, in the calls that a processor takes them in best; and
symmetric matrices packed as rows of their upper triangles (notes/em.md, eq. 5).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

product = partial(jnp.matmul, precision=Precision.HIGHEST)
"""A matrix product in all digits of its precision, also where a device has a quicker one."""

FACTORED_AT_ONCE = 2**18
"""Entries times columns of the matrices that one call factors, on a CPU.

jaxlib 0.10 divides larger calls among its threads, and two of them at one time wait for each other
for ever: from 8 matrices of 64 columns on, or 100 of 20."""


def at_once(d: int) -> int:
    """How many matrices of d columns to factor in one call, at least one."""
    return max(1, FACTORED_AT_ONCE // d**3) if jax.default_backend() == "cpu" else 2**31


def each_matrix(function: Callable[..., Any], d: int, *stacks: Any) -> Any:
    """A function of matrices, for those along the leading axis: in one call, or one after another.

    Args:
        function: takes one entry of each stack.
        d: columns of the matrices that it factors.
        stacks: arrays [k ...].
    """
    if len(stacks[0]) <= at_once(d):
        return jax.vmap(function)(*stacks)
    return jax.lax.map(lambda entries: function(*entries), stacks)


ROWS_SOLVED, COLUMNS_SOLVED = 8, 64
"""Rows and columns of the right side that one call solves for, on a CPU.

OpenBLAS shares a right side of 1024 entries among threads of its own, which then spin for tens of
milliseconds and take the processors from the pass that follows: a third of its time at 64 columns.
"""


def solve_lower(factor: Float[Array, "d d"], right: Float[Array, "d m"]) -> Float[Array, "d m"]:
    """L^-1 B by halves of L, and some columns of B after another where they are many."""
    d, m = right.shape
    if jax.default_backend() != "cpu" or d <= ROWS_SOLVED:
        return solve_triangular(factor, right, lower=True)
    if m > COLUMNS_SOLVED:
        some = jnp.pad(right, ((0, 0), (0, -m % COLUMNS_SOLVED))).reshape(d, -1, COLUMNS_SOLVED)
        solved = jax.lax.map(partial(solve_lower, factor), jnp.moveaxis(some, 1, 0))
        return jnp.moveaxis(solved, 0, 1).reshape(d, -1)[:, :m]
    half = d // 2
    above = solve_lower(factor[:half, :half], right[:half])
    rest = right[half:] - product(factor[half:, :half], above)
    return jnp.concatenate([above, solve_lower(factor[half:, half:], rest)])


def cholesky(matrices: Float[Array, "*k d d"]) -> Float[Array, "*k d d"]:
    """Lower Cholesky factors of any number of matrices; NaN where there are none."""
    if matrices.ndim == 2:
        return jnp.linalg.cholesky(matrices)
    stack = matrices.reshape(-1, *matrices.shape[-2:])
    return each_matrix(jnp.linalg.cholesky, matrices.shape[-1], stack).reshape(matrices.shape)


@jax.jit
def cholesky_or_zero(matrices: Float[Array, "*k d d"]) -> Float[Array, "*k d d"]:
    """Lower Cholesky factors; zero where a finite matrix has none, so that it is seen."""
    factors = cholesky(matrices)
    finite = jnp.all(jnp.isfinite(matrices), axis=(-2, -1), keepdims=True)
    exists = jnp.all(jnp.isfinite(factors), axis=(-2, -1), keepdims=True)
    return jnp.where(finite & ~exists, 0.0, factors)


def has_no_factor(matrices: Float[Array, "*k d d"]) -> Bool[Array, "*k"]:
    """Whether a finite symmetric matrix fails to be positive definite."""
    finite = jnp.all(jnp.isfinite(matrices), axis=(-2, -1))
    return finite & ~jnp.all(jnp.isfinite(cholesky(matrices)), axis=(-2, -1))


def triangle(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column indices of the upper triangle, row by row, diagonal included."""
    return np.triu_indices(d)


def diagonal(matrices: Float[Array, "*k d d"]) -> Float[Array, "*k d"]:
    """Diagonals, by a masked sum: it compiles several times faster than indexing does."""
    return jnp.einsum("...ii->...i", matrices)


def pack(matrices: Float[Array, "*k d d"]) -> Float[Array, "*k q"]:
    """Upper triangles of symmetric matrices as rows of length d (d + 1) / 2."""
    rows, columns = triangle(matrices.shape[-1])
    return matrices[..., rows, columns]


def products_of_pairs(
    x: Float[Array, "d rows"], first: np.ndarray, second: np.ndarray
) -> Float[Array, "f rows"]:
    """Products of these pairs of columns, the columns themselves, and 1.

    Both factors are taken from x and 1 in one piece: pieces put together afterwards cost a
    compiled loop that asks at every entry which piece it is in, for half the time of a pass.
    """
    with_one, d = jnp.concatenate([x, jnp.ones_like(x[:1])]), len(x)
    left = np.concatenate([first, np.arange(d + 1)])
    right = np.concatenate([second, np.full(d + 1, d)])
    return with_one[left] * with_one[right]


def unpack(packed: Float[Array, "*k q"], d: int) -> Float[Array, "*k d d"]:
    """Symmetric matrices from their packed upper triangles."""
    rows, columns = triangle(d)
    index = np.zeros((d, d), dtype=int)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    return packed[..., index]
