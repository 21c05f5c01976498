"""What the pictures share: the Axes to draw on, the columns that they show, and names beside."""

import operator
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, NullLocator

from jaxmix.report.drawing import plain


def given_or_new(panel: Any) -> Any:
    """The Axes that the user gave, or those of a new figure."""
    if panel is not None and not isinstance(panel, Axes):
        raise TypeError(f"panel must be matplotlib Axes, got {type(panel).__name__}")
    return Figure(figsize=(4.8, 3.6), layout="constrained").subplots() if panel is None else panel


def checked_columns(columns: Any, d: int) -> list[int]:
    """One or two different columns among d, which are also all there are where d is 1.

    Args:
        columns: counted from 0.
        d: the number of columns to choose from.

    Raises:
        ValueError: for another number of columns, one that is not there, or one given twice.

    >>> checked_columns((2, 0), 3), checked_columns((0, 1), 1)
    ([2, 0], [0])
    """
    if isinstance(columns, int | str):
        raise TypeError(f"expected columns as a pair such as (0, 1), got {columns!r}")
    if d == 1 and tuple(columns) == (0, 1):
        return [0]
    if len(columns) not in (1, 2):
        raise ValueError(
            f"expected one or two columns, got {len(columns)}; draw one picture for each pair"
        )
    try:
        chosen = [operator.index(column) for column in columns]
    except TypeError:
        raise TypeError(f"expected columns as numbers from 0 on, got {columns!r}") from None
    for column in chosen:
        if not 0 <= column < d:
            raise ValueError(f"expected columns among 0 to {d - 1}, got {column}; count from 0")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"expected two different columns, got {chosen[0]} twice")
    return chosen


def name_axes(panel: Any, names: Sequence[str]) -> None:
    """Label both axes, or the horizontal one for a single name, where they have no labels yet."""
    for axis, name in zip((panel.xaxis, panel.yaxis), names):
        axis.set_label_text(axis.get_label_text() or plain(name))


def bare_unless_used(panel: Any) -> None:
    """Leave the vertical axis of an empty panel without ticks: what comes has no height."""
    if not panel.has_data():
        panel.yaxis.set_major_locator(NullLocator())


def name_density(panel: Any) -> None:
    """Let the vertical axis measure a density from 0 up, which a rug alone leaves bare."""
    panel.set_ylim(bottom=0.0, auto=True)
    panel.yaxis.set_major_locator(AutoLocator())
    panel.set_ylabel("density")


def add_legend(panel: Any, **contents: Any) -> None:
    """Add the legend to the right of the panel, where it hides nothing."""
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), **contents)
