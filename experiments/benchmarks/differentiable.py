"""Backward passes of a differentiable fit: implicit and one step against unrolled, by steps.

Run: python experiments/benchmarks/differentiable.py
Three full Gaussians in three columns, 1,000 rows. Prints JSON: milliseconds of the fit alone and of
its backward pass (medians of 25, interleaved), seconds of compilation, bytes of temporary memory
of the whole gradient, and the largest relative difference from the unrolled gradient.
"""

import json
import time
from functools import partial
from statistics import median

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402

ROWS, STEPS, REPEATS = 1000, (30, 100, 300), 25
CENTERS = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 1.0], [0.0, 3.0, -1.0]])


def draw() -> tuple[jax.Array, jm.Mixture]:
    rng = np.random.default_rng(0)
    x = CENTERS[rng.integers(0, 3, ROWS)] + rng.normal(size=(ROWS, 3))
    start = jm.gaussian_mixture([0.3, 0.3, 0.4], CENTERS, 1.0, family="full")
    return jnp.asarray(x), jm.fit(x, start, stop=jm.Stop(tol=1e-24)).mixture


def loss(x: jax.Array, weights: jax.Array, start: jm.Mixture, mode: str, steps: int) -> jax.Array:
    tol = 0.0 if mode == "unrolled" else None
    mixture = jm.differentiable_fit(
        x, start, mode, max_steps=steps, tol=tol, sample_weights=weights
    )
    return jnp.sum(jnp.sin(mixture.means)) + jnp.sum(mixture.covariances**2) + mixture.weights[0]


def compiled(x: jax.Array, start: jm.Mixture, mode: str, steps: int) -> dict[str, object]:
    """Programs of the forward pass with what it keeps, and of the backward pass, apart."""
    weights = jnp.ones(len(x))
    function = partial(loss, start=start, mode=mode, steps=steps)
    began = time.perf_counter()
    forward = jax.jit(lambda x, weights: jax.vjp(function, x, weights))
    value, back = jax.block_until_ready(forward(x, weights))
    backward = jax.jit(lambda back, one: back(one))
    jax.block_until_ready(backward(back, jnp.ones_like(value)))
    seconds = time.perf_counter() - began
    gradient = jax.jit(jax.grad(function, argnums=(0, 1)))
    memory = gradient.lower(x, weights).compile().memory_analysis()
    return {
        "forward": lambda: forward(x, weights),
        "backward": lambda: backward(back, jnp.ones_like(value)),
        "compile_s": round(seconds, 1),
        "temporary_bytes": memory.temp_size_in_bytes,
    }


def milliseconds(run) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return 1e3 * (time.perf_counter() - began)


def report(x: jax.Array, start: jm.Mixture, steps: int) -> list[dict[str, object]]:
    programs = {m: compiled(x, start, m, steps) for m in ("implicit", "one_step", "unrolled")}
    times = {mode: {"forward": [], "backward": []} for mode in programs}
    for _ in range(REPEATS):
        for mode, program in programs.items():
            for part, seen in times[mode].items():
                seen.append(milliseconds(program[part]))
    gradients = {mode: np.asarray(program["backward"]()[0]) for mode, program in programs.items()}
    reference = gradients["unrolled"]
    return [
        {
            "steps": steps,
            "mode": mode,
            "forward_ms": round(median(times[mode]["forward"]), 2),
            "backward_ms": round(median(times[mode]["backward"]), 2),
            "compile_s": program["compile_s"],
            "temporary_bytes": program["temporary_bytes"],
            "from_unrolled": float(
                f"{np.linalg.norm(gradients[mode] - reference) / np.linalg.norm(reference):.2g}"
            ),
        }
        for mode, program in programs.items()
    ]


def main() -> None:
    x, start = draw()
    rows = [row for steps in STEPS for row in report(x, start, steps)]
    print(json.dumps({"rows_of_data": ROWS, "p": 29, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
