"""Seconds a pass against n, d and k, each varied alone, in both precisions.

Run: python experiments/benchmarks/scaling.py [--repeats 9]
Full covariances about n = 100,000, d = 8, k = 8; the sizes of one table run in turn, after their
first calls. `exponent` is the slope of log seconds in log size between the last and the first size:
1 where time is linear. Writes experiments/results/scaling.json and prints it.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
from timings import as_fit_compiles, em_step  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.circumstances import circumstances  # noqa: E402
from jaxmix.posing import check_problem  # noqa: E402
from jaxmix.precision import cast  # noqa: E402

AT = {"n": 100_000, "d": 8, "k": 8}
VARIED = {
    "n": (50_000, 100_000, 200_000, 400_000, 800_000),
    "d": (2, 4, 8, 16, 32, 64),
    "k": (4, 8, 16, 32, 64),
}
DTYPES = ("float64", "float32")
RESULTS = Path(__file__).parents[1] / "results" / "scaling.json"


step = as_fit_compiles(em_step)


def prepared(n: int, d: int, k: int, dtype: str) -> tuple[jm.Mixture, jm.Problem]:
    x = jm.data.mixture_sample(n, k, d, separation=1.5, eccentricity=3.0, seed=0)[0].x
    start = cast(jm.initialize(x[:20_000], k, start="random_from_data", seed=0), dtype)
    problem = check_problem(x.astype(dtype), start, jm.EM(), None, 0.0, (), None)[0]
    return problem.enter(start), problem


def seconds(arguments: tuple[jm.Mixture, jm.Problem]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(step(*arguments))
    return time.perf_counter() - began


def measure(name: str, dtype: str, repeats: int) -> dict[str, Any]:
    cases = {size: prepared(**(AT | {name: size}), dtype=dtype) for size in VARIED[name]}
    first = {size: round(seconds(case), 2) for size, case in cases.items()}
    times: dict[int, list[float]] = {size: [] for size in cases}
    for _ in range(repeats):
        for size, case in cases.items():
            times[size].append(seconds(case))
    medians = {size: float(np.median(values)) for size, values in times.items()}
    low, high = min(cases), max(cases)
    return {
        "varied": name,
        "at": {key: value for key, value in AT.items() if key != name},
        "dtype": dtype,
        "milliseconds": {str(size): round(1e3 * value, 3) for size, value in medians.items()},
        "spread": {
            str(size): [round(1e3 * min(values), 3), round(1e3 * max(values), 3)]
            for size, values in times.items()
        },
        "first_call_seconds": {str(size): value for size, value in first.items()},
        "exponent": round(float(np.log(medians[high] / medians[low]) / np.log(high / low)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    tables = []
    for dtype in DTYPES:
        for name in VARIED:
            tables.append(measure(name, dtype, options.repeats))
            print(json.dumps(tables[-1]), flush=True)
    report = {"circumstances": circumstances(), "tables": tables}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
