"""Families by the names that users call them; each family and structure is one file of its own."""

import jax.numpy as jnp
from jaxtyping import DTypeLike

from jaxmix.families.base import Coordinates, Family
from jaxmix.families.covariances import Covariances
from jaxmix.families.diag import Diag
from jaxmix.families.full import Full
from jaxmix.families.gaussian import Gaussian
from jaxmix.families.spherical import Spherical
from jaxmix.families.tied import Tied
from jaxmix.suggestions import unknown

STRUCTURES: dict[str, type[Covariances]] = {
    structure.name: structure for structure in (Full, Tied, Diag, Spherical)
}


def structure(name: str) -> type[Covariances]:
    """The covariance structure of this name; ValueError with a suggestion for any other."""
    if not isinstance(name, str) or name not in STRUCTURES:
        raise unknown("family", name, STRUCTURES)
    return STRUCTURES[name]


def standard(name: str, k: int, d: int, dtype: DTypeLike) -> Gaussian:
    """k standard components of the named family, from which an M-step makes the rest."""
    kind = structure(name)
    shape = kind.expected_shape(k, d)
    unit = jnp.eye(d, dtype=dtype) if name in ("full", "tied") else jnp.ones((), dtype)
    return Gaussian(jnp.zeros((k, d), dtype), kind.from_values(jnp.broadcast_to(unit, shape), k, d))


__all__ = [
    "STRUCTURES",
    "Coordinates",
    "Covariances",
    "Family",
    "Gaussian",
    "standard",
    "structure",
]
