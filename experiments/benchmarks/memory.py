"""Peak memory in float32 of a fit at n=5,000,000, d=16, k=32, and of a 10 GB file as a stream.

Run: python experiments/benchmarks/memory.py [--rows 5000000] [--file-gb 10] [--folder FOLDER]
Each is a process of its own. The array's limit, two copies of the data + 400 MB, is for what its
peak (VmHWM) adds to interpreter and imports: data, blocks, compiler, passes. The stream's limit of
2 GB is for the whole process. Rows are made part by part in place, which adds no peak. Writes
experiments/results/memory.json and prints it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

D, K, STEPS, PART = 16, 32, 3, 2**16
RESULTS = Path(__file__).parents[1] / "results" / "memory.json"


def peak_mb() -> float:
    """The most memory that this process has held, in MB of 10^6 bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def fill(rows: np.ndarray, part: int) -> None:
    """Rows about 32 centers, drawn in float32 where they lie."""
    rng = np.random.default_rng(part)
    centers = 3 * np.random.default_rng(0).normal(size=(K, D)).astype(np.float32)
    rng.standard_normal(out=rows, dtype=np.float32)
    rows += centers[rng.integers(0, K, len(rows))]


def write_file(path: Path, gigabytes: float) -> None:
    """An npy file of that size, a part at a time."""
    n = int(gigabytes * 1e9 / (4 * D))
    with path.open("wb") as file:
        about = {"descr": "<f4", "fortran_order": False, "shape": (n, D)}
        np.lib.format.write_array_header_1_0(file, about)
        rows = np.empty((PART, D), np.float32)
        for start in range(0, n, PART):
            part = rows[: min(PART, n - start)]
            fill(part, start)
            part.tofile(file)


def fit(x: Any) -> dict[str, Any]:
    """A few EM steps from a start on a sample, with seconds; the imports' peak beside the whole."""
    import jax

    import jaxmix as jm

    jax.block_until_ready(jax.numpy.zeros(1))
    imported = peak_mb()
    x = x()
    made, began = peak_mb(), time.perf_counter()
    start = jm.initialize(x[:20_000] if isinstance(x, np.ndarray) else x, K, seed=0)
    result = jm.fit(x, start, jm.EM(), stop=jm.Stop(max_steps=STEPS))
    jax.block_until_ready(result.mixture)
    seconds = time.perf_counter() - began
    return {
        "steps": int(result.num_steps),
        "objective": float(result.objective),
        "seconds": round(seconds, 1),
        "imports_mb": round(imported),
        "with_data_mb": round(made),
        "peak_mb": round(peak_mb()),
    }


def fit_array(n: int) -> dict[str, Any]:
    def rows() -> np.ndarray:
        x = np.empty((n, D), np.float32)
        for start in range(0, n, PART):
            fill(x[start : start + PART], start)
        return x

    data = 4 * n * D / 1e6
    about = {"n": n, "d": D, "k": K, "dtype": "float32", "data_mb": round(data)}
    return about | {"limit_mb": round(2 * data + 400)} | fit(rows)


def fit_stream(path: Path) -> dict[str, Any]:
    def rows() -> Any:
        import jaxmix as jm

        return jm.data.stream(path)

    size = path.stat().st_size / 1e6
    about = {"n": int(size * 1e6 / (4 * D)), "d": D, "k": K, "dtype": "float32"}
    return about | {"data_mb": round(size), "limit_mb": 2000} | fit(rows)


def in_a_process(kind: str, what: str) -> dict[str, Any]:
    """The report of one fit in a process of its own."""
    command = [sys.executable, __file__, kind, what]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    report = json.loads(said.splitlines()[-1])
    counted = report["peak_mb"] - (report["imports_mb"] if kind == "array" else 0)
    return report | {"counted_mb": counted, "within_limit": counted <= report["limit_mb"]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--file-gb", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    report = {"array": in_a_process("array", str(options.rows))}
    print(json.dumps(report["array"]), flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "rows.npy"
        write_file(path, options.file_gb)
        report["stream"] = in_a_process("stream", str(path))
    print(json.dumps(report["stream"]), flush=True)
    from jaxmix.circumstances import circumstances

    RESULTS.write_text(json.dumps({"circumstances": circumstances()} | report, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "array":
        print(json.dumps(fit_array(int(sys.argv[2]))))
    elif len(sys.argv) == 3 and sys.argv[1] == "stream":
        print(json.dumps(fit_stream(Path(sys.argv[2]))))
    else:
        main()
