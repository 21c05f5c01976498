"""The folder of a comparison: result.json, tables, traces, figures and the page.

Everything is made from the one result, so that a folder can be made again from its result.json.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxmix.plain_values import nulls
from jaxmix.report.figures import figure_files
from jaxmix.report.page import page_html
from jaxmix.report.tables import comparison_table
from jaxmix.report.writers import write_files

TRACE_COLUMNS = ("objective", "gap", "passes", "seconds")


def write_folder(result: Mapping[str, Any], folder: str | Path) -> list[str]:
    """Write a comparison's result, tables, traces, figures and page.

    Args:
        result: the content of result.json, as `jaxmix.race.compare` returns it.
        folder: made if it does not exist; files of the same names are replaced.

    Returns:
        Names of the files written.

    Raises:
        ValueError: if the folder cannot be written.
    """
    table, images = comparison_table(result), figure_files(result)
    texts = {
        "result.json": json.dumps(nulls(result), indent=1, allow_nan=False),
        "table.csv": table.to_csv(),
        "table.md": table.to_markdown(),
        "table.tex": table.to_latex(),
        "traces.csv": _traces(result),
        "report.html": page_html(result, images),
    }
    return write_files(texts | images, folder)


def _traces(result: Mapping[str, Any]) -> str:
    """One row a method, start and step, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "start", "step", *TRACE_COLUMNS])
    for trace in result["traces"]:
        columns = [trace[name] for name in TRACE_COLUMNS]
        for step, values in enumerate(zip(*columns, strict=True)):
            writer.writerow([trace["method"], trace["start"], step, *values])
    return text.getvalue()
