"""How often nominal 95% intervals hold the truth: two univariate Gaussians, over many data sets.

Every data set is fitted from the truth and from k-means++. The better fit is taken, its components
matched to the truth's, and its interval is the estimate and 1.96 standard errors on either side, in
the parameters themselves and in log variances and logits of weights. No interval is a miss
(notes/standard-errors.md, eq. 13).

    python experiments/coverage.py --out experiments/results/coverage.json
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402

WEIGHTS = (0.4, 0.6)
CELLS = ((1000, 3.0), (300, 3.0), (1000, 2.0), (300, 2.0))
"""Rows, and the distance of the means in standard deviations."""
PARAMETERS = ("weight 1", "mean 1", "mean 2", "variance 1", "variance 2")
SCALES = ("plain", "log")
KINDS = ("observed", "sandwich", "opg")
STOP = jm.Stop(max_steps=10_000)
QUANTILE = 1.959963984540054
APART = 1e-3
"""Nats between two optima."""


class Tried(NamedTuple):
    """What one data set says."""

    held: np.ndarray
    """Whether the interval holds the truth [kind scale parameter]."""
    facts: dict[str, bool]


def parameters(values) -> np.ndarray:
    """Those of a mixture, or the standard errors of them, in the order of PARAMETERS."""
    parts = values.weights[:1], values.means, values.covariances
    return np.concatenate([np.ravel(part) for part in parts])


def moved(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parameters on the second scale, and its slopes there, which the delta method asks for."""
    weight, means, variances = np.split(values, [1, 3])
    slopes = np.concatenate([1 / (weight * (1 - weight)), np.ones(2), 1 / variances])
    return np.concatenate([np.log(weight / (1 - weight)), means, np.log(variances)]), slopes


def held(truth: np.ndarray, estimate: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Whether intervals hold the truth [scale parameter]; infinite ones are none."""
    (other_truth, _), (other, slopes) = moved(truth), moved(estimate)
    distances = np.stack([estimate - truth, other - other_truth])
    reach = QUANTILE * errors * np.stack([np.ones_like(slopes), slopes])
    return (np.abs(distances) <= reach) & np.isfinite(errors)


def intervals_hold(truth: jm.Mixture, mixture: jm.Mixture, x) -> tuple[np.ndarray, bool]:
    """Whether intervals of every kind hold the truth, and whether the information is singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = [jm.inference.standard_errors(mixture, x, kind) for kind in KINDS]
    points = parameters(truth), parameters(mixture)
    each = np.stack([held(*points, parameters(one)) for one in errors])
    return each & (not errors[0].singular), errors[0].singular


def tried(truth: jm.Mixture, n: int, seed: int) -> Tried:
    """One data set: fits, standard errors of every kind, and whether they hold the truth."""
    x, _ = truth.sample(n, seed)
    fits = [jm.fit(x, start, stop=STOP) for start in (truth, jm.initialize(x, 2, seed=seed))]
    ended_well = [fit.outcome == jm.Outcome.CONVERGED for fit in fits]
    first, second = (float(fit.objective) for fit in fits)
    fit = fits[1] if ended_well[1] and (second > first or not ended_well[0]) else fits[0]
    facts = {
        "no fit converged": not any(ended_well),
        "k-means++ fails": not ended_well[1],
        "k-means++ leads higher": ended_well[1] and second > first + APART,
        "k-means++ leads lower": ended_well[1] and second < first - APART,
    }
    if not any(ended_well):
        nothing = np.zeros((len(KINDS), len(SCALES), len(PARAMETERS)), bool)
        return Tried(nothing, {**facts, "singular information": False})
    mixture = fit.mixture.take(jm.match(fit.mixture, truth))
    held_by, singular = intervals_hold(truth, mixture, x)
    return Tried(held_by, {**facts, "singular information": singular})


def cell(n: int, separation: float, data_sets: int) -> dict:
    """Coverage of every parameter by every kind of errors, on both scales."""
    truth = jm.gaussian_mixture(WEIGHTS, [[0.0], [separation]], [[[1.0]], [[1.0]]])
    results = [tried(truth, n, seed) for seed in range(data_sets)]
    shares = np.mean([one.held for one in results], axis=0)
    return {
        "n": n,
        "separation": separation,
        "data sets": data_sets,
        **{name: sum(one.facts[name] for one in results) for name in results[0].facts},
        "coverage": {
            kind: {
                scale: dict(zip(PARAMETERS, np.round(shares[i, j], 4).tolist()))
                for j, scale in enumerate(SCALES)
            }
            for i, kind in enumerate(KINDS)
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    began = time.perf_counter()
    cells = []
    for n, separation in CELLS:
        cells.append(cell(n, separation, arguments.data_sets))
        print(json.dumps(cells[-1]), f"{time.perf_counter() - began:.0f} s", flush=True)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"level": 0.95, "cells": cells}, indent=2) + "\n")


if __name__ == "__main__":
    main()
