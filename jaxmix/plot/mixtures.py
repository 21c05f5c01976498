"""Pictures of mixtures: each component in its color, and the density of the whole.

Columns that are not drawn are integrated out: a Gaussian's marginal keeps the chosen entries of its
mean and the chosen rows and columns of its covariance, whatever the structure.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.patches import Ellipse
from matplotlib.ticker import StrMethodFormatter
from scipy.stats import chi2

from jaxmix.families import STRUCTURES, Gaussian
from jaxmix.inference.parts import Errors
from jaxmix.inputs import as_level
from jaxmix.matching import covariance_matrices
from jaxmix.mixture import Mixture
from jaxmix.plot.axes import (
    bare_unless_used,
    checked_columns,
    given_or_new,
    name_axes,
    name_density,
)
from jaxmix.report.components import Component, draw_curves, draw_ellipse, ellipse_axes
from jaxmix.report.drawing import print_style

SHADE = 0.2
"""Opacity inside the ellipses of the heaviest component; others have less, as their weights."""
REACH = 4.0
"""Standard deviations around the means that a new panel shows."""
OPAQUE = 0.5
"""Opacity inside a region of confidence."""
BAR_HEIGHT = 0.03
"""Of the panel's height: where intervals lie."""
DEPTH = 10
"""Nats below the highest log-density down to which it is filled."""


@print_style
def components(mixture: Any, columns: Any = (0, 1), panel: Any = None) -> Any:
    """Draw each component in its color: as ellipses in two columns, as a density in one.

    Ellipses lie at 1 and 2 standard deviations around a cross at the mean; the shading inside is
    proportional to the weight. The two lines from the mean are the principal axes, as long as the
    square roots of the covariance's eigenvalues. In one column curves are weighted densities, their
    sum is black.

    Args:
        mixture: k Gaussian components in d columns, of any covariance structure.
        columns: one or two columns to draw, counted from 0, the others integrated out; the first
            two, or the only one.
        panel: matplotlib Axes, with the data for instance; a new figure's when left out.

    Returns:
        The Axes.

    Raises:
        ValueError: for columns that are not there or more than two, or several mixtures in one.
        TypeError: for components that are not Gaussian.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.gaussian_mixture([0.3, 0.7], [[0.0, 0.0], [4.0, 1.0]], 1.0, family="tied")
        >>> panel = jm.plot.components(mixture)
        >>> [(outline.width, outline.height) for outline in panel.patches[:2]]
        [(2.0, 2.0), (4.0, 4.0)]
    """
    marginal, names = _marginal(mixture, columns)
    panel, parts = given_or_new(panel), _parts(marginal)
    if len(names) == 1:
        draw_curves(panel, parts, _grid(marginal, 0, _limits(panel, marginal)[0]))
        name_density(panel)
    else:
        for part in parts:
            share = part.weight / max(other.weight for other in parts)
            _draw_component(panel, part, SHADE * share)
        panel.autoscale_view()
    name_axes(panel, names)
    return panel


def _draw_component(panel: Any, component: Component, opacity: float) -> None:
    for outline in draw_ellipse(panel, component, cross=9.0):
        outline.set(fill=True, facecolor=(component.color, opacity))
    major, minor, angle = ellipse_axes(component.covariance, 1.0)
    for length, turn in ((major, 0.0), (minor, 90.0)):
        radians = np.deg2rad(angle + turn)
        tip = component.mean + length * np.array([np.cos(radians), np.sin(radians)])
        panel.plot(*zip(component.mean, tip), color=component.color, linewidth=1.0)


@print_style
def density(mixture: Any, columns: Any = (0, 1), panel: Any = None) -> Any:
    """Draw the density of the whole mixture: a curve in one column, filled contours in two.

    Contours are of the log-density, one a nat down from the highest value; lower than 10 nats is
    left white. On a panel with data they fill what it shows, below the data.

    Args:
        mixture: k Gaussian components in d columns, of any covariance structure.
        columns: one or two columns to draw, counted from 0, the others integrated out; the first
            two, or the only one.
        panel: matplotlib Axes, with the data for instance; a new figure's when left out.

    Returns:
        The Axes.

    Raises:
        ValueError: for columns that are not there or more than two, or several mixtures in one.
        TypeError: for components that are not Gaussian.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.gaussian_mixture([1.0], [[0.0]], 4.0, family="spherical")
        >>> values = jm.plot.density(mixture).lines[0].get_ydata()
        >>> f"{values.max():.4f}"
        '0.1995'
    """
    marginal, names = _marginal(mixture, columns)
    panel = given_or_new(panel)
    limits = _limits(panel, marginal)
    grids = [_grid(marginal, axis, pair) for axis, pair in enumerate(limits)]
    values = log_density(marginal, grids)
    if len(names) == 1:
        panel.plot(grids[0], np.exp(values), color="black", linewidth=1.2)
        name_density(panel)
    else:
        _fill(panel, grids, values)
    name_axes(panel, names)
    return panel


def _fill(panel: Any, grids: list[np.ndarray], heights: np.ndarray) -> None:
    levels = heights.max() - np.arange(DEPTH, -1.0, -1.0)
    light = {"vmin": levels[0], "vmax": levels[-1] + 1.5 * DEPTH}
    filled = panel.contourf(*grids, heights.T, levels, cmap="Greys", zorder=0, **light)
    number = StrMethodFormatter("{x:.1f}")
    panel.figure.colorbar(filled, ax=panel, label="log-density (nats)", format=number)


@print_style
def confidence(
    mixture: Any, errors: Any, level: float = 0.95, columns: Any = (0, 1), panel: Any = None
) -> Any:
    r"""Draw how well each mean is known: its confidence ellipse in two columns, interval in one.

    The ellipse is where $(\mu - \hat\mu_k)^\top V_k^{-1} (\mu - \hat\mu_k)$ is at most the
    chi-square quantile with 2 degrees of freedom, $-2 \log(1 - \text{level})$; $V_k$ is the
    covariance of the estimate, with the other parameters unknown as well. In one column the same
    with 1 degree is the mean and 1.96 standard errors on either side.

    Args:
        mixture: k fitted Gaussian components in d columns.
        errors: what `jaxmix.inference.standard_errors` or `bootstrap` says of the mixture.
        level: the probability with which each component's region holds its mean.
        columns: one or two columns to draw, counted from 0; the first two, or the only one.
        panel: matplotlib Axes, with the data for instance; a new figure's when left out.

    Returns:
        The Axes.

    Raises:
        ValueError: for columns that are not there or more than two, a level outside (0, 1), errors
            of another mixture, or a mean whose standard errors are infinite.
        TypeError: for components that are not Gaussian, or errors of another kind.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> fit = jm.fit(waiting, jm.initialize(waiting, 2, family="tied"))
        >>> errors = jm.inference.standard_errors(fit.mixture, waiting)
        >>> panel = jm.plot.confidence(fit.mixture, errors)
        >>> sorted(line.get_xdata().round(1).tolist() for line in panel.lines)
        [[53.3, 55.9], [79.2, 81.0]]

    Source: notes/standard-errors.md, eq. 12.
    """
    marginal, names = _marginal(mixture, columns)
    blocks = _mean_covariances(mixture, errors, columns)
    reach = float(np.sqrt(chi2.ppf(as_level(level), len(names))))
    panel, draw = given_or_new(panel), _draw_interval if len(names) == 1 else _draw_region
    for part, block in zip(_parts(marginal), blocks):
        draw(panel, part, block, reach)
    name_axes(panel, names)
    return panel


def _draw_interval(panel: Any, component: Component, block: np.ndarray, reach: float) -> None:
    bare_unless_used(panel)
    half, center = reach * np.sqrt(block[0, 0]), component.mean[0]
    look = {"color": component.color, "linewidth": 4.0, "solid_capstyle": "butt"}
    ends, place = [center - half, center + half], panel.get_xaxis_transform()
    panel.plot(ends, [BAR_HEIGHT] * 2, transform=place, scaley=False, **look)


def _draw_region(panel: Any, component: Component, block: np.ndarray, reach: float) -> None:
    major, minor, angle = ellipse_axes(block, reach)
    region = Ellipse(tuple(component.mean), 2 * major, 2 * minor, angle=angle)
    region.set(facecolor=(component.color, OPAQUE), edgecolor=component.color, linewidth=1.2)
    panel.add_patch(region)
    panel.autoscale_view()


def _mean_covariances(mixture: Mixture, errors: Any, columns: Any) -> np.ndarray:
    """Covariances [k c c] of the means' estimates in some columns."""
    if not isinstance(errors, Errors):
        given = type(errors).__name__
        raise TypeError(f"expected errors from jaxmix.inference.standard_errors, got {given}")
    if np.shape(errors.means) != np.shape(mixture.means):
        raise ValueError(
            f"expected errors of these {np.shape(mixture.means)} means, got "
            f"{np.shape(errors.means)}; errors belong to one mixture"
        )
    chosen = checked_columns(columns, np.shape(mixture.means)[1])
    blocks = np.asarray(errors.mean_covariances, float)[:, chosen][:, :, chosen]
    for index in np.flatnonzero(~np.isfinite(blocks).all(axis=(1, 2))):
        raise ValueError(
            f"the data do not pin down the mean of component {index}: its standard errors are "
            "infinite, and no region is; use fewer components or a prior"
        )
    return blocks


def log_density(mixture: Mixture, grids: Sequence[np.ndarray]) -> np.ndarray:
    """The mixture's log-density at every point of a grid.

    Args:
        mixture: in as many columns as there are grids.
        grids: coordinates along each column, [g] or [g] and [h].

    Returns:
        Log-densities [g] or [g h].
    """
    points = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, len(grids))
    rows = points.astype(mixture.log_weights.dtype)
    return np.asarray(mixture.log_prob(rows), float).reshape([len(grid) for grid in grids])


def _marginal(mixture: Any, columns: Sequence[int]) -> tuple[Mixture, list[str]]:
    """The mixture of the chosen columns alone, and their names."""
    if not isinstance(mixture, Mixture):
        given = type(mixture).__name__
        raise TypeError(f"expected a Mixture, got {given}; a FitResult has one as .mixture")
    if np.ndim(mixture.log_weights) != 1:
        raise ValueError(
            "expected one mixture, got several in one; "
            "take one by jax.tree.map(lambda leaf: leaf[index], mixtures)"
        )
    matrices = covariance_matrices(mixture)
    chosen = checked_columns(columns, matrices.shape[-1])
    block = jnp.asarray(matrices[:, chosen][:, :, chosen], mixture.log_weights.dtype)
    means = mixture.means[:, np.array(chosen)]
    structure = STRUCTURES["full"].from_values(block, *means.shape)
    names = [f"x{column + 1}" for column in chosen]
    return Mixture(mixture.log_weights, Gaussian(means, structure)), names


def _parts(mixture: Mixture) -> list[Component]:
    weights, means = np.asarray(mixture.weights, float), np.asarray(mixture.means, float)
    matrices = covariance_matrices(mixture)
    return [
        Component(index, float(weight), mean, matrix)
        for index, (weight, mean, matrix) in enumerate(zip(weights, means, matrices))
    ]


def _limits(panel: Any, mixture: Mixture) -> np.ndarray:
    """Ends of each axis [c 2]: those of a panel with data, kept from now on, or new ones."""
    means, reach = np.asarray(mixture.means, float), REACH * _deviations(mixture)
    if not panel.has_data():
        return np.stack([(means - reach).min(axis=0), (means + reach).max(axis=0)], axis=1)
    shown = np.array([panel.get_xlim(), panel.get_ylim()])[: means.shape[1]]
    panel.autoscale(False, axis="x" if len(shown) == 1 else "both")
    return np.sort(shown, axis=1)


def _grid(mixture: Mixture, axis: int, limits: np.ndarray) -> np.ndarray:
    """Values between limits, with more of them around each mean: no component is too narrow."""
    means, deviations = np.asarray(mixture.means, float)[:, axis], _deviations(mixture)[:, axis]
    (low, high), near = limits, means[:, None] + np.outer(deviations, np.linspace(-3.0, 3.0, 25))
    return np.union1d(np.linspace(low, high, 151), near[(low < near) & (near < high)])


def _deviations(mixture: Mixture) -> np.ndarray:
    return np.sqrt(np.diagonal(covariance_matrices(mixture), axis1=1, axis2=2))
