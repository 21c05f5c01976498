"""Mixtures from plain arrays, as users write their parameters; everything is checked here."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.families import Bernoulli, Categorical, Family, Gaussian, Poisson, structure
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
    values = kind.from_values(jnp.asarray(covariances, dtype), *means.shape)
    return _mixture(weights, means.astype(dtype), lambda means: Gaussian(means, values))


def poisson_mixture(weights: Any, rates: Any) -> Mixture:
    r"""A mixture of counts, $\sum_k w_k \prod_j e^{-\lambda_{kj}} \lambda_{kj}^{x_j} / x_j!$.

    Args:
        weights: mixing proportions [k], positive, summing to 1.
        rates: [k d], or [k] for one column; at least 0.

    Returns:
        A `Mixture` with `.rates` [k d], in the precision of the arguments.

    Raises:
        ValueError: for weights or rates out of range, or of shapes that do not agree.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([0.4, 0.6], [1.0, 2.0])
        >>> round(float(mixture.log_prob([3])[0]), 4)
        -2.019
    """
    weights, rates = _weighted(weights, "rates", rates)
    if not np.all(rates >= 0):
        raise ValueError(f"rates must be at least 0, got {rates.min():g}")
    return _mixture(weights, rates, Poisson)


def bernoulli_mixture(weights: Any, probabilities: Any) -> Mixture:
    r"""A mixture of yes or no, $\sum_k w_k \prod_j p_{kj}^{x_j} (1 - p_{kj})^{1 - x_j}$.

    Args:
        weights: mixing proportions [k], positive, summing to 1.
        probabilities: of 1, [k d], or [k] for one column; from 0 to 1.

    Returns:
        A `Mixture` with `.probabilities` [k d], in the precision of the arguments.

    Raises:
        ValueError: for weights or probabilities out of range, or of shapes that do not agree.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.bernoulli_mixture([0.5, 0.5], [[0.9, 0.8], [0.1, 0.2]])
        >>> mixture.predict([[1, 1], [0, 0]]).tolist()
        [0, 1]
    """
    weights, probabilities = _weighted(weights, "probabilities", probabilities)
    if not np.all((probabilities >= 0) & (probabilities <= 1)):
        raise ValueError(f"probabilities must be 0 to 1, got {probabilities!r}")
    return _mixture(weights, probabilities, Bernoulli)


def categorical_mixture(weights: Any, probabilities: Any) -> Mixture:
    r"""A mixture of categories, $\sum_k w_k \prod_j p_{kj,x_j}$, with levels 0, 1, ... a column.

    Args:
        weights: mixing proportions [k], positive, summing to 1.
        probabilities: [k d c], or [k c] for one column; the last axis sums to 1. A column with
            fewer than c levels has 0 for the others, under every component.

    Returns:
        A `Mixture` with `.probabilities` [k d c], in the precision of the arguments.

    Raises:
        ValueError: for weights or probabilities out of range, or of shapes that do not agree.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.categorical_mixture([0.5, 0.5], [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
        >>> mixture.predict([0, 2]).tolist()
        [0, 1]
    """
    weights, probabilities = _floats("weights", weights), _floats("probabilities", probabilities)
    _check_weights(weights)
    if probabilities.ndim == 2:
        probabilities = probabilities[:, None]
    if probabilities.ndim != 3 or len(probabilities) != len(weights) or not probabilities.size:
        raise ValueError(
            f"probabilities must be [{len(weights)} d c], got shape {probabilities.shape}"
        )
    if not np.all(probabilities >= 0) or not np.allclose(probabilities.sum(-1), 1, atol=1e-6):
        raise ValueError("probabilities must be at least 0 and sum to 1 over the last axis")
    present = np.any(probabilities > 0, axis=0)
    levels = tuple(int(np.flatnonzero(one)[-1]) + 1 for one in present)
    flat = np.concatenate([probabilities[:, j, :c] for j, c in enumerate(levels)], axis=1)
    return _mixture(weights, flat, partial(Categorical, levels=levels))


def _weighted(weights: Any, name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights [k] and a table [k d] of one number a component and column."""
    weights, values = _floats("weights", weights), _floats(name, values)
    _check_weights(weights)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(weights) or not values.size:
        raise ValueError(f"{name} must be [{len(weights)} d], got shape {values.shape}")
    return weights, values


def _mixture(weights: np.ndarray, values: np.ndarray, family: Callable[[Any], Family]) -> Mixture:
    dtype = jnp.result_type(weights, values)
    log_weights = _log_weights(jnp.asarray(weights, dtype))
    return Mixture(log_weights, family(jnp.asarray(values, dtype)))


@jax.jit
def _log_weights(weights: Float[Array, " k"]) -> Float[Array, " k"]:
    return jax.nn.log_softmax(jnp.log(weights))


def _floats(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
        if array.dtype.kind == "c":
            raise TypeError
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
