"""MAP-EM beside L-BFGS from the same starts: which optimum of one penalized objective each finds.

Run: python experiments/benchmarks/penalized.py
Old Faithful, iris and five generated problems, standardized, five k-means++ starts each, under one
conjugate prior. Prints JSON: for every start the two objectives' difference in nats, and where they
differ by more than 1e-6, which of the problem's optima, best first, each one found.
"""

import json
from typing import NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import optax  # noqa: E402

import jaxmix as jm  # noqa: E402

PRIOR = jm.Prior(
    covariance_scale=0.1, covariance_strength=4.0, mean_strength=0.01, weight_concentration=2.0
)
STOP = jm.Stop(tol=1e-12, max_steps=100_000)
METHODS = {"em": jm.EM(), "lbfgs": jm.GradientAscent(optax.lbfgs)}
STARTS, SAME = 5, 1e-6


class Problem(NamedTuple):
    """Standardized data and a number of components."""

    x: np.ndarray
    k: int


def loaded(name: str, k: int) -> Problem:
    """A bundled table."""
    return Problem(jm.data.standardize(jm.data.load(name).x)[0], k)


def generated(separation: float) -> Problem:
    """Three full components in two columns."""
    table, _ = jm.data.mixture_sample(500, k=3, d=2, separation=separation, eccentricity=2.0)
    return Problem(jm.data.standardize(table.x)[0], 3)


PROBLEMS = {
    **{f"faithful k={k}": (loaded, "faithful", k) for k in (2, 3, 4)},
    **{f"iris k={k}": (loaded, "iris", k) for k in (2, 3)},
    **{f"separation {s:g}": (generated, s) for s in (0.5, 1.0, 2.0, 3.0, 4.0)},
}


def compared(problem: Problem) -> dict:
    """Both methods from the same starts."""
    found = {
        name: jm.fit_restarts(
            problem.x, problem.k, method, num_starts=STARTS, stop=STOP, prior=PRIOR
        ).results
        for name, method in METHODS.items()
    }
    objectives = {name: [float(r.objective) for r in results] for name, results in found.items()}
    optima = distinct([float(r.objective) for results in found.values() for r in usable(results)])
    rows = []
    for j in range(STARTS):
        em, lbfgs = (objectives[name][j] for name in METHODS)
        row = {
            "start": j,
            "lbfgs less em": lbfgs - em,
            "outcomes": [found[name][j].outcome.name for name in METHODS],
            "steps": [int(found[name][j].num_steps) for name in METHODS],
        }
        if abs(lbfgs - em) > SAME:
            row["optimum found by em, lbfgs"] = [
                which(results[j], optima) for results in found.values()
            ]
        rows.append(row)
    return {"optima": optima, "starts": rows}


def distinct(values: list[float]) -> list[float]:
    """Objectives that differ, best first."""
    optima: list[float] = []
    for value in sorted(values, reverse=True):
        if not optima or optima[-1] - value > SAME:
            optima.append(value)
    return optima


def usable(results: tuple[jm.FitResult, ...]) -> list[jm.FitResult]:
    """The runs that converged."""
    return [result for result in results if result.outcome == jm.Outcome.CONVERGED]


def which(result: jm.FitResult, optima: list[float]) -> int | str:
    """The number of the optimum that a run found, from 1, or how it failed."""
    if result.outcome != jm.Outcome.CONVERGED:
        return result.outcome.name
    return 1 + int(np.argmin(np.abs(np.array(optima) - float(result.objective))))


if __name__ == "__main__":
    report = {name: compared(make(*given)) for name, (make, *given) in PROBLEMS.items()}
    print(json.dumps(report, indent=1))
