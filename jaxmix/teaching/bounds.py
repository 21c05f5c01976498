r"""The log-likelihood of one mean, with the lower bounds that EM maximizes one after another.

Everything else is known, so that the bound which touches the log-likelihood at the present mean is
a parabola, and its top is the next one (notes/em.md, eq. 7).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from jaxmix import data, plot
from jaxmix.report.demonstration import Demonstration
from jaxmix.report.drawing import plain
from jaxmix.report.writers import Table
from jaxmix.teaching.means_only import START, deviation_within, log_likelihood, mixture_at

STEPS, POINTS = 4, 201


class Bounds(NamedTuple):
    """The log-likelihood on a grid of means, and the lower bounds that touch it at the iterates."""

    grid: Float[np.ndarray, " g"]
    log_likelihood: Float[np.ndarray, " g"]
    lower_bounds: Float[np.ndarray, "t g"]
    iterates: Float[np.ndarray, " t+1"]
    reached: Float[np.ndarray, " t+1"]
    """The log-likelihood at the iterates."""
    tops: Float[np.ndarray, " t"]
    """The greatest values of the bounds."""

    @property
    def touching(self) -> Float[np.ndarray, " t"]:
        """The means where the bounds touch: every iterate but the last."""
        return self.iterates[:-1]


def one_mean(x: Float[np.ndarray, " n"], sigma: float, steps: int = STEPS) -> Bounds:
    r"""EM in the mean of one of two components.

    With responsibilities $r_i$ at the mean $m$, the bound at $\mu$ is the parabola
    $\ell(m) - \sum_i r_i [(x_i - \mu)^2 - (x_i - m)^2] / 2\sigma^2$, and its top is
    $\sum_i r_i x_i / \sum_i r_i$.

    Args:
        x: one column [n].
        sigma: the standard deviation of both components.
        steps: EM steps, from the least observation.

    Returns:
        The curves and iterates; the other mean stays at the third quartile.

    Examples:
        >>> curves = one_mean(np.array([-2.0, -1.0, 1.0, 2.0]), sigma=1.0)
        >>> bool(np.all(curves.lower_bounds <= curves.log_likelihood + 1e-12))
        True

    Source: notes/em.md, eq. 7.
    """
    other = np.quantile(x, START[1])

    def height(mean: float) -> float:
        return float(log_likelihood(np.array([mean, other]), x, sigma, np, logsumexp))

    iterates, shares = [float(x.min())], []
    for _ in range(steps):
        mixture = mixture_at(np.array([iterates[-1], other]), sigma)
        shares.append(np.asarray(mixture.responsibilities(x[:, None]))[:, 0])
        iterates.append(float(shares[-1] @ x / shares[-1].sum()))
    grid = np.linspace(iterates[0], 2 * iterates[-1] - iterates[0], POINTS)
    reached = [height(mean) for mean in iterates]
    parabolas = [
        [value - r @ ((x - at) ** 2 - (x - mean) ** 2) / (2 * sigma**2) for at in (*grid, top)]
        for r, mean, value, top in zip(shares, iterates, reached, iterates[1:])
    ]
    curves, tops = np.array(parabolas)[:, :-1], np.array(parabolas)[:, -1]
    values = np.array([height(mean) for mean in grid])
    return Bounds(grid, values, curves, np.array(iterates), np.array(reached), tops)


def bound(table: data.Table) -> Demonstration:
    """Each EM step climbs to the top of a bound, and the log-likelihood rises by more."""
    x, name = table.x[:, 0], table.columns[0]
    sigma = deviation_within(x)
    curves = one_mean(x, sigma)
    rows = []
    for step, now in enumerate(curves.iterates[:-1]):
        heights = (curves.reached[step], curves.tops[step], curves.reached[step + 1])
        rows.append((step, float(now), *map(float, heights)))
    columns = ("iteration", "mean 1", "log-likelihood", "top of its bound", "next log-likelihood")
    caption = (
        f"Column {name}: mean 2 is the third quartile, equal weights, standard "
        f"deviation {sigma:.6g}. The next mean is where the bound has its top."
    )
    table_of_steps = Table(columns, tuple(rows), caption)
    return Demonstration((table_of_steps,), lambda: _drawn(curves, f"mean 1 of {name}"))


def _drawn(curves: Bounds, name: str) -> Any:
    panel = plot.bounds(curves.grid, curves.log_likelihood, curves.lower_bounds, curves.touching)
    panel.set_xlabel(plain(name))
    return panel.figure
