"""Seconds of 1,000 starts on Old Faithful, drawn and run to their ends, against scikit-learn's.

Run: python experiments/benchmarks/restarts.py [--peer-starts 1000]
Full covariances, k = 2 and 4, starts at rows of the data, the mean's tolerance 1e-3 and 1e-6.
scikit-learn runs `n_init` starts at its default threads and at one; where those are fewer than
1,000, its seconds are scaled. First calls, which compile, are apart; every repeat has other seeds.
Writes experiments/results/restarts.json and prints it.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.circumstances import circumstances  # noqa: E402

STARTS, COMPONENTS, TOLERANCES, MAX_STEPS, RIDGE = 1000, (2, 4), (1e-3, 1e-6), 1000, 1e-6
RESULTS = Path(__file__).parents[1] / "results" / "restarts.json"


def ours(x: np.ndarray, k: int, tol: float, seed: int) -> jm.RestartResults:
    stop = jm.Stop("mean", tol=tol, max_steps=MAX_STEPS)
    runs = jm.fit_restarts(
        x, k, num_starts=STARTS, seed=seed, start="random_from_data", stop=stop, ridge=RIDGE
    )
    jax.block_until_ready(runs.best.mixture)
    return runs


def theirs(x: np.ndarray, k: int, tol: float, seed: int, starts: int) -> GaussianMixture:
    model = GaussianMixture(
        k,
        n_init=starts,
        init_params="random_from_data",
        tol=tol,
        reg_covar=RIDGE,
        max_iter=MAX_STEPS,
        random_state=seed,
    )
    return model.fit(x)


def seconds(run, *arguments) -> float:
    began = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - began


def measure(x: np.ndarray, k: int, tol: float, repeats: int, peer_starts: int) -> dict[str, Any]:
    first = seconds(ours, x, k, tol, 0)
    times: dict[str, list[float]] = {"restarts": [], "sklearn": [], "sklearn_one_thread": []}
    scale = STARTS / peer_starts
    for repeat in range(repeats):
        seed = STARTS * (repeat + 1)
        times["restarts"].append(seconds(ours, x, k, tol, seed))
        if repeat < 2:
            times["sklearn"].append(scale * seconds(theirs, x, k, tol, seed, peer_starts))
            with threadpool_limits(1):
                one = scale * seconds(theirs, x, k, tol, seed, peer_starts)
            times["sklearn_one_thread"].append(one)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    runs = ours(x, k, tol, 0)
    steps = [int(fit.num_steps) for fit in runs.results]
    best = min(medians["sklearn"], medians["sklearn_one_thread"])
    return {
        "k": k,
        "tol": tol,
        "starts": STARTS,
        "peer_starts": peer_starts,
        "seconds": {name: round(value, 3) for name, value in medians.items()},
        "spread": {
            name: [round(min(values), 3), round(max(values), 3)] for name, values in times.items()
        },
        "first_call_seconds": round(first, 2),
        "steps": {"median": float(np.median(steps)), "most": max(steps), "all": sum(steps)},
        "degenerate": runs.num_degenerate,
        "best_objective": round(float(runs.best.objective), 5),
        "times_sklearn": round(medians["sklearn"] / medians["restarts"], 1),
        "times_sklearn_at_best": round(best / medians["restarts"], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peer-starts", type=int, default=STARTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    x = jm.data.load("faithful").x
    rows = []
    for k in COMPONENTS:
        for tol in TOLERANCES:
            rows.append(measure(x, k, tol, options.repeats, options.peer_starts))
            print(json.dumps(rows[-1]), flush=True)
    report = {"circumstances": circumstances(), "restarts": rows}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
