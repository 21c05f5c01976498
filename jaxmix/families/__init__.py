"""Families by the names that users call them; each family and structure is one file of its own."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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

Template = Callable[[np.ndarray, int], Family]


def _gaussians(kind: type[Covariances], x: np.ndarray, k: int) -> Gaussian:
    return Gaussian.standard(kind, k, x.shape[1], jax.dtypes.canonicalize_dtype(x.dtype))


TEMPLATES: dict[str, Template] = {
    name: partial(_gaussians, kind) for name, kind in STRUCTURES.items()
}
"""By name, the function that makes k standard components for data [n d]."""


Blank = Callable[[int, int, Mapping[str, Any]], Family]


def _blank_gaussians(
    kind: type[Covariances], k: int, d: int, settings: Mapping[str, Any]
) -> Gaussian:
    return Gaussian.standard(kind, k, d, jnp.float32)


BLANKS: dict[str, Blank] = {
    name: partial(_blank_gaussians, kind) for name, kind in STRUCTURES.items()
}
"""By name, the function (k, d, settings) that makes a family of these sizes and `Family.settings`,
float32, every array of which `load_mixture` replaces; a family without an entry cannot be saved."""


def structure(name: str) -> type[Covariances]:
    """The covariance structure of this name; ValueError with a suggestion for any other."""
    if not isinstance(name, str) or name not in STRUCTURES:
        raise unknown("family", name, STRUCTURES)
    return STRUCTURES[name]


def standard(family: str, x: np.ndarray, k: int) -> Family:
    """k standard components of the named family for such data, from which an M-step makes others.

    Raises ValueError with a suggestion for an unknown name.
    """
    if not isinstance(family, str) or family not in TEMPLATES:
        raise unknown("family", family, TEMPLATES)
    return TEMPLATES[family](x, k)


__all__ = [
    "BLANKS",
    "STRUCTURES",
    "Coordinates",
    "Covariances",
    "Family",
    "Gaussian",
    "standard",
    "structure",
]
