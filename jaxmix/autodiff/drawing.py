"""The picture of a computation graph, by matplotlib alone: lines in layers, arguments as arrows."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from jaxmix.report.drawing import COLORS, plain, print_style

if TYPE_CHECKING:
    from jaxmix.autodiff.graph import Graph

NODE = {"boxstyle": "round,pad=0.35", "facecolor": "white", "linewidth": 1.2}
INCHES_A_LAYER, INCHES_A_ROW = 1.9, 0.95


def layers(graph: "Graph") -> list[int]:
    """How many lines must come before each line: 0 for inputs and constants."""
    depths: list[int] = []
    for line in graph.lines:
        depths.append(1 + max((depths[parent] for parent in line.parents), default=-1))
    return depths


def positions(graph: "Graph") -> np.ndarray:
    """A place [lines 2] for every line: its layer across, and spread evenly within the layer.

    Lines of one layer are ordered by the mean height of their parents, so that few arrows cross.
    """
    depths, places = layers(graph), np.zeros((len(graph.lines), 2))
    for depth in range(max(depths) + 1):
        members = [i for i, own in enumerate(depths) if own == depth]
        members.sort(key=lambda i: -_height(graph, i, places))
        for row, index in enumerate(members):
            places[index] = depth, (len(members) - 1) / 2 - row
    return places


def _height(graph: "Graph", index: int, places: np.ndarray) -> float:
    parents = graph.lines[index].parents
    return float(np.mean(places[list(parents), 1])) if parents else -index


@print_style
def draw_graph(graph: "Graph", panel: Any = None) -> Any:
    """Draw a node a line, with its value, and an arrow an argument, with its slope.

    Args:
        graph: what to draw.
        panel: matplotlib Axes; a new figure's when left out.

    Returns:
        The Axes.
    """
    places = positions(graph)
    if panel is None:
        spans = np.ptp(places, axis=0) + 1
        size = (INCHES_A_LAYER * spans[0] + 0.6, max(INCHES_A_ROW * spans[1], 1.6))
        panel = Figure(figsize=size, layout="constrained").subplots()
    nodes = [_draw_node(panel, graph, index, place) for index, place in enumerate(places)]
    for node, line in zip(nodes, graph.lines):
        for parent, slope in zip(line.parents, line.slopes):
            _draw_arrow(panel, nodes[parent], node, f"{slope:.4g}")
    panel.set_xlim(places[:, 0].min() - 0.6, places[:, 0].max() + 0.6)
    panel.set_ylim(places[:, 1].min() - 0.6, places[:, 1].max() + 0.6)
    panel.set_axis_off()
    return panel


def _draw_node(panel: Any, graph: "Graph", index: int, place: np.ndarray) -> Any:
    line = graph.lines[index]
    kind = 0 if index < graph.num_inputs else 1 if index == graph.result else None
    edge = "0.4" if kind is None else COLORS[kind]
    text = plain(f"w{index + 1} = {line.program}\n{line.value:.6g}")
    return panel.text(*place, text, ha="center", va="center", bbox=NODE | {"edgecolor": edge})


def _draw_arrow(panel: Any, tail: Any, head: Any, label: str) -> None:
    """An arrow from the edge of one node's box to that of another, with a label halfway."""
    start, end = np.array(tail.get_position()), np.array(head.get_position())
    ends = {"patchA": tail.get_bbox_patch(), "patchB": head.get_bbox_patch()}
    style = {"arrowstyle": "-|>", "color": "0.5", "shrinkA": 0, "shrinkB": 2}
    panel.annotate("", end, start, arrowprops=style | ends)
    panel.text(
        *(start + end) / 2, label, fontsize="small", color=COLORS[2], ha="center", va="bottom"
    )


@print_style
def draw_modes(jacobian: np.ndarray, column: int = 0, row: int = 0) -> Figure:
    """Draw a Jacobian twice: one forward sweep gives a column of it, one reverse sweep a row.

    Args:
        jacobian: [m n], as `jaxmix.dual.jacobian` gives it.
        column: the input along which the forward sweep goes.
        row: the output from which the reverse sweep comes.

    Returns:
        The figure: two panels of the same matrix.
    """
    m, n = np.shape(jacobian)
    figure = Figure(figsize=(2 * max(2.4, 0.55 * n) + 0.8, max(1.8, 0.45 * m) + 0.9))
    panels = figure.subplots(1, 2)
    forward = f"forward sweep along x{column + 1}:\none column, {n} sweeps for all"
    reverse = f"reverse sweep from f{row + 1}:\none row, {m} sweeps for all"
    for panel, title, chosen in zip(panels, (forward, reverse), ((None, column), (row, None))):
        _draw_matrix(panel, np.asarray(jacobian), *chosen)
        panel.set_title(title)
    figure.tight_layout()
    return figure


def _draw_matrix(panel: Any, matrix: np.ndarray, row: int | None, column: int | None) -> None:
    """Entries as numbers, one row or column of them on color."""
    shade = np.zeros(matrix.shape)
    shade[slice(None) if row is None else row, slice(None) if column is None else column] = 1.0
    panel.imshow(shade, cmap="Blues", vmin=0.0, vmax=2.5, aspect="auto")
    for (i, j), entry in np.ndenumerate(matrix):
        panel.text(j, i, f"{entry:.3g}", ha="center", va="center", fontsize="small")
    m, n = matrix.shape
    panel.set_xticks(range(n), [f"x{j + 1}" for j in range(n)])
    panel.set_yticks(range(m), [f"f{i + 1}" for i in range(m)])
    panel.tick_params(length=0)
