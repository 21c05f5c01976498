"""Methods that move in batches against batch EM, on 100,000 rows of three components.

Run: python experiments/benchmarks/online.py
Prints JSON. `one_pass`: nats below batch EM's fit from the same start, batch EM on the first 2,000
rows, after one pass of online EM with its defaults; the number of parameters is what is allowed.
`passes`: nats below the optimum after 1, 2, 4 and 8 passes of each method, and seconds a pass.
"""

import json
import time

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import optax  # noqa: E402

import jaxmix as jm  # noqa: E402

N, K, FIRST = 100_000, 3, 2000
SEPARATIONS, SEEDS, PASSES = (3.0, 4.0, 5.0), range(6), (1, 2, 4, 8)
ECCENTRICITY = {"full": 3.0, "diag": 2.0}
METHODS = {
    "EM": jm.EM(),
    "online EM": jm.OnlineEM(),
    "incremental EM": jm.IncrementalEM(),
    "minibatch Adam, 0.01": jm.StochasticGradient(optax.adam, learning_rate=0.01),
    "minibatch Adam, falling": jm.StochasticGradient(
        optax.adam, learning_rate=optax.exponential_decay(0.01, 1000, 0.3)
    ),
}


def sample(family: str, d: int, separation: float, seed: int) -> tuple[np.ndarray, jm.Mixture]:
    """Rows, and batch EM on the first of them from the best of some starts."""
    x = jm.data.mixture_sample(N, K, d, separation, ECCENTRICITY[family], family, seed=seed)[0].x
    return x, jm.fit_restarts(x[:FIRST], K, family=family, num_starts=4, seed=seed).best.mixture


def one_pass(family: str, d: int, separation: float) -> dict[str, object]:
    lacks = []
    for seed in SEEDS:
        x, start = sample(family, d, separation, seed)
        best = jm.fit(x, start)
        online = jm.fit(x, start, jm.OnlineEM(seed=seed), stop=jm.Stop(max_steps=1))
        lacks.append(round(float(best.objective - online.objective), 1))
    about = {"family": family, "d": d, "separation": separation}
    return about | {"allowed": best.mixture.num_parameters, "nats_below": sorted(lacks)}


def passes(method: jm.Method, x: np.ndarray, start: jm.Mixture, best: jm.FitResult) -> dict:
    """Nats below the optimum, and seconds a pass over the rows with the one that certifies it."""
    seconds = []
    for steps in (1, 1, max(PASSES)):
        began = time.perf_counter()
        result = jm.fit(x, start, method, stop=jm.Stop(tol=1e-20, max_steps=steps))
        jax.block_until_ready(result.mixture)
        seconds.append(time.perf_counter() - began)
    lacks = [round(float(best.objective - result.history[t]), 2) for t in PASSES]
    return {"nats_below": lacks, "seconds_a_step": (seconds[2] - seconds[1]) / (max(PASSES) - 1)}


def main() -> None:
    table = [
        one_pass(family, d, separation)
        for family in ECCENTRICITY
        for d in (2, 5)
        for separation in SEPARATIONS
    ]
    x, start = sample("full", 2, 3.0, 1)
    best = jm.fit(x, start, stop=jm.Stop(max_steps=5000))
    compared = {name: passes(method, x, start, best) for name, method in METHODS.items()}
    print(json.dumps({"one_pass": table, "passes": compared}, indent=1))


if __name__ == "__main__":
    main()
