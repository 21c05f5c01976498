"""Figures of several panels for the lecture: mixtures, clusters, an image in few colors."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from jaxmix import data, plot
from jaxmix.data.image import Levels
from jaxmix.mixture import Mixture
from jaxmix.plot.axes import name_axes
from jaxmix.report.drawing import color_of, plain, print_style
from jaxmix.teaching.colors import as_hex

ACROSS = 4
INCHES = (2.5, 2.3)
IMAGE_INCHES, TITLE_INCHES, SWATCH_INCHES = 3.6, 0.3, 0.4
SWATCHES_ACROSS = 8


@print_style
def draw_mixtures(table: data.Table, mixtures: Mapping[str, Mixture]) -> Figure:
    """Draw the components of each mixture over the same data.

    Args:
        table: data, of which the first two columns are drawn.
        mixtures: by the title of their panel.

    Returns:
        The figure: a panel a mixture, four in a row.
    """
    figure, panels = _panels(len(mixtures), table)
    for panel, (title, mixture) in zip(panels, mixtures.items()):
        plot.components(mixture, panel=plot.scatter(table.x, panel=panel))
        panel.set_title(plain(title))
    return figure


def _panels(count: int, table: data.Table) -> tuple[Figure, list[Any]]:
    """A figure with so many panels, four in a row, named after the table's first columns."""
    across = min(ACROSS, count)
    down = math.ceil(count / across)
    figure = Figure(figsize=(INCHES[0] * across, INCHES[1] * down), layout="constrained")
    # A rug has the same range in every panel, which curves drawn to its ends would stretch.
    sharing = {"sharex": table.x.shape[1] > 1, "sharey": True}
    panels = figure.subplots(down, across, squeeze=False, **sharing).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    for panel in panels[:count]:
        name_axes(panel, table.columns[:2])
        panel.xaxis.set_tick_params(labelbottom=True)
    return figure, list(panels[:count])


@print_style
def draw_softness(
    table: data.Table, mixtures: Mapping[str, Mixture], centers: Float[np.ndarray, "k d"]
) -> Figure:
    """Draw each point in the average of its components' colors, k-means' centers as crosses.

    Args:
        table: data, of which the first two columns are drawn.
        mixtures: by the title of their panel, from soft to hard.
        centers: of k-means.

    Returns:
        The figure: a panel a mixture, four in a row.
    """
    figure, panels = _panels(len(mixtures), table)
    for panel, (title, mixture) in zip(panels, mixtures.items()):
        plot.scatter(table.x, responsibilities=mixture.responsibilities(table.x), panel=panel)
        for index, (mean, center) in enumerate(zip(np.asarray(mixture.means), centers)):
            _mark(panel, mean, "o", color_of(index))
            _mark(panel, center, "x", "black")
        panel.set_title(plain(title))
    return figure


def _mark(panel: Any, point: Float[np.ndarray, " d"], marker: str, color: str) -> None:
    """One point in the first two columns, or on the axis of a single one."""
    place = point[:2] if len(point) > 1 else (point[0], 0.5)
    transform = panel.transData if len(point) > 1 else panel.get_xaxis_transform()
    look = {"linestyle": "none", "markersize": 6, "markeredgecolor": "black"}
    panel.plot(*place, marker=marker, color=color, transform=transform, **look)


@print_style
def draw_clusters(clusters: Mapping[str, tuple[data.Table, Mapping[str, Any]]]) -> Figure:
    """Draw each data set once for every way of labeling its rows.

    Args:
        clusters: tables by name, with labels [n] by the title of their panel.

    Returns:
        The figure: a row a data set, a column a labeling.
    """
    across = max(len(labelings) for _, labelings in clusters.values())
    size = (INCHES[0] * across + 0.5, INCHES[1] * len(clusters))
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subplots(len(clusters), across, squeeze=False)
    for row, (name, (table, labelings)) in zip(rows, clusters.items()):
        for panel, (title, labels) in zip(row, labelings.items()):
            name_axes(panel, table.columns[:2])
            plot.scatter(table.x, labels=labels, panel=panel)
            if panel.get_legend() is not None:
                panel.get_legend().remove()
            panel.set_title(plain(f"{name}: {title}"))
    return figure


@print_style
def draw_quantized(
    original: Levels,
    quantized: Levels,
    palette: Float[np.ndarray, "k 3"],
    shares: Float[np.ndarray, " k"],
    titles: tuple[str, str],
) -> Figure:
    """Draw an image beside itself in few colors, over the palette.

    Args:
        original, quantized: levels of both images.
        palette: red, green and blue of each color, 0 to 255.
        shares: of the pixels that take each color.
        titles: of the two images.

    Returns:
        The figure: two images, and below them a swatch a color with its name and share.
    """
    h, w = quantized.shape[:2]
    tall = TITLE_INCHES + IMAGE_INCHES * min(max(h / w, 0.2), 2.0)
    low = SWATCH_INCHES * math.ceil(len(palette) / SWATCHES_ACROSS)
    figure = Figure(figsize=(2 * IMAGE_INCHES, tall + low), layout="constrained")
    panels = figure.subplot_mosaic(
        [["original", "quantized"], ["palette", "palette"]], height_ratios=(tall, low)
    )
    panels["original"].imshow(original)
    # Nothing but the colors of the palette: no pixel is mixed from its neighbors.
    panels["quantized"].imshow(quantized, interpolation="nearest")
    _draw_swatches(panels["palette"], palette, shares)
    for panel, title in zip(panels.values(), (*titles, "")):
        panel.set(title=title, xticks=[], yticks=[])
        panel.spines[:].set(visible=True, color="0.8", linewidth=0.5)
    return figure


def _draw_swatches(
    panel: Any, palette: Float[np.ndarray, "k 3"], shares: Float[np.ndarray, " k"]
) -> None:
    across = min(SWATCHES_ACROSS, len(palette))
    down = math.ceil(len(palette) / across)
    cells = np.full((down, across, 3), 255, np.uint8)
    places = itertools.product(range(down), range(across))
    for place, color, share in zip(places, np.rint(palette).astype(np.uint8), shares):
        cells[place] = color
        bright = color @ np.array([0.299, 0.587, 0.114]) > 128
        words = f"{as_hex(color)}\n{share:.1%}"
        style = {"ha": "center", "va": "center", "fontsize": 8, "linespacing": 1.1}
        panel.text(*place[::-1], words, color="black" if bright else "white", **style)
    panel.imshow(cells, aspect="auto", interpolation="nearest")
