"""What the figures share: colors, one print style, and the components at a recorded step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib import style

# Okabe and Ito's colors, told apart by color-blind readers; the pale yellow comes last.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)))

print_style = style.context(
    [
        "default",
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
        },
    ]
)


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


def color_of(index: int) -> str:
    """The color of the component or method with this number, repeating after eight."""
    return COLORS[index % len(COLORS)]


def method_look(result: Mapping[str, Any], method: str) -> dict[str, Any]:
    """The color, line style and width of a method, the same in every figure.

    Later methods, drawn on top, are thinner: two that take the same path both stay visible.

    >>> method_look({"methods": ["EM", "L-BFGS"]}, "L-BFGS")
    {'color': '#D55E00', 'linestyle': '--', 'linewidth': 2.4}
    """
    index = result["methods"].index(method)
    return {
        "color": color_of(index),
        "linestyle": LINE_STYLES[index % len(LINE_STYLES)],
        "linewidth": max(1.0, 2.8 - 0.4 * index),
    }


def plain(text: str) -> str:
    r"""Keep matplotlib from reading a user's dollar signs as mathematics.

    >>> plain("cost ($)")
    'cost (\\$)'
    """
    return text.replace("$", r"\$")


def as_array(values: Any) -> np.ndarray:
    """Turn numbers from result.json into an array, null into NaN."""
    return np.array(values, dtype=float)


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


def describe(result: Mapping[str, Any]) -> str:
    """Name the data and the model in one line, for titles.

    >>> describe(
    ...     {
    ...         "data": {"name": "faithful", "n": 272, "columns": ["a", "b"]},
    ...         "k": 2,
    ...         "family": "full",
    ...     }
    ... )
    'faithful: n = 272, d = 2, k = 2, full covariances'
    """
    data = result["data"]
    sizes = f"n = {data['n']}, d = {len(data['columns'])}, k = {result['k']}"
    return f"{data['name']}: {sizes}, {result['family']} covariances"
