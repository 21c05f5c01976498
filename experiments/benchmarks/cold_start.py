"""Seconds that a user waits: `jaxmix --help`, and `jaxmix compare` with nothing compiled yet.

Run: python experiments/benchmarks/cold_start.py
Each run is a process of its own with an empty compilation cache. Prints JSON, with the seconds of a
fixed loop of plain Python beside it: the unit in which a busy machine is slower than a quiet one.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

RUNS = 3


def seconds(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def jaxmix(*arguments: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jaxmix.cli.main", *arguments]
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": os.path.join(folder, "cache")}
        subprocess.run(
            command, env=environment, cwd=folder, check=True, capture_output=True, timeout=600
        )


def python_loop() -> None:
    sum(i * i for i in range(10**7))


MEASURED = {
    "help": lambda: jaxmix("--help"),
    "compare": lambda: jaxmix("compare"),
    "python_loop": python_loop,
}

if __name__ == "__main__":
    runs = [{name: seconds(run) for name, run in MEASURED.items()} for _ in range(RUNS)]
    print(json.dumps({name: sorted(one[name] for one in runs) for name in MEASURED}, indent=1))
