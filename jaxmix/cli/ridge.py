"""The ridge that commands use where none is given: small beside the data, and never nothing."""

import numpy as np

from jaxmix.inputs import OUT_OF_RANGE

SHARE = 1e-6
"""Of the smallest column variance: it moves fits by about a millionth, and stops collapses."""


def default_ridge(x: np.ndarray, sample_weights: np.ndarray | None) -> float:
    """A millionth of the smallest column variance, in squared units of the data.

    Args:
        x: data [n d]; NaN where an entry is missing, and counts for nothing.
        sample_weights: frequency weights [n]; 1 each if None.

    Returns:
        The ridge. Constant columns do not count; 0 where every column is constant.

    Raises:
        ValueError: where squares of the data are larger or smaller than floats can be.

    Example:
        >>> default_ridge(np.array([[0.0, 10.0, 7.0], [2.0, np.nan, 7.0], [4.0, 12.0, 7.0]]), None)
        1e-06
    """
    weights = np.ones(len(x)) if sample_weights is None else np.asarray(sample_weights, float)
    with np.errstate(over="ignore"):
        variances = [_variance(column.astype(float), weights) for column in x.T]
    return SHARE * min((variance for variance in variances if variance > 0), default=0.0)


def _variance(column: np.ndarray, weights: np.ndarray) -> float:
    """Variance of the observed entries, exactly 0 where they are all the same."""
    counted = ~np.isnan(column) & (weights > 0)
    if not counted.any():
        return 0.0
    values, weights = column[counted] - column[counted][0], weights[counted]
    if not values.any():
        return 0.0
    mean = np.average(values, weights=weights)
    variance = float(np.average((values - mean) ** 2, weights=weights))
    if not 0 < variance < np.inf:
        raise ValueError(OUT_OF_RANGE)
    return variance
