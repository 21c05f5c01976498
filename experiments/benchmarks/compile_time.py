"""What the two routes of compiling.py cost: seconds to compile the loop, and milliseconds a step.

Run: python experiments/benchmarks/compile_time.py
Every contender on Old Faithful, k=2, and EM on standard normal rows of other sizes; full, without
the compilation cache; compiling and running apart, the routes in turn, medians of repeats. Prints
JSON.
"""

import json
import time
from statistics import median

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_enable_compilation_cache", False)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix import compiling  # noqa: E402
from jaxmix.fitting import SEGMENT, check_problem  # noqa: E402
from jaxmix.loop import begin  # noqa: E402
from jaxmix.race import contenders  # noqa: E402

REPEATS = 3
STEPS = 200
SIZES = ((1_000, 2, 3), (2_000, 2, 3), (1_000, 8, 8), (5_000, 2, 3), (20_000, 2, 3))
STOP = jm.Stop("gap", tol=1e-300, max_steps=10**6)


def seconds(run) -> tuple[float, object]:
    began = time.perf_counter()
    value = jax.block_until_ready(run())
    return time.perf_counter() - began, value


def measure(route, method, problem, loop) -> dict[str, float]:
    """Seconds to compile, and milliseconds a step, by one route."""
    jax.clear_caches()
    lowered = route.lower(method, problem, STOP, loop, STEPS, length=SEGMENT)
    compile_seconds, program = seconds(lowered.compile)
    arguments = (method, problem, STOP, loop, STEPS)
    taken = int(program(*arguments)[0].num_steps)
    took = median(seconds(lambda: program(*arguments))[0] for _ in range(9))
    return {"compile_seconds": compile_seconds, "step_milliseconds": 1e3 * took / taken}


def compare_routes(method: jm.Method, x: np.ndarray, k: int) -> dict[str, dict[str, float]]:
    start = jm.initialize(x, k)
    problem = check_problem(x, start, method, None, 0.0, (), None)[0]
    loop = begin(method, problem, STOP, problem.enter(start))
    routes = {"fast": compiling.advance_of(False), "quick": compiling.advance_of(True)}
    repeats = [
        {name: measure(route, method, problem, loop) for name, route in routes.items()}
        for _ in range(REPEATS)
    ]
    return {
        name: {key: median(one[name][key] for one in repeats) for key in repeats[0][name]}
        for name in routes
    }


def main() -> None:
    faithful = jm.data.standardize(jm.data.load("faithful").x)[0]
    report = {one.title: compare_routes(one.method, faithful, 2) for one in contenders()}
    for n, d, k in SIZES:
        x = np.random.default_rng(0).normal(size=(n, d))
        report[f"EM, n={n}, d={d}, k={k}"] = compare_routes(jm.EM(), x, k)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
