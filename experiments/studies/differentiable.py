"""Derivatives of a fit with respect to the data, in three ways: their errors and their time."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmix as jm


def derivatives(problem: Any, seed: int, steps: int = 200) -> dict[str, Any]:
    """Of a coordinate of the first mean in one row of the data, against central differences."""
    x, start = jnp.asarray(problem.x), problem.start(seed, "float64")
    row, width = len(x) // 2, 1e-5

    def mean(point: jax.Array, mode: str) -> jax.Array:
        moved = x.at[row].set(point)
        return jm.differentiable_fit(moved, start, mode=mode, max_steps=steps).means[0, 0]

    exact = _differences(np.asarray(x), start, row, width)
    fitted = jm.fit(problem.x, start, stop=jm.Stop(tol=1e-14, max_steps=20_000))
    rate = jm.inference.em_rate(fitted.mixture, problem.x)
    said: dict[str, Any] = {"rate": rate, "row": row, "central_differences": exact}
    for mode in ("implicit", "unrolled", "one_step"):
        slope = jax.jit(jax.grad(lambda point, mode=mode: mean(point, mode)))
        found = jax.block_until_ready(slope(x[row]))
        seconds = min(_timed(slope, x[row]) for _ in range(5))
        error = float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        said[mode] = {"relative_error": error, "seconds": seconds}
        said[f"derivative by {mode}"] = np.asarray(found)
    return said


def _timed(slope: Any, point: jax.Array) -> float:
    began = time.perf_counter()
    jax.block_until_ready(slope(point))
    return time.perf_counter() - began


def _differences(x: np.ndarray, start: jm.Mixture, row: int, width: float) -> np.ndarray:
    """Central differences of whole fits."""

    def mean(moved: np.ndarray) -> float:
        stop = jm.Stop(tol=1e-20, max_steps=20_000)
        return float(jm.fit(moved, start, stop=stop).mixture.means[0, 0])

    slopes = []
    for column in range(x.shape[1]):
        ahead, behind = x.copy(), x.copy()
        ahead[row, column] += width
        behind[row, column] -= width
        slopes.append((mean(ahead) - mean(behind)) / (2 * width))
    return np.array(slopes)
