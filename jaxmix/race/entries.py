"""The runs that a study asks for: problems x methods and their grids x seeds, references, the rest.

An entry's configuration is plain values, all that decides what comes out but code; what it is
called in a report (title, track) is no part of it, and two studies may share a run.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxmix.methods.base import Method
from jaxmix.mixture import Mixture
from jaxmix.race.closure import code_hashes
from jaxmix.race.named_methods import TITLES, method_named
from jaxmix.race.outside import COMPETITORS
from jaxmix.race.problems import check_data
from jaxmix.race.runners import KitRunner, Runner
from jaxmix.race.store import run_name
from jaxmix.race.study import MethodSpec, ProblemSpec, Study
from jaxmix.signatures import signature
from jaxmix.suggestions import unknown

EXECUTION = "jaxmix.race.execution"
"""What every run uses."""

IN_GRIDS = ("k", "family", "start", "ridge")
"""Keys of a problem, besides its settings, that a grid may vary."""


class Entry(NamedTuple):
    """One run of a study: what it is called, and what it does."""

    kind: str
    """"race", "reference" or "measurement"."""
    problem: str
    method: str
    track: str
    """"default", "grid", or the kind."""
    settings: dict[str, Any]
    """Values of the method's grid."""
    config: dict[str, Any]
    code: dict[str, str]
    """Hashes of all code that it uses, and of its file of data."""

    @property
    def seed(self) -> int:
        """The seed of its start."""
        return self.config["seed"]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return run_name(self.config, self.code)


def entries(study: Study) -> list[Entry]:
    """All runs of a study, those that share compiled code after one another.

    Raises:
        ValueError, TypeError: for names and settings that are none, and for files that are not
            there or do not run.
    """
    problems = problems_of(study)
    for problem in problems:
        check_data(problem, study.folder)
    drafts = [
        draft
        for problem in problems
        for draft in (_reference(study, problem), *_races(study, problem), *_rest(study, problem))
    ]
    _check_distinct(drafts)
    # Hundreds of runs share a few sets of roots.
    roots = [roots_of(draft.config, study.folder) for draft in drafts]
    codes = {one: code_of(one, study.folder) for one in set(roots)}
    return [draft._replace(code=codes[one]) for draft, one in zip(drafts, roots)]


def _check_distinct(drafts: Iterable[Entry]) -> None:
    """Nothing may count twice, and no two things may go by one name."""
    seen = set()
    for one in drafts:
        settings = titled("", one.settings)
        if (key := (one.kind, one.problem, one.method, one.track, settings, one.seed)) in seen:
            what = f"{titled(one.method, one.settings)} on {one.problem}, seed {one.seed},"
            raise ValueError(
                f"{what} is stated twice; leave one out, or give a problem another name or a "
                "method another title"
            )
        seen.add(key)


def roots_of(config: Mapping[str, Any], folder: str | Path) -> tuple[str, ...]:
    """The modules and files whose code a configuration runs, or whose data it reads."""
    if config["kind"] == "reference":
        own = "jaxmix.race.reference"
    elif config["kind"] == "race" and config["method"]["name"] in COMPETITORS:
        own = "jaxmix.race.outside"
    else:
        file = config["method"]["name"].rpartition(":")[0]
        own = file or type(method_of(config["method"], folder, 0)).__module__
    data = config["problem"]["data"]
    file = data.rpartition(":")[0]
    if file.endswith(".py"):
        return EXECUTION, own, file
    return (EXECUTION, own, data) if Path(folder, data).is_file() else (EXECUTION, own)


def code_of(roots: tuple[str, ...], folder: str | Path) -> dict[str, str]:
    """Hashes of the code that these roots use, and of the files of data among them."""
    files = [root for root in roots if root[-3:] != ".py" and Path(folder, root).is_file()]
    hashes = code_hashes([root for root in roots if root not in files], folder)
    return hashes | {file: sha256(Path(folder, file).read_bytes()).hexdigest() for file in files}


def problems_of(study: Study) -> list[ProblemSpec]:
    """A study's problems, one for each combination of their grids."""
    return [
        replace(problem, **_resolved(problem, values))
        for problem in study.problems
        for values in combinations(problem.grid, f"{problem.name}.grid")
    ]


def combinations(grid: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Every combination of a grid's values by name; an empty one of no grid."""
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise TypeError(f"{where}.{name} must be a list of values, got {values!r}")
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values))


def _resolved(problem: ProblemSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one combination."""
    own = {name: value for name, value in values.items() if name in IN_GRIDS}
    rest = {name: value for name, value in values.items() if name not in IN_GRIDS}
    return {
        "name": titled(problem.name, values),
        "data": problem.data or problem.name,
        "settings": {**problem.settings, **rest},
        "grid": {},
        **own,
    }


def titled(name: str, values: Mapping[str, Any]) -> str:
    """A name with values in parentheses."""
    words = ", ".join(f"{key}={value}" for key, value in values.items())
    return f"{name} ({words})" if words else name


def _shared(problem: ProblemSpec) -> dict[str, Any]:
    """A problem's part of a configuration."""
    return {**asdict(problem), "name": problem.data}


def _races(study: Study, problem: ProblemSpec) -> Iterator[Entry]:
    for method in study.methods:
        yield from _track(study, problem, method, "default", {}, study.all_seeds)
        seeds = tuple(dict.fromkeys((*study.all_seeds, *study.tuning_seeds)))
        for values in combinations(method.grid, f"{method.name}.grid"):
            if values:
                yield from _track(study, problem, method, "grid", values, seeds)


def _track(
    study: Study,
    problem: ProblemSpec,
    method: MethodSpec,
    track: str,
    values: dict[str, Any],
    seeds: tuple[int, ...],
) -> Iterator[Entry]:
    """The runs of one method with one choice of settings on one problem."""
    settings, budget = {**method.settings, **values}, study.budget
    assert budget is not None
    title = method.title or _title(method.name, method.settings)
    for seed in seeds:
        told = {"name": method.name, "settings": settings}
        config = {
            "kind": "race",
            "problem": _shared(problem),
            "method": {**told, "signature": _signature(told, study.folder, seed)},
            "seed": seed,
            "precision": study.precision,
            "budget": asdict(budget),
            "stop": asdict(study.stop),
        }
        yield Entry("race", problem.name, title, track, values, config, {})


def _title(name: str, settings: Mapping[str, Any]) -> str:
    return titled(TITLES.get(name, name), settings)


def _reference(study: Study, problem: ProblemSpec) -> Entry:
    config = {
        "kind": "reference",
        "problem": _shared(problem),
        "seed": 0,
        **asdict(study.reference),
    }
    return Entry("reference", problem.name, "reference", "reference", {}, config, {})


def _rest(study: Study, problem: ProblemSpec) -> Iterator[Entry]:
    for one in study.measurements:
        config = {
            "kind": "measurement",
            "problem": _shared(problem),
            "method": {"name": one.name, "settings": one.settings},
            "seed": study.all_seeds[0],
        }
        file = one.name.rpartition(":")[0]
        if not file.endswith(".py"):
            raise ValueError(f"a measurement is named FILE.py:function, got {one.name!r}")
        kind, title = "measurement", titled(one.name, one.settings)
        yield Entry(kind, problem.name, title, kind, {}, config, {})


def method_of(told: Mapping[str, Any], folder: str | Path, seed: int) -> Method:
    """The method of a configuration; the run's seed is that of its batches, if it has any."""
    file, _, name = told["name"].rpartition(":")
    path = str(Path(folder, file)) if file else None
    settings = dict(told["settings"])
    method = method_named(name, settings, path)
    if hasattr(method, "seed") and "seed" not in settings:
        method = method_named(name, {**settings, "seed": seed}, path)
    if method.hard:
        raise ValueError(f"{name} climbs the classification log-likelihood, another objective")
    return method


def _signature(told: Mapping[str, Any], folder: str, seed: int) -> str:
    if told["name"] not in COMPETITORS:
        return signature(method_of(told, folder, seed))
    for setting in told["settings"]:
        raise unknown(f"setting of {told['name']}", setting, ())
    return told["name"]


def maker(config: Mapping[str, Any], folder: str | Path) -> Callable[..., Runner]:
    """What makes the runner of a race's configuration."""
    told = config["method"]
    if told["name"] in COMPETITORS:
        return COMPETITORS[told["name"]]
    method = method_of(told, folder, config["seed"])

    def make(x: np.ndarray, sample_weights: Any, start: Mixture, ridge: float) -> Runner:
        return KitRunner(x, sample_weights, start, method, ridge)

    return make
