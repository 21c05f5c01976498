"""Mixtures from plain arrays, as users write their parameters; everything is checked here."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmix.families import Gaussian, structure
from jaxmix.families.gaussian import MATRICES
from jaxmix.mixture import Mixture


def gaussian_mixture(weights: Any, means: Any, covariances: Any, family: str = "full") -> Mixture:
    r"""A Gaussian mixture $\sum_k w_k N(\mu_k, \Sigma_k)$ from plain arrays.

    Args:
        weights: mixing proportions [k], positive, summing to 1.
        means: [k d], in the units of the data.
        covariances: full [k d d], tied [d d], diag [k d], spherical [k]; squared units. A single
            number stands for that variance in every place of its shape.
        family: "full", "tied", "diag" or "spherical".

    Returns:
        A `Mixture` in the precision of the arguments.

    Raises:
        ValueError: for weights that are not positive or do not sum to 1, shapes that do not agree,
            covariances that are not positive definite, or an unknown family.

    Examples:
        >>> import jaxmix as jm
        >>> jm.gaussian_mixture([0.3, 0.7], [[0.0], [4.0]], [[[1.0]], [[2.0]]]).num_parameters
        5
    """
    kind = structure(family)
    arrays = [
        _floats(name, value)
        for name, value in (("weights", weights), ("means", means), ("covariances", covariances))
    ]
    weights, means, covariances = arrays
    _check_weights(weights)
    means = means[:, None] if means.ndim == 1 and len(means) == len(weights) else means
    if means.ndim != 2 or len(means) != len(weights):
        raise ValueError(f"means must be [{len(weights)} d], got shape {means.shape}")
    shape = kind.expected_shape(*means.shape)
    covariances = _check_covariances(covariances, shape, family)
    dtype = jnp.result_type(*arrays)
    _check_representable(weights.astype(dtype), covariances.astype(dtype), family)
    log_weights = jnp.log(jnp.asarray(weights, dtype))
    values = kind.from_values(jnp.asarray(covariances, dtype), *means.shape)
    return Mixture(jax.nn.log_softmax(log_weights), Gaussian(jnp.asarray(means, dtype), values))


def _floats(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
        array = array if array.dtype in (np.float32, np.float64) else array.astype(float)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be numbers, got {value!r}") from None
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {array!r}")
    return array


def _check_weights(weights: np.ndarray) -> None:
    if weights.ndim != 1 or not len(weights):
        raise ValueError(f"weights must be [k], got shape {weights.shape}")
    if not np.all(weights > 0):
        raise ValueError(f"weights must be positive, got {weights.min():g}; drop empty components")
    if abs(weights.sum() - 1) > 1e-6:
        raise ValueError(f"weights must sum to 1, got {weights.sum():.9g}; divide by their sum")


def _check_representable(weights: np.ndarray, covariances: np.ndarray, family: str) -> None:
    """Raise unless weights stay positive and covariances have factors in this precision."""
    try:
        if family in MATRICES:
            np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"covariances must be positive definite; in {covariances.dtype} these have no factor"
        ) from None
    if not np.all(weights > 0) or not np.any(covariances > 0):
        raise ValueError(f"weights and covariances must be positive in {weights.dtype}")


def _check_covariances(values: np.ndarray, shape: tuple[int, ...], family: str) -> np.ndarray:
    if values.ndim == 0 and family in MATRICES:
        values = values * np.broadcast_to(np.eye(shape[-1], dtype=values.dtype), shape)
    values = np.broadcast_to(values, shape) if values.ndim == 0 else values
    if values.shape != shape:
        raise ValueError(f"{family} covariances must have shape {shape}, got {values.shape}")
    matrices = family in MATRICES
    if matrices and not np.allclose(values, np.swapaxes(values, -1, -2), rtol=1e-6, atol=0):
        raise ValueError("covariances must be symmetric")
    least = np.linalg.eigvalsh(values).min() if matrices else values.min()
    if not least > 0:
        raise ValueError(f"covariances must be positive definite, got least eigenvalue {least:g}")
    return values
