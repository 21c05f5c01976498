"""The optima of Old Faithful from 2,000 starts of each kind: basins, and seconds.

Run: python experiments/benchmarks/census.py
Prints JSON: for each family and k and each kind of start, the objective and share of the largest
basins and of the best optimum, and the seconds, compilation included.
"""

import json
import time

import jax

jax.config.update("jax_enable_x64", True)

import jaxmix as jm  # noqa: E402

NUM_STARTS = 2000
CELLS = (("full", 2), ("full", 3), ("full", 4), ("diag", 3), ("spherical", 4))
STARTS = ("kmeans++", "short_runs")


def report(x, family: str, k: int, start: str) -> dict[str, object]:
    began = time.perf_counter()
    found = jm.census(x, k, NUM_STARTS, family=family, start=start)
    seconds = time.perf_counter() - began
    best = found.optima[0]
    largest = sorted(found.optima, key=lambda one: -one.count)[:5]
    return {
        "cell": f"{family}, k = {k}, {start}",
        "optima": len(found.optima),
        "best": [round(best.objective, 5), best.share],
        "largest": [[round(one.objective, 5), one.share] for one in largest],
        "degenerate": found.num_degenerate,
        "not_finite": found.num_nonfinite,
        "at_the_limit": found.num_unfinished,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    x = jm.data.load("faithful").x
    rows = [report(x, family, k, start) for family, k in CELLS for start in STARTS]
    print(json.dumps({"starts": NUM_STARTS, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
