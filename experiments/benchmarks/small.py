"""Milliseconds of a whole warm fit on Old Faithful, in turn with scikit-learn's from one start.

Run: python experiments/benchmarks/small.py [--repeats 11]
Full covariances, k = 2, 3, 4, the mean's tolerance 1e-3, 1e-6 and 1e-8. scikit-learn runs as it
comes and by its own best settings: one thread, neither parameters nor data checked. First calls,
which compile, are apart; `compiled_by_another_n` counts programs that other lengths compile.
Writes experiments/results/small.json and prints it.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.circumstances import circumstances  # noqa: E402

COMPONENTS, TOLERANCES, MAX_STEPS = (2, 3, 4), (1e-3, 1e-6, 1e-8), 1000
OTHER_LENGTHS = (271, 270, 268, 266, 264, 262, 260)
RESULTS = Path(__file__).parents[1] / "results" / "small.json"
Run = Callable[[], Any]


def seconds(run: Run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def fit(x: np.ndarray, start: jm.Mixture, tol: float) -> jm.FitResult:
    result = jm.fit(x, start, jm.EM(), stop=jm.Stop("mean", tol=tol, max_steps=MAX_STEPS))
    return jax.block_until_ready(result)


def settings(start: jm.Mixture, tol: float) -> dict[str, Any]:
    """Of scikit-learn's estimator and ours, from this start."""
    return {
        "n_components": start.num_components,
        "tol": tol,
        "reg_covar": 0.0,
        "max_iter": MAX_STEPS,
        "weights_init": np.asarray(start.weights),
        "means_init": np.asarray(start.means),
        "precisions_init": np.linalg.inv(np.asarray(start.covariances)),
    }


def at_best(run: Run) -> None:
    """A fit of scikit-learn's in its quickest circumstances."""
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        run()


def measure(x: np.ndarray, k: int, tol: float, repeats: int) -> dict[str, Any]:
    start = jm.initialize(x, k, seed=0)
    told = settings(start, tol)
    runs: dict[str, Run] = {
        "fit": lambda: fit(x, start, tol),
        "sklearn": lambda: GaussianMixture(**told).fit(x),
        "sklearn_unchecked": lambda: at_best(lambda: GaussianMixture(**told).fit(x)),
        "estimator": lambda: jm.sklearn.GaussianMixture(**told).fit(x),
    }
    first = {name: seconds(run) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in (*runs, "sklearn_one_thread")}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds(run))
        with threadpool_limits(1):
            times["sklearn_one_thread"].append(seconds(runs["sklearn_unchecked"]))
    ours, theirs = fit(x, start, tol), GaussianMixture(**told).fit(x)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    peers = {name: value for name, value in medians.items() if name.startswith("sklearn")}
    return {
        "k": k,
        "tol": tol,
        "steps": int(ours.num_steps),
        "steps_sklearn": theirs.n_iter_ - 1,
        "nats_apart": float(ours.objective) - theirs.lower_bound_ * len(x),
        "milliseconds": {name: round(1e3 * value, 3) for name, value in medians.items()},
        "quartiles": {
            name: [round(1e3 * float(edge), 3) for edge in np.quantile(values, (0.25, 0.75))]
            for name, values in times.items()
        },
        "first_call_seconds": {name: round(first[name], 3) for name in ("fit", "estimator")},
        "times_sklearn": round(medians["sklearn"] / medians["fit"], 2),
        "times_sklearn_at_best": round(min(peers.values()) / medians["fit"], 2),
    }


def compiled_by_another_n(x: np.ndarray) -> dict[str, int]:
    """Programs that a fit of fewer rows compiles, by the number of rows."""
    start, counts = jm.initialize(x, 2, seed=0), {}
    compiled: list[str] = []

    def count(event: str, *_: Any, **__: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)
    fit(x, start, 1e-6)
    for n in OTHER_LENGTHS:
        compiled.clear()
        fit(x[:n], start, 1e-6)
        counts[str(n)] = len(compiled)
    jax.monitoring.unregister_event_duration_listener(count)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=11)
    options = parser.parse_args()
    x = jm.data.load("faithful").x
    rows = [measure(x, k, tol, options.repeats) for k in COMPONENTS for tol in TOLERANCES]
    report = {
        "circumstances": circumstances(),
        "fits": rows,
        "compiled_by_another_n": compiled_by_another_n(x),
    }
    print(json.dumps(report, indent=1))
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
