"""Log-space functions that the whole kit shares.

Stable softmax and logsumexp, pairwise distances, and the small functions that keep Kullback-Leibler
divergences accurate near zero (notes/stopping.md, eq. 4 and 5).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import bitcast_convert_type
from jaxtyping import Array, Float

LOG_2 = math.log(2)
ARTANH_TERMS = 9
"""Of its series behind s itself: where |s| < 0.172 the next one is below a rounding error."""

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


def _artanh_terms(s: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""$(\operatorname{artanh} s - s) / s^3 = 1/3 + s^2/5 + s^4/7 + \dots$ of numbers near zero."""
    terms = jnp.zeros_like(s)
    for power in range(2 * ARTANH_TERMS + 1, 1, -2):
        terms = 1 / power + s**2 * terms
    return terms


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
    near = exponent.astype(jnp.int32) * LOG_2 + 2 * (s + s * (s**2 * _artanh_terms(s)))
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
    return jnp.where(
        near, small * s - 2 * s**3 * _artanh_terms(s), u - jnp.log1p(jnp.where(near, 0.0, u))
    )


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
