"""The exercises in every family: the solution is for full covariances, and constrained here."""

from typing import Any

import numpy as np
from jaxtyping import Float

from jaxmix.suggestions import unknown

FAMILIES = ("full", "tied", "diag", "spherical")


def check_family(family: str) -> None:
    """Raise unless there are exercises in this family; importing no jax, as all of them."""
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)


def from_matrices(
    matrices: Float[np.ndarray, "k d d"], weights: Float[np.ndarray, " k"], family: str
) -> Float[np.ndarray, "..."]:
    """The family's covariances by maximum likelihood: averages over what is shared."""
    if family == "full":
        return matrices
    if family == "tied":
        return np.einsum("k,kij->ij", weights / np.sum(weights), matrices)
    variances = np.diagonal(matrices, axis1=1, axis2=2)
    return variances.copy() if family == "diag" else np.mean(variances, axis=1)


def to_matrices(
    covariances: Float[np.ndarray, "..."], family: str, k: int, d: int
) -> Float[np.ndarray, "k d d"]:
    """One matrix a component, from the family's covariances."""
    if family == "full":
        return covariances
    if family == "tied":
        return np.broadcast_to(covariances, (k, d, d))
    variances = covariances if family == "diag" else covariances[:, None]
    return variances[:, :, None] * np.eye(d)


def constrain(solution: dict[str, Any], family: str) -> None:
    """Make a version of the solution, given by its names, work in a family's covariances."""
    e_step, m_step, sample = (solution[name] for name in ("e_step", "m_step", "sample"))

    def matrices(means: Any, covariances: Any) -> Any:
        return to_matrices(covariances, family, *means.shape)

    def constrained_m_step(x: Any, responsibilities: Any) -> Any:
        weights, means, covariances = m_step(x, responsibilities)
        return weights, means, from_matrices(covariances, weights, family)

    solution |= {
        "e_step": lambda x, w, means, c: e_step(x, w, means, matrices(means, c)),
        "m_step": constrained_m_step,
        "sample": lambda w, means, c, n, rng: sample(w, means, matrices(means, c), n, rng),
    }
