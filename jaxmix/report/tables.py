"""The tables of a comparison: one row a method, and known classes against components.

A failed method stays in the table as a row with its outcome; it is never called best.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jaxmix.report.writers import Cell, Table, is_number

REACHED_WITHIN = 1e-3
FAILED_OUTCOMES = ("DEGENERATE", "NONFINITE")

FIELDS = {
    "log-likelihood": "log_likelihood",
    "gap": "gap",
    "steps": "num_steps",
    "passes": "passes",
    "gradients": "gradients",
    "Hessian products": "hessian_products",
    "compile seconds": "compile_seconds",
    "run seconds": "run_seconds",
    "outcome": "outcome",
    "distance to the best": "distance",
    "adjusted Rand index": "adjusted_rand_index",
}
MEDIANS = ("gap", "steps", "passes", "gradients", "Hessian products", "run seconds")

Row = Mapping[str, Any]

ONE_START = (
    "Log-likelihood and gap in nats; the gap is what one more EM step promises. Distance: the "
    "largest difference from the best fit, in weights, means and covariances of standardized data."
)
MANY_STARTS = (
    "Of {starts} starts a method: log-likelihood, distance and any Rand index are those of its "
    "best start; gap, steps, costs and run seconds are medians; reached counts the "
    "starts that end within 0.001 nats of the best log-likelihood of all."
)


def succeeded(row: Row) -> bool:
    """Whether a row of result.json may be called best: not failed, with a finite likelihood."""
    return row["outcome"] not in FAILED_OUTCOMES and is_number(row["log_likelihood"])


def comparison_table(result: Mapping[str, Any]) -> Table:
    """Make the table of a comparison, one row a method in the order they were named.

    With one start a method's row is that start. With several, the log-likelihood and the
    distance belong to its best start, costs are medians over the starts that left a number,
    and two columns are added: "reached", how many starts end within 1e-3 nats of the best
    log-likelihood of all methods, and "starts".

    Args:
        result: the content of result.json.

    Returns:
        A `Table`; its writers are `to_csv`, `to_markdown`, `to_latex` and `to_text`.

    >>> row = {
    ...     "method": "EM",
    ...     "start": 0,
    ...     "log_likelihood": -1130.26396,
    ...     "gap": 8e-9,
    ...     "num_steps": 21,
    ...     "passes": 21,
    ...     "gradients": 0,
    ...     "compile_seconds": 0.5,
    ...     "run_seconds": 0.0021,
    ...     "outcome": "CONVERGED",
    ...     "distance": 0.0,
    ...     "adjusted_rand_index": None,
    ... }
    >>> best = {"method": "EM", "start": 0, "log_likelihood": -1130.26396}
    >>> table = comparison_table({"methods": ["EM"], "rows": [row], "best": best})
    >>> table.formatted()[0][:4]
    ['EM', '-1130.26396', '8.0e-09', '21']
    """
    num_starts = len({row["start"] for row in result["rows"]})
    columns = _columns(result["rows"], num_starts)
    rows = []
    for method in result["methods"]:
        of_method = [row for row in result["rows"] if row["method"] == method]
        if of_method:
            cells = {"method": method, **_condensed(of_method, _best_likelihood(result))}
            rows.append(tuple(cells[column] for column in columns))
    caption = ONE_START if num_starts <= 1 else MANY_STARTS.format(starts=num_starts)
    return Table(columns, tuple(rows), caption)


def confusion_table(result: Mapping[str, Any]) -> Table | None:
    """Count the rows of each known class that the best fit puts in each component.

    Args:
        result: the content of result.json; `confusion` is [classes components].

    Returns:
        A `Table`, or None where the classes are unknown or no method succeeded.

    >>> best = {"method": "EM", "start": 0}
    >>> row = {"method": "EM", "start": 0, "confusion": [[50, 0], [1, 49]]}
    >>> names = {"names": ["setosa", "other"]}
    >>> confusion_table({"best": best, "rows": [row], "classes": names}).formatted()
    [['setosa', '50', '0'], ['other', '1', '49']]
    """
    confusion = _best_row(result).get("confusion")
    if not result.get("classes") or not confusion:
        return None
    columns = ("class", *(f"component {c + 1}" for c in range(len(confusion[0]))))
    rows = [(name, *counts) for name, counts in zip(result["classes"]["names"], confusion)]
    caption = (
        f"Rows of each known class by component, in the best fit ({result['best']['method']})."
    )
    return Table(columns, tuple(rows), caption)


def _best_row(result: Mapping[str, Any]) -> Row:
    best = result.get("best") or {}
    same = [
        row
        for row in result["rows"]
        if (row["method"], row["start"]) == (best.get("method"), best.get("start"))
    ]
    return same[0] if same else {}


def _best_likelihood(result: Mapping[str, Any]) -> float:
    likelihoods = [row["log_likelihood"] for row in result["rows"] if succeeded(row)]
    return max(likelihoods, default=float("inf"))


def _columns(rows: Sequence[Row], num_starts: int) -> tuple[str, ...]:
    columns = ["method", *FIELDS]
    if not any(is_number(row.get("adjusted_rand_index")) for row in rows):
        columns.remove("adjusted Rand index")
    if not any(row.get("hessian_products") for row in rows):
        columns.remove("Hessian products")
    return (*columns, "reached", "starts") if num_starts > 1 else tuple(columns)


def _condensed(rows: Sequence[Row], best_likelihood: float) -> dict[str, Cell]:
    good = [row for row in rows if succeeded(row)]
    top = max(good, key=lambda row: row["log_likelihood"]) if good else rows[0]
    cells: dict[str, Cell] = {column: top.get(field) for column, field in FIELDS.items()}
    if len(rows) > 1:
        cells |= {column: _median(rows, FIELDS[column]) for column in MEDIANS}
        cells["compile seconds"] = max(_numbers(rows, "compile_seconds"), default=None)
        cells["outcome"] = _count_outcomes(rows)
    close = [row for row in good if best_likelihood - row["log_likelihood"] <= REACHED_WITHIN]
    return cells | {"reached": len(close), "starts": len(rows)}


def _numbers(rows: Sequence[Row], field: str) -> list[float]:
    return [row[field] for row in rows if is_number(row.get(field))]


def _median(rows: Sequence[Row], field: str) -> float | None:
    numbers = _numbers(rows, field)
    return statistics.median(numbers) if numbers else None


def _count_outcomes(rows: Sequence[Row]) -> str:
    counts = Counter(row["outcome"] for row in rows)
    if len(counts) == 1:
        return rows[0]["outcome"]
    return ", ".join(f"{outcome} {count}" for outcome, count in counts.most_common())
