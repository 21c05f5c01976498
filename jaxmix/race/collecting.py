"""All that the runs of a study have found, in plain values: what every table and figure is made of.

A method's tuned track is the choice from its grid that did best on the tuning seeds; what the whole
grid cost on them stands beside it. Degenerate runs say nothing of what the best objective is.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from jaxmix.race.entries import titled
from jaxmix.race.judging import USABLE, gaps_of
from jaxmix.race.planning import DONE, FAILED, Planned
from jaxmix.race.store import Store
from jaxmix.race.study import Study

BEATEN_BY = 1e-6
"""Nats by which a run must come out above the reference for a report to say so."""

COLUMNS = ("step", "passes", "gradients", "hessian_products", "seconds", "objective", "gap")


def collected(study: Study, plan: Sequence[Planned], store: Store) -> dict[str, Any]:
    """The content of a study's results.

    Args:
        study: as it was read.
        plan: its runs, with their states.
        store: where they are.

    Returns:
        Numbers, texts and lists: `title`, `budget`, `targets`, `stop`, `reference`, `precision`,
        `seeds`, `tuning_seeds`; `problems`, each with its `reference` and who has beaten it, if
        anybody; `runs`, each with its `track` ("default", "grid" or "tuned"), `trace` and outcome;
        `tuning`; `measurements`; `circumstances`, each kind once; `total_seconds`, all that the
        runs took; and `left`, how many are not done.
    """
    there = [one for one in plan if one.state in (DONE, FAILED)]
    runs = [_run(one, store) for one in there if one.entry.kind == "race"]
    problems = [
        _problem(name, [one for one in plan if one.entry.problem == name], runs, store)
        for name in dict.fromkeys(one.entry.problem for one in plan)
    ]
    tuning = [choice for problem in problems for choice in _tuned(study, problem, runs)]
    return {
        "schema": 1,
        "title": study.title,
        "precision": study.precision,
        "seeds": list(study.all_seeds),
        "tuning_seeds": list(study.tuning_seeds),
        "targets": list(study.targets),
        "budget": None if study.budget is None else asdict(study.budget),
        "stop": asdict(study.stop),
        "reference": asdict(study.reference),
        "problems": problems,
        "runs": [*runs, *(run for choice in tuning for run in _chosen(choice, runs))],
        "tuning": tuning,
        "measurements": [_measurement(one) for one in there if one.entry.kind == "measurement"],
        "circumstances": _circumstances(there),
        "total_seconds": sum((one.manifest or {}).get("total_seconds", 0.0) for one in there),
        "left": len(plan) - len(there),
    }


def _run(one: Planned, store: Store) -> dict[str, Any]:
    """A race's run."""
    entry, manifest = one.entry, one.manifest or {}
    rows = store.run(entry.name).trace()
    about = ("outcome", "error", "own_stop", "compile_seconds", "num_parameters", "cost")
    return {
        "run": entry.name,
        "problem": entry.problem,
        "method": entry.method,
        "track": entry.track,
        "settings": entry.settings,
        "seed": entry.seed,
        **{name: manifest.get(name) for name in about},
        "trace": {name: [row[name] for row in rows] for name in COLUMNS},
    }


def _problem(
    name: str, plan: Sequence[Planned], runs: Sequence[dict[str, Any]], store: Store
) -> dict[str, Any]:
    """A problem with the best objective that is known of it."""
    manifests = [one.manifest or {} for one in plan]
    data: dict[str, Any] = next((m["data"] for m in manifests if m.get("data")), {})
    stated = plan[0].entry.config["problem"]
    dedicated = [one for one in plan if one.entry.kind == "reference" and one.state == DONE]
    known = store.run(dedicated[0].entry.name).trace()[0]["objective"] if dedicated else None
    own = [run for run in runs if run["problem"] == name and run["outcome"] in USABLE]
    best = max(own, key=lambda run: _last(run, "objective"), default=None)
    highest = -np.inf if best is None else _last(best, "objective")
    reference = max(highest, -np.inf if known is None else known)
    return {
        "name": name,
        **{key: stated.get(key) for key in ("data", "k", "family", "start", "ridge", "settings")},
        **{key: data.get(key) for key in ("rows", "total", "columns", "source", "sha256")},
        "num_parameters": next((run["num_parameters"] for run in own), None),
        "reference": reference if np.isfinite(reference) else None,
        "dedicated": known,
        "em_rate": (dedicated[0].manifest or {}).get("em_rate") if dedicated else None,
        "beaten_by": None if known is None else _beaten(best, highest - known),
    }


def _beaten(best: dict[str, Any] | None, nats: float) -> dict[str, Any] | None:
    """Who came out above the dedicated run, and by how much; None where nobody did."""
    if best is None or nats <= BEATEN_BY:
        return None
    return {**{key: best[key] for key in ("method", "settings", "seed", "run")}, "nats": nats}


def _last(run: dict[str, Any], column: str) -> float:
    """The last number of a run's trace; -inf where there is none."""
    values = run["trace"][column]
    return values[-1] if values and values[-1] is not None else -np.inf


def _tuned(
    study: Study, problem: dict[str, Any], runs: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The best settings of every grid on a problem, and what finding them cost."""
    seeds = study.tuning_seeds
    of_grids = [
        run
        for run in runs
        if run["track"] == "grid" and run["problem"] == problem["name"] and run["seed"] in seeds
    ]
    choices = []
    for method in dict.fromkeys(run["method"] for run in of_grids if run["outcome"] in USABLE):
        tried = [run for run in of_grids if run["method"] == method]
        by_settings: dict[str, list[dict[str, Any]]] = {}
        for run in tried:
            by_settings.setdefault(titled("", run["settings"]), []).append(run)
        best = min(by_settings.values(), key=lambda own: _merit(own, problem, study.targets))
        cost = {name: sum(max(_last(run, name), 0) for run in tried) for name in COLUMNS[1:5]}
        about = {"problem": problem["name"], "method": method, "settings": best[0]["settings"]}
        choices.append({**about, "tried": len(by_settings), "runs": len(tried), **cost})
    return choices


def _merit(
    runs: Sequence[dict[str, Any]], problem: dict[str, Any], targets: Sequence[float]
) -> tuple[float, float, float]:
    """What settings are chosen by, less is better: targets missed, passes to them, last gap."""
    missed, passes, gaps = 0, 0.0, []
    for run in runs:
        gap = gaps_of(run, problem["reference"])
        gaps.append(gap[-1] if len(gap) else np.inf)
        for target in targets:
            there = np.flatnonzero(gap <= target)
            missed += not len(there)
            passes += run["trace"]["passes"][there[0]] if len(there) else 0.0
    return missed, passes, float(np.median(gaps))


def _chosen(choice: dict[str, Any], runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs of a tuned track."""
    same = ("problem", "method", "settings")
    return [
        {**run, "track": "tuned"}
        for run in runs
        if run["track"] == "grid" and all(run[key] == choice[key] for key in same)
    ]


def _measurement(one: Planned) -> dict[str, Any]:
    manifest = one.manifest or {}
    about = {"run": one.entry.name, "problem": one.entry.problem, "name": one.entry.method}
    return {**about, **{key: manifest.get(key) for key in ("outcome", "error", "measured")}}


def _circumstances(there: Sequence[Planned]) -> list[dict[str, Any]]:
    """On what machines and versions the runs were made, each kind once."""
    kinds: list[dict[str, Any]] = []
    for one in there:
        manifest = one.manifest or {}
        kind = {name: manifest.get(name) for name in ("versions", "device", "threads", "git")}
        if kind not in kinds:
            kinds.append(kind)
    return kinds
