"""The exercises of the course by name: how each is called, and the cases that it is asked."""

from typing import NamedTuple

import numpy as np

from jaxmix.teaching.exercises import questions as ask
from jaxmix.teaching.exercises.questions import Case


class Exercise(NamedTuple):
    """A part of a student's file: how it is called, and its cases."""

    signature: str
    cases: tuple[Case, ...]


NAN = float("nan")
CHANGES = {
    "an increase": (-100.0, -50.0, 1e-6),
    "a decrease": (-100.0, -101.0, 1e-6),
    "hardly a change": (-100.0, -100.0 + 1e-6, 1e-6),
    "one rounding of -1e6": (-1e6, float(np.nextafter(-1e6, 0)), 1e-12),
    "NaN": (-100.0, NAN, 1e-6),
    "an increase above 0": (50.0, 100.0, 1e-6),
}
WIDE = [[9.0, 3.0], [3.0, 4.0]]
LECTURE = {
    "x + 3, 3 - x": lambda kind, x: (x + 3) * (3 - x),
    "x * x, x ** 3": lambda kind, x: x * x - 2 * x**3,
    "1 / x, x / (1 + x)": lambda kind, x: 1 / x + x / (1 + x),
    "-x": lambda kind, x: -x,
    "x1 x2 + sin(x1)": lambda kind, x: x * kind(3.0, 0.0) + ask.elementary("sin", kind, x),
    "cos, exp, log, sqrt": lambda kind, x: sum(
        (ask.elementary(name, kind, x) for name in ("cos", "exp", "log", "sqrt")), kind(0.0, 0.0)
    ),
}

EXERCISES = {
    "softmax": Exercise(
        "softmax(x [n k]) -> [n k]",
        (
            ask.table("1,000 twice", [[1000.0, 1000.0], [1.0, 2.0]]),
            ask.table("n = 3, k = 2", [[0.0, 1.0], [-2.0, 2.0], [-1e4, 0.0]]),
        ),
    ),
    "logsumexp": Exercise(
        "logsumexp(x [n k]) -> [n]",
        (
            ask.table("1,000 twice", [[1000.0, 1000.0], [1.0, 2.0]]),
            ask.table("n = 3, k = 2", [[0.0, 1.0], [-2.0, 2.0], [-1e4, -1e4]]),
        ),
    ),
    "density": Exercise(
        "density(x [n 2], mean [2], covariance [2 2]) -> [n]",
        (
            Case("correlated", ask.density_at(WIDE)),
            Case("independent", ask.density_at(np.diag([4.0, 0.25]))),
            Case("a singular covariance", ask.singular_covariance),
        ),
    ),
    "sample": Exercise(
        "sample(weights [k], means [k d], covariances, n, rng) -> [n d]",
        (Case("variances", ask.draws),),
    ),
    "initialize": Exercise(
        "initialize(x [n d], k, rng) -> weights [k], means [k d], ...",
        (Case("k = n = 6", ask.starts),),
    ),
    "e_step": Exercise(
        "e_step(x [n d], weights [k], means [k d], covariances) -> responsibilities [n k], "
        "log-likelihood",
        (
            *(Case(name, ask.on_rows(*shape)) for name, shape in ask.SHAPES.items()),
            Case("a far point", ask.far_point),
        ),
    ),
    "m_step": Exercise(
        "m_step(x [n d], responsibilities [n k]) -> weights [k], means [k d], covariances",
        tuple(Case(name, ask.m_step_on(*shape)) for name, shape in ask.SHAPES.items()),
    ),
    "em": Exercise(
        "em(x, weights, means, covariances, num_steps) -> weights, means, covariances, "
        "responsibilities, log-likelihood",
        (Case("six steps", ask.em_steps), Case("one step after another", ask.em_climbs)),
    ),
    "converged": Exercise(
        "converged(previous, current, tol) -> whether |current - previous| <= tol |current|",
        (ask.true_for(CHANGES),),
    ),
    "failed": Exercise(
        "failed(log_likelihood) -> whether it is no finite number",
        (
            ask.true_for(
                {"NaN": (NAN,), "np.nan": (np.nan,), "minus infinity": (-np.inf,), "-12": (-12.0,)}
            ),
        ),
    ),
    "kmeans": Exercise(
        "kmeans(x [n d], centers [k d]) -> centers [k d], labels [n], loss (mean squared distance)",
        (
            Case("the worked example", ask.clusters_from(ask.WORKED, [[0.0, 0.0], [5.0, 0.0]])),
            Case("k = 1", ask.clusters_from(ask.WORKED, [[0.0, 0.0]])),
            Case("d = 1", ask.clusters_from([[0.0], [1.0], [9.0]], [[0.0], [1.0]])),
            Case("an empty cluster", ask.empty_cluster),
        ),
    ),
    "kernel_regression": Exercise(
        "kernel_regression(x [n], y [n], at [m], bandwidth) -> [m]",
        (Case("n = 4", ask.regression),),
    ),
    "gradient": Exercise(
        "gradient(x1, x2) -> both partial derivatives of x1 x2 + sin(x1)",
        (Case("called twice", ask.twice),),
    ),
    "Dual": Exercise(
        "Dual(value, derivative), with + - * / ** and sin, cos, exp, log, sqrt",
        (
            *(Case(name, ask.dual(f)) for name, f in LECTURE.items()),
            Case("log of a negative number", ask.outside("log")),
            Case("sqrt of a negative number", ask.outside("sqrt")),
        ),
    ),
}
"""Exercises by the names that a student's file gives them."""
