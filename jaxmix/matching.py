"""The order of components that brings one mixture closest to another, and how far they then are.

Components have no order of their own; every comparison of two mixtures begins here.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from jaxmix.families import Gaussian
from jaxmix.mixture import Mixture


def match(mixture: Mixture, reference: Mixture) -> Int[np.ndarray, " k"]:
    r"""The order in which `mixture.take(order)` is closest to the reference.

    Minimizes the sum over pairs of Jeffreys' divergence of the components plus that of their
    weights, by linear assignment.

    Args:
        mixture: k components.
        reference: as many components of the same family, in as many columns.

    Returns:
        Indices [k] into the mixture's components.

    Raises:
        ValueError: if the mixtures differ in shape or family.

    Examples:
        >>> import jaxmix as jm
        >>> first = jm.gaussian_mixture([0.3, 0.7], [[0.0], [5.0]], [1.0, 1.0], family="spherical")
        >>> jm.match(first.take([1, 0]), first).tolist()
        [1, 0]

    Source: notes/design.md.
    """
    return linear_sum_assignment(_divergences(mixture, reference))[1]


def divergence(mixture: Mixture, reference: Mixture) -> float:
    """The sum that `match` minimizes, at its minimum: 0 for equal mixtures, whatever their order.

    Args:
        mixture: k components.
        reference: as many components of the same family, in as many columns.

    Raises:
        ValueError: if the mixtures differ in shape or family.
    """
    cost = _divergences(mixture, reference)
    return float(np.sum(cost[linear_sum_assignment(cost)]))


def _divergences(mixture: Mixture, reference: Mixture) -> Float[np.ndarray, "k k"]:
    """Of every component of the reference from every one of the mixture, with their weights."""
    if type(mixture.family) is not type(reference.family):
        raise ValueError(
            f"mixtures must be of one family, got {mixture.family.name} and {reference.family.name}"
        )
    if mixture.family.shape != reference.family.shape:
        raise ValueError(
            f"mixtures must have one shape (k, d), got {mixture.family.shape} and "
            f"{reference.family.shape}"
        )
    own, other = mixture.family.settings, reference.family.settings
    if own != other:
        raise ValueError(f"mixtures must be of one family, got {own} and {other}")
    return reference.family.jeffreys(mixture.family) + _weight_divergences(reference, mixture)


def covariance_matrices(mixture: Mixture) -> Float[np.ndarray, "k d d"]:
    """Covariances as one matrix a component, whatever the structure."""
    if not isinstance(mixture.family, Gaussian):
        raise TypeError(f"expected Gaussian components, got {mixture.family.name}")
    return np.asarray(mixture.family.matrices, float)


def _weight_divergences(a: Mixture, b: Mixture) -> Float[np.ndarray, "k k"]:
    first, second = np.asarray(a.weights, float)[:, None], np.asarray(b.weights, float)[None]
    return (first - second) * np.log(first / second)


def distance(mixture: Mixture, reference: Mixture, scale: Float[np.ndarray, " d"]) -> float:
    """Largest difference of two mixtures after matching, in units of each column's deviation.

    Over weights, means in column standard deviations, and covariances in products of two of them.

    Args:
        mixture: k components.
        reference: as many.
        scale: standard deviations of the columns [d].
    """
    moved = mixture.take(match(mixture, reference))
    parts = [
        np.asarray(moved.weights) - np.asarray(reference.weights),
        (np.asarray(moved.means) - np.asarray(reference.means)) / scale,
        (covariance_matrices(moved) - covariance_matrices(reference)) / np.outer(scale, scale),
    ]
    return max(float(np.max(np.abs(part))) for part in parts)
