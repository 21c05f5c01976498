"""Seconds an EM step at four sizes in both precisions: scikit-learn, the machine's limit, memory.

Run: python experiments/benchmarks/em_step.py [--sizes 0,1,2,3] [--repeats 10] [--beside]
Every pass is timed in turn with the others, with a step of scikit-learn from the same parameters
and with products of 2000 x 2000 matrices, all at default threads; compile time is apart. A step is
what `fit` pays for one, and everything is compiled as it compiles. The limit of a pass is
4 n k (d + 1)(d + 2) / 2 operations at the speed of the best of the products. Writes
experiments/results/em_step.json, beside the runs that it holds where asked: on a machine that is
shared, hours differ more than repeats. Prints the run.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402
from timings import as_fit_compiles, em_step, in_milliseconds  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.circumstances import circumstances  # noqa: E402
from jaxmix.methods import EM  # noqa: E402
from jaxmix.posing import check_problem  # noqa: E402
from jaxmix.precision import cast  # noqa: E402

SIZES = [(1_000_000, 2, 3), (200_000, 16, 32), (100_000, 8, 8), (50_000, 64, 16)]
DTYPES = ("float64", "float32")
RESULTS = Path(__file__).parents[1] / "results" / "em_step.json"
PRODUCT = 2000


def seconds(run, *arguments) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run(*arguments))
    return time.perf_counter() - began


def passes(problem: jm.Problem, start: jm.Mixture) -> dict[str, Any]:
    """Compiled programs of the problem at a mixture, by name."""

    def objective(mixture, problem, gradient="fisher"):
        return problem.objective(mixture, gradient)

    def by_autodiff(mixture, problem):
        return jax.value_and_grad(objective)(mixture, problem, "autodiff")

    def product(mixture, problem):
        return jax.jvp(lambda one: jax.grad(objective)(one, problem), (mixture,), (mixture,))[1]

    inside = problem.enter(start)
    programs = {
        "em_step": em_step,
        "gradient": jax.value_and_grad(objective),
        "gradient_by_autodiff": by_autodiff,
        "hessian_product": product,
    }
    jitted = {name: as_fit_compiles(program) for name, program in programs.items()}
    return {
        name: lambda program=program: program(inside, problem) for name, program in jitted.items()
    }


def sklearn_step(x: np.ndarray, start: jm.Mixture):
    """One E-step and one M-step of scikit-learn, from the start's parameters."""
    model = GaussianMixture(len(start.weights), reg_covar=1e-6)
    model.weights_, model.means_ = np.asarray(start.weights), np.asarray(start.means)
    model.covariances_ = np.asarray(start.covariances)
    factors = np.linalg.cholesky(np.linalg.inv(model.covariances_))
    model.precisions_cholesky_ = factors.astype(x.dtype)

    def step() -> None:
        _, log_responsibilities = model._e_step(x)
        model._m_step(x, log_responsibilities)

    return step


def measure(n: int, d: int, k: int, dtype: str, repeats: int) -> dict[str, Any]:
    x = jm.data.mixture_sample(n, k, d, separation=1.5, eccentricity=3.0, seed=0)[0].x
    start = cast(jm.initialize(x, k, start="random_from_data", seed=0), dtype)
    x = x.astype(dtype)
    problem = check_problem(x, start, EM(), None, 0.0, (), None)[0]
    matrix = jax.numpy.asarray(np.random.default_rng(0).normal(size=(PRODUCT, PRODUCT)), dtype)
    square = jax.jit(lambda a: a @ a)
    runs = passes(problem, start) | {"sklearn": sklearn_step(x, start)}
    runs["product"] = lambda: square(matrix)
    compile_seconds = {name: seconds(run) for name, run in runs.items() if name != "sklearn"}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        for name, run in runs.items():
            if name != "sklearn" or repeat < 3:
                times[name].append(seconds(run))
    medians = {name: float(np.median(values)) for name, values in times.items()}
    speed = 2 * PRODUCT**3 / min(times["product"])
    limit = 4 * n * k * (d + 1) * (d + 2) / 2 / speed
    step = medians["em_step"]
    return {
        "n": n,
        "d": d,
        "k": k,
        "dtype": dtype,
        "rows_a_block": int(problem.data.x.shape[2]),
        **in_milliseconds(times),
        "first_call_seconds": {name: round(value, 2) for name, value in compile_seconds.items()},
        "times_sklearn": round(medians["sklearn"] / step, 2),
        "share_of_limit": round(limit / step, 3),
        "share_of_limit_at_best": round(limit / min(times["em_step"]), 3),
        "gradient_in_steps": round(medians["gradient"] / step, 3),
        "autodiff_in_steps": round(medians["gradient_by_autodiff"] / step, 3),
        "hessian_product_in_steps": round(medians["hessian_product"] / step, 3),
        "gflops_of_product": round(speed / 1e9, 1),
    }


def geometric_mean(rows: list[dict[str, Any]], dtype: str) -> float:
    """Of the ratios to scikit-learn in one precision."""
    ratios = [row["times_sklearn"] for row in rows if row["dtype"] == dtype]
    return round(float(np.exp(np.mean(np.log(ratios)))), 2)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="0,1,2,3")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--beside", action="store_true")
    options = parser.parse_args()
    chosen = [SIZES[int(place)] for place in options.sizes.split(",")]
    rows = []
    for dtype in DTYPES:
        for size in chosen:
            rows.append(measure(*size, dtype, options.repeats))
            print(json.dumps(rows[-1]), flush=True)
    means = {dtype: geometric_mean(rows, dtype) for dtype in DTYPES}
    print(json.dumps(means))
    if len(chosen) == len(SIZES):
        before = json.loads(RESULTS.read_text())["runs"] if options.beside else []
        runs = [*before, {"sizes": rows, "mean_times_sklearn": means}]
        report = {"circumstances": circumstances(), "runs": runs}
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
