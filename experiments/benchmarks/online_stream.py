"""Methods that move in batches over a file: what a step takes, beside a pass of EM.

Run: python experiments/benchmarks/online_stream.py [FOLDER]
Prints JSON, a line a method: `seconds_a_step` after the first, of which EM's is one pass over 2 GB
in order, and that of the others one in pools and one in order; `memory_mb` above that of imports.
The file is made once, and stays in the system's cache if it fits.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

from stream_files import peak, write_npy  # noqa: E402

import jaxmix as jm  # noqa: E402

K, SIZE, STEPS = 8, 1000, 3
METHODS = {
    "EM": jm.EM(),
    "online EM": jm.OnlineEM(SIZE),
    "incremental EM": jm.IncrementalEM(),
    "minibatch Adam": jm.StochasticGradient(batch_size=SIZE, learning_rate=1e-4),
}


def measure(path: Path, name: str) -> None:
    jm.fit([[0.0], [1.0], [3.0]], jm.gaussian_mixture([1.0], [[0.0]], 1.0))
    before, times = peak(), []
    with jm.data.stream(path) as rows:
        start = jm.initialize(rows, K, seed=0)
        result = jm.fit(
            rows,
            start,
            METHODS[name],
            stop=jm.Stop(tol=1e-12, max_steps=STEPS),
            on_step=lambda progress: times.append(time.perf_counter()),
        )
    result.raise_if_failed()
    seconds = round((times[-1] - times[0]) / (len(times) - 1), 2)
    megabytes = {"mb": round(path.stat().st_size / 1e6), "memory_mb": round(peak() - before)}
    print(json.dumps({"method": name, "seconds_a_step": seconds} | megabytes))


def main(folder: Path) -> None:
    path = folder / "rows.npy"
    if not path.exists():
        write_npy(path)
    for name in METHODS:
        # A process each, because the peak of memory is that of a process.
        subprocess.run([sys.executable, __file__, str(path), name], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(Path(sys.argv[1]), sys.argv[2])
    elif len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
