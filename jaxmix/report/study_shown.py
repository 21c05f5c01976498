"""What the figures of a study are drawn from, and the axes and words that they share."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmix.report.drawing import rounding
from jaxmix.report.pictures import Axis

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


def words(value: float | None) -> str:
    """A number in a sentence.

    >>> words(0.012345), words(None)
    ('0.0123', 'none')
    """
    return "none" if value is None else f"{value:.3g}"


def numbers_of(*lists: Sequence[float | None]) -> list[float]:
    return [float(v) for values in lists for v in values if v is not None and np.isfinite(v)]


def cost_axis(label: str, values: Sequence[float], never: str = "") -> Axis:
    """A logarithmic axis for costs, on which 0 has a place."""
    positive = [v for v in values if v > 0] or [1.0]
    low, high = min(positive), max(positive)
    zero = any(v == 0 for v in values)
    return Axis(label, low, high if high > low else 2 * low, True, zero, never)


def gap_axis(label: str, values: Sequence[float], floor: float) -> Axis:
    """From rounding, or a decade below the least where it is far above, to the largest."""
    least = min([v for v in values if v > floor] or [floor])
    low = floor if any(v <= floor for v in values) or least < 1e3 * floor else least / 2
    return Axis(label, low, max([*values, 10 * low]), log=True)


def floor_of(shown: Shown, problem: str) -> float:
    known = {one["name"]: one["reference"] for one in shown.content["problems"]}
    return rounding(known[problem], "float64")


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
