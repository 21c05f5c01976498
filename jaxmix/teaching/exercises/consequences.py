"""What a mistake does to a whole fit, and wrong claims about EM as numbers.

notes/common-mistakes.md quotes both; experiments/notes/mistakes.py prints them.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxmix.teaching.exercises.mistakes import Mistake, right_version

IN_A_FIT = ("initialize", "e_step", "softmax", "logsumexp", "m_step", "em")
"""Exercises that a fit by EM is made of."""


class Consequence(NamedTuple):
    """What a mistake changes in a fit by EM."""

    moved: float
    """The largest difference of weights, means and covariances; infinite where a fit has failed."""

    excess: float
    """The wrong log-likelihood less the right one, in nats."""


def consequence(
    mistake: Mistake, x: Float[np.ndarray, "n 2"], far: bool = False, num_steps: int = 10
) -> Consequence:
    """Run EM for two components with and without a mistake, from one start.

    Args:
        mistake: one in an exercise of `IN_A_FIT`.
        x: data of two columns [n 2].
        far: whether a point 10,000 units away joins the data after the start.
        num_steps: EM steps.

    Returns:
        How far parameters and log-likelihood are from those without the mistake.
    """
    right, wrong = (_fit(v, x, far, num_steps) for v in (right_version(), mistake.version()))
    pairs = zip(wrong[:3], right[:3])
    moved = max(float(np.max(np.abs(np.asarray(a) - b))) for a, b in pairs)
    excess = float(np.sum(wrong[4]) - right[4])
    return Consequence(moved if np.isfinite(moved) else np.inf, excess)


def _fit(version: SimpleNamespace, x: np.ndarray, far: bool, num_steps: int) -> tuple[Any, ...]:
    start = version.initialize(x, 2, np.random.default_rng(0))
    rows = np.vstack([x, x[:1] + 1e4]) if far else x
    with np.errstate(all="ignore"):
        try:
            return version.em(rows, *start, num_steps)
        except ValueError:
            return (*(np.full(np.shape(part), np.nan) for part in start), None, np.nan)


class Saddle(NamedTuple):
    """A point where EM stays although the log-likelihood can rise."""

    moved: float
    """The largest change of a mean in an EM step."""

    log_likelihood: float
    apart: float
    """The log-likelihood with the means apart, and the covariances the narrower for it."""


def saddle(x: Float[np.ndarray, "n d"]) -> Saddle:
    """Two equal components, at the one-Gaussian fit: EM finds stationary points, this one too."""
    mean, covariance = np.mean(x, axis=0), np.atleast_2d(np.cov(x.T, ddof=0))
    values, axes = np.linalg.eigh(covariance)

    def parameters(share: float) -> tuple[np.ndarray, ...]:
        shift = np.sqrt(share * values[-1]) * axes[:, -1]
        within = covariance - np.outer(shift, shift)
        return np.full(2, 0.5), np.array([mean - shift, mean + shift]), np.array([within, within])

    moved = np.max(np.abs(right_version().em(x, *parameters(0.0), 1)[1] - mean))
    heights = (right_version().e_step(x, *parameters(share))[1] for share in (0.0, 0.25))
    return Saddle(float(moved), *map(float, heights))


def unbounded(x: Float[np.ndarray, " n"], deviations: tuple[float, ...]) -> Float[np.ndarray, " m"]:
    """Log-likelihoods as one component narrows around one observation: there is no maximum."""

    def value(deviation: float) -> float:
        means, variances = np.array([x[0], np.mean(x)]), np.array([deviation**2, np.var(x)])
        parameters = np.full(2, 0.5), means[:, None], variances[:, None, None]
        return float(right_version().e_step(x[:, None], *parameters)[1])

    return np.array([value(deviation) for deviation in deviations])


def losses(x: Float[np.ndarray, "n d"], k: int, seeds: tuple[int, ...]) -> list[float]:
    """Where k-means ends from rows drawn with these seeds."""
    version = right_version()
    starts = (version.initialize(x, k, np.random.default_rng(seed))[1] for seed in seeds)
    return [float(version.kmeans(x, start)[2][-1]) for start in starts]


def jensen(x: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """The logarithm of a mean, and the mean of logarithms, which is less: log is concave."""
    return float(np.log(np.mean(x))), float(np.mean(np.log(x)))
