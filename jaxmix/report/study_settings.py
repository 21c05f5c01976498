"""The picture of how much the settings of a grid matter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxmix.report.pictures import Axis, Line, Marks, Panel, Picture
from jaxmix.report.study_shown import (
    Shown,
    floor_of,
    gap_axis,
    numbers_of,
    words,
)
from jaxmix.report.writers import is_number


def sensitivity_pictures(shown: Shown) -> Iterator[Picture]:
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
            "method; a cross is where half of the runs failed or more. Gaps below rounding are "
            "drawn at its level.",
            tuple(panels),
        )


def _grids(shown: Shown, problem: str, name: str) -> dict[str, list[Mapping[str, Any]]]:
    """The summaries of methods whose grids vary a number, by method."""
    found = {}
    for method, tracks in shown.summary["methods"].items():
        own = [
            one[problem]
            for track, one in tracks.items()
            if track.startswith("grid (")
            and is_number(one.get(problem, {}).get("settings", {}).get(name))
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
    y = gap_axis("last gap (nats)", numbers_of([*heights, level]), floor_of(shown, problem))
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
