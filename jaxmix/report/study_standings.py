"""The pictures of who reaches targets, how often, how soon, and sooner than whom."""

from collections.abc import Iterator, Sequence

import numpy as np

from jaxmix.report.pictures import Axis, Line, Marks, Panel, Picture
from jaxmix.report.study_shown import COSTS, Shown, cost_axis, numbers_of, words


def success_pictures(shown: Shown) -> Iterator[Picture]:
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


def runtime_pictures(shown: Shown) -> Iterator[Picture]:
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


def performance_pictures(shown: Shown) -> Iterator[Picture]:
    yield from _profile(
        shown,
        "performance",
        "ratios",
        "passes / passes of the best",
        "Performance profiles",
        "The share of problems x starts on which a method reaches the target within a factor of "
        "the passes of the best one. A method's curve depends on who it is compared with.",
    )


def data_pictures(shown: Shown) -> Iterator[Picture]:
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
    x = cost_axis(label, numbers_of(*(at for _, at, _ in curves)))
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


def pair_pictures(shown: Shown) -> Iterator[Picture]:
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
    every = numbers_of([v for pair in pairs for v in pair])
    x, y = (cost_axis(f"passes, {name}", every, never) for name in (first, label))
    one, other = np.array([[np.inf if v is None else v for v in pair] for pair in pairs], float).T
    edges = [0.0, x.high] if x.zero else [x.low, x.high]
    series = (Line(edges, edges), Marks(one.tolist(), other.tolist(), who, small=True))
    alt = (
        f"Of {len(pairs)} pairs of runs from the same start {first} took fewer passes in "
        f"{int(np.sum(one < other))}, {label} in {int(np.sum(other < one))}, as many or neither "
        f"reached it in {int(np.sum(one == other))}."
    )
    return Panel(f"{label} against {first}", x, y, series, alt)
