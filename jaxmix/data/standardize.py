"""Columns brought to mean 0 and standard deviation 1, with what is needed to go back."""

from typing import Any

import numpy as np

from jaxmix.inputs import as_matrix, as_sample_weights


def standardize(
    x: Any, one_scale: bool = False, sample_weights: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shift and scale columns to mean 0 and (population) standard deviation 1.

        z = (x - center) / scale

    Computed in float64 from deviations, so that columns far from the origin keep their digits.

    Args:
        x: [n d], or anything accepted as data.
        one_scale: divide all columns by one number, the root of their mean variance, instead of
            each by its own. A spherical family stays spherical only so.

        sample_weights: frequency weights [n]; 1 each when left out.

    Returns:
        z [n d] in the dtype of x, center [d] and scale [d] in float64. A constant column
        becomes 0 and has scale 1 (with one_scale: the common one).

    Raises:
        ValueError, TypeError: as for any data, see `jaxmix.inputs.as_matrix`.

    Example:
        >>> z, center, scale = standardize([[1.0, 10.0], [3.0, 10.0]])
        >>> z.tolist(), center.tolist(), scale.tolist()
        ([[-1.0, 0.0], [1.0, 0.0]], [2.0, 10.0], [1.0, 1.0])
    """
    matrix, _ = as_matrix(x)
    n, d = matrix.shape
    weights = np.ones(n) if sample_weights is None else as_sample_weights(sample_weights, n)
    center, deviations = _center(matrix.astype(np.float64), weights)
    scale = _root_mean_square(deviations, weights)
    if one_scale:
        scale = np.full_like(scale, _root_mean_square(scale[:, None], np.ones(d))[0])
    scale = np.where(scale == 0, 1.0, scale)
    return (deviations / scale).astype(matrix.dtype), center, scale


def _center(x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Deviations from the first row are exactly 0 in a constant column, and small near a large mean.
    from_first = x - x[0]
    center_from_first = np.average(from_first, axis=0, weights=weights)
    return x[0] + center_from_first, from_first - center_from_first


def _root_mean_square(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    # Squares of very small or large numbers leave the range of floats; squares of ratios do not.
    largest = np.abs(columns).max(axis=0)
    unit = np.where(largest == 0, 1.0, largest)
    return unit * np.sqrt(np.average((columns / unit) ** 2, axis=0, weights=weights))
