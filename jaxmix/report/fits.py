"""What `jaxmix fit` writes beside the mixture: result.json, the components and the rows' own.

`fit_record` is the content of result.json, plain numbers alone; the csv files are for people who
compute with them.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxmix.circumstances import circumstances, fingerprint
from jaxmix.completion import observed_responsibilities
from jaxmix.data import Table as Data
from jaxmix.mixture import Mixture
from jaxmix.plain_values import nulls
from jaxmix.precision import to_jax
from jaxmix.report.writers import Table
from jaxmix.restarts import RestartResults
from jaxmix.result import FitResult
from jaxmix.scores import adjusted_rand_index, confusion


class Assigned(NamedTuple):
    """The most probable component of every row, and its probability."""

    components: np.ndarray
    probabilities: np.ndarray


def assignments(mixture: Mixture, x: np.ndarray) -> Assigned:
    """The components that rows belong to, by what is observed of them."""
    if np.isnan(x).any():
        shares = np.asarray(observed_responsibilities(mixture, to_jax(x)))
    else:
        shares = np.asarray(mixture.responsibilities(x))
    return Assigned(shares.argmax(axis=1), shares.max(axis=1))


def fit_record(
    runs: RestartResults,
    data: Data,
    rows: Assigned,
    labels: str | None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The best fit from several starts in plain numbers: the content of result.json, schema 1.

    Args:
        runs: the fits; one of them succeeded.
        data: what was fitted.
        rows: its `assignments` to the best fit.
        labels: name of the column of known classes, if there is one.
        settings: what the fits were told, as it is to be written.

    Returns:
        A dictionary of numbers, lists and text.
    """
    best, mixture = runs.best, runs.best.mixture
    return {
        "schema": 1,
        **settings,
        **circumstances(),
        "data": _describe(data, best),
        **_numbers(best),
        "weights": np.asarray(mixture.weights).tolist(),
        "parts": {
            name: np.asarray(mixture.family.part(name)).tolist() for name in mixture.family.parts
        },
        "starts": [_start(result) for result in runs.results],
        "classes": _classes(data, labels, rows, mixture.num_components),
    }


def _describe(data: Data, best: FitResult) -> dict[str, Any]:
    return {
        "name": data.name,
        "source": data.source,
        "n": float(best.total),
        "rows": len(data.x),
        "columns": list(data.columns),
        "missing_entries": int(np.isnan(data.x).sum()),
        "sha256": fingerprint(data.x),
    }


def _numbers(result: FitResult) -> dict[str, Any]:
    return {
        "outcome": result.outcome.name,
        "log_likelihood": float(result.log_likelihood),
        "objective": float(result.objective),
        "gap": float(result.gap),
        "num_steps": int(result.num_steps),
        "passes": int(result.cost.passes),
        "gradients": int(result.cost.gradients),
        "hessian_products": int(result.cost.hessian_products),
        "num_parameters": result.num_parameters,
        "bic": float(result.bic),
        "aic": float(result.aic),
    }


def _start(result: FitResult) -> dict[str, Any]:
    return {
        "outcome": result.outcome.name,
        "objective": float(result.objective),
        "num_steps": int(result.num_steps),
    }


def _classes(data: Data, labels: str | None, rows: Assigned, k: int) -> dict[str, Any] | None:
    if data.labels is None:
        return None
    names, counts = confusion(data.labels, rows.components, k)
    index = adjusted_rand_index(data.labels, rows.components)
    facts = {"names": names, "confusion": counts.tolist(), "adjusted_rand_index": index}
    return {"column": labels or "labels", **facts}


def fit_files(
    record: Mapping[str, Any], mixture: Mixture, data: Data, rows: Assigned
) -> dict[str, str]:
    """The text files of a fit by their names, from its record and the mixture that was fitted."""
    return {
        "result.json": json.dumps(nulls(record), indent=1, allow_nan=False),
        "components.csv": _components(mixture, data.columns).to_csv(),
        "assignments.csv": _assigned(record, data, rows).to_csv(),
    }


def _components(mixture: Mixture, columns: tuple[str, ...]) -> Table:
    rows = mixture.family.describe(columns)
    weights = np.asarray(mixture.weights)
    cells = [(c, float(weights[c]), *row.values()) for c, row in enumerate(rows)]
    return Table(("component", "weight", *rows[0]), tuple(cells))


def _assigned(record: Mapping[str, Any], data: Data, rows: Assigned) -> Table:
    """One row a row of the data, counted from 0, with its known class where there is one."""
    columns = ["row", "component", "probability"]
    cells: list[Any] = [range(len(data.x)), rows.components.tolist(), rows.probabilities.tolist()]
    if data.labels is not None:
        columns.append(record["classes"]["column"])
        cells.append([str(label) for label in data.labels])
    return Table(tuple(columns), tuple(zip(*cells, strict=True)))
