"""How runs of a study are judged: which are compared, and how far from the reference they came.

A run that degenerates reaches nothing, because its climb passes every level on its way to infinity.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmix.race.entries import titled
from jaxmix.race.profiles import carried, cost_to_reach

USABLE = ("BUDGET", "STOPPED")
"""Outcomes of runs that did not fail."""

COMPARED = ("default", "tuned")
"""Tracks that figures compare; a grid's others say how sensitive a method is."""

Run = Mapping[str, Any]


def of_study(content: Mapping[str, Any]) -> list[Run]:
    """The runs from the study's own seeds; others served to tune alone."""
    return [run for run in content["runs"] if run["seed"] in content["seeds"]]


def track_of(run: Run) -> str:
    """The track of a run, those of a grid with their settings."""
    return titled("grid", run["settings"]) if run["track"] == "grid" else run["track"]


def label_of(method: str, track: str) -> str:
    """What figures call a method on a track.

    >>> label_of("EM", "default"), label_of("Adam", "tuned")
    ('EM', 'Adam, tuned')
    """
    return method if track == "default" else f"{method}, {track}"


def contenders(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The methods and tracks that figures compare, tuned after default."""
    seen = {(run["method"], run["track"]) for run in of_study(content)}
    methods = dict.fromkeys(run["method"] for run in content["runs"])
    return [(method, track) for method in methods for track in COMPARED if (method, track) in seen]


def references(content: Mapping[str, Any]) -> dict[str, float | None]:
    """The best objective that is known, by problem."""
    return {one["name"]: one["reference"] for one in content["problems"]}


def gaps_of(run: Run, reference: float | None) -> np.ndarray:
    """Nats below the reference at every evaluation; inf where nothing can be said."""
    objective = np.array([np.nan if v is None else v for v in run["trace"]["objective"]], float)
    gaps = (np.nan if reference is None else reference) - objective
    known = np.isfinite(gaps) & (run["outcome"] != "DEGENERATE")
    return np.where(known, np.maximum(gaps, 0.0), np.inf)


def final_gap(run: Run, reference: float | None) -> float:
    """Where a run ended, in nats below the reference; inf where it failed."""
    gaps = gaps_of(run, reference)
    return float(gaps[-1]) if run["outcome"] in USABLE and len(gaps) else np.inf


def gap_at(run: Run, reference: float | None, passes: float) -> float:
    """The gap last seen by so many passes."""
    return float(carried(run["trace"]["passes"], gaps_of(run, reference), [passes])[0])


def to_reach(run: Run, reference: float | None, targets: Sequence[float], cost: str) -> np.ndarray:
    """What a run took to each target; inf where it did not reach it."""
    return cost_to_reach(run["trace"][cost], gaps_of(run, reference), targets)
