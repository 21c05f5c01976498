"""What a study's figures show, as data: each is left out where the study has nothing for it.

Everything is drawn from the content of results.json, its summary, and the courses of its methods;
each panel says in words and numbers what is seen there.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmix.report.drawing import rounding
from jaxmix.report.pictures import Axis, Line, Marks, Panel, Picture
from jaxmix.report.writers import is_number

COSTS = {
    "passes": "passes over the data",
    "seconds": "seconds of compute",
    "evaluations": "values + gradients + Hessian products",
}
GAP = "gap to the reference (nats)"


class Shown(NamedTuple):
    """All that the figures of a study are drawn from."""

    content: Mapping[str, Any]
    summary: Mapping[str, Any]
    courses: Mapping[str, Any]

    @property
    def labels(self) -> list[str]:
        """What everybody is called, in order."""
        return [one["label"] for one in self.courses["who"]]

    def of(self, problem: str) -> list[tuple[int, Mapping[str, Any]]]:
        """The courses on a problem, each with the number of whose it is."""
        own = [one for one in self.courses["curves"] if one["problem"] == problem]
        return [(self.labels.index(one["label"]), one) for one in own]

    @property
    def problems(self) -> list[str]:
        """Those with a reference, and with somebody's runs."""
        named = [p["name"] for p in self.content["problems"] if p["reference"] is not None]
        return [name for name in named if self.of(name)]

    def numbers(self, who: int, problem: str) -> Mapping[str, Any]:
        """The summary of somebody's runs on a problem."""
        one = self.courses["who"][who]
        return self.summary["methods"][one["method"]][one["track"]][problem]


def study_pictures(shown: Shown) -> list[Picture]:
    """Every figure that a study has something for, in the order of the page."""
    draw: tuple[Callable[[Shown], Iterator[Picture]], ...] = (
        _gaps, _success, _runtime, _performance, _data, _pairs, _sensitivity, _clock,
    )  # fmt: skip
    return [picture for one in draw for picture in one(shown)]


def words(value: float | None) -> str:
    """A number in a sentence.

    >>> words(0.012345), words(None)
    ('0.0123', 'none')
    """
    return "none" if value is None else f"{value:.3g}"


def _numbers(*lists: Sequence[float | None]) -> list[float]:
    return [float(v) for values in lists for v in values if v is not None and np.isfinite(v)]


def _costs(label: str, values: Sequence[float], never: str = "") -> Axis:
    """A logarithmic axis for costs, on which 0 has a place."""
    positive = [v for v in values if v > 0] or [1.0]
    low, high = min(positive), max(positive)
    zero = any(v == 0 for v in values)
    return Axis(label, low, high if high > low else 2 * low, True, zero, never)


def _gap_axis(label: str, values: Sequence[float], floor: float) -> Axis:
    """From rounding, or a decade below the least where it is far above, to the largest."""
    least = min([v for v in values if v > floor] or [floor])
    low = floor if any(v <= floor for v in values) or least < 1e3 * floor else least / 2
    return Axis(label, low, max([*values, 10 * low]), log=True)


def _floor(shown: Shown, problem: str) -> float:
    known = {one["name"]: one["reference"] for one in shown.content["problems"]}
    return rounding(known[problem], "float64")


def _gaps(shown: Shown) -> Iterator[Picture]:
    for problem, slug in zip(shown.problems, slugs(shown.problems)):
        curves = shown.of(problem)
        if not any(one["costs"]["passes"]["at"] or one["failures"] for _, one in curves):
            continue
        yield Picture(
            f"gaps-{slug}",
            f"{problem}: gap to the reference",
            "The median over the starts with its 95% bootstrap band; left and below is better. "
            "A mark is where the method's own stopping rule would have ended it, a cross where a "
            "run failed; grey lines are the targets. Gaps below rounding are drawn at its level.",
            tuple(_gap_panel(shown, problem, curves, cost) for cost in COSTS),
        )


def _gap_panel(
    shown: Shown, problem: str, curves: list[tuple[int, Mapping[str, Any]]], cost: str
) -> Panel:
    bands = [one["costs"][cost] for _, one in curves]
    failed = [end for _, one in curves for end in one["failures"] if end["gap"] is not None]
    x = _costs(COSTS[cost], _numbers(*(b["at"] for b in bands), [end[cost] for end in failed]))
    gaps = _numbers(*(b[key] for b in bands for key in ("median", "low")))
    y = _gap_axis(GAP, [*gaps, *(end["gap"] for end in failed)], _floor(shown, problem))
    edges = [0.0 if x.zero else x.low, x.high]
    targets = [t for t in shown.content["targets"] if y.low <= t <= y.high]
    series: list[Line | Marks] = [Line(edges, [t, t]) for t in targets]
    said = []
    for who, one in curves:
        band, ends = one["costs"][cost], [e for e in one["failures"] if e["gap"] is not None]
        series.append(Line(band["at"], band["median"], who, band["low"], band["high"]))
        if one["stop"] is not None and band["at"]:
            series.append(Marks([one["stop"][cost]], [_at(band, one["stop"][cost])], who))
        if ends:
            series.append(Marks([e[cost] for e in ends], [e["gap"] for e in ends], who, cross=True))
        said.append(_course_in_words(shown.labels[who], one, cost))
    alt = f"{problem}: median gap to the reference in nats against {COSTS[cost]}. "
    return Panel("", x, y, tuple(series), alt + " ".join(said))


def _at(band: Mapping[str, Any], cost: float) -> float | None:
    """The median at a cost, on the line between two points."""
    there = [(a, m) for a, m in zip(band["at"], band["median"]) if m is not None]
    if not there:
        return None
    at, medians = np.array(there).T
    tiny = np.finfo(float).tiny
    height = np.interp(_log(cost), _log(at), np.log(np.maximum(medians, tiny)))
    return float(np.exp(height))


def _log(costs: Any) -> np.ndarray:
    return np.log(np.maximum(costs, np.finfo(float).tiny))


def _course_in_words(label: str, one: Mapping[str, Any], cost: str) -> str:
    band, failed = one["costs"][cost], len(one["failures"])
    there = [(a, m) for a, m in zip(band["at"], band["median"]) if m is not None]
    note = f"; {failed} failed" if failed else ""
    if not there:
        return f"{label}: no median{note}."
    (first, high), (last, low) = there[0], there[-1]
    return f"{label}: {words(high)} at {words(first)}, {words(low)} at {words(last)}{note}."


def slugs(names: Sequence[str]) -> list[str]:
    """Names of files and anchors, all different.

    >>> slugs(["drawn (k=2)", "drawn (k=3)", "drawn k 2"])
    ['drawn-k-2', 'drawn-k-3', 'drawn-k-2-2']
    """
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "problem"
        slug, number = plain, 1
        while slug in found:
            number += 1
            slug = f"{plain}-{number}"
        found.append(slug)
    return found


def _success(shown: Shown) -> Iterator[Picture]:
    targets = [repr(target) for target in shown.content["targets"]]
    if not shown.problems or not targets:
        return
    panels = []
    for problem in shown.problems:
        series, said, curves = [], [], shown.of(problem)
        for place, (who, _) in enumerate(curves):
            own = shown.numbers(who, problem)["targets"]
            aside = (place - (len(curves) - 1) / 2) * 0.7 / len(curves)
            x = [j + aside for j in range(len(targets))]
            y, low, high = ([own[t][key] for t in targets] for key in ("share", "low", "high"))
            series.append(Marks(x, y, who, low, high))
            runs = shown.numbers(who, problem)["runs"]
            counts = ", ".join(f"{own[t]['reached']} within {t}" for t in targets)
            said.append(f"{shown.labels[who]}: of {runs} runs {counts}.")
        axes = Axis("target (nats)", names=tuple(targets)), Axis("share of runs that reach it")
        alt = f"{problem}: shares of runs that reach each target. "
        panels.append(Panel(problem, *axes, tuple(series), alt + " ".join(said)))
    yield Picture(
        "success",
        "How many runs reach each target",
        "Shares of runs with their 95% Wilson intervals; failed runs count as not reached.",
        tuple(panels),
    )


def _runtime(shown: Shown) -> Iterator[Picture]:
    found = shown.summary["profiles"]["runtime"]
    if any(one["passes"] for one in found.values()):
        curves = [(name, one["passes"], one["shares"]) for name, one in found.items()]
        pairs = shown.summary["profiles"]["pairs"]
        panel = _shares_panel(shown, "", COSTS["passes"], "share of runs x targets", curves)
        yield Picture(
            "runtime",
            "Runtime distribution",
            f"The share of all {pairs} problems x starts and {len(shown.content['targets'])} "
            "targets that a method has reached by so many passes; above and left is better.",
            (panel,),
        )


def _performance(shown: Shown) -> Iterator[Picture]:
    yield from _profile(
        shown,
        "performance",
        "ratios",
        "passes / passes of the best",
        "Performance profiles",
        "The share of problems x starts on which a method reaches the target within a factor of "
        "the passes of the best one. A method's curve depends on who it is compared with.",
    )


def _data(shown: Shown) -> Iterator[Picture]:
    yield from _profile(
        shown,
        "data",
        "budgets",
        "passes / (parameters + 1)",
        "Data profiles",
        "The share of problems x starts on which a method reaches the target on a budget for the "
        "number of parameters.",
    )


def _profile(
    shown: Shown, name: str, key: str, label: str, title: str, caption: str
) -> Iterator[Picture]:
    panels = []
    for target, one in shown.summary["profiles"][name].items():
        if one[key]:
            curves = [(who, one[key], shares) for who, shares in one["shares"].items()]
            head = f"target {target} nats"
            panels.append(_shares_panel(shown, head, label, "share of problems x starts", curves))
    if panels:
        yield Picture(f"{name}-profiles", title, caption, tuple(panels))


def _shares_panel(
    shown: Shown,
    title: str,
    label: str,
    share: str,
    curves: Sequence[tuple[str, Sequence[float], Sequence[float]]],
) -> Panel:
    """Shares that rise along a logarithmic axis, each carried to its end."""
    x = _costs(label, _numbers(*(at for _, at, _ in curves)))
    series, said = [], []
    for name, at, shares in curves:
        first = 0.0 if x.zero else x.low
        costs, up = [first, *at, x.high], [0.0, *shares, shares[-1] if shares else 0.0]
        series.append(Line(costs, up, shown.labels.index(name), steps=True))
        half = next((c for c, s in zip(at, shares) if s >= 0.5), None)
        middle = f", half by {words(half)}" if half is not None else ""
        said.append(f"{name}: {words(up[-1])} in the end{middle}.")
    alt = f"{title + ': ' if title else ''}{share} against {label}. " + " ".join(said)
    return Panel(title, x, Axis(share), tuple(series), alt)


def _pairs(shown: Shown) -> Iterator[Picture]:
    """The first against each other one, start by start, by passes to the middle target."""
    targets, labels = shown.content["targets"], shown.labels
    if len(labels) < 2 or not targets:
        return
    j = len(targets) // 2
    ends = {
        (problem, labels[who], end["seed"]): end["passes"][j]
        for problem in shown.problems
        for who, one in shown.of(problem)
        for end in one["ends"]
    }
    panels = []
    for who, label in enumerate(labels[1:], 1):
        pairs = [
            (ends[problem, labels[0], seed], cost)
            for (problem, name, seed), cost in ends.items()
            if name == label and (problem, labels[0], seed) in ends
        ]
        if any(None not in pair for pair in pairs):
            panels.append(_pair_panel(shown, who, pairs))
    if panels:
        yield Picture(
            "pairs",
            f"{labels[0]} against each other method, start by start",
            f"Passes to within {targets[j]!r} nats of the reference, a mark for each problem and "
            "start; above the diagonal the first method was sooner there. Runs that never were "
            "are at the far ends.",
            tuple(panels),
        )


def _pair_panel(
    shown: Shown, who: int, pairs: Sequence[tuple[float | None, float | None]]
) -> Panel:
    first, label = shown.labels[0], shown.labels[who]
    never = "never" if any(None in pair for pair in pairs) else ""
    every = _numbers([v for pair in pairs for v in pair])
    x, y = (_costs(f"passes, {name}", every, never) for name in (first, label))
    one, other = np.array(
        [[np.inf if v is None else v for v in pair] for pair in pairs], float
    ).T
    edges = [0.0, x.high] if x.zero else [x.low, x.high]
    series = (Line(edges, edges), Marks(one.tolist(), other.tolist(), who, small=True))
    alt = (
        f"Of {len(pairs)} pairs of runs from the same start {first} took fewer passes in "
        f"{int(np.sum(one < other))}, {label} in {int(np.sum(other < one))}, as many or neither "
        f"reached it in {int(np.sum(one == other))}."
    )
    return Panel(f"{label} against {first}", x, y, series, alt)


def _sensitivity(shown: Shown) -> Iterator[Picture]:
    """Median last gaps against every number that a grid varies."""
    panels = []
    for problem in shown.problems:
        for name in _varied(shown, problem):
            panels.append(_sensitivity_panel(shown, problem, name))
    if panels:
        yield Picture(
            "sensitivity",
            "How much the settings matter",
            "The median gap at the end of the budget against the setting, with its 95% bootstrap "
            "interval; of settings that vary beside it the best. The horizontal line is the first "
            "method; a cross is where half of the runs failed or more. Gaps below rounding are drawn "
            "at its level.",
            tuple(panels),
        )


def _grids(shown: Shown, problem: str, name: str) -> dict[str, list[Mapping[str, Any]]]:
    """The summaries of methods whose grids vary a number, by method."""
    found = {}
    for method, tracks in shown.summary["methods"].items():
        own = [
            one[problem]
            for track, one in tracks.items()
            if track.startswith("grid (") and is_number(one.get(problem, {}).get("settings", {}).get(name))
        ]
        if len({one["settings"][name] for one in own}) > 1:
            found[method] = own
    return found


def _varied(shown: Shown, problem: str) -> list[str]:
    names = dict.fromkeys(
        name
        for tracks in shown.summary["methods"].values()
        for one in tracks.values()
        for name in one.get(problem, {}).get("settings", {})
    )
    return [name for name in names if _grids(shown, problem, name)]


def _sensitivity_panel(shown: Shown, problem: str, name: str) -> Panel:
    grids, said = _grids(shown, problem, name), []
    values = sorted({one["settings"][name] for own in grids.values() for one in own})
    x = _setting_axis(name.replace("_", " "), values)
    lines: list[tuple[int, list[Any]]] = []
    for method, own in grids.items():
        at = [min((o for o in own if o["settings"][name] == v), key=_last) for v in values
              if any(o["settings"][name] == v for o in own)]  # fmt: skip
        who = next(i for i, o in enumerate(shown.courses["who"]) if o["method"] == method)
        lines.append((who, at))
        best = min(at, key=_last)
        said.append(f"{method}: best {words(best['final_gap']['median'])} at "
                    f"{words(best['settings'][name])}.")  # fmt: skip
    first = shown.courses["who"][0]
    own = shown.summary["methods"][first["method"]][first["track"]].get(problem)
    level = own and own["final_gap"]["median"]
    heights = [one["final_gap"][key] for _, at in lines for one in at for key in ("median", "low")]
    y = _gap_axis("last gap (nats)", _numbers([*heights, level]), _floor(shown, problem))
    series: list[Line | Marks] = []
    if level is not None:
        series.append(Line([x.low, x.high], [level, level], 0))
        said.append(f"{first['label']}: {words(level)}.")
    for who, at in lines:
        ends = {key: [one["final_gap"][key] for one in at] for key in ("median", "low", "high")}
        there = [one["settings"][name] for one in at]
        series.append(Line(there, ends["median"], who, ends["low"], ends["high"]))
        series.append(Marks(there, ends["median"], who))
        lost = [v for v, median in zip(there, ends["median"]) if median is None]
        series.append(Marks(lost, [y.high] * len(lost), who, cross=True))
    alt = f"{problem}: median gap at the end of the budget against {name}. " + " ".join(said)
    return Panel(problem, x, y, tuple(series), alt)


def _last(one: Mapping[str, Any]) -> float:
    median = one["final_gap"]["median"]
    return np.inf if median is None else median


def _setting_axis(label: str, values: Sequence[float]) -> Axis:
    """Logarithmic where values span a factor of five."""
    low, high = min(values), max(values)
    return Axis(label, low, high, log=low > 0 and high / low >= 5)


def _clock(shown: Shown) -> Iterator[Picture]:
    """Seconds of all evaluations against passes, with the line through them."""
    panels = []
    for problem in shown.problems:
        timed = [
            (who, one, shown.numbers(who, problem)["cost_model"])
            for who, one in shown.of(problem)
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
    x = _costs(COSTS["passes"], [p for p, _ in spots])
    y = _costs(COSTS["seconds"], [s for _, s in spots])
    drawn = tuple(one for one in series if one is not None)
    return Panel(problem, x, y, drawn, f"{problem}: seconds against passes. " + " ".join(said))
