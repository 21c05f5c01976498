"""Seconds that a user waits: `jaxmix --help`; `jaxmix fit` and `compare` at first, and once more.

Run: python experiments/benchmarks/cold_start.py
Each run is a process of its own; the first finds an empty compilation cache, the next what the
first has kept. Prints JSON, with the seconds of a fixed loop of plain Python beside it: the unit in
which a busy machine is slower than a quiet one. Writes experiments/results/cold_start.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jaxmix.circumstances import circumstances

RUNS = 3
RESULTS = Path(__file__).parents[1] / "results" / "cold_start.json"


def seconds(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def jaxmix(*arguments: str) -> list[float]:
    """Seconds of a command with nothing compiled yet, and of the same command after it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jaxmix.cli.main", *arguments]
        environment = os.environ | {"XDG_CACHE_HOME": os.path.join(folder, "cache")}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)

        def run() -> None:
            subprocess.run(
                command, env=environment, cwd=folder, check=True, capture_output=True, timeout=600
            )

        return [seconds(run), seconds(run)]


def python_loop() -> None:
    sum(i * i for i in range(10**7))


def measured() -> dict[str, float]:
    """Seconds by what is waited for."""
    found = {"help": jaxmix("--help")[1], "python_loop": seconds(python_loop)}
    for command in ("fit", "compare"):
        found[command], found[f"{command}_again"] = jaxmix(command)
    return found


if __name__ == "__main__":
    runs = [measured() for _ in range(RUNS)]
    table = {name: sorted(round(one[name], 2) for one in runs) for name in runs[0]}
    report = {"circumstances": circumstances(), "seconds": table}
    print(json.dumps(report, indent=1))
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
