"""Log-space and matrix functions that the whole kit shares.

Stable softmax and logsumexp, pairwise distances, packed symmetric matrices, and the small functions
that keep Kullback-Leibler divergences accurate near zero (notes/stopping.md, eq. 4 and 5).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision, bitcast_convert_type
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float

LOG_2 = math.log(2)
LOG_TERMS = 9
"""Of the series of artanh(s) behind s itself: the next one is below a rounding error of the sum."""

MANTISSA_BITS = 52
ROOT_HALF_BITS = int(np.float64(math.sqrt(0.5)).view(np.int64))
"""Those that carry the mantissa, and all those of the least m, as a whole number."""

_softmax = jax.jit(jax.nn.softmax, static_argnames="axis")
_logsumexp = jax.jit(jax.nn.logsumexp, static_argnames="axis")


def softmax(x: Float[Array | np.ndarray, "*batch k"], axis: int = -1) -> Float[Array, "*batch k"]:
    r"""Probabilities proportional to exponentials, $e^{x_j} / \sum_l e^{x_l}$, without overflow.

    Args:
        x: log-weights, any shape.
        axis: the axis whose entries sum to 1 in the result.

    Returns:
        An array of the shape of `x`; the argument is left as it was.

    Examples:
        >>> import jax.numpy as jnp, jaxmix as jm
        >>> [
        ...     [round(float(p), 4) for p in row]
        ...     for row in jm.softmax(jnp.array([[1000.0, 1000.0], [1.0, 2.0]]))
        ... ]
        [[0.5, 0.5], [0.2689, 0.7311]]
    """
    return _softmax(jnp.asarray(x), axis=axis)


def logsumexp(x: Float[Array | np.ndarray, "..."], axis: int = -1) -> Float[Array, "..."]:
    r"""Logarithm of a sum of exponentials, $\log \sum_l e^{x_l}$, without overflow or underflow.

    Args:
        x: exponents, any shape.
        axis: the axis summed over.

    Returns:
        An array of the shape of `x` without that axis; -inf where every entry is -inf.

    Examples:
        >>> import jax.numpy as jnp, jaxmix as jm
        >>> [round(float(v), 4) for v in jm.logsumexp(jnp.array([[1000.0, 1000.0], [1.0, 2.0]]))]
        [1000.6931, 2.3133]
    """
    return _logsumexp(jnp.asarray(x), axis=axis)


def pairwise_distances(
    x: Float[Array | np.ndarray, "n d"], y: Float[Array | np.ndarray, "m d"]
) -> Float[Array, "n m"]:
    r"""Euclidean distances $\lVert x_i - y_j \rVert$ between all rows of two tables.

    Differences come before squares, so that near points far from the origin keep their digits.

    Args:
        x: [n d] rows.
        y: [m d] rows.

    Returns:
        Distances [n m], in the units of the rows.

    Examples:
        >>> import jax.numpy as jnp, jaxmix as jm
        >>> jm.pairwise_distances(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 4.0]])).tolist()
        [[5.0]]
    """
    difference = jnp.asarray(x)[:, None, :] - jnp.asarray(y)[None, :, :]
    return jnp.linalg.norm(difference, axis=-1)


product = partial(jnp.matmul, precision=Precision.HIGHEST)
"""A matrix product in all digits of its precision, also where a device has a quicker one."""


@jax.custom_jvp
def logarithm(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""$\log x$ of positive normal numbers, several at a time.

    XLA computes a logarithm in float64 number by number on a CPU, at four times the price of an
    exponential. Here $x = 2^e m$ with $1/\sqrt2 \le m < \sqrt2$, and with $s = (m - 1) / (m + 1)$,
    at most 0.172, $\log x = e \log 2 + 2 (s + s^3/3 + s^5/5 + \dots)$.
    """
    if x.dtype != jnp.float64:
        return jnp.log(x)
    bits = bitcast_convert_type(x, jnp.int64)
    exponent = (bits - ROOT_HALF_BITS) >> MANTISSA_BITS
    mantissa = bitcast_convert_type(bits - (exponent << MANTISSA_BITS), x.dtype)
    s = (mantissa - 1) / (mantissa + 1)
    series = jnp.zeros_like(s)
    for power in range(2 * LOG_TERMS + 1, 1, -2):
        series = s**2 * (1 / power + series)
    near = exponent.astype(jnp.int32) * LOG_2 + 2 * (s + s * series)
    return jnp.where(x < jnp.inf, near, x)


logarithm.defjvps(lambda tangent, _, x: tangent / x)


def excess(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""$u - \log(1 + u) \ge 0$ to full relative accuracy, also where both terms agree.

    With $s = u / (2 + u)$ the logarithm is $2 \operatorname{artanh} s$, and the difference is
    $u s - 2 (s^3/3 + s^5/5 + \dots)$, whose terms do not cancel.
    """
    near = jnp.abs(u) < 0.25
    small = jnp.where(near, u, 0.0)
    s = small / (2 + small)
    series = sum(s ** (2 * j - 2) / (2 * j + 1) for j in range(9, 0, -1))
    return jnp.where(near, small * s - 2 * s**3 * series, u - jnp.log1p(jnp.where(near, 0.0, u)))


def divergence_terms(
    new: Float[Array, "*shape"], old: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""$\lambda' \log(\lambda'/\lambda) - \lambda' + \lambda \ge 0$, to full relative accuracy.

    The Kullback-Leibler divergence of Poisson rates; summed over probabilities, that of weights.
    """
    possible, far = new > 0, old < new / 2
    # Far apart nothing cancels, and old / new - 1 would round to -1.
    logarithm = jnp.log(jnp.where(far, new, 1.0)) - jnp.log(jnp.where(far, old, 1.0))
    ratio = (old - new) / jnp.where(possible, new, 1.0)
    near = new * excess(jnp.where(possible & ~far, ratio, 0.0))
    return jnp.where(possible, jnp.where(far, new * logarithm - new + old, near), old)


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
