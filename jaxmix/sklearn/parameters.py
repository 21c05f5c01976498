"""A mixture's parameters as the estimator hands them out and takes them: NumPy, user's units."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.families import Gaussian, structure
from jaxmix.mixture import Mixture

MATRICES = ("full", "tied")
"""Families whose covariances are matrices."""

ILL_DEFINED = (
    "the fit failed: a component collapsed or lost its observations, so that its covariance is ill "
    "defined; use fewer components, another random_state or init_params, a larger reg_covar, or "
    "scale the data"
)


class Parameters(NamedTuple):
    """Weights [k], means [k d] and covariances in the family's shape."""

    weights: Any
    means: Any
    covariances: Any


class Given(NamedTuple):
    """What a user wants to start from; the rest follows from responsibilities."""

    weights: Any
    means: Any
    precisions: Any


@partial(jax.jit, static_argnames="family")
def as_mixture(start: Parameters, family: str) -> Mixture:
    """The mixture with these parameters, its weights as they are."""
    means = jnp.asarray(start.means)
    values = structure(family).from_values(jnp.asarray(start.covariances), *means.shape)
    return Mixture(jnp.log(jnp.asarray(start.weights)), Gaussian(means, values))


def in_users_units(center: Any, mixture: Mixture) -> Parameters:
    """The parameters of a mixture in coordinates centered at `center` [d]."""
    return jax.tree.map(np.array, _moved(center, mixture))


@jax.jit
def _moved(center: Float[Array, " d"], mixture: Mixture) -> Parameters:
    mixture = mixture.translate(center)
    return Parameters(mixture.weights, mixture.means, mixture.covariances)


def precision_factors(covariances: np.ndarray, family: str) -> np.ndarray:
    """Upper triangular U with precision U U'; ValueError where a covariance has no factor."""
    if family not in MATRICES:
        if not np.all(covariances > 0) or not np.all(np.isfinite(covariances)):
            raise ValueError(ILL_DEFINED)
        return 1 / np.sqrt(covariances)
    try:
        lower = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        raise ValueError(ILL_DEFINED) from None
    upper = np.swapaxes(np.linalg.solve(lower, np.eye(lower.shape[-1])), -1, -2)
    # In one layout, since products of another, as pickles restore it, round otherwise.
    return np.ascontiguousarray(upper)


def precisions(factors: np.ndarray, family: str) -> np.ndarray:
    """U U' in the family's shape."""
    return factors @ np.swapaxes(factors, -1, -2) if family in MATRICES else factors**2


def check_given(given: Given, k: int, d: int, family: str) -> Given:
    """The given parts as arrays; ValueError where no mixture could start there."""
    shapes = Given((k,), (k, d), structure(family).expected_shape(k, d))
    arrays = Given(*map(_checked, Given._fields, given, shapes))
    weights, matrices = arrays.weights, arrays.precisions
    if weights is not None and (weights.min() <= 0 or abs(weights.sum() - 1) > 1e-6):
        raise ValueError(
            f"weights_init must be positive and sum to 1, got {weights}; divide by their sum"
        )
    if matrices is not None and family in MATRICES:
        symmetric = np.allclose(matrices, np.swapaxes(matrices, -1, -2))
        if not symmetric or np.linalg.eigvalsh(matrices).min() <= 0:
            raise ValueError("precisions_init must be symmetric and positive definite")
    elif matrices is not None and matrices.min() <= 0:
        raise ValueError(f"precisions_init must be positive, got {matrices.min():g}")
    return arrays


def _checked(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    if value is None:
        return None
    array = np.asarray(value, dtype=float)
    if array.shape != shape or not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name}_init must be finite numbers of shape {shape}, got shape {array.shape}"
        )
    return array


def with_given(drawn: Parameters | None, given: Given, family: str) -> Parameters:
    """A start with the user's parts in place of the drawn ones; all are given where none is."""
    inverse = np.linalg.inv if family in MATRICES else np.reciprocal
    covariances = None if given.precisions is None else inverse(given.precisions)
    wanted = Parameters(given.weights, given.means, covariances)
    if drawn is None:
        return wanted
    return Parameters(*(old if new is None else new for old, new in zip(drawn, wanted)))
