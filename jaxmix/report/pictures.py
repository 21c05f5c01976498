"""Pictures as data: axes, lines and marks, which print and page then draw in their own ways.

An axis places numbers between 0 and 1 and knows its ticks, so that both drawings agree. On a
logarithmic one, 0 and infinity have places of their own at its ends, where they are asked for.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmix.report.drawing import as_array, color_of

DASHES = ((), (6, 3), (7, 3, 1.5, 3), (1.5, 2.5), (11, 3), (3, 3))
SHAPES = ("circle", "square", "triangle", "diamond", "down")
ENDS = 0.07
"""Share of an axis between its last number and the place of 0 or infinity."""


LETTER = 0.024
"""Share of an axis that a letter of its labels takes."""


class Tick(NamedTuple):
    """A place on an axis, from 0 to 1; of minor ones the label is empty.

    A label such as 10^-6 has its exponent raised.
    """

    at: float
    label: str = ""


class Axis(NamedTuple):
    """What numbers mean in one direction of a panel."""

    label: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    zero: bool = False
    """Whether 0 has a place on a logarithmic axis."""
    never: str = ""
    """What to call infinity, if it has a place."""
    names: tuple[str, ...] = ()
    """Of the places 0, 1, ... on an axis of names."""

    def place(self, values: Any) -> np.ndarray:
        """Numbers from 0 to 1; what lies beyond the ends is put there, and NaN has no place."""
        values = as_array(values)
        if self.names:
            return np.asarray((values + 0.5) / len(self.names))
        first, last = ENDS * self.zero, 1 - ENDS * bool(self.never)
        low, high, at = map(self._scaled, (self.low, self.high, values))
        share = (at - low) / (high - low if high > low else 1.0)
        inside = first + (last - first) * np.clip(share, 0.0, 1.0)
        if self.zero:
            inside = np.where(values == 0, 0.0, inside)
        return np.where(np.isposinf(values), 1.0 if self.never else np.nan, inside)

    def _scaled(self, values: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log10(np.maximum(values, 0.0)) if self.log else values

    def ticks(self) -> list[Tick]:
        """Labelled places, and minor ones between them."""
        if self.names:
            return [Tick(float(self.place(i)), name) for i, name in enumerate(self.names)]
        values = _decades(self.low, self.high) if self.log else _steps(self.low, self.high)
        ticks = [Tick(float(self.place(value)), label) for value, label in values]
        if self.zero:
            ticks.insert(0, Tick(0.0, "0"))
        if self.never:
            room = [tick if tick.at < 1 - 2 * ENDS else Tick(tick.at) for tick in ticks]
            ticks = [*room, Tick(1.0, self.never)]
        return _spaced(ticks)


def _spaced(ticks: Sequence[Tick]) -> list[Tick]:
    """Ticks without the labels that would touch the one before."""
    kept: list[Tick] = []
    for tick in ticks:
        last = next((one for one in reversed(kept) if one.label), None)
        if last is not None and tick.at - last.at < LETTER * (len(tick.label + last.label) / 2 + 1):
            tick = Tick(tick.at)
        kept.append(tick)
    return kept


def _decades(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten, of which at most six are labelled; 1, 2 and 5 where there are few."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    powers = list(range(first, last + 1))
    if len(powers) < 3:
        start, stop = math.floor(math.log10(low)), math.ceil(math.log10(high))
        pairs = [(m, e) for e in range(start, stop + 1) for m in (1, 2, 5)]
        inside = [(m * 10.0**e, f"{m * 10.0**e:g}") for m, e in pairs]
        margin = 1 + 1e-9
        return [(value, text) for value, text in inside if low / margin <= value <= high * margin]
    stride = math.ceil(len(powers) / 6)
    return [(10.0**e, _power(e) if e % stride == 0 else "") for e in powers]


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else f"10^{exponent}"


def _steps(low: float, high: float) -> list[tuple[float, str]]:
    rough = (high - low) / 5 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(i * step, f"{i * step:.10g}") for i in range(first, last + 1)]


class Line(NamedTuple):
    """Points joined by a line, with a band where there are ends; grey where it is nobody's."""

    x: Sequence[float | None]
    y: Sequence[float | None]
    who: int | None = None
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    steps: bool = False
    """Whether values hold until the next one."""
    thin: bool = False


class Marks(NamedTuple):
    """Points, with bars from low to high where there are any."""

    x: Sequence[float | None]
    y: Sequence[float | None]
    who: int | None = None
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    cross: bool = False
    """Whether they mark failures."""
    small: bool = False


class Panel(NamedTuple):
    """Two axes, what is drawn between them, and what is seen there in words and numbers."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Line | Marks, ...]
    alt: str


class Picture(NamedTuple):
    """Panels side by side, under one caption."""

    name: str
    """Of its files."""
    title: str
    caption: str
    panels: tuple[Panel, ...]

    @property
    def people(self) -> list[int]:
        """Who is drawn in it."""
        seen = {one.who for panel in self.panels for one in panel.series}
        return sorted(who for who in seen if who is not None)


class Look(NamedTuple):
    """How a method on a track is told from others: color by method, dashes and shape by itself."""

    label: str
    color: str
    dashes: tuple[float, ...]
    shape: str
    width: float


def looks(people: Iterable[tuple[str, str]]) -> list[Look]:
    """The looks of methods and labels; later ones, drawn on top, are thinner.

    >>> [look.color for look in looks([("EM", "EM"), ("SGD", "SGD"), ("SGD", "SGD, tuned")])]
    ['#0072B2', '#D55E00', '#D55E00']
    """
    people = list(people)
    methods = list(dict.fromkeys(method for method, _ in people))
    return [
        Look(
            label,
            color_of(methods.index(method)),
            DASHES[i % len(DASHES)],
            SHAPES[i % len(SHAPES)],
            max(1.2, 2.6 - 0.25 * i),
        )
        for i, (method, label) in enumerate(people)
    ]


def placed(axis: Axis, values: Sequence[float | None]) -> np.ndarray:
    """Where values are on an axis; null has no place."""
    return axis.place([np.nan if value is None else value for value in values])


def broken(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The stretches of a line where there is something to draw."""
    there = np.isfinite(x) & np.isfinite(y)
    ends = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]])))
    return [(x[a:b], y[a:b]) for a, b in zip(ends[::2], ends[1::2])]


def stepped(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a line whose values hold until the next."""
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
