"""Pictures of runs and studies as curves: objectives by step, lower bounds, BIC by size."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from jaxmix.plot.axes import add_legend, given_or_new
from jaxmix.report.drawing import method_look, plain, print_style, scale_cost
from jaxmix.result import FitResult

RING = {"linestyle": "none", "marker": "o", "markersize": 11, "fillstyle": "none"}


@print_style
def trace(results: FitResult | Mapping[str, FitResult], panel: Any = None) -> Any:
    """Draw the objective per observation against the steps of one fit or of several.

    Steps of several are on a logarithmic scale from 1 on: gradient ascent takes hundreds where EM
    takes tens.

    Args:
        results: what `fit` returned, or several of these by title.
        panel: matplotlib Axes; a new figure's when left out.

    Returns:
        The Axes.

    Raises:
        ValueError: for no fits at all, or several in one result.
        TypeError: for anything but a FitResult.

    Examples:
        >>> import jaxmix as jm
        >>> x = jm.data.load("faithful").x
        >>> panel = jm.plot.trace(jm.fit(x, jm.initialize(x, 2)))
        >>> panel.get_xlabel()
        'steps'
    """
    named = results if isinstance(results, Mapping) else {"": results}
    if not named:
        raise ValueError("expected at least one FitResult, got none")
    for result in named.values():
        _check_single(result)
    panel, titles = given_or_new(panel), [plain(str(title)) for title in named]
    for title, result in zip(titles, named.values()):
        look = method_look({"methods": titles}, title)
        panel.plot(np.asarray(result.history) / float(result.total), label=title, **look)
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    panel.set(xlabel="steps", ylabel="objective per observation (nats)")
    if isinstance(results, Mapping):
        scale_cost(panel, "steps")
        add_legend(panel)
    return panel


def _check_single(result: Any) -> None:
    if not isinstance(result, FitResult):
        raise TypeError(f"expected a FitResult, which fit returns, got {type(result).__name__}")
    if np.ndim(result.code):
        raise ValueError(
            f"expected single fits, got {np.size(result.code)} in one result; "
            "take one by jax.tree.map(lambda leaf: leaf[index], result)"
        )


@print_style
def bounds(
    values: Any, log_likelihood: Any, lower_bounds: Any, touching: Any, panel: Any = None
) -> Any:
    """Draw a log-likelihood of one parameter over the lower bounds of successive EM steps.

    Each bound touches the log-likelihood where it was made; its top is the next iterate.

    Args:
        values: of the parameter, increasing [g].
        log_likelihood: at these values [g].
        lower_bounds: one row a step, at the same values [t g].
        touching: the iterates' parameter values, at which the bounds touch [t].
        panel: matplotlib Axes; a new figure's when left out.

    Returns:
        The Axes, which shows bounds down to a little below the least log-likelihood.

    Raises:
        ValueError: for shapes that do not agree, values that do not increase, or an iterate that
            lies outside of them.

    Examples:
        >>> import jaxmix as jm
        >>> import numpy as np
        >>> values = np.linspace(-2.0, 2.0, 101)
        >>> lower_bound = -2 * (values - 0.5) ** 2 - 0.5
        >>> panel = jm.plot.bounds(values, -(values**2), [lower_bound], touching=[1.0])
        >>> [line.get_label() for line in panel.lines][:2]
        ['log-likelihood', 'bound 0']
    """
    arrays = (np.asarray(a, float) for a in (values, log_likelihood, lower_bounds, touching))
    values, log_likelihood, lower_bounds, touching = arrays
    _check_bounds(values, log_likelihood, lower_bounds, touching)
    panel = given_or_new(panel)
    panel.plot(values, log_likelihood, color="black", linewidth=1.6, label="log-likelihood")
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, len(touching)))
    for index, (bound, shade) in enumerate(zip(lower_bounds, shades)):
        panel.plot(values, bound, color=shade, linewidth=1.2, label=f"bound {index}")
    heights = np.interp(touching, values, log_likelihood)
    panel.scatter(touching, heights, s=22, c=shades, zorder=3)
    low, high = log_likelihood.min(), log_likelihood.max()
    panel.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    panel.set(xlabel="parameter", ylabel="log-likelihood (nats)")
    add_legend(panel)
    return panel


def _check_bounds(
    values: np.ndarray, log_likelihood: np.ndarray, lower_bounds: np.ndarray, touching: np.ndarray
) -> None:
    g, t = np.size(values), np.size(touching)
    expected = {"values": (g,), "log_likelihood": (g,), "lower_bounds": (t, g), "touching": (t,)}
    given = (values, log_likelihood, lower_bounds, touching)
    for (name, shape), array in zip(expected.items(), given):
        if array.shape != shape:
            raise ValueError(f"expected {name} of shape {shape}, got {array.shape}")
    if g < 2 or not np.all(np.diff(values) > 0):
        raise ValueError("expected at least two values in increasing order; sort them")
    if not np.all((values[0] <= touching) & (touching <= values[-1])):
        raise ValueError(
            f"expected iterates between {values[0]:g} and {values[-1]:g}, got {touching}; "
            "give values that reach as far"
        )


@print_style
def selection(
    ks: Sequence[int],
    values_by_family: Mapping[str, Any],
    panel: Any = None,
    criterion: str = "BIC",
) -> Any:
    """Draw how far a criterion is above its lowest value, against k, a curve a family.

    Linear up to 10, beyond which differences are very strong evidence, and logarithmic from there.

    Args:
        ks: numbers of components.
        values_by_family: its value for each of these [len(ks)], by family; NaN where a fit failed.
        panel: matplotlib Axes; a new figure's when left out.
        criterion: its name, for the vertical axis.

    Returns:
        The Axes.

    Raises:
        ValueError: for no family, or one without as many values as ks.

    Examples:
        >>> import jaxmix as jm
        >>> panel = jm.plot.selection([1, 2, 3], {"full": [9.0, 5.0, 6.0], "tied": [9.0, 8.0, 7.0]})
        >>> panel.lines[-1].get_label()
        'BIC 5.0: full, k = 2'
    """
    curves = {plain(name): np.asarray(values, float) for name, values in values_by_family.items()}
    if not curves:
        raise ValueError("expected values of at least one family, got none")
    for name, values in curves.items():
        if values.shape != (len(ks),):
            raise ValueError(f"expected {len(ks)} values of {name}, got shape {values.shape}")
    panel, names = given_or_new(panel), list(curves)
    table = np.array(list(curves.values()))
    finite = np.where(np.isfinite(table), table, np.inf)
    family, place = divmod(int(np.argmin(finite)), len(ks))
    lowest = finite[family, place]
    for name, values in curves.items():
        look = method_look({"methods": names}, name)
        panel.plot(
            ks,
            values - (lowest if lowest < np.inf else 0),
            marker="o",
            markersize=4,
            label=name,
            **look,
        )
    if lowest < np.inf:
        label = f"{criterion} {lowest:.1f}: {names[family]}, k = {ks[place]}"
        panel.plot(ks[place], 0.0, color="black", label=label, **RING)
    panel.set_yscale("symlog", linthresh=10.0)
    panel.yaxis.set_major_formatter(ScalarFormatter())
    panel.set_xticks(ks)
    panel.set(xlabel="components k", ylabel=f"{criterion} above the lowest")
    add_legend(panel)
    return panel
