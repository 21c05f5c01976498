"""The Gaussian kernel density estimate, its bandwidth by leave-one-out likelihood.

notes/density.md, eq. 9 to 12.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.density.bandwidths import best_bandwidth, extent, resolution
from jaxmix.density.smoothers import (
    Smoother,
    map_rows,
    read_points,
    read_positive,
    read_rows,
    squares_in_bandwidths,
)
from jaxmix.numerics import logsumexp


def log_kernels(
    x: Float[Array, "n d"], point: Float[Array, " d"], bandwidth: Float[Array, ""]
) -> Float[Array, " n"]:
    r"""$\log N(x; x_i, h^2 I)$ at a point, for every row."""
    scale = x.shape[1] * (jnp.log(bandwidth) + jnp.log(2 * jnp.pi) / 2)
    return -squares_in_bandwidths(x, point, bandwidth) / 2 - scale


def negative_log_likelihood(
    bandwidth: Float[Array, ""], x: Float[Array, "n d"]
) -> Float[Array, ""]:
    r"""The score $-\frac1n \sum_i \log \hat f_{-i}(x_i)$ of notes/density.md, eq. 10."""
    n = len(x)

    def left_out(row: Array) -> Float[Array, ""]:
        exponents = log_kernels(x, x[row], bandwidth)
        return logsumexp(jnp.where(jnp.arange(n) == row, -jnp.inf, exponents)) - jnp.log(n - 1.0)

    return -jnp.mean(map_rows(left_out, jnp.arange(n)))


compiled_score = jax.jit(negative_log_likelihood)


class KernelDensity(Smoother):
    """A normal density of one bandwidth about every row, averaged."""

    x: Float[Array, "n d"]
    bandwidth: Float[Array, ""]

    @property
    def loo_score(self) -> Float[Array, ""]:
        """Minus the mean log-density of a row under the estimate from the others, in nats."""
        return compiled_score(self.bandwidth, self.x)

    def log_prob(self, x: Any) -> Float[Array, " m"]:
        """The log-density, finite also where the density underflows."""
        return log_prob_of_rows(self, read_points(x, self.x))

    def predict(self, x: Any) -> Float[Array, " m"]:
        """The density at every row of x [m d]."""
        return jnp.exp(self.log_prob(x))

    def smoother(self, x: Any) -> Float[Array, "m n"]:
        r"""Weights $l_i(x) = N(x; x_i, h^2 I) / n$, which sum to the density over i."""
        return weights_of_rows(self, read_points(x, self.x))

    def log_weights(self, point: Float[Array, " d"]) -> Float[Array, " n"]:
        """Logarithms of the weights at one point."""
        return log_kernels(self.x, point, self.bandwidth) - jnp.log(float(len(self.x)))


@jax.jit
def log_prob_of_rows(estimate: KernelDensity, points: Float[Array, "m d"]) -> Float[Array, " m"]:
    """Log-densities, compiled once a shape."""
    return map_rows(lambda point: logsumexp(estimate.log_weights(point)), points)


@jax.jit
def weights_of_rows(estimate: KernelDensity, points: Float[Array, "m d"]) -> Float[Array, "m n"]:
    """Weights, compiled once a shape."""
    return map_rows(lambda point: jnp.exp(estimate.log_weights(point)), points)


def kernel_density(x: Any, bandwidth: float | Array | None = None) -> KernelDensity:
    r"""The density estimate $\hat f(x) = \frac1n \sum_i N(x; x_i, h^2 I)$.

    Args:
        x: data [n d], or anything that `fit` takes. One bandwidth serves all columns, so bring them
            to one unit first: `jm.data.standardize`.
        bandwidth: h, in the unit of the data. Left out, it has the highest leave-one-out
            likelihood, searched by its derivative in log h between g / sqrt(d) and D / sqrt(d): g
            is the smallest distance between different rows, D the diagonal of the box around
            all. Where no row repeats, the likelihood rises up to that range and falls beyond it.
            Beyond 4,096 rows, that many tell where to begin, and descents go some 20 times over
            all pairs: about a minute for 20,000 rows.

    Returns:
        A `KernelDensity` with `.bandwidth`, `.loo_score`, `.predict(x)`, `.log_prob(x)` and
        `.smoother(x)`. It warns where the score is lowest at the lower end of the range, as it is
        where every row has a twin.

    Raises:
        ValueError, TypeError: for bad data, a bandwidth that is not positive, or rows that are all
            equal and no bandwidth.

    Examples:
        >>> import jaxmix as jm
        >>> estimate = jm.density.kernel_density([0.0, 1.0], bandwidth=1.0)
        >>> estimate.predict([0.5]).tolist()
        [0.352...]

    Source: Duin (1976), IEEE Transactions on Computers C-25, for the score; notes/density.md.
    """
    rows = read_rows(x)
    if bandwidth is None:
        root = rows.shape[1] ** 0.5
        lower, upper = resolution(rows) / root, extent(rows) / root
        return KernelDensity(rows, best_bandwidth(negative_log_likelihood, (rows,), lower, upper))
    return KernelDensity(rows, jnp.asarray(read_positive(bandwidth, "bandwidth"), rows.dtype))
