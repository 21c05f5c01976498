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
    """Draw a node a line, with its value, and an arrow an argument, with its slope or slopes.

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
        for parent in dict.fromkeys(line.parents):
            slopes = [s for own, s in zip(line.parents, line.slopes) if own == parent]
            label = " + ".join(f"{slope:.4g}" for slope in slopes)
            _draw_arrow(panel, nodes[parent], node, label.replace("+ -", "- "))
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
