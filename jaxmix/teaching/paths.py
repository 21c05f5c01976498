"""Pictures of EM on two means: the means by iteration, and their path over the log-likelihood."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxmix.plot.axes import add_legend
from jaxmix.report.drawing import color_of, plain, print_style


@print_style
def draw_means(
    means: Float[np.ndarray, "steps 2"],
    observations: Float[np.ndarray, " m"],
    responsibilities: Float[np.ndarray, "steps m"],
    name: str,
) -> Figure:
    """Draw two means by iteration, and beside them the responsibilities of some observations.

    Args:
        means: after every step.
        observations: some of the column.
        responsibilities: of component 1 for these observations, after every step.
        name: of the column.

    Returns:
        The figure: two panels.
    """
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, path in enumerate(means.T):
        left.plot(path, "o-", color=color_of(index), label=f"mean {index + 1}", markersize=4)
    left.set(xlabel="iteration", ylabel=plain(name))
    left.legend()
    shades = np.linspace(0.0, 0.7, len(observations))
    for value, path, shade in zip(observations, responsibilities.T, shades):
        right.plot(path, "o-", color=str(shade), label=f"{value:g}", markersize=4)
    right.set(xlabel="iteration", ylabel="responsibility of component 1", ylim=(-0.05, 1.05))
    add_legend(right, title=plain(name))
    for panel in (left, right):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@print_style
def draw_ascent(
    grid: tuple[Float[np.ndarray, " g"], Float[np.ndarray, " h"]],
    heights: Float[np.ndarray, "h g"],
    means: Float[np.ndarray, "steps 2"],
    gradients: Float[np.ndarray, "steps-1 2"],
) -> Figure:
    """Draw EM's path over the log-likelihood of two means, and the gradient where it stands.

    Args:
        grid: values of mean 1 and of mean 2.
        heights: the log-likelihood there, a row for each mean 2.
        means: after every step.
        gradients: at every mean but the last.

    Returns:
        The figure: contours, EM's moves as a line, the gradients' directions as gray arrows.
    """
    figure = Figure(figsize=(4.8, 3.6), layout="constrained")
    panel = figure.subplots()
    top = float(heights.max())
    levels = top - np.ptp(heights) * np.linspace(1.0, 0.03, 12) ** 2
    panel.contour(*grid, heights, levels=levels, colors="0.8", linewidths=0.8, linestyles="solid")
    panel.plot(*means.T, "o-", color=color_of(0), markersize=4, label="EM")
    lengths = np.linalg.norm(gradients, axis=1, keepdims=True)
    reach = 0.15 * min(np.ptp(values) for values in grid)
    arrows = panel.quiver(
        *means[:-1].T, *(reach * gradients / lengths).T, color="0.4", width=0.006,
        angles="xy", scale_units="xy", scale=1.0, label="gradient",
    )  # fmt: skip
    arrows.set_zorder(3)
    panel.set(xlabel="mean 1", ylabel="mean 2")
    add_legend(panel)
    return figure
