"""What the figures share: colors, looks of methods, scales, matrices, one print style."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import style

# Okabe and Ito's colors, told apart by color-blind readers, then four of Tol's muted ones; the pale
# yellow comes last.
COLORS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
    *("#882255", "#999933", "#332288", "#44AA99", "#F0E442"),
)
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


def color_of(index: int) -> str:
    """The color of the component or method with this number, repeating after twelve."""
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


def rounding(objective: float, dtype: str) -> float:
    """The power of ten at or above one rounding error of an objective.

    >>> rounding(-1130.26, "float64")
    1e-12
    """
    size = max(abs(objective), 1.0) if np.isfinite(objective) else 1.0
    return float(10.0 ** np.ceil(np.log10(size * np.finfo(dtype).eps)))


def scale_cost(panel: Any, cost: str) -> None:
    """Make the cost logarithmic beyond its smallest step, and linear from there to 0."""
    costs = np.concatenate([np.zeros(0), *(as_array(line.get_xdata()) for line in panel.lines)])
    positive = costs[np.isfinite(costs) & (costs > 0)]
    smallest = float(positive.min(initial=np.inf)) if positive.size else 1.0
    panel.set_xscale("symlog", linthresh=smallest, linscale=0.4)
    panel.set_xlim(left=0.0)
    panel.set_xlabel(cost)


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


def draw_matrix(panel: Any, texts: np.ndarray, shade: np.ndarray) -> None:
    """Draw a matrix as its entries in words, on blue.

    Args:
        panel: matplotlib Axes.
        texts: of the entries [m n].
        shade: from 0, white, to 1, a blue on which black is still read [m n].
    """
    panel.imshow(shade, cmap="Blues", vmin=0.0, vmax=2.5, aspect="auto")
    for (i, j), text in np.ndenumerate(texts):
        panel.text(j, i, text, ha="center", va="center", fontsize="small")
    panel.tick_params(length=0)
