"""k-means beside mixtures: the limit that k-means is, and where its hard assignments mislead.

notes/em.md, eq. 13, has the limit; agreement with known classes is the adjusted Rand index.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from jaxmix import data
from jaxmix.clustering import kmeans
from jaxmix.constructors import gaussian_mixture
from jaxmix.fitting import fit
from jaxmix.methods import EM
from jaxmix.mixture import Mixture
from jaxmix.report.demonstration import Demonstration
from jaxmix.report.writers import Table
from jaxmix.result import FitResult
from jaxmix.scores import adjusted_rand_index
from jaxmix.starts import initialize
from jaxmix.stopping import Stop
from jaxmix.teaching.figures import draw_clusters, draw_mixtures, draw_softness

DEVIATIONS = (1.0, 0.5, 0.25, 0.1, 0.05)
"""Common standard deviations of the soft EM that becomes k-means, in units of the columns'."""

CARELESS_VARIANCE = 0.5
PATIENT = Stop(max_steps=10_000)
"""Overlapping clusters, and careless starts, take EM some thousand steps."""

MISLEADING = ("overlap", "unequal widths", "elongated")


def num_classes(table: data.Table) -> int:
    """How many clusters to look for: the known classes, or 2."""
    return 2 if table.labels is None else len(np.unique(table.labels))


def hard(table: data.Table) -> Demonstration:
    """Soft EM with equal weights and one fixed variance, as that variance goes to 0."""
    z, _, _ = data.standardize(table.x)
    k = num_classes(table)
    start = initialize(z, k, "spherical", "random_from_data", seed=0).means
    centers = np.asarray(kmeans(z, k, centers=start).centers)
    rows, mixtures = [], {}
    for sigma in DEVIATIONS:
        mixture = gaussian_mixture(np.full(k, 1 / k), start, [sigma**2] * k, family="spherical")
        result = fit(z, mixture, EM(), fixed=("weights", "covariances"))
        away = np.max(np.abs(np.asarray(result.mixture.means) - centers))
        undecided = 1 - np.asarray(result.mixture.responsibilities(z)).max(axis=1)
        mixtures[f"sigma = {sigma:g}"] = result.mixture
        end = int(result.num_steps), result.outcome.name
        rows.append((sigma, *end, float(away), float(undecided.mean())))
    columns = ("sigma", "steps", "outcome", "distance from k-means", "undecided")
    caption = (
        "Standardized columns. Distance: the largest between a mean and the center that k-means "
        "finds from the same start. Undecided: the mean of 1 - the largest responsibility."
    )
    shown, scaled = Table(columns, tuple(rows), caption), replace(table, x=z)
    return Demonstration((shown,), lambda: draw_softness(scaled, mixtures, centers))


def starts(table: data.Table) -> Demonstration:
    """One data set, k-means and a diagonal mixture from two starts: starts matter."""
    k = max(num_classes(table), 2)
    clusters = kmeans(table.x, k)
    careful = fit(table.x, from_clusters(table, k), stop=PATIENT)
    careless = fit(table.x, careless_start(np.asarray(clusters.centers)), stop=PATIENT)
    rows = (
        (
            "k-means",
            int(clusters.num_steps),
            clusters.outcome.name,
            None,
            _agreement(table, clusters.labels),
        ),
        _row("from clusters, with variances", table, careful),
        _row("same means, all variances 1/2", table, careless),
    )
    columns = ("start", "steps", "outcome", "log-likelihood", "adjusted Rand index")
    caption = f"{table.name}: k = {k}, diagonal covariances."
    ends = {rows[1][0]: careful.mixture, rows[2][0]: careless.mixture}
    shown = Table(columns, rows, caption)
    return Demonstration((shown,), lambda: draw_mixtures(table, ends))


def from_clusters(table: data.Table, k: int) -> Mixture:
    """The weights, means and variances of k-means clusters."""
    return initialize(table.x, k, "diag", "kmeans")


def careless_start(centers: np.ndarray) -> Mixture:
    """Means at the clusters' centers, with equal weights and all variances 1/2."""
    k = len(centers)
    variances = np.full(centers.shape, CARELESS_VARIANCE)
    return gaussian_mixture(np.full(k, 1 / k), centers, variances, family="diag")


def _row(name: str, table: data.Table, result: FitResult) -> tuple[Any, ...]:
    predicted = result.mixture.predict(table.x)
    end = int(result.num_steps), result.outcome.name, float(result.log_likelihood)
    return (name, *end, _agreement(table, predicted))


def _agreement(table: data.Table, predicted: Any) -> float | None:
    return None if table.labels is None else adjusted_rand_index(table.labels, predicted)


def misleading_sets(n: int = 10_000) -> dict[str, data.Table]:
    """Three small sets where hard assignments mislead: overlap, unequal widths, long clusters."""
    shapes = {"overlap": (2.0, 1.0), "elongated": (2.0, 8.0)}
    drawn = {
        name: data.mixture_sample(n, 2, 2, separation, eccentricity, "tied", seed=2)[0]
        for name, (separation, eccentricity) in shapes.items()
    }
    drawn["unequal widths"] = data.comparison_set(n)[0]
    return {name: drawn[name] for name in MISLEADING}


def kmeans_or_mixture(tables: dict[str, data.Table]) -> Demonstration:
    """Agreement with the known classes and error of their means, by k-means and by a mixture."""
    rows, labelings = [], {}
    for name, table in tables.items():
        if table.labels is None:
            raise ValueError(f"the table {name} has no known classes to compare with; give labels")
        k = num_classes(table)
        result = fit(table.x, initialize(table.x, k, "full", "kmeans"), stop=PATIENT)
        clusters, predicted = kmeans(table.x, k), result.mixture.predict(table.x)
        labelings[name] = table, {"k-means": clusters.labels, "mixture": predicted}
        agreement = _agreement(table, clusters.labels), _agreement(table, predicted)
        wrong = (_off(table, centers) for centers in (clusters.centers, result.mixture.means))
        rows.append((name, *agreement, *wrong, result.outcome.name))
    columns = ("data", "k-means", "mixture", "k-means is off by", "mixture is off by", "outcome")
    caption = (
        "Adjusted Rand index of the known classes, 1 where they are found and 0 by chance, and the "
        "largest distance of a center from its class's mean. Outcome: of the mixture's fit."
    )
    shown = Table(columns, tuple(rows), caption)
    return Demonstration((shown,), lambda: draw_clusters(labelings))


def _off(table: data.Table, centers: Any) -> float:
    """The largest distance between classes' means and the centers matched to them."""
    labels = np.asarray(table.labels)
    means = np.array([table.x[labels == name].mean(axis=0) for name in np.unique(labels)])
    distances = cdist(means, np.asarray(centers))
    return float(distances[linear_sum_assignment(distances)].max())
