"""The folder of a study's report: results and summary, tables, figures and the page.

Everything is derived from the runs, and the same bytes each time it is made from the same ones.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jaxmix.plain_values import nulls
from jaxmix.report.pictures import looks
from jaxmix.report.study_figures import figure_files
from jaxmix.report.study_page import study_html
from jaxmix.report.study_pictures import study_pictures
from jaxmix.report.study_shown import Shown
from jaxmix.report.study_tables import study_tables, table_files


def study_files(
    content: Mapping[str, Any],
    summary: Mapping[str, Any],
    courses: Mapping[str, Any],
    paths: Sequence[Mapping[str, Any]],
) -> dict[str, str | bytes]:
    """All files of a report by their names.

    Args:
        content: as `jaxmix.race.collecting.collected` returns it.
        summary: of it, by `jaxmix.race.summarizing.summarized`.
        courses: of it, by `jaxmix.race.curves.courses`.
        paths: as `jaxmix.race.paths.paths_of` returns them.
    """
    tables = study_tables(content, summary)
    pictures = study_pictures(Shown(content, summary, courses))
    people = looks([(one["method"], one["label"]) for one in courses["who"]])
    figures = figure_files(pictures, people)
    return {
        "results.json": written(content),
        "summary.json": written(summary),
        **{f"tables/{name}": text for name, text in table_files(tables).items()},
        **{f"figures/{name}": image for name, image in figures.items()},
        "report.html": study_html(content, summary, tables, pictures, people, paths),
    }


def written(values: Any) -> str:
    """Plain values as a JSON file."""
    return json.dumps(nulls(values), indent=1, allow_nan=False) + "\n"
