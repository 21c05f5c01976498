"""The pictures of the lecture on autodiff: errors of differences, tangents, modes, Newton, costs.

Each draws what a study of this package returned (notes/autodiff.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxmix.autodiff.differences import ErrorStudy
from jaxmix.report.drawing import color_of, draw_matrix, plain, print_style
from jaxmix.report.writers import Table

MARKERS: tuple[dict[str, Any], ...] = (
    {"linestyle": "none", "marker": "o", "markersize": 7, "fillstyle": "none"},
    {"linestyle": "none", "marker": "o", "markersize": 3.5},
)
"""Of forward and of central differences, which are often equally wrong."""


@print_style
def draw_errors(study: ErrorStudy) -> Figure:
    """Draw the error of differences against the step: a V each, with its predicted branches.

    Args:
        study: from `differences.error_study`; errors of exactly 0 are left out.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    panel = figure.subplots()
    h, *errors = np.array(study.rows).T
    best = (study.best_forward_step, study.best_central_step)
    for index, (name, step) in enumerate(zip(("forward", "central"), best)):
        error, predicted = errors[2 * index : 2 * index + 2]
        shown = np.where(error > 0, error, np.nan)
        panel.loglog(h, shown, color=color_of(index), label=name, **MARKERS[index])
        panel.loglog(h, predicted, color=color_of(index), label=f"{name}, predicted")
        if h.min() < step < h.max():
            panel.axvline(step, color=color_of(index), linewidth=0.8, linestyle=":")
    panel.set_xlabel("step h (dotted: the best by theory)")
    panel.set_ylabel("absolute error of the derivative")
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


@print_style
def draw_tangents(
    f: Callable[[np.ndarray], float], point: np.ndarray, slopes: np.ndarray, names: Sequence[str]
) -> Figure:
    """Draw a function along each of its arguments, with the line whose slope is the derivative.

    Args:
        f: from [n] to a number; a gap is left where it raises a ValueError or an ArithmeticError.
        point: where [n].
        slopes: partial derivatives there [n].
        names: of the arguments.

    Returns:
        The figure: a panel an argument.
    """
    n = len(point)
    figure = Figure(figsize=(max(3.0 * n, 3.6), 2.8), layout="constrained")
    for index, panel in enumerate(figure.subplots(1, n, squeeze=False, sharey=True)[0]):
        reach = max(1.0, abs(point[index]))
        along = np.linspace(-reach, reach, 201)
        values = [_value_or_gap(f, point + move * (np.arange(n) == index)) for move in along]
        panel.plot(point[index] + along, values, color=color_of(0))
        here = f(point)
        panel.plot(point[index] + along, here + slopes[index] * along, "--", color=color_of(1))
        panel.plot(point[index], here, "o", color=color_of(1), markersize=5)
        panel.set_xlabel(plain(names[index]))
        panel.set_title(f"slope {slopes[index]:.6g}")
    return figure


def _value_or_gap(f: Callable[[np.ndarray], float], x: np.ndarray) -> float:
    try:
        with np.errstate(all="ignore"):
            return f(x)
    except (ArithmeticError, ValueError):
        return np.nan


@print_style
def draw_modes(
    jacobian: np.ndarray, column: int = 0, row: int = 0, names: Sequence[str] | None = None
) -> Figure:
    """Draw a Jacobian twice: one forward sweep gives a column of it, one reverse sweep a row.

    Args:
        jacobian: [m n], as `jaxmix.dual.jacobian` gives it.
        column: the input along which the forward sweep goes.
        row: the output from which the reverse sweep comes.
        names: of the inputs; x1, x2, ... when left out.

    Returns:
        The figure: two panels of the same matrix.
    """
    m, n = np.shape(jacobian)
    names = [plain(name) for name in names or [f"x{j + 1}" for j in range(n)]]
    figure = Figure(figsize=(2 * max(2.4, 0.55 * n) + 0.8, max(1.8, 0.45 * m) + 0.9))
    panels = figure.subplots(1, 2)
    forward = f"forward sweep along {names[column]}:\none column, {_sweeps(n)} for all"
    reverse = f"reverse sweep from f{row + 1}:\none row, {_sweeps(m)} for all"
    for panel, title, chosen in zip(panels, (forward, reverse), ((None, column), (row, None))):
        _draw_matrix(panel, np.asarray(jacobian), *chosen)
        panel.set_xticks(range(n), names)
        panel.set_title(title)
    figure.tight_layout()
    return figure


def _sweeps(count: int) -> str:
    return f"{count} sweep" if count == 1 else f"{count} sweeps"


def _draw_matrix(panel: Any, matrix: np.ndarray, row: int | None, column: int | None) -> None:
    """Entries as numbers, one row or column of them on color."""
    shade = np.zeros(matrix.shape)
    shade[slice(None) if row is None else row, slice(None) if column is None else column] = 1.0
    texts = np.array([[f"{entry:.3g}" for entry in entries] for entries in matrix])
    draw_matrix(panel, texts, shade)
    panel.set_yticks(range(len(matrix)), [f"f{i + 1}" for i in range(len(matrix))])


@print_style
def draw_convergence(errors: np.ndarray, title: str) -> Figure:
    """Draw how an iteration converges: errors by iteration, those of exactly 0 left out.

    Args:
        errors: after each iteration, from the start on [t + 1].
        title: of the figure.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    panel = figure.subplots()
    shown = np.where(errors > 0, errors, np.nan)
    panel.semilogy(range(len(errors)), shown, "o-", color=color_of(0))
    panel.set_xticks(range(0, len(errors), max(1, len(errors) // 8)))
    panel.set_xlabel("iteration")
    panel.set_ylabel("distance to the last iterate")
    panel.set_title(plain(title))
    return figure


@print_style
def draw_costs(table: Table) -> Figure:
    """Draw seconds a gradient against the number of parameters, a line a way to the gradient.

    Args:
        table: from `likelihood.compare_gradients`.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    panel = figure.subplots()
    count, name, seconds = (
        table.columns.index(c) for c in ("parameters", "program", "run seconds")
    )
    for index, way in enumerate(dict.fromkeys(row[name] for row in table.rows)):
        rows: list[Any] = [row for row in table.rows if row[name] == way]
        points = np.array([(row[count], row[seconds]) for row in rows], float)
        panel.loglog(*points.T, "o-", color=color_of(index), label=way)
    counts: list[Any] = list(dict.fromkeys(row[count] for row in table.rows))
    panel.set_xticks(counts, map(str, counts))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("free parameters")
    panel.set_ylabel("seconds a gradient")
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
