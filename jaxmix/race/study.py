"""A study as its TOML file states it: problems, methods, seeds, budget, targets, precision.

    title = "Old Faithful"
    seeds = 20                              # starts 0 to 19, or a list of seeds
    targets = [1e-1, 1e-3, 1e-6]            # nats below the reference
    [budget]
    passes = 500
    [[problems]]
    name = "faithful"
    k = 2
    [[methods]]
    name = "em"
    [[methods]]
    name = "adam"
    grid = { learning_rate = [0.01, 0.1] }
    [presets.quick]
    seeds = 2

A preset is a table of keys that take the place of the study's own.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jaxmix.families import TEMPLATES
from jaxmix.race.strict import read_into
from jaxmix.starts import STARTS
from jaxmix.suggestions import unknown

PRECISIONS = ("float64", "float32")

RULES = ("gap", "mean", "total", "relative")
"""Stopping rules that a trace of objectives and gaps shows afterwards."""


@dataclass(frozen=True)
class ProblemSpec:
    """Data and the mixture to fit to them."""

    name: str
    data: str = ""
    """A bundled table, "mixture_sample", "three_clusters", "comparison_set", a file of data, or
    FILE.py:function; the name, where it is left out."""
    k: int = 2
    family: str = "full"
    start: str = "kmeans++"
    ridge: float = 0.0
    """In squared units of the columns as they are fitted."""
    standardize: bool | None = None
    """Whether columns are standardized; Gaussians' are when left out."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Arguments of what generates or loads the data."""
    grid: dict[str, Any] = field(default_factory=dict)
    """Lists of values for settings, k, family, start or ridge: a problem for each combination."""

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or self.k < 1:
            raise ValueError(f"k of {self.name} must be a whole number >= 1, got {self.k!r}")
        if not self.ridge >= 0:
            raise ValueError(f"ridge of {self.name} must be at least 0, got {self.ridge!r}")
        for kind, value, known in (
            ("family", self.family, TEMPLATES),
            ("start", self.start, STARTS),
        ):
            if value not in known:
                raise unknown(f"{kind} of {self.name}", value, known)


@dataclass(frozen=True)
class MethodSpec:
    """A method of the kit, of a user's file, or from outside."""

    name: str
    """As `jaxmix compare` names methods, FILE.py:Class, "sklearn" or "scipy-lbfgs"."""
    title: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Any] = field(default_factory=dict)
    """Lists of values for settings: the tuned track, beside the default one."""


@dataclass(frozen=True)
class MeasurementSpec:
    """A function of a user's file that measures something else on every problem."""

    name: str
    """FILE.py:function."""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """How far every method runs: passes over the data, seconds of compute, or both."""

    passes: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.passes is None and self.seconds is None:
            raise ValueError("budget needs passes or seconds")
        for name, limit in (("passes", self.passes), ("seconds", self.seconds)):
            if limit is not None and limit <= 0:
                raise ValueError(f"budget.{name} must be positive, got {limit}")


@dataclass(frozen=True)
class Rule:
    """Where a method would have stopped by itself: a mark on its curve."""

    rule: str = "gap"
    tol: float = 1e-8

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise unknown("stop.rule", self.rule, RULES)
        if not self.tol > 0:
            raise ValueError(f"stop.tol must be positive, got {self.tol}")


@dataclass(frozen=True)
class Reference:
    """The dedicated long run from many starts that says what the best objective is."""

    starts: int = 50
    max_steps: int = 20_000

    def __post_init__(self) -> None:
        _check_positive("reference.starts", self.starts)
        _check_positive("reference.max_steps", self.max_steps)


@dataclass(frozen=True)
class Tuning:
    """How the best settings of a grid are chosen: on seeds of their own."""

    seeds: int | tuple[int, ...] = (1000, 1001, 1002)

    def __post_init__(self) -> None:
        seeds_of(self.seeds)


@dataclass(frozen=True)
class Study:
    """Everything that a study's file states."""

    title: str
    problems: tuple[ProblemSpec, ...]
    methods: tuple[MethodSpec, ...] = ()
    budget: Budget | None = None
    """How far methods run; a study of measurements alone has none."""
    measurements: tuple[MeasurementSpec, ...] = ()
    seeds: int | tuple[int, ...] = 10
    precision: str = "float64"
    targets: tuple[float, ...] = (1e-1, 1e-3, 1e-6)
    folder: str = "."
    """Where FILE.py and files of data are, from the study's file on."""
    stop: Rule = field(default_factory=Rule)
    reference: Reference = field(default_factory=Reference)
    tuning: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        if not self.problems:
            raise ValueError("the study has no problems; add a [[problems]] table")
        if not self.methods and not self.measurements:
            raise ValueError("the study has no methods; add a [[methods]] table")
        if self.methods and self.budget is None:
            raise ValueError("the study has no budget; add a [budget] table")
        seeds_of(self.seeds)
        if not self.targets or len(set(self.targets)) < len(self.targets):
            raise ValueError(f"targets must be different numbers, got {list(self.targets)}")
        for target in self.targets:
            if not target > 0:
                raise ValueError(f"targets are nats below the reference, > 0; got {target}")
        for kind, named in (("problem", self.problems), ("method", self.methods)):
            _check_distinct(kind, [getattr(one, "title", "") or one.name for one in named])

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds of the starts, one by one."""
        return seeds_of(self.seeds)

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """The seeds on which a grid's best settings are chosen."""
        return seeds_of(self.tuning.seeds)


def seeds_of(seeds: int | tuple[int, ...]) -> tuple[int, ...]:
    """Seeds from their number, counted from 0, or as they are listed."""
    if isinstance(seeds, int):
        _check_positive("seeds", seeds)
        return tuple(range(seeds))
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**63 or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be different whole numbers >= 0, got {list(seeds)}")
    return seeds


def read_study(path: str | Path, preset: str | None = None) -> Study:
    """Read a study's file.

    Args:
        path: a TOML file.
        preset: the name of one of its presets, whose keys take the place of the study's own.

    Returns:
        The study, its `folder` relative to the current one.

    Raises:
        ValueError, TypeError: for a file that cannot be read, an unknown key or preset, or a value
            out of range; the message names the file and the place.
    """
    path = Path(path)
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML file: {error}") from None
    try:
        studies = _with_presets(stated)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path}: {error}") from None
    if preset not in studies:
        raise unknown("preset", preset, [name for name in studies if name is not None])
    return replace(studies[preset], folder=str(path.parent / studies[preset].folder))


def _with_presets(stated: Mapping[str, Any]) -> dict[str | None, Study]:
    """The study as it is, and with each of its presets; all are read, so that all are right."""
    presets, own = stated.get("presets", {}), {k: v for k, v in stated.items() if k != "presets"}
    if not isinstance(presets, Mapping):
        raise TypeError("presets must be tables, such as [presets.quick]")
    studies: dict[str | None, Study] = {None: read_into(Study, own)}
    for name, keys in presets.items():
        if not isinstance(keys, Mapping):
            raise TypeError(f"presets.{name} must be a table, such as [presets.{name}]")
        studies[name] = read_into(Study, {**own, **keys}, f"presets.{name}")
    return studies


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def _check_distinct(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            key = "name" if kind == "problem" else "title"
            raise ValueError(f"two {kind}s are called {name!r}; give one another {key}")
