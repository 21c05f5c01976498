"""The pictures of a study in print: matplotlib figures, in files that are the same each time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxmix.report.drawing import plain, print_style
from jaxmix.report.figures import FIXED_METADATA, figure_bytes
from jaxmix.report.pictures import Axis, Line, Look, Marks, Panel, Picture, broken, placed

MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "down": "v"}
ABREAST = 3
PANEL_INCHES = (3.2, 2.6)
MARGINS = (0.68, 0.16, 0.46, 0.28)
"""Left, right, below and above each panel, in inches."""
LINE_INCHES = 0.2
"""Of the legend."""
GREY = Look("", "0.6", (2, 3), "circle", 0.8)


@print_style
def drawn(picture: Picture, people: Sequence[Look]) -> Figure:
    """A picture as a figure, at most three panels side by side, with who is in it above.

    Args:
        picture: what to draw.
        people: the looks of everybody, by number.
    """
    columns = min(ABREAST, len(picture.panels))
    rows = -(-len(picture.panels) // columns)
    width = max(columns, 2) * PANEL_INCHES[0]
    longest = max((len(people[who].label) for who in picture.people), default=1)
    abreast = max(1, int(width / (0.8 + 0.075 * longest)))
    head = LINE_INCHES * -(-len(picture.people) // abreast) + 0.1
    figure = Figure(figsize=(width, rows * PANEL_INCHES[1] + head))
    axes = _grid(figure, rows, columns, head)
    for panel, place in zip(picture.panels, axes.flat):
        _draw(place, panel, people)
    for place in axes.flat[len(picture.panels) :]:
        place.set_axis_off()
    handles = [_sample(people[who]) for who in picture.people]
    figure.legend(handles=handles, loc="upper center", ncols=abreast, borderaxespad=0.3)
    return figure


def _grid(figure: Figure, rows: int, columns: int, head: float) -> np.ndarray:
    """Axes [rows columns] at fixed places: automatic layout takes most of the time of a figure."""
    width, height = figure.get_size_inches()
    left, right, bottom, top = MARGINS
    across, down = width / columns - left - right, (height - head) / rows - bottom - top
    return np.array(
        [
            [
                figure.add_axes((
                    (j * width / columns + left) / width,
                    ((rows - 1 - i) * (height - head) / rows + bottom) / height,
                    across / width,
                    down / height,
                ))
                for j in range(columns)
            ]
            for i in range(rows)
        ]
    )  # fmt: skip


def figure_files(pictures: Sequence[Picture], people: Sequence[Look]) -> dict[str, bytes]:
    """All pictures as PNG and PDF, by file name."""
    return {
        f"{picture.name}.{file_format}": figure_bytes(figure, file_format)
        for picture in pictures
        for figure in [drawn(picture, people)]
        for file_format in FIXED_METADATA
    }


def _sample(look: Look) -> Line2D:
    marker = MARKERS[look.shape]
    return Line2D([], [], label=plain(look.label), marker=marker, markersize=5, **_style(look))


def _style(look: Look) -> dict[str, Any]:
    style = (0, tuple(dash / look.width for dash in look.dashes)) if look.dashes else "-"
    return {"color": look.color, "linestyle": style, "linewidth": look.width}


def _draw(place: Axes, panel: Panel, people: Sequence[Look]) -> None:
    place.set_title(plain(panel.title))
    place.set(xlim=(0, 1), ylim=(0, 1), xlabel=plain(panel.x.label), ylabel=plain(panel.y.label))
    _set_ticks(place.xaxis, panel.x)
    _set_ticks(place.yaxis, panel.y)
    for one in panel.series:
        look = GREY if one.who is None else people[one.who]
        x, y = placed(panel.x, one.x), placed(panel.y, one.y)
        ends = [placed(panel.y, end) for end in (one.low, one.high)]
        if isinstance(one, Line):
            _draw_line(place, one, x, y, ends, look)
        else:
            _draw_marks(place, one, x, y, ends, look)


def _set_ticks(axis: Any, scale: Axis) -> None:
    ticks = scale.ticks()
    named = [tick for tick in ticks if tick.label]
    axis.set_ticks([tick.at for tick in named], [_raised(tick.label) for tick in named])
    axis.set_ticks([tick.at for tick in ticks if not tick.label], minor=True)


def _raised(label: str) -> str:
    """A label whose exponent, if it has one, is set as mathematics."""
    if "10^" not in label:
        return plain(label)
    base, _, exponent = label.rpartition("^")
    return f"${base}^{{{exponent}}}$"


def _draw_line(
    place: Axes, one: Line, x: np.ndarray, y: np.ndarray, ends: list[np.ndarray], look: Look
) -> None:
    if len(ends[0]):
        high = np.where(np.isfinite(ends[1]), ends[1], 1.0)
        there = np.isfinite(ends[0])
        place.fill_between(x, ends[0], high, where=there, color=look.color, alpha=0.16, linewidth=0)
    style = _style(look._replace(width=0.8) if one.thin else look)
    for at, values in broken(x, y):
        style["drawstyle"] = "steps-post" if one.steps else "default"
        place.plot(at, values, clip_on=False, **style)


def _draw_marks(
    place: Axes, one: Marks, x: np.ndarray, y: np.ndarray, ends: list[np.ndarray], look: Look
) -> None:
    if len(ends[0]):
        place.vlines(x, ends[0], ends[1], color=look.color, linewidth=1.2, clip_on=False)
    marker, size = ("x", 6) if one.cross else (MARKERS[look.shape], 3.6 if one.small else 5.5)
    style = {"color": look.color, "linestyle": "none", "marker": marker, "markersize": size}
    style |= {"mew": 1.5} if one.cross else {"mec": "white", "mew": 0.0 if one.small else 0.5}
    place.plot(x, y, clip_on=False, **style)
