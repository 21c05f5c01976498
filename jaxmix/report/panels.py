"""The figure of the components on the data: a row of panels a method, a column a step."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from jaxmix.report.components import Component, components_at, draw_curves, draw_ellipse
from jaxmix.report.drawing import as_array, describe, plain, print_style
from jaxmix.report.tables import FAILED_OUTCOMES

EARLY_STEPS = (0, 1, 2, 3, 4, 5, 6, 20)
PANEL_INCHES = (1.16, 1.3)
MARGINS = {"left": 1.15, "right": 0.1, "top": 0.62, "bottom": 0.5}


@print_style
def ellipses(result: Mapping[str, Any]) -> Figure:
    """Draw the components on the data at the start, after steps 1 to 6 and 20, and at the end.

    Ellipses lie at 1 and 2 standard deviations, crosses at the means. With one column,
    weighted densities over a histogram take their place; with more than two columns, the
    first two are drawn, where a covariance's first two rows and columns are the marginal's.

    Args:
        result: the content of result.json.

    Returns:
        The figure: a row of panels a method; a panel after a method's end stays empty.
    """
    steps = [step for step in EARLY_STEPS if any(step in path["steps"] for path in result["paths"])]
    axes = _grid(len(result["paths"]), len(steps) + 1)
    for row, path in zip(axes, result["paths"]):
        _draw_method(row, result, path, steps)
    for panel, step in zip(axes[0], steps):
        panel.set_title(f"step {step}" if step else "start")
    figure = axes[0, 0].figure
    _label(figure, result)
    return figure


def _grid(num_rows: int, num_columns: int) -> np.ndarray:
    """Panels [rows columns]: with so many, automatic layout or linked axes would cost seconds."""
    width = MARGINS["left"] + MARGINS["right"] + num_columns * PANEL_INCHES[0]
    height = MARGINS["top"] + MARGINS["bottom"] + num_rows * PANEL_INCHES[1]
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left=MARGINS["left"] / width,
        right=1 - MARGINS["right"] / width,
        top=1 - MARGINS["top"] / height,
        bottom=MARGINS["bottom"] / height,
        wspace=0.12,
        hspace=0.34,
    )
    return figure.subplots(num_rows, num_columns, squeeze=False)


def _draw_method(
    row: np.ndarray, result: Mapping[str, Any], path: Mapping[str, Any], steps: Sequence[int]
) -> None:
    recorded = list(path["steps"])
    for panel, step in zip(row, steps):
        if step in recorded:
            _draw_panel(panel, result, components_at(path, recorded.index(step)))
        else:
            _leave_empty(panel, "ended" if step > recorded[-1] else "")
    _draw_panel(row[-1], result, components_at(path, len(recorded) - 1))
    row[-1].set_title(f"end: step {recorded[-1]}")
    _note_failure(row[-1], result, path)
    row[0].set_ylabel(plain("\n".join(textwrap.wrap(path["method"], 14))))


def _note_failure(panel: Axes, result: Mapping[str, Any], path: Mapping[str, Any]) -> None:
    for row in result["rows"]:
        same = (row["method"], row["start"]) == (path["method"], path["start"])
        if same and row["outcome"] in FAILED_OUTCOMES:
            place = {"transform": panel.transAxes, "va": "top", "fontsize": "small"}
            panel.text(0.04, 0.98, row["outcome"], **place)


def _leave_empty(panel: Axes, reason: str) -> None:
    panel.set_axis_off()
    panel.text(0.5, 0.5, reason, transform=panel.transAxes, ha="center", va="center", color="0.4")


def _draw_panel(panel: Axes, result: Mapping[str, Any], components: Sequence[Component]) -> None:
    points = as_array(result["data"]["points"])
    panel.set_xlim(*_limits(points[:, 0]))
    if points.shape[1] == 1:
        _draw_densities(panel, points[:, 0], components)
    else:
        _draw_ellipses(panel, points, components)
    place = panel.get_subplotspec()
    assert place is not None
    for axis, outer in ((panel.xaxis, place.is_last_row()), (panel.yaxis, place.is_first_col())):
        axis.set_major_locator(MaxNLocator(3, prune="both") if outer else NullLocator())


def _draw_ellipses(panel: Axes, points: np.ndarray, components: Sequence[Component]) -> None:
    panel.set_ylim(*_limits(points[:, 1]))
    panel.plot(*points[:, :2].T, ".", color="0.6", markersize=2.5, markeredgewidth=0, zorder=0)
    for component in components:
        mean, covariance = component.mean[:2], component.covariance[:2, :2]
        draw_ellipse(panel, component._replace(mean=mean, covariance=covariance))


def _draw_densities(panel: Axes, values: np.ndarray, components: Sequence[Component]) -> None:
    heights, *_ = panel.hist(values, bins="auto", density=True, color="0.85")
    draw_curves(panel, components, np.linspace(*panel.get_xlim(), 400))
    panel.set_ylim(0.0, 1.6 * float(np.max(heights)))


def _limits(values: np.ndarray) -> tuple[float, float]:
    margin = 0.12 * (np.ptp(values) or 1.0)
    return float(values.min() - margin), float(values.max() + margin)


def _label(figure: Figure, result: Mapping[str, Any]) -> None:
    width, height = figure.get_size_inches()
    columns = result["data"]["columns"]
    note = f", first two of {len(columns)} columns" if len(columns) > 2 else ""
    second = columns[1] if len(columns) > 1 else "density"
    figure.suptitle(plain(describe(result) + note), y=1 - 0.12 / height, va="top")
    figure.supxlabel(plain(columns[0]), y=0.08 / height, fontsize="medium")
    figure.supylabel(plain(second), x=0.08 / width, fontsize="medium")
