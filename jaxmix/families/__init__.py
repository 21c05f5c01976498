"""Families by the names that users call them; each family and structure is one file of its own."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxmix.families.base import Coordinates, Family
from jaxmix.families.bernoulli import Bernoulli
from jaxmix.families.categorical import Categorical
from jaxmix.families.covariances import Covariances
from jaxmix.families.diag import Diag
from jaxmix.families.exponential import ExponentialFamily
from jaxmix.families.full import Full
from jaxmix.families.gaussian import Gaussian
from jaxmix.families.poisson import Poisson
from jaxmix.families.product import Product
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
    **{name: partial(_gaussians, kind) for name, kind in STRUCTURES.items()},
    "poisson": Poisson.standard,
    "bernoulli": Bernoulli.standard,
    "categorical": Categorical.standard,
}
"""By name, the function that makes k standard components for data [n d]."""

Kind = str | type[ExponentialFamily]
Spec = Kind | Mapping[Any, Sequence[str | int]]
"""What users write for a family: a name, their own class, or the columns of each of several."""


def structure(name: str) -> type[Covariances]:
    """The covariance structure of this name; ValueError with a suggestion for any other."""
    if not isinstance(name, str) or name not in STRUCTURES:
        raise unknown("family", name, STRUCTURES)
    return STRUCTURES[name]


def standard(family: Spec, x: np.ndarray, k: int, columns: tuple[str, ...] = ()) -> Family:
    """k standard components of a family for such data, from which an M-step makes others.

    Raises ValueError with a suggestion for an unknown name, and where the groups of a product do
    not share out the columns, which they name or number.
    """
    if isinstance(family, Mapping):
        groups = _shared_out(family, columns, x.shape[1])
        parts = tuple(_one_kind(kind, x[:, mine], k) for kind, mine in groups)
        return Product(parts, tuple(mine for _, mine in groups))
    return _one_kind(family, x, k)


def _one_kind(family: Kind, x: np.ndarray, k: int) -> Family:
    if isinstance(family, type) and issubclass(family, ExponentialFamily):
        return family.standard(x, k)
    if not isinstance(family, str) or family not in TEMPLATES:
        raise unknown("family", family, TEMPLATES)
    return TEMPLATES[family](x, k)


def _shared_out(
    groups: Mapping[Any, Sequence[str | int]], columns: tuple[str, ...], d: int
) -> list[tuple[Kind, tuple[int, ...]]]:
    """The kind and the column numbers of every group; each column belongs to one of them."""
    found = [(kind, _numbers(kind, names, columns, d)) for kind, names in groups.items()]
    taken = [column for _, mine in found for column in mine]
    for column in range(d):
        if taken.count(column) != 1:
            name = columns[column] if columns else column
            often = "no family" if column not in taken else "more than one family"
            raise ValueError(f"column {name!r} has {often}; name each column once, or leave it out")
    return found


def _numbers(
    kind: Kind, names: Sequence[str | int], columns: tuple[str, ...], d: int
) -> tuple[int, ...]:
    if isinstance(names, str) or not names:
        raise ValueError(f"the columns of {kind!r} must be a list of names or numbers: {names!r}")
    for name in names:
        if name not in columns and name not in range(d):
            raise unknown(f"column of {kind}", name, columns or map(str, range(d)))
    return tuple(columns.index(name) if name in columns else int(name) for name in names)


__all__ = [
    "STRUCTURES",
    "TEMPLATES",
    "Bernoulli",
    "Categorical",
    "Coordinates",
    "Covariances",
    "ExponentialFamily",
    "Family",
    "Gaussian",
    "Poisson",
    "Product",
    "Spec",
    "standard",
    "structure",
]
