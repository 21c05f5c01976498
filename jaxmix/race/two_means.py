"""A likelihood of just two parameters, so that every method's path can be drawn on its contours.

One column, two components, whose weights and common deviation are fixed at those of its k-means
clusters: only the two means move. On Old Faithful's waiting times this is the lecture's example.
"""

from typing import Any

import numpy as np
from scipy.special import logsumexp, ndtri

from jaxmix.constructors import gaussian_mixture
from jaxmix.data import Table, standardize
from jaxmix.fitting import fit
from jaxmix.mixture import Mixture
from jaxmix.race.named_methods import Contender
from jaxmix.starts import initialize
from jaxmix.stopping import Stop

GRID = 60
"""Grid points along each mean."""

MOST_ROWS = 2000
"""Rows of the study; more would only slow the surface."""

START = (0.55, 0.95)
"""Quantiles of a normal distribution where the means start: both on one side, to make a path."""

FIXED = ("weights", "covariances")


def two_means(
    table: Table,
    methods: tuple[Contender, ...],
    stop: Stop,
) -> dict[str, Any] | None:
    """Paths of the methods over the log-likelihood of two means, for the last column of a table.

    Args:
        table: data; its last column is used, thinned to 2000 rows.
        methods: whose paths to draw, but for those that move means and covariances together.
        stop: when each ends.

    Returns:
        Grid, surface and paths in the user's units, or None where the column has no two components
        or there is no method to draw.
    """
    rows = np.linspace(0, len(table.x) - 1, min(len(table.x), MOST_ROWS)).round().astype(int)
    column = table.x[rows, -1:]
    weights = np.ones(len(rows)) if table.sample_weights is None else table.sample_weights[rows]
    z, center, scale = standardize(column)
    apart = [one for one in methods if getattr(one.method, "coordinates", "") != "augmented"]
    if len(np.unique(z)) < 2 or weights.sum() < 2 or not apart:
        return None
    known = initialize(z, 2, "tied", "kmeans", sample_weights=weights)
    known = known.take(np.argsort(np.asarray(known.means)[:, 0]))
    start = _start(known)
    paths = []
    for one in apart:
        result = fit(
            z, start, one.method, stop=stop, fixed=FIXED, sample_weights=weights, record="all"
        )
        assert result.path is not None
        means = np.asarray(result.path.means)[..., 0] * scale[0] + center[0]
        paths.append({"method": one.title, "means": means.tolist()})
    visited = np.array([point for path in paths for point in path["means"]])
    axes = [_axis(column[:, 0], visited[:, j]) for j in range(2)]
    deviation = float(np.sqrt(np.asarray(known.covariances).item())) * scale[0]
    surface = _surface(column, weights, np.asarray(known.weights), deviation, axes)
    return {
        "label": ["mean of component 1", "mean of component 2"],
        "data": table.columns[-1],
        "grid": [axis.tolist() for axis in axes],
        "log_likelihood": surface.tolist(),
        "paths": paths,
    }


def _start(known: Mixture) -> Mixture:
    """The clusters' weights and variance, with means that are both on one side."""
    variance = float(np.asarray(known.covariances).item())
    means = ndtri(np.array(START))[:, None]
    return gaussian_mixture(known.weights, means, [variance, variance], family="spherical")


def _axis(column: np.ndarray, visited: np.ndarray) -> np.ndarray:
    low, high = min(column.min(), visited.min()), max(column.max(), visited.max())
    margin = 0.05 * (high - low)
    return np.linspace(low - margin, high + margin, GRID)


def _surface(
    column: np.ndarray,
    sample_weights: np.ndarray,
    weights: np.ndarray,
    deviation: float,
    axes: list[np.ndarray],
) -> np.ndarray:
    """Log-likelihood [first mean, second mean] by the textbook's formula."""
    log_weights = np.log(weights / weights.sum())
    constant = np.log(deviation * np.sqrt(2 * np.pi))
    first, second = (
        log_weights[j] - ((column - axes[j]) / deviation) ** 2 / 2 - constant for j in range(2)
    )
    return np.array(
        [sample_weights @ logsumexp([one[:, None] + 0 * second, second], axis=0) for one in first.T]
    )
