"""Seconds an EM step: the one pass against scikit-learn, with its gradient and its memory.

Run: python experiments/benchmarks/em_step.py
A step is the difference of two runs of different length, from one start, at default threads, the
likelihood included; medians of repeats, interleaved, compile time apart. Prints JSON.
"""

import json
import time
import warnings

import jax

jax.config.update("jax_enable_x64", True)

import equinox as eqx  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.problem import build_problem  # noqa: E402
from jaxmix.statistics import Blocks  # noqa: E402

N, D, K = 200_000, 16, 32
SHORT, LONG = {"jaxmix": 5, "sklearn": 2}, {"jaxmix": 45, "sklearn": 5}
REPEATS = 3
LARGE_N = 2_000_000


def problem() -> tuple[np.ndarray, jm.Mixture]:
    table, _ = jm.data.mixture_sample(N, K, D, separation=1.5, eccentricity=3.0, seed=0)
    return table.x, jm.initialize(table.x, K, start="random_from_data", seed=0)


def seconds(run) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def jaxmix_fit(x: np.ndarray, start: jm.Mixture, steps: int) -> jm.FitResult:
    return jm.fit(x, start, jm.EM(), stop=jm.Stop("gap", tol=1e-12, max_steps=steps))


def sklearn_fit(x: np.ndarray, start: jm.Mixture, steps: int) -> GaussianMixture:
    precisions = np.linalg.inv(np.asarray(start.covariances))
    model = GaussianMixture(
        K,
        reg_covar=0.0,
        tol=0.0,
        max_iter=steps,
        weights_init=np.asarray(start.weights),
        means_init=np.asarray(start.means),
        precisions_init=precisions,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x)


def step_seconds(x: np.ndarray, start: jm.Mixture) -> dict[str, list[float]]:
    """Seconds a step of both, measured in turn."""
    fits = {"jaxmix": jaxmix_fit, "sklearn": sklearn_fit}
    jaxmix_fit(x, start, 1)
    steps: dict[str, list[float]] = {name: [] for name in fits}
    for _ in range(REPEATS):
        for name, fit in fits.items():
            short = seconds(lambda fit=fit, name=name: fit(x, start, SHORT[name]))
            long = seconds(lambda fit=fit, name=name: fit(x, start, LONG[name]))
            steps[name].append((long - short) / (LONG[name] - SHORT[name]))
    return steps


def gradient_seconds(x: np.ndarray, start: jm.Mixture) -> dict[str, float]:
    """Medians of an E-step's pass, a value with its gradient, and plain autodiff's."""
    whole = jax.jit(build_problem)(x)
    functions = {
        "em_step": jax.jit(lambda start, whole: whole.evaluate(start).em_step),
        "value_and_gradient": jax.jit(
            jax.value_and_grad(lambda start, whole: whole.objective(start))
        ),
        "value_and_autodiff": jax.jit(
            jax.value_and_grad(lambda start, whole: whole.objective(start, "autodiff"))
        ),
    }
    arguments = whole.enter(start), whole
    times: dict[str, list[float]] = {name: [] for name in functions}
    for name in functions:
        seconds(lambda name=name: functions[name](*arguments))
    for _ in range(3 * REPEATS):
        for name in functions:
            times[name].append(seconds(lambda name=name: functions[name](*arguments)))
    return {name: float(np.median(values)) for name, values in times.items()}


def temporary_bytes() -> int:
    """Temporary memory of an EM step compiled for 2,000,000 rows, which needs no data."""
    few = np.random.default_rng(0).normal(size=(10_000, D))
    small, start = build_problem(jax.numpy.asarray(few)), jm.initialize(few, K)
    rows = small.data.x.shape[2]
    blocks = -(-LARGE_N // rows)
    data = Blocks(
        jax.ShapeDtypeStruct((blocks, D, rows), np.float64),
        jax.ShapeDtypeStruct((blocks, rows), np.float64),
    )
    large = eqx.tree_at(lambda problem: problem.data, small, data)
    step = jax.jit(lambda start, problem: problem.evaluate(start))
    return step.lower(start, large).compile().memory_analysis().temp_size_in_bytes


def agreement(x: np.ndarray, start: jm.Mixture) -> float:
    """Largest relative difference of the means after ten steps."""
    ours, theirs = jaxmix_fit(x, start, 10), sklearn_fit(x, start, 10)
    return float(np.max(np.abs(ours.mixture.means - theirs.means_)) / np.max(np.abs(theirs.means_)))


def main() -> None:
    x, start = problem()
    steps, gradients = step_seconds(x, start), gradient_seconds(x, start)
    medians = {name: float(np.median(values)) for name, values in steps.items()}
    report = {
        "n": N,
        "d": D,
        "k": K,
        "step_seconds": medians,
        "spread": {name: [min(values), max(values)] for name, values in steps.items()},
        "times_faster_than_sklearn": medians["sklearn"] / medians["jaxmix"],
        "pass_seconds": gradients,
        "gradient_in_em_steps": gradients["value_and_gradient"] / gradients["em_step"],
        "autodiff_in_em_steps": gradients["value_and_autodiff"] / gradients["em_step"],
        "difference_after_10_steps": agreement(x, start),
        "temporary_MiB_at_2_million_rows": temporary_bytes() / 2**20,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
