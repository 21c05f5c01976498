"""A study's problems, opened: data, units and starts, the same for every method.

Start j is drawn from seed j alone, in float64, and brought to the study's precision afterwards, so
that methods are paired by their starts.
"""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxmix import families
from jaxmix.data import Table, generate, load, names, read
from jaxmix.inputs import as_matrix
from jaxmix.mixture import Mixture
from jaxmix.precision import cast
from jaxmix.race.study import ProblemSpec
from jaxmix.race.units import Units, as_they_are, standardized
from jaxmix.starts import initialize
from jaxmix.suggestions import unknown
from jaxmix.user_files import run_file

GENERATORS: dict[str, Callable[..., tuple[Table, Any]]] = {
    "mixture_sample": generate.mixture_sample,
    "three_clusters": generate.three_clusters,
    "comparison_set": generate.comparison_set,
}


class Opened(NamedTuple):
    """A problem's columns as methods see them, in float64, and what belongs to them."""

    x: np.ndarray
    table: Table
    units: Units
    stated: ProblemSpec

    @property
    def total(self) -> float:
        """The sum of the sample weights."""
        weights = self.table.sample_weights
        return float(len(self.x) if weights is None else np.sum(weights))

    def start(self, seed: int, precision: str) -> Mixture:
        """The start of a seed, for columns as methods see them."""
        weights = self.table.sample_weights
        settings = self.stated.k, self.stated.family, self.stated.start
        drawn = initialize(self.x, *settings, seed=seed, sample_weights=weights)
        return cast(drawn, precision)


def opened(stated: ProblemSpec, folder: str | Path) -> Opened:
    """Load or generate a problem's data.

    Args:
        stated: one problem, its grid resolved.
        folder: where its files are.

    Raises:
        ValueError, TypeError: for data that cannot be had, or are no table of numbers.
    """
    table = _table(stated, Path(folder))
    gaussian = stated.family in families.STRUCTURES
    standardizes = gaussian if stated.standardize is None else stated.standardize
    if standardizes and not gaussian:
        raise ValueError(f"{stated.name}: only columns of Gaussians can be standardized")
    x, units = standardized(table, stated.family) if standardizes else as_they_are(table)
    return Opened(np.asarray(x, np.float64), table, units, stated)


def check_data(stated: ProblemSpec, folder: str | Path) -> None:
    """Raise ValueError for data that are none, or that take no such settings; open nothing."""
    make = _maker(stated, Path(folder))
    _arguments(make, stated)


def _table(stated: ProblemSpec, folder: Path) -> Table:
    make = _maker(stated, folder)
    made = make(**_arguments(make, stated))
    if stated.data.rpartition(":")[0].endswith(".py"):
        return _as_table(stated.name, made)
    return made if isinstance(made, Table) else made[0]


def _maker(stated: ProblemSpec, folder: Path) -> Callable[..., Any]:
    """What makes a problem's table, alone or before other things."""
    data = stated.data or stated.name
    file, _, name = data.rpartition(":")
    if file.endswith(".py"):
        return function_of(folder / file, name)
    if data in GENERATORS:
        return GENERATORS[data]
    if data in names():
        return lambda: load(data)
    if (folder / data).is_file():
        return partial(read, folder / data)
    raise unknown("data", data, (*names(), *GENERATORS, "FILE.py:function", "a file of data"))


def function_of(file: Path, name: str) -> Callable[..., Any]:
    """A function of a user's file; ValueError where there is none of this name."""
    function = getattr(run_file(str(file)), name, None)
    if not callable(function):
        raise ValueError(f"{file} defines no function {name!r}")
    return function


def _arguments(function: Callable[..., Any], stated: ProblemSpec) -> dict[str, Any]:
    """A problem's settings, and its k and family where a function takes them."""
    known = inspect.signature(function).parameters
    shared = {"k": stated.k, "family": stated.family}
    settings = {name: value for name, value in shared.items() if name in known} | stated.settings
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {stated.name}", setting, known)
    return settings


def _as_table(name: str, given: Any) -> Table:
    if isinstance(given, Table):
        return given
    values, columns = as_matrix(given)
    return Table(name, np.asarray(values), columns)
