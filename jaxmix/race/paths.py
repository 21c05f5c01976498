"""Mixtures of a study by evaluations, for pictures: one seed, the first two columns."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxmix.archives import Arrays
from jaxmix.circumstances import fingerprint
from jaxmix.families import STRUCTURES
from jaxmix.race.comparison import thinned
from jaxmix.race.planning import DONE, Planned
from jaxmix.race.problems import opened
from jaxmix.race.store import Store
from jaxmix.race.study import ProblemSpec

SHOWN = 2
"""Columns of a picture."""


def paths_of(
    plan: Sequence[Planned], store: Store, seed: int, folder: Path
) -> list[dict[str, Any]]:
    """The paths of all Gaussian races from one seed.

    Args:
        plan: runs of a study, with their states.
        store: where they are.
        seed: whose races to show.
        folder: where the study's files are.

    Returns:
        A dictionary a problem: its `problem`, `columns` and `points` [m 2], and `paths`, each with
        `method`, `track`, `settings`, `step`, `passes`, `weights` [t k], `means` [t k 2] and
        `covariances` [t k 2 2]; one column where there is no second.
    """
    shown = [
        one
        for one in plan
        if one.state == DONE and one.entry.kind == "race" and one.entry.seed == seed
        if one.entry.config["problem"]["family"] in STRUCTURES
    ]
    groups: dict[str, list[Planned]] = {}
    for one in shown:
        groups.setdefault(one.entry.problem, []).append(one)
    found = []
    for problem, runs in groups.items():
        try:
            points = _points(runs[0], folder)
        except Exception as error:  # of a user's file, which may have gone or changed since
            print(f"no player of {problem}: {error}", file=sys.stderr)
            continue
        found.append({"problem": problem, **points, "paths": [_path(one, store) for one in runs]})
    return found


def _points(run: Planned, folder: Path) -> dict[str, Any]:
    """Some rows of the data of a run, as long as they are what it was fitted to."""
    table = opened(ProblemSpec(**run.entry.config["problem"]), folder).table
    if run.manifest is not None and run.manifest["data"]["sha256"] != fingerprint(table.x):
        raise ValueError("its data have changed since it was run")
    rows = thinned(table.x, 1000)
    return {"columns": list(table.columns[:SHOWN]), "points": table.x[rows, :SHOWN].tolist()}


def _path(one: Planned, store: Store) -> dict[str, Any]:
    entry, arrays = one.entry, store.run(one.entry.name).arrays()
    path = {name[5:]: array for name, array in arrays.items() if name.startswith("path.")}
    about = {"method": entry.method, "track": entry.track, "settings": entry.settings}
    return {
        **about,
        "step": path["step"].tolist(),
        "weights": path["weights"].tolist(),
        "means": path["means"][..., :SHOWN].tolist(),
        "covariances": matrices(path, entry.config["problem"]["family"]).tolist(),
    }


def matrices(path: Arrays, family: str) -> np.ndarray:
    """Covariances of the first columns of all components, [t k 2 2]."""
    means, covariances = path["means"], path["covariances"]
    steps, k, d = means.shape
    if family == "full":
        whole = covariances
    elif family == "tied":
        whole = np.broadcast_to(covariances[:, None], (steps, k, d, d))
    else:
        variances = covariances if family == "diag" else covariances[..., None]
        whole = np.broadcast_to(variances, means.shape)[..., None] * np.eye(d)
    return whole[..., :SHOWN, :SHOWN]
