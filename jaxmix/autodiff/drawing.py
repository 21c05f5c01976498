"""The picture of a computation graph, by matplotlib alone: lines in layers, arguments as arrows."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionStyle
from matplotlib.path import Path

from jaxmix.autodiff.curves import Curves, bend, points_along
from jaxmix.autodiff.labels import ALONG, Labels, text_size
from jaxmix.autodiff.layout import Layout, arrange, layers
from jaxmix.report.drawing import COLORS, plain, print_style

if TYPE_CHECKING:
    from jaxmix.autodiff.graph import Graph

NODE_PAD, LABEL_PAD = 0.35, 0.1
NODE = {"boxstyle": f"round,pad={NODE_PAD}", "facecolor": "white", "linewidth": 1.2}
LABEL = {"boxstyle": f"round,pad={LABEL_PAD}", "facecolor": "white", "linewidth": 0.0}
NODE_POINTS, LABEL_POINTS = 9.0, 7.5
INCHES_A_LAYER, INCHES_A_ROW, INCHES_BETWEEN = 1.9, 0.95, 0.85
MOST_LINES, MOST_LAYERS = 400, 60


@print_style
def draw_graph(graph: "Graph", panel: Any = None) -> Any:
    """Draw a node a line, with its value, and an arrow an argument, with its slope or slopes.

    Args:
        graph: what to draw.
        panel: matplotlib Axes; a new figure's when left out.

    Returns:
        The Axes.

    Raises:
        ValueError: for a graph too long for a picture.
    """
    count = len(graph.lines)
    if count > MOST_LINES or max(layers(graph)) >= MOST_LAYERS:
        raise ValueError(f"too long to draw, {count} lines; its table has every line")
    layout, texts = arrange(graph), [_text(graph, index) for index in range(count)]
    sizes = np.array([text_size(text, NODE_POINTS, NODE_PAD) for text in texts])
    scale = np.array([max(INCHES_A_LAYER, sizes[:, 0].max() + INCHES_BETWEEN), INCHES_A_ROW])
    panel = _framed(panel, layout, scale)
    nodes = [
        _draw_node(panel, text, place, _edge_color(graph, index))
        for index, (text, place) in enumerate(zip(texts, layout.places))
    ]
    curves = bend(layout.routes)
    for parent, child in curves:
        _draw_arrow(panel, nodes[parent], nodes[child], curves[parent, child])
    _draw_labels(panel, graph, curves, Labels(layout.places * scale, sizes), scale)
    return panel


def _framed(panel: Any, layout: Layout, scale: np.ndarray) -> Any:
    """Axes with room for all layers and rows, a new figure's when there are none."""
    points = np.concatenate([layout.places, *layout.routes.values()])
    low, high = points.min(axis=0) - 0.6, points.max(axis=0) + 0.6
    if panel is None:
        inches = np.maximum(scale * (high - low - 0.2) + [0.6, 0.0], [0.0, 1.6])
        panel = Figure(figsize=tuple(inches), layout="constrained").subplots()
    panel.set_xlim(low[0], high[0])
    panel.set_ylim(low[1], high[1])
    panel.set_axis_off()
    return panel


def _text(graph: "Graph", index: int) -> str:
    line = graph.lines[index]
    return f"w{index + 1} = {line.program}\n{line.value:.6g}"


def _edge_color(graph: "Graph", index: int) -> str:
    if index < graph.num_inputs:
        return COLORS[0]
    return COLORS[1] if index == graph.result else "0.4"


def _draw_node(panel: Any, text: str, place: np.ndarray, color: str) -> Any:
    box = NODE | {"edgecolor": color}
    size = {"fontsize": NODE_POINTS, "zorder": 3}
    return panel.text(*place, plain(text), ha="center", va="center", bbox=box, **size)


def _draw_arrow(panel: Any, tail: Any, head: Any, curves: list[np.ndarray]) -> None:
    """An arrow along curves [4 2], which matplotlib cuts at the edges of the nodes' boxes."""
    vertices = [curves[0][0], *(point for curve in curves for point in curve[1:])]
    path = Path(vertices, [Path.MOVETO] + [Path.CURVE4] * (len(vertices) - 1))
    along: Any = ConnectionStyle("arc3")
    along.connect = lambda start, end: panel.transData.transform_path(path)
    style = {"arrowstyle": "-|>", "color": "0.5", "shrinkA": 0, "shrinkB": 2}
    ends = {"patchA": tail.get_bbox_patch(), "patchB": head.get_bbox_patch()}
    props = style | ends | {"connectionstyle": along}
    panel.annotate("", vertices[-1], vertices[0], arrowprops=props, zorder=1)


def _draw_labels(
    panel: Any, graph: "Graph", curves: Curves, labels: Labels, scale: np.ndarray
) -> None:
    """Slopes on the last stretch of each arrow, which it shares with no other."""
    stretches = {curve.tobytes(): curve * scale for own in curves.values() for curve in own}
    labels.avoid([points_along(curve, np.linspace(0, 1, 40)) for curve in stretches.values()])
    numbers = {key: number for number, key in enumerate(stretches)}
    look = {"fontsize": LABEL_POINTS, "color": COLORS[2], "bbox": LABEL, "zorder": 2}
    for (parent, child), own in curves.items():
        text, last = _slopes(graph, parent, child), own[-1].tobytes()
        size = text_size(text, LABEL_POINTS, LABEL_PAD)
        spots = points_along(stretches[last], ALONG)
        spot = labels.place(numbers[last], spots, size) / scale
        panel.text(*spot, text, ha="center", va="center", **look)


def _slopes(graph: "Graph", parent: int, child: int) -> str:
    line = graph.lines[child]
    slopes = [s for own, s in zip(line.parents, line.slopes) if own == parent]
    return " + ".join(f"{slope:.4g}" for slope in slopes).replace("+ -", "- ")
