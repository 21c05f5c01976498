"""Regression by a Gaussian kernel's weights (Nadaraya-Watson), its bandwidth by leaving one out.

notes/density.md, eq. 14 to 16. Weights are a softmax, so that no point, however far, gives 0/0.
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
    read_response,
    read_rows,
    squares_in_bandwidths,
)
from jaxmix.numerics import softmax

BEYOND = 4
"""How far the range of bandwidths reaches beyond the data's smallest and largest distance."""


def kernel_weights(
    squares: Float[Array, " n"], left_out: Array | bool = False
) -> Float[Array, " n"]:
    r"""The softmax of $-\lVert x - x_i \rVert^2 / (2 h^2)$, from the squares in bandwidths."""
    return softmax(jnp.where(left_out, -jnp.inf, -squares / 2))


def mean_squared_error(
    bandwidth: Float[Array, ""], x: Float[Array, "n d"], y: Float[Array, " n"]
) -> Float[Array, ""]:
    r"""The leave-one-out score $\frac1n \sum_i (y_i - \hat y_{-i}(x_i))^2$.

    Weights without row i, which is the exact residual / (1 - l_ii) without its cancellation where
    l_ii is near 1 (notes/density.md, eq. 15 and 16).
    """

    def left_out_error(row: Array) -> Float[Array, ""]:
        squares = squares_in_bandwidths(x, x[row], bandwidth)
        weights = kernel_weights(squares, jnp.arange(len(x)) == row)
        return (y[row] - weights @ y) ** 2

    return jnp.mean(map_rows(left_out_error, jnp.arange(len(x))))


compiled_score = jax.jit(mean_squared_error)


class KernelRegression(Smoother):
    """A mean of the observed values, weighted by a Gaussian kernel about the point."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    bandwidth: Float[Array, ""]

    @property
    def loo_score(self) -> Float[Array, ""]:
        """Mean squared error of each value predicted from the others."""
        return compiled_score(self.bandwidth, self.x, self.y)

    def predict(self, x: Any) -> Float[Array, " m"]:
        """The weighted mean at every row of x [m d]; far away, the nearest row's value.

        So far away that floats see no row as nearer than another, it is the mean of all values.
        """
        return means_of_rows(self, read_points(x, self.x))

    def smoother(self, x: Any) -> Float[Array, "m n"]:
        r"""Weights $l_i(x)$, the softmax over i of $-\lVert x - x_i \rVert^2 / (2 h^2)$."""
        return weights_of_rows(self, read_points(x, self.x))

    def weights(self, point: Float[Array, " d"]) -> Float[Array, " n"]:
        """The weights at one point; they sum to 1."""
        return kernel_weights(squares_in_bandwidths(self.x, point, self.bandwidth))


@jax.jit
def means_of_rows(estimate: KernelRegression, points: Float[Array, "m d"]) -> Float[Array, " m"]:
    """Weighted means, compiled once a shape."""
    return map_rows(lambda point: estimate.weights(point) @ estimate.y, points)


@jax.jit
def weights_of_rows(estimate: KernelRegression, points: Float[Array, "m d"]) -> Float[Array, "m n"]:
    """Weights, compiled once a shape."""
    return map_rows(lambda point: estimate.weights(point), points)


def kernel_regression(x: Any, y: Any, bandwidth: float | Array | None = None) -> KernelRegression:
    r"""The mean $\hat y(x) = \sum_i l_i(x) y_i$ with $l_i(x) \propto e^{-\|x-x_i\|^2/(2h^2)}$.

    Args:
        x: data [n d], or anything that `fit` takes. One bandwidth serves all columns, so bring them
            to one unit first: `jm.data.standardize`.
        y: the values [n] observed there.
        bandwidth: h, in the unit of x. Left out, it has the lowest leave-one-out squared error,
            searched by its derivative in log h from a quarter of the smallest distance between
            different rows (weights of the nearest rows alone) to four times the diagonal of
            the box around all (the mean of all values, nearly).

    Returns:
        A `KernelRegression` with `.bandwidth`, `.loo_score`, `.predict(x)` and `.smoother(x)`. It
        warns where the score is lowest at the lower end of the range.

    Raises:
        ValueError, TypeError: for bad data, a bandwidth that is not positive, or rows that are all
            equal and no bandwidth.

    Examples:
        >>> import jaxmix as jm
        >>> line = jm.density.kernel_regression([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], bandwidth=0.5)
        >>> [round(float(value), 6) for value in line.predict([1.0, 1e6])]
        [1.0, 2.0]

    Source: Nadaraya (1964), Theory of Probability and its Applications 9; Watson (1964),
    Sankhya A 26; notes/density.md.
    """
    rows = read_rows(x)
    values = read_response(y, rows)
    if bandwidth is None:
        lower, upper = resolution(rows) / BEYOND, extent(rows) * BEYOND
        # Neither origin nor unit of y matters, and squares of large numbers leave the range.
        moved = values - values[0]
        scaled = moved / jnp.maximum(jnp.max(jnp.abs(moved)), jnp.finfo(values.dtype).tiny)
        chosen = best_bandwidth(mean_squared_error, (rows, scaled), lower, upper)
        return KernelRegression(rows, values, chosen)
    chosen = jnp.asarray(read_positive(bandwidth, "bandwidth"), rows.dtype)
    return KernelRegression(rows, values, chosen)
