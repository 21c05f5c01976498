"""The tables of a study: runs, their evaluations, methods, targets, tuning, measurements.

A tuned run is one of its grid's and has no row of its own; what is compared has, a row for each
method, track and problem.
"""

import io
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from jaxmix.report.writers import Cell, Table, is_number

Content = Mapping[str, Any]

TRACE = {
    "step": "step",
    "passes": "passes",
    "gradients": "gradients",
    "hessian_products": "Hessian products",
    "seconds": "seconds",
    "objective": "objective",
    "gap": "EM gap",
}
"""Columns of an evaluation, by their names in results.json."""

BARE = ("trace",)
"""Tables too long for a page of text: csv and parquet alone."""


def study_tables(content: Content, summary: Content) -> dict[str, Table]:
    """The tables of a study by name.

    Args:
        content: of results.json.
        summary: of summary.json.
    """
    tables = {
        "problems": _problems(summary),
        "methods": _methods(summary),
        "targets": _targets(summary),
        "runs": _runs(content),
        "trace": _trace(content),
        "tuning": _tuning(content),
        "measurements": _measurements(summary),
    }
    return {name: table for name, table in tables.items() if table.rows}


def table_files(tables: Mapping[str, Table]) -> dict[str, str | bytes]:
    """Every table as csv, parquet, LaTeX and Markdown, by file name.

    Parquet needs pyarrow: without it a line on stderr says that it is left out.
    """
    found: dict[str, str | bytes] = {}
    for name, table in tables.items():
        found[f"{name}.csv"] = table.to_csv()
        if name not in BARE:
            found |= {f"{name}.tex": table.to_latex(), f"{name}.md": table.to_markdown()}
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        print("without pyarrow: parquet files are left out", file=sys.stderr)
        return found
    return found | {f"{name}.parquet": parquet(table) for name, table in tables.items()}


def parquet(table: Table) -> bytes:
    """A table as a parquet file; where no finite number is, null."""
    import pyarrow as pa
    from pyarrow import parquet as files

    columns = [[row[i] for row in table.rows] for i in range(len(table.columns))]
    arrays = [
        pa.array([v if isinstance(v, str) or is_number(v) else None for v in column], _kind(column))
        for column in columns
    ]
    content = io.BytesIO()
    files.write_table(pa.table(arrays, names=list(table.columns)), content)
    return content.getvalue()


def _kind(column: list[Cell]) -> Any:
    """Text, whole numbers, or numbers."""
    import pyarrow as pa

    if any(isinstance(cell, str) for cell in column):
        return pa.string()
    whole = column and all(isinstance(cell, int) for cell in column)
    return pa.int64() if whole else pa.float64()


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings in a cell.

    >>> settings_text({"learning_rate": 0.1})
    'learning_rate=0.1'
    """
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def last_line(error: str | None) -> str:
    """What a traceback ends with."""
    lines = (error or "").strip().splitlines()
    return lines[-1] if lines else ""


def _once(content: Content) -> Iterator[Content]:
    return (run for run in content["runs"] if run["track"] != "tuned")


def _about(run: Content) -> tuple[Cell, ...]:
    about = tuple(run[key] for key in ("run", "problem", "method", "track"))
    return (*about, settings_text(run["settings"]), run["seed"])


ABOUT = ("run", "problem", "method", "track", "settings", "seed")


def _runs(content: Content) -> Table:
    known = {one["name"]: one["reference"] for one in content["problems"]}
    rows = []
    for run in _once(content):
        trace = run["trace"]
        last = {key: trace[key][-1] if trace[key] else None for key in TRACE}
        stop = (run["own_stop"] or {}).get("passes")
        ends = [last[key] for key in list(TRACE)[:-1]]
        gap = _below(known[run["problem"]], last["objective"])
        end = (*ends, gap, stop, run["compile_seconds"])
        rows.append((*_about(run), run["outcome"], last_line(run["error"]), *end))
    columns = (*ABOUT, "outcome", "error", *list(TRACE.values())[:-1])
    caption = (
        "One row a run; objective and final gap, to the reference, are those of its last "
        "evaluation in nats. Stop passes: where the method's own rule would have ended it."
    )
    columns = (*columns, "final gap", "stop passes", "compile seconds")
    return Table(columns, tuple(rows), caption)


def _below(reference: float | None, objective: float | None) -> float | None:
    return None if reference is None or objective is None else reference - objective


def _trace(content: Content) -> Table:
    known = {one["name"]: one["reference"] for one in content["problems"]}
    rows = [
        (*_about(run), *row, _below(known[run["problem"]], objective))
        for run in _once(content)
        for row, objective in zip(
            zip(*(run["trace"][key] for key in TRACE)), run["trace"]["objective"]
        )
    ]
    columns = (*ABOUT, *TRACE.values(), "reference gap")
    return Table(columns, tuple(rows), "One row an evaluation; nats.")


def _groups(summary: Content) -> Iterator[tuple[tuple[str, str, str], Content]]:
    """What is said of everybody, problem by problem."""
    for problem in summary["problems"]:
        for method, tracks in summary["methods"].items():
            for track, problems in tracks.items():
                if problem in problems:
                    yield (problem, method, track), problems[problem]


def _problems(summary: Content) -> Table:
    keys = ("k", "family", "start", "rows", "num_parameters", "reference", "dedicated")
    keys += ("em_rate", "em_steps_per_digit")
    rows = tuple((name, *(one[key] for key in keys)) for name, one in summary["problems"].items())
    caption = (
        "The best objective that is known, and that of the dedicated run. There an EM step "
        "multiplies an error by EM's rate, in the end: so many steps a decimal digit."
    )
    columns = ("k", "family", "start", "rows", "parameters", "reference", "dedicated run")
    columns += ("EM's rate", "EM steps a digit")
    return Table(("problem", *columns), rows, caption)


def _methods(summary: Content) -> Table:
    columns = (
        *("problem", "method", "track", "runs", "failed", "final gap", "low gap", "high gap"),
        *("stopped", "stop passes", "stop gap", "fixed seconds", "pass seconds", "spread seconds"),
    )
    rows = []
    for about, one in _groups(summary):
        gap, stop, model = one["final_gap"], one["own_stop"], one["cost_model"] or {}
        gaps = (gap[key] for key in ("median", "low", "high"))
        stops = (stop[key] for key in ("runs", "median_passes", "median_gap"))
        times = (model.get(key) for key in ("seconds", "seconds_per_pass", "spread_seconds"))
        rows.append((*about, one["runs"], one["failed"], *gaps, *stops, *times))
    caption = (
        "Medians over the starts. Final gap: nats below the reference at the end of the budget, "
        "with its 95% bootstrap interval; a failed run counts as infinite. Stopped: runs whose own "
        "rule held, at how many passes, and the gap last seen by then. Seconds = fixed + passes x "
        "pass seconds by least squares, with the root mean square residual."
    )
    return Table(columns, tuple(rows), caption)


def _targets(summary: Content) -> Table:
    keys = {
        "reached": "reached",
        "share": "share",
        "low": "low share",
        "high": "high share",
        "median_passes": "median passes",
        "median_seconds": "median seconds",
        "expected_passes": "expected passes",
        "expected_seconds": "expected seconds",
    }
    rows = [
        (*about, float(target), one["runs"], *(numbers[key] for key in keys))
        for about, one in _groups(summary)
        for target, numbers in one["targets"].items()
    ]
    caption = (
        "How many runs came within the target, in nats below the reference, with the 95% Wilson "
        "interval of their share. Medians count runs that never did as infinite; expected is the "
        "running time with restarts until success, all cost over the number of successes. A run "
        "is evaluated at steps that grow by 15%, and a target counts as reached at the first."
    )
    columns = ("problem", "method", "track", "target", "runs", *keys.values())
    return Table(columns, tuple(rows), caption)


def _tuning(content: Content) -> Table:
    keys = ("tried", "runs", "passes", "gradients", "hessian_products", "seconds")
    rows = tuple(
        (
            *(one["problem"], one["method"], settings_text(one["settings"])),
            *(one[key] for key in keys),
        )
        for one in content["tuning"]
    )
    seeds = ", ".join(map(str, content["tuning_seeds"]))
    caption = f"The settings that did best on the tuning seeds {seeds}, and what trying all cost."
    columns = ("problem", "method", "chosen settings", "tried", "runs", "passes", "gradients")
    return Table((*columns, "Hessian products", "seconds"), rows, caption)


def _measurements(summary: Content) -> Table:
    rows = tuple(
        (name, problem, quantity, value)
        for name, problems in summary["measurements"].items()
        for problem, measured in problems.items()
        for quantity, value in flattened(measured or {})
        if is_number(value)
    )
    columns = ("measurement", "problem", "quantity", "value")
    return Table(columns, rows, "Numbers that the study measures besides its races.")


def flattened(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values, those within values joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
