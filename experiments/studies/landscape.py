"""Optima that many starts reach, and how large their basins are, kind of start by kind."""

from typing import Any

import numpy as np

import jaxmix as jm


def optima(problem: Any, seed: int, starts: int = 1000) -> dict[str, Any]:
    """A census of a problem's optima: objective and share of each, failures, by kind of start."""
    said: dict[str, Any] = {}
    for kind in ("kmeans++", "random_from_data"):
        weights = problem.table.sample_weights
        stated = problem.stated
        found = jm.census(
            *(problem.x, stated.k, starts, jm.EM(), stated.family, seed),
            start=kind,
            sample_weights=weights,
        )
        shift = problem.units.shift(problem.total)
        said[kind] = {
            "starts": found.num_starts,
            "optima": len(found.optima),
            "best": found.optima[0].objective + shift,
            "share_of_best": found.optima[0].share,
            "second": found.optima[1].objective + shift if len(found.optima) > 1 else None,
            "degenerate": found.num_degenerate,
            "unfinished": found.num_unfinished,
        }
        said[f"objectives of {kind}"] = np.array([one.objective + shift for one in found.optima])
    return said
