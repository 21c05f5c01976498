"""The course of methods through their budgets, over seeds: what the figures of a study draw.

A curve is the median gap at each cost with its bootstrap band; at a cost a run counts with its last
evaluation at or before it, and with inf from where it failed on, or all along if it degenerated.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmix.plain_values import nulls
from jaxmix.race.intervals import median_band
from jaxmix.race.judging import (
    USABLE,
    Run,
    contenders,
    final_gap,
    gap_at,
    gaps_of,
    label_of,
    of_study,
    references,
    to_reach,
)
from jaxmix.race.profiles import carried

COSTS = ("passes", "seconds", "evaluations")

POINTS = 48
"""Costs at which a curve is drawn."""


def courses(content: Mapping[str, Any]) -> dict[str, Any]:
    """What figures draw beyond the summary.

    Args:
        content: as `jaxmix.race.collecting.collected` returns it.

    Returns:
        `who`, method, track and label of all that is compared; `curves`, one a problem and label:
        by cost the `at`, `median`, `low` and `high`, where its `stop` is and its `failures`, each
        with its outcome and its way, costs and gaps; its `ends` (seed, final gap, passes to every
        target); and its `clock`, passes and seconds of evaluations.
    """
    who, known = contenders(content), references(content)
    curves = []
    for problem in known:
        for method, track in who:
            runs = [
                run
                for run in of_study(content)
                if (run["problem"], run["method"], run["track"]) == (problem, method, track)
            ]
            if runs:
                about = {"problem": problem, "label": label_of(method, track)}
                curves.append(about | _course(runs, known[problem], content["targets"]))
    named = [{"method": m, "track": t, "label": label_of(m, t)} for m, t in who]
    return nulls({"who": named, "curves": curves})


def _course(
    runs: Sequence[Run], reference: float | None, targets: Sequence[float]
) -> dict[str, Any]:
    bands = {cost: _band(runs, reference, cost) for cost in COSTS}
    return {
        "costs": bands,
        "stop": _stop(runs, reference),
        "failures": [_failure(run, reference) for run in runs if run["outcome"] not in USABLE],
        "ends": [
            {
                "seed": run["seed"],
                "gap": final_gap(run, reference),
                "passes": to_reach(run, reference, targets, "passes").tolist(),
            }
            for run in runs
        ],
        "clock": {name: [run["trace"][name] for run in runs] for name in ("passes", "seconds")},
    }


def spent(run: Run, cost: str) -> np.ndarray:
    """A cost at every evaluation; evaluations are values, gradients and Hessian products."""
    trace = run["trace"]
    if cost != "evaluations":
        return np.asarray(trace[cost], float)
    parts = (trace[name] for name in ("passes", "gradients", "hessian_products"))
    return np.sum([np.asarray(part, float) for part in parts], axis=0)


def _band(runs: Sequence[Run], reference: float | None, cost: str) -> dict[str, list[float]]:
    """The median gap over runs against a cost, with its band."""
    there = [(run, spent(run, cost)) for run in runs]
    usable = [at[-1] for run, at in there if run["outcome"] in USABLE and len(at)]
    if not usable:
        return {"at": [], "median": [], "low": [], "high": []}
    grid = _grid(np.concatenate([at for _, at in there]), float(np.median(usable)))
    values = np.array([_carried(run, at, reference, grid) for run, at in there])
    median, low, high = (ends.tolist() for ends in median_band(values))
    return {"at": grid.tolist(), "median": median, "low": low, "high": high}


def _grid(costs: np.ndarray, last: float) -> np.ndarray:
    """The costs themselves where runs share them, else some in geometric progression."""
    different = np.unique(costs[costs <= last])
    if len(different) <= POINTS:
        return different
    positive = different[different > 0]
    return np.concatenate([[0.0], np.geomspace(positive[0], last, POINTS - 1)])


def _carried(run: Run, at: np.ndarray, reference: float | None, grid: np.ndarray) -> np.ndarray:
    gaps = gaps_of(run, reference)
    if run["outcome"] not in USABLE:
        at, gaps = np.append(at, at[-1:]), np.append(gaps, [np.inf] * len(at[-1:]))
    return carried(at, gaps, grid)


def _stop(runs: Sequence[Run], reference: float | None) -> dict[str, float] | None:
    """The median place of a method's own stops, and the median gap last seen by then; costs
    between two evaluations are on the line."""
    own = [run for run in runs if run["own_stop"] is not None and run["trace"]["passes"]]
    if not own:
        return None
    places = {
        cost: [
            float(np.interp(run["own_stop"]["passes"], run["trace"]["passes"], spent(run, cost)))
            for run in own
        ]
        for cost in COSTS
    }
    gaps = [gap_at(run, reference, run["own_stop"]["passes"]) for run in own]
    medians = {cost: float(np.median(numbers)) for cost, numbers in places.items()}
    return medians | {"gap": float(np.median(gaps))}


def _failure(run: Run, reference: float | None) -> dict[str, Any]:
    """The way of a run to where it was last below the reference; nothing can be said above."""
    objective = [np.nan if v is None else v for v in run["trace"]["objective"]]
    gaps = (np.nan if reference is None else reference) - np.array(objective, float)
    below = gaps >= 0
    costs = {cost: spent(run, cost)[below].tolist() for cost in COSTS}
    return {"seed": run["seed"], "outcome": run["outcome"], "gap": gaps[below].tolist(), **costs}
