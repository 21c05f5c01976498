"""Pictures of observations: points in the colors of their classes, and classes by component."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from jaxmix.inputs import as_matrix
from jaxmix.plot.axes import add_legend, bare_unless_used, checked_columns, given_or_new, name_axes
from jaxmix.report.drawing import color_of, draw_matrix, plain, print_style
from jaxmix.scores import confusion as count

GRAY = "0.3"
MOST_COMPONENTS = 1000
RUG_HEIGHT = 0.06
"""Of the panel's height."""


@print_style
def scatter(
    x: Any,
    labels: Any = None,
    responsibilities: Any = None,
    columns: Any = (0, 1),
    panel: Any = None,
) -> Any:
    """Draw observations as points in two columns, or as ticks along the axis of a single one.

    Args:
        x: data [n d], or anything that `fit` takes; a frame's column names label the axes.
        labels: the class of each row [n]. Whole numbers are components, in their colors; names
            take the colors in sorted order. Gray when left out.
        responsibilities: [n k], in place of labels: each point's color is the average of the
            components' colors, weighted by these.
        columns: one or two columns to draw, counted from 0; the first two, or the only one.
        panel: matplotlib Axes; a new figure's when left out.

    Returns:
        The Axes.

    Raises:
        ValueError: for columns that are not there or more than two, labels or responsibilities
            of another length, both of them, or responsibilities that are not proportions.

    Examples:
        >>> import jaxmix as jm
        >>> iris = jm.data.load("iris")
        >>> panel = jm.plot.scatter(iris.x, iris.labels, columns=(2, 3))
        >>> panel.get_xlabel(), panel.get_ylabel()
        ('x3', 'x4')
    """
    x, names = as_matrix(x)
    chosen = checked_columns(columns, x.shape[1])
    colors, classes = _point_colors(len(x), labels, responsibilities)
    panel = given_or_new(panel)
    if len(chosen) == 1:
        _draw_rug(panel, x[:, chosen[0]], colors)
    else:
        panel.scatter(*x[:, chosen].T, s=12, c=colors, linewidths=0)
    name_axes(panel, [names[column] for column in chosen])
    if classes:
        look = {"linestyle": "none", "marker": "o", "markersize": 4}
        marks = [Line2D([], [], color=c, label=plain(name), **look) for name, c in classes.items()]
        add_legend(panel, handles=marks)
    return panel


def _draw_rug(panel: Any, values: np.ndarray, colors: np.ndarray) -> None:
    """Ticks along the bottom, which a density on the same panel rises above."""
    bare_unless_used(panel)
    place = panel.get_xaxis_transform()
    panel.vlines(values, 0.0, RUG_HEIGHT, colors=colors, linewidth=0.8, transform=place)


def _point_colors(n: int, labels: Any, responsibilities: Any) -> tuple[np.ndarray, dict[str, str]]:
    """A color a row [n 3], and the color of each class by name."""
    if labels is not None and responsibilities is not None:
        raise ValueError("expected labels or responsibilities, got both; leave one out")
    if responsibilities is not None:
        return _mixed_colors(n, responsibilities), {}
    if labels is None:
        return np.tile(to_rgb(GRAY), (n, 1)), {}
    classes, codes = np.unique(_one_each(labels, n, "labels"), return_inverse=True)
    numbers = classes if classes.dtype.kind in "iu" else range(len(classes))
    colors = [color_of(int(number)) for number in numbers]
    return np.array([to_rgb(c) for c in colors])[codes], dict(zip(map(str, classes), colors))


def _mixed_colors(n: int, responsibilities: Any) -> np.ndarray:
    shares = as_matrix(responsibilities, "responsibilities")[0]
    if len(shares) != n:
        raise ValueError(f"expected {n} rows of responsibilities, one a row, got {len(shares)}")
    if shares.min() < 0 or not np.allclose(shares.sum(axis=1), 1.0, atol=1e-4):
        raise ValueError(
            "expected responsibilities of at least 0 whose rows sum to 1; divide each by its sum"
        )
    palette = np.array([to_rgb(color_of(index)) for index in range(shares.shape[1])])
    return np.clip(shares @ palette, 0.0, 1.0)


def _one_each(labels: Any, n: int, name: str) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"expected {n} {name}, one an observation, got shape {labels.shape}")
    # NaN, and nothing else, differs from itself.
    missing = np.array([label is None or label != label for label in labels.tolist()], bool)
    if missing.any():
        raise ValueError(f"{name}[{np.argmax(missing)}] is missing; leave such rows out")
    return labels


@print_style
def confusion(
    labels: Any, predicted: Any, names: Sequence[str] | None = None, panel: Any = None
) -> Any:
    """Draw how many observations of each class are in each component, as a matrix of numbers.

    Args:
        labels: known classes [n], numbers or names.
        predicted: components [n], counted from 0, as `Mixture.predict` gives them.
        names: of the classes, in the sorted order of the labels; the labels when left out.
        panel: matplotlib Axes; a new figure's when left out.

    Returns:
        The Axes: a row a class, a column a component, whose number has the component's color.

    Raises:
        ValueError: if the labelings differ in length, if `predicted` holds anything but whole
            numbers from 0 on, or if there is not one name a class.

    Examples:
        >>> import jaxmix as jm
        >>> panel = jm.plot.confusion(["a", "a", "b"], [1, 1, 0])
        >>> [text.get_text() for text in panel.texts]
        ['0', '2', '1', '0']
    """
    labels = _one_each(labels, np.size(labels), "labels")
    predicted = _one_each(predicted, len(labels), "predicted components")
    if predicted.dtype.kind not in "iu" or not predicted.size or predicted.min() < 0:
        raise ValueError("expected predicted components 0, 1, ...; Mixture.predict gives them")
    if predicted.max() >= MOST_COMPONENTS:
        raise ValueError(f"no picture shows {predicted.max() + 1} components; select some rows")
    classes, counts = count(labels, predicted, int(predicted.max()) + 1)
    if names is not None and len(names) != len(classes):
        raise ValueError(f"expected {len(classes)} names, one a class, got {len(names)}")
    classes = classes if names is None else names
    panel = given_or_new(panel)
    draw_matrix(panel, counts.astype(str), counts / counts.max())
    panel.set_yticks(range(len(classes)), [plain(str(name)) for name in classes])
    panel.set_xticks(range(counts.shape[1]))
    for index, text in enumerate(panel.get_xticklabels()):
        text.set(color=color_of(index), fontweight="bold")
    panel.set(xlabel="component", ylabel="class")
    return panel
