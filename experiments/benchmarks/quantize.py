"""Seconds of `jaxmix quantize` on its default photograph, with nothing compiled yet.

Run: python experiments/benchmarks/quantize.py
Each run is a process of its own with an empty compilation cache, reading, drawing and writing
included. Prints JSON, sorted seconds of each case, with those of a fixed loop of plain Python: the
unit in which a busy machine is slower than a quiet one.
"""

import itertools
import json

from cold_start import RUNS, jaxmix, python_loop, seconds

CASES = list(itertools.product((5, 16), ("kmeans", "mixture")))

MEASURED = {
    f"{colors} colors by {by}": lambda colors=colors, by=by: jaxmix(
        "quantize", "--colors", str(colors), "--by", by
    )
    for colors, by in CASES
} | {"python_loop": python_loop}

if __name__ == "__main__":
    runs = [{name: seconds(run) for name, run in MEASURED.items()} for _ in range(RUNS)]
    print(json.dumps({name: sorted(one[name] for one in runs) for name in MEASURED}, indent=1))
