"""Missing entries at the sizes people have: seconds a step, and how well gaps are filled.

Run: python experiments/benchmarks/missing.py
Prints JSON: for a ratings-like matrix from a known mixture with 90 % missing, and for 20 columns
with 30 % missing, seconds of the first call (compilation included) and of an EM step, and the
root-mean-square error of `complete` beside that of the true parameters and of column means.
"""

import json
import time

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402

CASES = {
    **{f"5000 x 200, {f}": (5000, 200, 4, 0.9, 20.0, f) for f in ("spherical", "diag")},
    **{f"5000 x 20, {f}": (5000, 20, 3, 0.3, 4.0, f) for f in ("full", "tied")},
}
"""Rows, columns, components, the share that is missing, the separation, and the family."""

STEPS = 20


def measured(
    n: int, d: int, k: int, share: float, separation: float, family: str
) -> dict[str, float | int | str]:
    """One case: the fit from a start that knows nothing, its time and its completion."""
    table, truth = jm.data.mixture_sample(n, k, d, separation, family=family)
    gaps = np.random.default_rng(1).random(table.x.shape) < share
    gaps[np.arange(n), np.random.default_rng(2).integers(d, size=n)] = False
    x = np.where(gaps, np.nan, table.x)
    start = jm.initialize(x, k, family, missing=True)
    first = timed(x, start, 1)
    one, many = [min(timed(x, start, steps) for _ in range(3)) for steps in (1, 1 + STEPS)]
    result = jm.fit(x, start, stop=jm.Stop(tol=1e-4, max_steps=500), missing=True)
    known = jm.gaussian_mixture(truth.weights, truth.means, truth.covariances, family=family)

    def error(filled: np.ndarray) -> float:
        return float(np.sqrt(np.mean((filled - table.x)[gaps] ** 2)))

    return {
        "first call, s": round(first, 2),
        "a step, s": round((many - one) / STEPS, 4),
        "steps": int(result.num_steps),
        "outcome": result.outcome.name,
        "error by the fit": error(np.asarray(result.mixture.complete(x))),
        "error by the truth": error(np.asarray(known.complete(x))),
        "error by column means": error(np.where(gaps, np.nanmean(x, axis=0), x)),
    }


def timed(x: np.ndarray, start: jm.Mixture, steps: int) -> float:
    """Seconds of a fit of so many steps."""
    began = time.perf_counter()
    stop = jm.Stop("gradient", tol=1e-15, max_steps=steps)
    jax.block_until_ready(jm.fit(x, start, stop=stop, missing=True).mixture)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps({name: measured(*case) for name, case in CASES.items()}, indent=1))
