"""Samples from Gaussian mixtures with known parameters: of chosen separation, and the course's.

One integer seed gives several independent streams of random numbers, so that a larger sample
begins with the rows of a smaller one and comes from the same mixture.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxmix.data.table import Table
from jaxmix.inputs import as_count
from jaxmix.suggestions import unknown

FAMILIES = ("full", "tied", "diag", "spherical")
_DATA_STREAM = int.from_bytes(b"data", "big")
_LARGEST_TO_SMALLEST_SIZE = 2.0
_CANDIDATES = 10
# A covariance of condition number 1e12 still has a Cholesky factor with digits to spare.
_LARGEST_ECCENTRICITY = 1e6


class Truth(NamedTuple):
    """The parameters of the mixture that a sample came from.

    Args:
        weights: [k], mixing proportions.
        means: [k d].
        covariances: full [k d d], tied [d d], diag [k d] or spherical [k].

    Example:
        >>> _, truth = mixture_sample(n=10, k=3, d=2, separation=4.0)
        >>> truth.weights.shape, truth.means.shape, truth.covariances.shape
        ((3,), (3, 2), (3, 2, 2))
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def mixture_sample(
    n: int,
    k: int,
    d: int,
    separation: float,
    eccentricity: float = 1.0,
    family: str = "full",
    weights: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
) -> tuple[Table, Truth]:
    """Draw a sample from a random Gaussian mixture of chosen difficulty.

    With s_i = sqrt(trace(covariance_i) / d), a component's root-mean-square standard deviation,

        separation = min over i != j of |mean_i - mean_j| / max(s_i, s_j)
        eccentricity = largest / smallest standard deviation along a component's axes

    hold exactly, the second for every component. Sizes s_i lie within a factor 2 (tied: s = 1),
    axes of full and tied components point in random directions. For round components a
    separation of c sqrt(d) is what Dasgupta calls c-separated; 2 is nearly so, 1/2 overlaps much.

    Args:
        n: number of rows.
        k: number of components.
        d: number of columns.
        separation: see above; 0 puts all centers in one place.
        eccentricity: see above, at most 1e6; 1 makes every component round.
        family: "full", "tied", "diag" or "spherical".
        weights: [k] mixing proportions; equal by default.
        seed: chooses mixture and rows; n does not change the mixture.

    Returns:
        The table, whose labels [n] are the components drawn from, and the truth.

    Raises:
        ValueError: if a number is out of range, weights are not k positive numbers of sum 1, the
            family is unknown, or components that cannot be eccentric (spherical, d = 1) should be.
        TypeError: if n, k, d or seed is not a whole number.

    Example:
        >>> table, truth = mixture_sample(n=500, k=3, d=2, separation=4.0, eccentricity=5.0)
        >>> table
        Table 'mixture sample': 500 x 2 (x1, x2), labels

    Source: S. Dasgupta, Learning mixtures of Gaussians, FOCS 1999.
    """
    k, d, seed = as_count(k, "k"), as_count(d, "d"), as_count(seed, "seed", least=0)
    _check_shape(separation, eccentricity, family, d)
    truth_weights = _proportions(weights, k)
    rng = np.random.default_rng(_streams(seed)[0])
    deviations = _axis_deviations(rng, k, d, eccentricity, family)
    sizes = np.sqrt(np.mean(deviations**2, axis=1))
    means = _separated_centers(rng, sizes, d, separation)
    truth = Truth(truth_weights, means, _covariances(rng, deviations, family))
    description = f"separation {separation:g}, eccentricity {eccentricity:g}, {family}"
    return _sample("mixture sample", n, truth, family, seed, description), truth


def three_clusters(n: int = 100, seed: int = 0) -> tuple[Table, Truth]:
    """Draw the course's three overlapping clusters in the plane, the middle one tilted.

    Args:
        n: number of rows.
        seed: chooses the rows.

    Returns:
        The table, whose labels [n] are the components, and the truth in the shapes of "full".

    Raises:
        ValueError, TypeError: if n or seed is not a whole number in range.

    Example:
        >>> table, truth = three_clusters()
        >>> table.x.shape, truth.weights.tolist()
        ((100, 2), [0.25, 0.5, 0.25])
    """
    truth = Truth(
        weights=np.array([0.25, 0.5, 0.25]),
        means=np.array([[5.0, 0.0], [1.0, 1.0], [0.0, 5.0]]),
        covariances=np.array(
            [[[0.5, 0.0], [0.0, 0.5]], [[0.92, 0.38], [0.38, 0.91]], [[0.5, 0.0], [0.0, 0.5]]]
        ),
    )
    seed = as_count(seed, "seed", least=0)
    return _sample("three clusters", n, truth, "full", seed, "the course's first set"), truth


def comparison_set(n: int = 10_000, seed: int = 0) -> tuple[Table, Truth]:
    """Draw the course's set that misleads k-means: one wide cluster beside two narrow ones.

    Args:
        n: number of rows.
        seed: chooses the rows.

    Returns:
        The table, whose labels [n] are the components, and the truth in the shapes of
        "spherical".

    Raises:
        ValueError, TypeError: if n or seed is not a whole number in range.

    Example:
        >>> table, truth = comparison_set()
        >>> table.x.shape, np.sqrt(truth.covariances).tolist()
        ((10000, 2), [0.1, 0.05, 0.05])
    """
    truth = Truth(
        weights=np.array([0.8, 0.1, 0.1]),
        means=np.array([[0.5, 0.5], [0.25, 0.75], [0.75, 0.75]]),
        covariances=np.array([0.1, 0.05, 0.05]) ** 2,
    )
    seed = as_count(seed, "seed", least=0)
    return _sample("comparison set", n, truth, "spherical", seed, "the course's second set"), truth


def _streams(seed: int) -> list[np.random.SeedSequence]:
    """Return the independent streams of the truth, the labels and the noise."""
    return np.random.SeedSequence(seed, spawn_key=(_DATA_STREAM,)).spawn(3)


def _check_shape(separation: float, eccentricity: float, family: str, d: int) -> None:
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    if not 0 <= separation < np.inf:
        raise ValueError(f"expected a finite separation >= 0, got {separation}")
    if not 1 <= eccentricity <= _LARGEST_ECCENTRICITY:
        raise ValueError(
            f"expected 1 <= eccentricity <= {_LARGEST_ECCENTRICITY:g}, got {eccentricity}"
        )
    if eccentricity != 1 and (d == 1 or family == "spherical"):
        raise ValueError(
            f"{'one column is' if d == 1 else 'spherical components are'} always of "
            f"eccentricity 1, got {eccentricity}; choose another family, or more columns"
        )


def _proportions(weights: Sequence[float] | np.ndarray | None, k: int) -> np.ndarray:
    if weights is None:
        return np.full(k, 1 / k)
    proportions = np.asarray(weights, np.float64)
    if proportions.shape != (k,) or not (proportions > 0).all():
        raise ValueError(f"expected {k} positive weights, got {proportions.tolist()}")
    if abs(proportions.sum() - 1) > 1e-8:
        raise ValueError(f"expected weights of sum 1, got sum {proportions.sum():g}; divide by it")
    return proportions / proportions.sum()


def _axis_deviations(
    rng: np.random.Generator, k: int, d: int, eccentricity: float, family: str
) -> np.ndarray:
    """Draw the standard deviations along each component's axes, [k d] (tied: one row, repeated)."""
    exponents = rng.uniform(size=(k, d))
    exponents[:, 0] = 0.0
    exponents[:, -1] = 1.0
    deviations = eccentricity ** rng.permuted(exponents, axis=1)
    sizes = np.sqrt(np.mean(deviations**2, axis=1, keepdims=True))
    if family == "tied":
        return np.tile(deviations[:1] / sizes[:1], (k, 1))
    return deviations / sizes * _LARGEST_TO_SMALLEST_SIZE ** rng.uniform(-0.5, 0.5, size=(k, 1))


def _separated_centers(
    rng: np.random.Generator, sizes: np.ndarray, d: int, separation: float
) -> np.ndarray:
    """Place each center at the best of a few random points, then scale to the exact separation."""
    centers = rng.uniform(-0.5, 0.5, size=(1, d))
    for j in range(1, len(sizes)):
        candidates = rng.uniform(-0.5, 0.5, size=(_CANDIDATES, d))
        closest = _relative_distances(candidates, centers, sizes[j], sizes[:j]).min(axis=1)
        centers = np.vstack([centers, candidates[closest.argmax()]])
    if len(centers) == 1:
        return np.zeros((1, d))
    pairs = _relative_distances(centers, centers, sizes[:, None], sizes)
    closest_pair = pairs[~np.eye(len(centers), dtype=bool)].min()
    return centers * (separation / closest_pair)


def _relative_distances(
    points: np.ndarray, centers: np.ndarray, size: float | np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - centers, axis=-1)
    return distances / np.maximum(size, sizes)


def _covariances(rng: np.random.Generator, deviations: np.ndarray, family: str) -> np.ndarray:
    if family == "spherical":
        return deviations[:, 0] ** 2
    if family == "diag":
        return deviations**2
    directions, _ = np.linalg.qr(rng.standard_normal((*deviations.shape, deviations.shape[1])))
    factors = directions * deviations[:, None, :]
    covariances = factors @ factors.swapaxes(1, 2)
    covariances = (covariances + covariances.swapaxes(1, 2)) / 2
    return covariances[0] if family == "tied" else covariances


def _sample(name: str, n: int, truth: Truth, family: str, seed: int, description: str) -> Table:
    n, (k, d) = as_count(n, "n"), truth.means.shape
    _, label_stream, noise_stream = _streams(seed)
    labels = np.random.default_rng(label_stream).choice(k, size=n, p=truth.weights)
    x = np.random.default_rng(noise_stream).standard_normal((n, d))
    for component, factor in enumerate(_factors(truth, family)):
        rows = labels == component
        # einsum, unlike a matrix product, gives a row the same bits whatever rows are beside it.
        x[rows] = truth.means[component] + np.einsum("nj,ij->ni", x[rows], factor)
    columns = tuple(f"x{column + 1}" for column in range(d))
    return Table(name, x, columns, labels, source=f"generated: {description}, seed {seed}")


def _factors(truth: Truth, family: str) -> np.ndarray:
    """Return a square root of each component's covariance, [k d d]."""
    k, d = truth.means.shape
    if family in ("full", "tied"):
        full = np.broadcast_to(truth.covariances, (k, d, d))
        return np.linalg.cholesky(full)
    deviations = np.sqrt(truth.covariances).reshape(k, -1)
    return np.eye(d) * np.broadcast_to(deviations, (k, d))[:, :, None]
