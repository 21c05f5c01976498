"""Totals, means and covariances of all data: where a problem is centered, and its metric.

Parts of the data have moments of their own, which merge without cancellation, so that data that no
memory holds are read once. The functions of arrays take NumPy's and JAX's alike: a problem is posed
by the host, or inside a caller's jit.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxmix.linalg import has_no_factor

Values = Any
"""An array of NumPy or JAX."""


class Moments(NamedTuple):
    """Of some rows: the sum of their weights, their mean, and their scatter about it."""

    total: Any
    mean: Values
    scatter: Values

    @property
    def covariance(self) -> Values:
        """Scatter a unit of weight."""
        return self.scatter / self.total


def moments(x: Float[Values, "n d"], weights: Float[Values, " n"]) -> Moments:
    """Of these rows, whose weights are not all 0."""
    total = weights.sum()
    mean = weights @ x / total
    return Moments(total, mean, ((x - mean) * weights[:, None]).T @ (x - mean))


def merged(parts: Iterable[Moments]) -> Moments:
    """Of all rows, from the moments of their parts.

    Source: Chan, Golub & LeVeque (1979), Stanford STAN-CS-79-773, eq. 2.1.
    """
    return reduce(_both, parts)


def _both(one: Moments, other: Moments) -> Moments:
    total, offset = one.total + other.total, other.mean - one.mean
    between = np.outer(offset, offset) * (one.total * other.total / total)
    mean = one.mean + offset * (other.total / total)
    return Moments(total, mean, one.scatter + other.scatter + between)


class Pairs(NamedTuple):
    """Of rows with missing entries: products about the mean and weights, pair by pair."""

    products: Values
    weights: Values


def observed_sums(
    x: Float[Values, "n d"], weights: Float[Values, " n"]
) -> tuple[Float[Values, " d"], Float[Values, " d"]]:
    """Weighted sums of the observed entries of each column, and their weights."""
    seen, known = _observed(x, weights)
    return (known * seen).sum(axis=0), seen.sum(axis=0)


def observed_pairs(
    x: Float[Values, "n d"], weights: Float[Values, " n"], mean: Float[Values, " d"]
) -> Pairs:
    """Sums over the rows where both entries of a pair are observed."""
    seen, known = _observed(x - mean, weights)
    return Pairs((known * weights[:, None]).T @ known, seen.T @ (seen > 0))


def _observed(x: Values, weights: Values) -> tuple[Values, Values]:
    namespace = x.__array_namespace__()
    seen = ~namespace.isnan(x) * weights[:, None]
    return seen, namespace.where(seen > 0, x, 0.0)


def pairwise_covariance(pairs: Pairs) -> Float[Array, "d d"]:
    """Covariances of observed pairs; a diagonal where these make no matrix."""
    products, weights = pairs
    pairwise = products / jnp.where(weights > 0, weights, 1.0)
    variances = jnp.diag(jnp.diagonal(pairwise))
    return jnp.where(has_no_factor(pairwise - 1e-6 * variances), variances, pairwise)


def observed_moments(
    x: Float[Array, "n d"], weights: Float[Array, " n"]
) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """Mean and covariance of observed entries, pair by pair."""
    sums, counts = observed_sums(x, weights)
    mean = sums / counts
    return mean, pairwise_covariance(observed_pairs(x, weights, mean))


class Survey(NamedTuple):
    """What one reading of all data says, in float64."""

    rows: int
    """Rows of positive weight."""
    total: float
    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]
    lowest: Float[np.ndarray, " d"]
    highest: Float[np.ndarray, " d"]
    missing: Bool[np.ndarray, " d"]
    """Whether an entry of the column is missing."""
    dtype: np.dtype
    """Precision of the data."""

    def of_columns(self, columns: tuple[int, ...]) -> "Survey":
        """What it says of some of the columns."""
        some = np.array(columns, int)
        return self._replace(
            mean=self.mean[some],
            covariance=self.covariance[np.ix_(some, some)],
            lowest=self.lowest[some],
            highest=self.highest[some],
            missing=self.missing[some],
        )
