"""The pictures of methods on their way: gaps against costs, and seconds against passes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxmix.report.pictures import Line, Marks, Panel, Picture
from jaxmix.report.study_shown import (
    COSTS,
    GAP,
    Shown,
    cost_axis,
    floor_of,
    gap_axis,
    numbers_of,
    slugs,
    words,
)


def gap_pictures(shown: Shown) -> Iterator[Picture]:
    for problem, slug in zip(shown.problems, slugs(shown.problems)):
        curves = shown.of(problem)
        if not any(one["costs"]["passes"]["at"] or one["failures"] for _, one in curves):
            continue
        yield Picture(
            f"gaps-{slug}",
            f"{problem}: gap to the reference",
            "The median over the starts with its 95% bootstrap band; left and below is better. "
            "A mark is where the method's own stopping rule would have ended it. Failed runs are "
            "thin lines to a cross where they were last below the reference. Grey lines are the "
            "targets; gaps below rounding are drawn at its level.",
            tuple(_gap_panel(shown, problem, curves, cost) for cost in COSTS),
        )


def _gap_panel(
    shown: Shown, problem: str, curves: list[tuple[int, Mapping[str, Any]]], cost: str
) -> Panel:
    bands = [one["costs"][cost] for _, one in curves]
    failed = [way for _, one in curves for way in one["failures"]]
    costs = numbers_of(*(b["at"] for b in bands), *(way[cost] for way in failed))
    x = cost_axis(COSTS[cost], costs)
    gaps = numbers_of(*(b[key] for b in bands for key in ("median", "low")))
    gaps += numbers_of(*(way["gap"] for way in failed))
    y = gap_axis(GAP, gaps, floor_of(shown, problem))
    edges = [0.0 if x.zero else x.low, x.high]
    targets = [t for t in shown.content["targets"] if y.low <= t <= y.high]
    series: list[Line | Marks] = [Line(edges, [t, t]) for t in targets]
    said = []
    for who, one in curves:
        band, ways = one["costs"][cost], [way for way in one["failures"] if way["gap"]]
        series.append(Line(band["at"], band["median"], who, band["low"], band["high"]))
        if one["stop"] is not None and band["at"]:
            series.append(Marks([one["stop"][cost]], [one["stop"]["gap"]], who))
        series += [Line(way[cost], way["gap"], who, thin=True) for way in ways]
        ends = [[way[key][-1] for way in ways] for key in (cost, "gap")]
        series.append(Marks(*ends, who=who, cross=True))
        said.append(_course_in_words(shown.labels[who], one, cost))
    alt = f"{problem}: median gap to the reference in nats against {COSTS[cost]}. "
    return Panel("", x, y, tuple(series), alt + " ".join(said))


def _course_in_words(label: str, one: Mapping[str, Any], cost: str) -> str:
    band, failed = one["costs"][cost], len(one["failures"])
    there = [(a, m) for a, m in zip(band["at"], band["median"]) if m is not None]
    note = f"; {failed} failed" if failed else ""
    if not there:
        return f"{label}: no median{note}."
    (first, high), (last, low) = there[0], there[-1]
    return f"{label}: {words(high)} at {words(first)}, {words(low)} at {words(last)}{note}."


def clock_pictures(shown: Shown) -> Iterator[Picture]:
    """Seconds of all evaluations against passes, with the line through them."""
    panels = []
    for problem in shown.problems:
        timed = [
            (who, one, shown.numbers(who, problem)["cost_model"]) for who, one in shown.of(problem)
        ]
        timed = [one for one in timed if one[2] is not None]
        if timed:
            panels.append(_clock_panel(shown, problem, timed))
    if panels:
        yield Picture(
            "seconds",
            "What a pass takes",
            "Seconds of compute at the evaluations of all runs against passes, and the line "
            "a + b passes fitted to them by least squares.",
            tuple(panels),
        )


def _clock_panel(shown: Shown, problem: str, timed: Sequence[tuple[int, Any, Any]]) -> Panel:
    spots, series, said = [], [], []
    for who, one, model in timed:
        passes = [p for run in one["clock"]["passes"] for p in run]
        seconds = [s for run in one["clock"]["seconds"] for s in run]
        there = sorted({(p, s) for p, s in zip(passes, seconds) if p > 0 and s > 0})
        there = there[:: max(1, len(there) // 60)]
        line = np.geomspace(there[0][0], there[-1][0], 30) if there else np.ones(1)
        fitted = (model["seconds"] + model["seconds_per_pass"] * line).tolist()
        spots += there
        series.append(Marks(*map(list, zip(*there)), who=who, small=True) if there else None)
        series.append(Line(line.tolist(), fitted, who))
        label, a, b = shown.labels[who], model["seconds"], model["seconds_per_pass"]
        said.append(f"{label}: {words(a)} s + {words(b)} s a pass, "
                    f"spread {words(model['spread_seconds'])} s.")  # fmt: skip
    x = cost_axis(COSTS["passes"], [p for p, _ in spots])
    y = cost_axis(COSTS["seconds"], [s for _, s in spots])
    drawn = tuple(one for one in series if one is not None)
    return Panel(problem, x, y, drawn, f"{problem}: seconds against passes. " + " ".join(said))
