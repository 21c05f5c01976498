"""What the benchmarks' results say of repeated timings, in one form."""

import numpy as np


def in_milliseconds(times: dict[str, list[float]]) -> dict[str, dict]:
    """Medians and spreads, least and most, of seconds by name."""
    return {
        "milliseconds": {name: round(1e3 * float(np.median(t)), 3) for name, t in times.items()},
        "spread": {
            name: [round(1e3 * min(t), 3), round(1e3 * max(t), 3)] for name, t in times.items()
        },
    }
