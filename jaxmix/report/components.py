"""Components in pictures: ellipses in two columns, weighted densities in one, a color each.

Reports draw what result.json recorded, `jaxmix.plot` what a mixture holds; both draw it by this.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.patches import Ellipse

from jaxmix.report.drawing import as_array, color_of


class Component(NamedTuple):
    """One component of a mixture: its number, weight, mean [d] and covariance [d d]."""

    index: int
    weight: float
    mean: np.ndarray
    covariance: np.ndarray

    @property
    def color(self) -> str:
        """The component's color, the same in every panel because components are matched."""
        return color_of(self.index)


def components_at(path: Mapping[str, Any], position: int) -> list[Component]:
    """The components at one recorded step; those with a number missing are left out.

    Args:
        path: one entry of result.json's `paths`.
        position: which recorded step, counted from 0.

    >>> path = {
    ...     "weights": [[0.4, None]],
    ...     "means": [[[1.0], [None]]],
    ...     "covariances": [[[[2.0]]] * 2],
    ... }
    >>> [component.index for component in components_at(path, 0)]
    [0]
    """
    parts = [path[name][position] for name in ("weights", "means", "covariances")]
    if any(part is None for part in parts):
        return []
    components = [
        Component(index, float(as_array(weight)), as_array(mean), as_array(covariance))
        for index, (weight, mean, covariance) in enumerate(zip(*parts))
    ]
    return [c for c in components if all(np.isfinite(part).all() for part in c[1:])]


def ellipse_axes(covariance: np.ndarray, deviations: float) -> tuple[float, float, float]:
    """Semi-axes and angle of the ellipse at a number of standard deviations.

    Args:
        covariance: [2 2], symmetric.
        deviations: standard deviations from the mean, along every direction.

    Returns:
        The longer and the shorter semi-axis, and the angle of the longer one from the first
        coordinate in degrees.

    >>> ellipse_axes(np.array([[4.0, 0.0], [0.0, 1.0]]), 2.0)
    (4.0, 2.0, 0.0)
    """
    variances, directions = np.linalg.eigh(covariance)
    minor, major = deviations * np.sqrt(np.maximum(variances, 0.0))
    horizontal, vertical = directions[:, 1] * np.sign(directions[0, 1] or 1.0)
    return float(major), float(minor), float(np.degrees(np.arctan2(vertical, horizontal)))


def draw_ellipse(panel: Any, component: Component, cross: float = 5.0) -> list[Ellipse]:
    """Draw the ellipses at 1 and 2 standard deviations, with a cross at the mean.

    Args:
        panel: matplotlib Axes.
        component: with two columns.
        cross: size of the cross in points; 5 for small panels.

    Returns:
        The two outlines.
    """
    outlines = []
    for deviations, width in ((1, 1.6), (2, 0.9)):
        major, minor, angle = ellipse_axes(component.covariance, deviations)
        outline = Ellipse(tuple(component.mean), 2 * major, 2 * minor, angle=angle)
        outline.set(fill=False, edgecolor=component.color, linewidth=width)
        outlines.append(panel.add_patch(outline))
    panel.plot(*component.mean, "+", color=component.color, markersize=cross)
    return outlines


def draw_curves(panel: Any, components: Sequence[Component], grid: np.ndarray) -> None:
    """Draw weighted densities in one column, a tick at each mean, and their sum in black.

    Args:
        panel: matplotlib Axes.
        components: with one column.
        grid: where to evaluate [g].
    """
    densities = [_density(component, grid) for component in components]
    panel.plot(grid, np.sum(densities, axis=0) + 0 * grid, color="black", linewidth=2.2)
    for component, density in zip(components, densities):
        panel.plot(grid, density, color=component.color, linewidth=1.1)
        panel.plot(component.mean[0], 0.0, "|", color=component.color, markersize=9)


def _density(component: Component, grid: np.ndarray) -> np.ndarray:
    variance = component.covariance[0, 0]
    squares = (grid - component.mean[0]) ** 2 / variance
    return component.weight * np.exp(-squares / 2) / np.sqrt(2 * np.pi * variance)
