"""Milliseconds an EM step on a GPU, in both precisions, and what share of the card's limit that is.

Run: python experiments/benchmarks/gpu.py [--repeats 20] [--rows 0,4096,65536]
The sizes of em_step.py with products at full precision (no TF32), and, where PyTorch with CUDA is
installed, its step in turn. The limit of a pass is the longer of 4 n k f operations at the speed of
a large product and one reading of the rows at that of a large copy, both measured beside it.
`--rows` tries lengths of blocks; 0 is the library's own. Writes experiments/results/gpu.json.
"""

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from em_step import DTYPES, SIZES  # noqa: E402
from timings import as_fit_compiles, em_step, in_milliseconds  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.blocks import in_blocks  # noqa: E402
from jaxmix.circumstances import circumstances  # noqa: E402
from jaxmix.posing import check_problem  # noqa: E402
from jaxmix.precision import cast  # noqa: E402

PRODUCT, COPY = 8192, 2**27
"""Rows of the square matrices, and numbers of the array that is copied."""
RESULTS = Path(__file__).parents[1] / "results" / "gpu.json"
Run = Callable[[], Any]


def times(runs: dict[str, Run], repeats: int) -> dict[str, list[float]]:
    """Seconds of each, in turn, after the first calls."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if repeat:
                found[name].append(time.perf_counter() - began)
    return found


def torch_step(x: np.ndarray, start: jm.Mixture) -> Run | None:
    """The textbook's step by PyTorch on the GPU; None where it is not there."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = False
    parts = (x, start.means, start.covariances, start.weights)
    rows, means, covariances, weights = (
        torch.from_numpy(np.array(part)).to("cuda") for part in parts
    )

    def step() -> None:
        factors = torch.linalg.cholesky(covariances)
        joint = []
        for j, mean in enumerate(means):
            z = torch.linalg.solve_triangular(factors[j], (rows - mean).T, upper=False)
            joint.append(weights[j].log() - factors[j].diagonal().log().sum() - (z * z).sum(0) / 2)
        shares = torch.softmax(torch.stack(joint), dim=0)
        counts = shares.sum(1)
        moved = shares @ rows / counts[:, None]
        for j, mean in enumerate(moved):
            off = rows - mean
            _ = (shares[j, :, None] * off).T @ off / counts[j]
        torch.cuda.synchronize()

    return step


def measure(n: int, d: int, k: int, dtype: str, lengths: list[int], repeats: int) -> dict[str, Any]:
    x = jm.data.mixture_sample(n, k, d, separation=1.5, eccentricity=3.0, seed=0)[0].x
    start = cast(jm.initialize(x[:20_000], k, start="random_from_data", seed=0), dtype)
    x = x.astype(dtype)
    problem = check_problem(x, start, jm.EM(), None, 0.0, (), None)[0]
    inside = problem.enter(start)
    program = as_fit_compiles(em_step)
    square = jax.jit(lambda a: a @ a)
    add = jax.jit(lambda a: a + 1)
    matrix, numbers = jnp.ones((PRODUCT, PRODUCT), dtype), jnp.ones(COPY, dtype)

    def step(rows: int) -> Run:
        cut = problem
        if rows:
            blocks = in_blocks(jnp.asarray(x) - problem.center, None, rows)
            cut = replace(problem, data=blocks)
        return lambda: jax.block_until_ready(program(inside, cut))

    runs: dict[str, Run] = {
        f"em_step_{rows}" if rows else "em_step": step(rows) for rows in lengths
    }
    runs["product"] = lambda: jax.block_until_ready(square(matrix))
    runs["copy"] = lambda: jax.block_until_ready(add(numbers))
    if (peer := torch_step(x, start)) is not None:
        runs["torch"] = peer
    found = times(runs, repeats)
    medians = {name: float(np.median(values)) for name, values in found.items()}
    operations = 2 * PRODUCT**3 / min(found["product"])
    bandwidth = 2 * COPY * x.dtype.itemsize / min(found["copy"])
    arithmetic, memory = 2 * n * k * (d + 1) * (d + 2) / operations, x.nbytes / bandwidth
    return {
        "n": n,
        "d": d,
        "k": k,
        "dtype": dtype,
        "rows_a_block": int(problem.blocks.x.shape[2]),
        **in_milliseconds(found),
        "limit": "arithmetic" if arithmetic > memory else "memory",
        "share_of_limit": {
            name: round(max(arithmetic, memory) / value, 3)
            for name, value in medians.items()
            if name.startswith("em_step")
        },
        "teraflops_of_product": round(operations / 1e12, 2),
        "gb_a_second_of_copy": round(bandwidth / 1e9),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rows", default="0,4096,65536")
    options = parser.parse_args()
    if jax.default_backend() != "gpu":
        sys.exit(f"gpu.py needs JAX with a GPU; the default device is {jax.devices()[0]}")
    lengths, rows = [int(length) for length in options.rows.split(",")], []
    for dtype in DTYPES:
        for size in SIZES:
            rows.append(measure(*size, dtype, lengths, options.repeats))
            print(json.dumps(rows[-1]), flush=True)
    RESULTS.write_text(
        json.dumps({"circumstances": circumstances(), "sizes": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
