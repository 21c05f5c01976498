"""Families by the names that users call them; each family and structure is one file of its own."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
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
Spec = Kind | Mapping[Any, Any]
"""What users write for a family: a name, their own class, or the columns of each of several."""


Blank = Callable[[int, int, Mapping[str, Any]], Family]


def _blank_gaussians(
    kind: type[Covariances], k: int, d: int, settings: Mapping[str, Any]
) -> Gaussian:
    return Gaussian.standard(kind, k, d, jnp.float32)


def _blank_categories(k: int, d: int, settings: Mapping[str, Any]) -> Categorical:
    levels = tuple(int(count) for count in settings["levels"])
    return Categorical(jnp.zeros((k, sum(levels)), jnp.float32), levels)


def _blank_product(k: int, d: int, settings: Mapping[str, Any]) -> Product:
    columns = tuple(tuple(int(column) for column in mine) for mine in settings["columns"])
    if sorted(column for mine in columns for column in mine) != list(range(d)):
        raise ValueError(f"the columns {columns} do not share out {d}")
    for name, _ in settings["families"]:
        if name not in BLANKS:
            raise unknown("family of a saved mixture", name, BLANKS)
    kinds = zip(settings["families"], columns, strict=True)
    parts = [BLANKS[name](k, len(mine), own) for (name, own), mine in kinds]
    return Product(tuple(parts), columns)


BLANKS: dict[str, Blank] = {
    **{name: partial(_blank_gaussians, kind) for name, kind in STRUCTURES.items()},
    "poisson": lambda k, d, settings: Poisson(jnp.zeros((k, d), jnp.float32)),
    "bernoulli": lambda k, d, settings: Bernoulli(jnp.zeros((k, d), jnp.float32)),
    "categorical": _blank_categories,
    "product": _blank_product,
}
"""By name, the function (k, d, settings) that makes a family of these sizes and `Family.settings`,
float32, every array of which `load_mixture` replaces; a family without an entry cannot be saved."""


def kind_of(family: Family) -> str:
    """The name under which a family is saved."""
    return "product" if isinstance(family, Product) else family.name


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
        names = [one.name for one in parts]
        if len(set(names)) < len(names):
            raise ValueError(f"each family of a product needs a name of its own, got {names}")
        return Product(parts, tuple(mine for _, mine in groups))
    return _one_kind(family, x, k)


def _one_kind(family: Kind, x: np.ndarray, k: int) -> Family:
    if isinstance(family, type) and issubclass(family, ExponentialFamily):
        if missing := sorted(getattr(family, "__abstractmethods__", ())):
            raise TypeError(f"{family.__name__} does not define {', '.join(missing)}")
        return family.standard(x, k)
    if not isinstance(family, str) or family not in TEMPLATES:
        raise unknown("family", family, TEMPLATES)
    return TEMPLATES[family](x, k)


def _shared_out(
    groups: Mapping[Any, Any], columns: tuple[str, ...], d: int
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


def _numbers(kind: Kind, names: Any, columns: tuple[str, ...], d: int) -> tuple[int, ...]:
    if isinstance(names, str) or not np.iterable(names) or not len(list(names)):
        raise ValueError(f"the columns of {kind!r} must be a list of names or numbers: {names!r}")
    return tuple(_number(kind, name, columns, d) for name in names)


def _number(kind: Kind, name: Any, columns: tuple[str, ...], d: int) -> int:
    # A data frame's names may be whole numbers, which then are no places.
    if str(name) in columns:
        return columns.index(str(name))
    whole = isinstance(name, int | np.integer) and not isinstance(name, bool)
    if not whole or name not in range(d):
        raise unknown(f"column of {kind}", name, columns or map(str, range(d)))
    return int(name)


__all__ = [
    "BLANKS",
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
    "kind_of",
    "standard",
    "structure",
]
