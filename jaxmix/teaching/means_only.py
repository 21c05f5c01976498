r"""EM that learns only two means: one column, equal weights, one known standard deviation.

The lecture's simplest case, where an EM step is a gradient step of length $\sigma^2 / N_k$
(notes/em.md, eq. 6).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.special import logsumexp

from jaxmix import data, dual
from jaxmix.autodiff.likelihood import textbook
from jaxmix.clustering import kmeans
from jaxmix.constructors import gaussian_mixture
from jaxmix.fitting import fit
from jaxmix.loop import Outcome
from jaxmix.methods import EM
from jaxmix.mixture import Mixture
from jaxmix.report.demonstration import Demonstration
from jaxmix.report.writers import Table
from jaxmix.stopping import Stop
from jaxmix.teaching.paths import draw_ascent, draw_means

FIXED = ("weights", "covariances")
START = (0.25, 0.75)
"""Quantiles of the data where the means start."""

SHOWN = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Quantiles of the observations whose responsibilities are shown."""

GRID = 41
"""Values of each mean at which the picture's contours are computed."""

STEPS, ACCURATE_STEPS = 6, 4
"""EM moves after the fourth are differences of means that agree to many digits."""


def deviation_within(x: Float[np.ndarray, " n"]) -> float:
    """The standard deviation within two k-means clusters, which stands for the known one.

    Raises ValueError where there is none: a column of at most two different values.
    """
    loss = float(kmeans(x, 2).loss)
    if loss == 0:
        raise ValueError("the column has at most two different values: nothing varies within them")
    return loss**0.5


class Learned(NamedTuple):
    """The means [t + 1 2] after every EM step, and the log-likelihood there [t + 1]."""

    means: Float[np.ndarray, "steps 2"]
    log_likelihood: Float[np.ndarray, " steps"]


def mixture_at(means: Float[np.ndarray, " 2"], sigma: float) -> Mixture:
    """Two components of equal weight and the same standard deviation."""
    return gaussian_mixture([0.5, 0.5], means[:, None], [sigma**2] * 2, family="spherical")


def log_likelihood(
    means: Any, x: np.ndarray, sigma: float, lib: Any, logsumexp: Callable[..., Any]
) -> Any:
    """The textbook's log-likelihood of the two means, on the numbers of any library."""
    theta = lib.concatenate([np.zeros(1), means, np.full(2, np.log(sigma))])
    return textbook(theta, x, lib, logsumexp)


def learn_means(x: Float[np.ndarray, " n"], sigma: float, steps: int) -> Learned:
    """Run EM on the two means alone, from quartiles of the data.

    Args:
        x: one column [n].
        sigma: the standard deviation of both components, in the units of x.
        steps: the most EM steps; fewer where EM converges.

    Returns:
        Means and log-likelihood after every step, the start included.

    Raises:
        ValueError: where the quartiles are equal, so that the components would never part, or
            where sigma is so small beside the range of x that EM fails.

    Examples:
        >>> learn_means(np.array([-1.0, -1.0, 1.0, 1.0]), sigma=1.0, steps=1).means.round(
        ...     4
        ... ).tolist()
        [[-1.0, 1.0], [-0.7616, 0.7616]]
    """
    start = np.quantile(x, START)
    if start[0] == start[1]:
        raise ValueError(f"both quartiles are {start[0]:g}: two means cannot start there")
    stop = Stop(max_steps=steps)
    result = fit(x, mixture_at(start, sigma), EM(), stop=stop, fixed=FIXED, record="all")
    if result.outcome in (Outcome.DEGENERATE, Outcome.NONFINITE):
        raise ValueError(
            f"a standard deviation of {sigma:g} is too small for a column from {x.min():g} to "
            f"{x.max():g} ({result.outcome.name}); standardize it, or leave out its far values"
        )
    assert result.path is not None
    return Learned(np.asarray(result.path.means)[..., 0], np.asarray(result.history))


def em_means(table: data.Table) -> Demonstration:
    """Responsibilities and means by iteration, for a known deviation of 1."""
    x = table.x[:, 0]
    learned = learn_means(x, 1.0, STEPS)
    observations = np.quantile(x, SHOWN, method="nearest")
    first = np.array(
        [
            np.asarray(mixture_at(means, 1.0).responsibilities(observations[:, None]))[:, 0]
            for means in learned.means
        ]
    )
    rows = [
        (step, *means.tolist(), *shares.tolist())
        for step, (means, shares) in enumerate(zip(learned.means, first))
    ]
    columns = ("iteration", "mean 1", "mean 2", *(f"r({value:g})" for value in observations))
    caption = (
        f"Column {table.columns[0]}: equal weights, standard deviation 1. "
        "r(x) is the responsibility of component 1 for an observation x."
    )
    shown, name = Table(columns, tuple(rows), caption), table.columns[0]
    return Demonstration((shown,), lambda: draw_means(learned.means, observations, first, name))


def em_is_gradient(table: data.Table) -> Demonstration:
    r"""The EM move beside the gradient, $\partial\ell/\partial\mu_k = N_k \Delta\mu_k/\sigma^2$."""
    x = table.x[:, 0]
    sigma = deviation_within(x)
    rows = []
    means = learn_means(x, sigma, ACCURATE_STEPS).means
    for step, (before, after) in enumerate(pairwise(means), start=1):
        rows += [(step, *row) for row in _moves_and_slopes(x, sigma, before, after)]
    columns = (
        "iteration", "component", "mean", "EM move", "gradient (Dual)", "gradient (jax.grad)",
        "gradient (formula)", "gradient / move", "N / sigma^2", "difference",
    )  # fmt: skip
    caption = (
        f"Column {table.columns[0]}: equal weights, standard deviation {sigma:.6g}. The difference "
        "is the largest relative one, of the gradients and of the last two columns."
    )
    shown = Table(columns, tuple(rows), caption)
    return Demonstration((shown,), lambda: _draw_over_contours(x, sigma, means))


def _draw_over_contours(x: np.ndarray, sigma: float, means: Float[np.ndarray, "steps 2"]) -> Figure:
    """EM's path with the gradients, over the log-likelihood around it."""
    reach = np.max(np.ptp(means, axis=0))
    ends = zip(means.min(axis=0) - reach, means.max(axis=0) + reach)
    across, up = (np.linspace(low, high, GRID) for low, high in ends)
    heights = [
        [log_likelihood(np.array([one, two]), x, sigma, np, logsumexp) for one in across]
        for two in up
    ]
    gradients = np.array([_gradients(x, sigma, at)[1] for at in means[:-1]])
    return draw_ascent((across, up), np.array(heights), means, gradients)


def _moves_and_slopes(
    x: np.ndarray, sigma: float, before: np.ndarray, after: np.ndarray
) -> list[list[float]]:
    """A row a component: mean, EM move, three gradients, their ratio, its value, difference."""
    r = np.asarray(mixture_at(before, sigma).responsibilities(x[:, None]))
    by_hand = np.sum(r * (x[:, None] - before), axis=0) / sigma**2
    slopes = np.stack([*_gradients(x, sigma, before), by_hand], axis=1)
    moves, lengths = after - before, r.sum(axis=0) / sigma**2
    ratios = slopes[:, 0] / moves
    pairs = np.column_stack([slopes / slopes[:, :1], ratios / lengths])
    off = np.max(np.abs(pairs - 1), axis=1)
    return np.column_stack([[1, 2], before, moves, slopes, ratios, lengths, off]).tolist()


def _gradients(x: np.ndarray, sigma: float, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient in the means, by dual numbers and by jax.grad, of the textbook's formula."""
    by_dual = dual.gradient(lambda m: log_likelihood(m, x, sigma, dual, dual.logsumexp))
    by_jax = jax.grad(lambda m: log_likelihood(m, x, sigma, jnp, jax.scipy.special.logsumexp))
    return by_dual(means), np.asarray(by_jax(jnp.asarray(means)))
