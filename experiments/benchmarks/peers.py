"""Seconds an EM step in float32 against other implementations, in turn, from the same parameters.

Run: python experiments/benchmarks/peers.py [--sizes 0,1,2] [--repeats 7]
Peers: gmmx (JAX, jitted here), PyTorch's operations, and the textbook's step in NumPy; those that
are not installed are left out. Steps of all agree to rounding, which the script checks by their
means. First calls, which compile, are apart. Writes experiments/results/peers.json and prints it.
"""

import argparse
import importlib.metadata
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from timings import as_fit_compiles, em_step, in_milliseconds

import jaxmix as jm
from jaxmix.circumstances import circumstances
from jaxmix.posing import check_problem

SIZES = [(1_000_000, 2, 3), (100_000, 8, 8), (20_000, 16, 32)]
RESULTS = Path(__file__).parents[1] / "results" / "peers.json"
RIDGE = 1e-6
Step = Callable[[], np.ndarray]
"""Runs one step to its end and returns its means [k d]."""


def jaxmix_step(x: np.ndarray, start: jm.Mixture) -> Step:
    problem = check_problem(x, start, jm.EM(), None, RIDGE, (), None)[0]
    inside = problem.enter(start)
    program = as_fit_compiles(em_step)

    def step() -> np.ndarray:
        done = jax.block_until_ready(program(inside, problem))
        return np.asarray(done.em_step.means + problem.center)

    return step


def gmmx_step(x: np.ndarray, start: jm.Mixture) -> Step:
    from gmmx import EMFitter, GaussianMixtureModelJax

    parts = (jax.numpy.asarray(part) for part in (start.means, start.covariances, start.weights))
    model = GaussianMixtureModelJax.from_squeezed(*parts)
    fitter, rows = EMFitter(reg_covar=RIDGE), jax.numpy.asarray(x)
    program = jax.jit(lambda x, gmm: fitter.m_step(x, gmm, fitter.e_step(x, gmm)[1]))
    return lambda: jax.block_until_ready(program(rows, model)).means_numpy


def numpy_step(x: np.ndarray, start: jm.Mixture) -> Step:
    means, covariances = np.asarray(start.means), np.asarray(start.covariances)
    logs, d = np.log(np.asarray(start.weights)), x.shape[1]

    def step() -> np.ndarray:
        joint = np.empty((len(x), len(means)), x.dtype)
        for j, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
            factor = np.linalg.cholesky(covariance)
            z = solve_triangular(factor, (x - mean).T, lower=True, check_finite=False)
            determinant = np.log(np.diagonal(factor)).sum()
            joint[:, j] = logs[j] - determinant - 0.5 * (z * z).sum(axis=0)
        joint -= 0.5 * d * np.log(2 * np.pi)
        shares = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        counts = shares.sum(axis=0)
        moved = shares.T @ x / counts[:, None]
        for j, mean in enumerate(moved):
            off = x - mean
            _ = (shares[:, j, None] * off).T @ off / counts[j] + RIDGE * np.eye(d, dtype=x.dtype)
        return moved

    return step


def torch_step(x: np.ndarray, start: jm.Mixture) -> Step:
    import torch

    rows = torch.from_numpy(x)
    means, covariances, weights = (
        torch.from_numpy(np.array(part)) for part in (start.means, start.covariances, start.weights)
    )

    def step() -> np.ndarray:
        normal = torch.distributions.MultivariateNormal(means, covariances)
        shares = torch.softmax(normal.log_prob(rows[:, None]) + weights.log(), dim=1)
        counts = shares.sum(0)
        moved = shares.T @ rows / counts[:, None]
        for j, mean in enumerate(moved):
            off = rows - mean
            _ = (shares[:, j, None] * off).T @ off / counts[j]
        return moved.numpy()

    return step


STEPS = {"jaxmix": jaxmix_step, "gmmx": gmmx_step, "numpy": numpy_step, "torch": torch_step}


def version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def seconds(step: Step) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def measure(n: int, d: int, k: int, names: list[str], repeats: int) -> dict[str, Any]:
    x = jm.data.mixture_sample(n, k, d, separation=1.5, eccentricity=3.0, seed=0)[0].x
    x = x.astype(np.float32)
    start = jm.initialize(x, k, start="random_from_data", seed=0)
    steps = {name: STEPS[name](x, start) for name in names}
    first = {name: round(seconds(step), 3) for name, step in steps.items()}
    means = {name: step() for name, step in steps.items()}
    for name in names:
        np.testing.assert_allclose(means[name], means["jaxmix"], atol=0.02, err_msg=name)
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(seconds(step))
    medians = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "n": n,
        "d": d,
        "k": k,
        "dtype": "float32",
        **in_milliseconds(times),
        "first_call_seconds": first,
        "times": {name: round(medians[name] / medians["jaxmix"], 1) for name in names[1:]},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="0,1,2")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    peers = {name: found for name in ("gmmx", "torch") if (found := version(name))}
    names = [name for name in STEPS if name in ("jaxmix", "numpy", *peers)]
    rows = []
    for place in options.sizes.split(","):
        rows.append(measure(*SIZES[int(place)], names, options.repeats))
        print(json.dumps(rows[-1]), flush=True)
    report = {"circumstances": circumstances() | {"dtype": "float32"}, "peers": peers}
    RESULTS.write_text(json.dumps(report | {"sizes": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
