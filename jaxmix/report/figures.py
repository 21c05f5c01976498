"""The figures of a comparison beside the components on the data, and all of them as files.

`gaps` shows how fast each method gains likelihood, `paths` where it walks on a likelihood of
two parameters. Files are the same bytes each time they are made from one result.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxmix.report.drawing import as_array, method_look, plain, print_style, rounding, scale_cost
from jaxmix.report.panels import ellipses
from jaxmix.report.tables import succeeded

COSTS = ("steps", "passes", "seconds")
CONTOUR_DEPTHS = 2.0 ** np.arange(-2, 14)
ENDS: dict[str, dict[str, Any]] = {
    "start": {"marker": "s", "color": "black", "markersize": 5, "linestyle": "none"},
    "end": {
        "marker": "o", "color": "0.4", "markersize": 8, "linestyle": "none", "fillstyle": "none",
    },
}  # fmt: skip
FIXED_METADATA = {
    "png": {"Software": "jaxmix"},
    "pdf": {"Creator": "jaxmix", "Producer": "jaxmix", "CreationDate": None},
}
RESOLUTION = 160


@print_style
def gaps(result: Mapping[str, Any]) -> Figure:
    """Draw how far each method is from the best log-likelihood, against its cost.

    The best is the largest value at any point of any trace that did not fail. Distances
    below the rounding of the log-likelihood, 0 included, are drawn at that floor.

    Args:
        result: the content of result.json.

    Returns:
        The figure: three panels, against steps, passes over the data and seconds.
    """
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    panels = figure.subplots(1, len(COSTS), sharey=True)
    best = _best_objective(result)
    floor = rounding(best, result["dtype"])
    thin = _thin_if_many(result)
    for trace in result["traces"]:
        missing = _below_best(trace, best, floor)
        look = method_look(result, trace["method"]) | thin
        for panel, cost in zip(panels, COSTS):
            panel.plot(_costs(trace, cost), missing, **look)
    for panel, cost in zip(panels, COSTS):
        scale_cost(panel, cost)
        panel.axhline(floor, color="0.5", linewidth=0.8, linestyle=(0, (1, 2)))
    _scale_missing(panels[0], floor)
    figure.legend(
        handles=_method_lines(result, result["methods"]), loc="outside upper center", ncols=3
    )
    return figure


def _best_objective(result: Mapping[str, Any]) -> float:
    successes = {(row["method"], row["start"]) for row in result["rows"] if succeeded(row)}
    seen = [
        as_array(trace["objective"])
        for trace in result["traces"]
        if (trace["method"], trace["start"]) in successes
    ]
    values = np.concatenate([np.zeros(0), *seen])
    return float(np.max(values[np.isfinite(values)], initial=-np.inf))


def _thin_if_many(result: Mapping[str, Any]) -> dict[str, Any]:
    alone = len({trace["start"] for trace in result["traces"]}) <= 1
    return {} if alone else {"linewidth": 0.6, "alpha": 0.6}


def _below_best(trace: Mapping[str, Any], best: float, floor: float) -> np.ndarray:
    objective = as_array(trace["objective"])
    # A degenerate trace may rise above the best; nothing can be said of it there.
    return np.where(objective > best, np.nan, np.maximum(best - objective, floor))


def _costs(trace: Mapping[str, Any], cost: str) -> np.ndarray:
    return np.arange(len(trace["objective"])) if cost == "steps" else as_array(trace[cost])


def _scale_missing(panel: Axes, floor: float) -> None:
    panel.set_yscale("log")
    panel.set_ylim(bottom=floor / 50)
    panel.set_ylabel("best log-likelihood − log-likelihood (nats)")
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    note = f"at or below {floor:.0e}: rounding"
    panel.annotate(
        note, (0.02, floor), xytext=(0, -3), va="top", color="0.35", fontsize="small", **place
    )


def _method_lines(result: Mapping[str, Any], methods: Sequence[str]) -> list[Line2D]:
    return [Line2D([], [], label=plain(m), **method_look(result, m)) for m in methods]


@print_style
def paths(result: Mapping[str, Any]) -> Figure:
    """Draw the path of every method over the contours of a likelihood of two means.

    Contours lie 1/4, 1/2, 1, 2, 4, ... nats below the largest value of the grid.

    Args:
        result: the content of result.json; the log-likelihood at the i-th value of the first
            grid axis and the j-th of the second is `two_parameter["log_likelihood"][i][j]`.

    Returns:
        The figure.

    Raises:
        ValueError: if the comparison has no two-parameter part.
    """
    plane = result.get("two_parameter")
    if plane is None:
        raise ValueError(
            "expected a result with a two-parameter comparison, got two_parameter: null; "
            "run a comparison that makes one, or leave this figure out"
        )
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    panel = figure.subplots()
    _draw_contours(panel, plane)
    for path in plane["paths"]:
        _draw_path(panel, result, path)
    panel.set(xlabel=plane["label"][0], ylabel=plane["label"][1])
    panel.set_title(plain(f"{plane['data']}: contours 1/4, 1/2, 1, 2, 4, ... nats below the top"))
    ends = [Line2D([], [], label=label, **marker) for label, marker in ENDS.items()]
    drawn = [path["method"] for path in plane["paths"]]
    handles = [*_method_lines(result, drawn), *ends]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _draw_contours(panel: Axes, plane: Mapping[str, Any]) -> None:
    first, second = (as_array(values) for values in plane["grid"])
    heights = np.ma.masked_invalid(as_array(plane["log_likelihood"]).T)
    levels = np.sort(heights.max() - CONTOUR_DEPTHS)
    panel.contour(
        first, second, heights, levels, colors="0.7", linewidths=0.7, linestyles="solid", zorder=0
    )
    panel.set(xlim=(first.min(), first.max()), ylim=(second.min(), second.max()))


def _draw_path(panel: Axes, result: Mapping[str, Any], path: Mapping[str, Any]) -> None:
    means = as_array(path["means"])
    look = method_look(result, path["method"])
    panel.plot(*means.T, **look, marker=".", markersize=4, label=path["method"])
    panel.plot(*means[-1], **ENDS["end"] | {"color": look["color"]})
    panel.plot(*means[0], **ENDS["start"])


def draw_figures(result: Mapping[str, Any]) -> dict[str, Figure]:
    """Draw every figure this result can give, by name: ellipses, gaps and, if made, paths."""
    figures = {"ellipses": ellipses(result), "gaps": gaps(result)}
    return figures | ({"paths": paths(result)} if result.get("two_parameter") else {})


@print_style
def figure_bytes(figure: Figure, file_format: str) -> bytes:
    """Render a figure as a file's content, without dates: the same bytes each time.

    Args:
        figure: what to render.
        file_format: "png" or "pdf".
    """
    content = io.BytesIO()
    figure.savefig(
        content, format=file_format, dpi=RESOLUTION, metadata=FIXED_METADATA[file_format]
    )
    return content.getvalue()


def figure_files(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Every figure as PNG and PDF, by file name; each is drawn once."""
    return {
        f"{name}.{file_format}": figure_bytes(figure, file_format)
        for name, figure in draw_figures(result).items()
        for file_format in FIXED_METADATA
    }
