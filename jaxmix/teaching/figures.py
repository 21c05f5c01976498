"""Figures of several panels for the lecture: mixtures over one data set, clusters of several."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxmix import plot
from jaxmix.mixture import Mixture
from jaxmix.report.drawing import plain, print_style

ACROSS = 4
INCHES = (2.5, 2.3)


@print_style
def draw_mixtures(x: Any, mixtures: Mapping[str, Mixture]) -> Figure:
    """Draw the components of each mixture over the same data.

    Args:
        x: data [n d], of which the first two columns are drawn.
        mixtures: by the title of their panel.

    Returns:
        The figure: a panel a mixture, four in a row.
    """
    across = min(ACROSS, len(mixtures))
    down = math.ceil(len(mixtures) / across)
    figure = Figure(figsize=(INCHES[0] * across, INCHES[1] * down), layout="constrained")
    # A rug has the same range in every panel, which curves drawn to its ends would stretch.
    sharing = {"sharex": np.ndim(x) == 2 and np.shape(x)[1] > 1, "sharey": True}
    panels = figure.subplots(down, across, squeeze=False, **sharing).ravel()
    for panel in panels[len(mixtures) :]:
        panel.set_axis_off()
    for panel, (title, mixture) in zip(panels, mixtures.items()):
        plot.components(mixture, panel=plot.scatter(x, panel=panel))
        panel.set_title(plain(title))
    return figure


@print_style
def draw_clusters(clusters: Mapping[str, tuple[Any, Mapping[str, Any]]]) -> Figure:
    """Draw each data set once for every way of labeling its rows.

    Args:
        clusters: data [n d] by name, with labels [n] by the title of their panel.

    Returns:
        The figure: a row a data set, a column a labeling.
    """
    across = max(len(labelings) for _, labelings in clusters.values())
    size = (INCHES[0] * across + 0.5, INCHES[1] * len(clusters))
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subplots(len(clusters), across, squeeze=False)
    for row, (name, (x, labelings)) in zip(rows, clusters.items()):
        for panel, (title, labels) in zip(row, labelings.items()):
            plot.scatter(x, labels=labels, panel=panel)
            if panel.get_legend() is not None:
                panel.get_legend().remove()
            panel.set_title(plain(f"{name}: {title}"))
    return figure
