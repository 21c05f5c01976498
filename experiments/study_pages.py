"""Numbers of the notes on studies, each from a key of its study's summary.

Run: python experiments/study_pages.py [FOLDER]
A number in such a note, [19][3], refers to the third of the keys at its end, [3]: <NAME.json#KEY>,
and a table stands under a comment that says of what it is; both are written anew from
experiments/results/studies/. With the folder of the studies' reports (`jaxmix report STUDY.toml`),
their summaries and the pictures that notes show are kept first.
"""

import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxmix.race.summarizing import value_at
from jaxmix.report.study_tables import flattened

HERE = Path(__file__).parent
RESULTS, NOTES = HERE / "results" / "studies", HERE.parent / "notes"
PICTURES = NOTES / "gallery" / "studies"

NUMBER = re.compile(r"\[([^\[\]]*)\]\[(\d+)\]")
KEY = re.compile(r"^\[(\d+)\]: <\.\./experiments/results/studies/(\w+)\.json#([^>]+)>$", re.M)
TABLE = re.compile(r"<!-- (\w+): (\w+)(?:, (.*?))? -->\n```text\n.*?```", re.S)
PICTURE = re.compile(r"\]\(gallery/studies/(\w+)/([\w.-]+)\)")


def pages() -> list[Path]:
    """The notes on studies."""
    return sorted(NOTES.glob("study-*.md"))


def kept(name: str) -> dict[str, Any]:
    """The summary of a study."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def shown(value: Any) -> str:
    """A value as notes have it: whole numbers as they are, others to three digits.

    A share or rate just below 1 has the digits of what it lacks; what is negative is a
    log-likelihood, to two decimals.

    >>> shown(1225), shown(26.0), shown(356.32), shown(4.5e-13), shown(0.995666), shown(None)
    ('1,225', '26', '356', '4.5e-13', '0.99567', 'never')
    >>> shown(-1989.94586)
    '-1,989.95'
    """
    if value is None or isinstance(value, str | bool):
        return "never" if value is None else str(value)
    if value < 0:
        return f"{value:,.2f}"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    if 0.9 < value < 0.9999:
        return f"{value:.{2 - math.floor(math.log10(1 - value))}f}".rstrip("0")
    return re.sub(r"e([-+])0*(\d)", r"e\1\2", f"{value:.3g}")


def written(page: str) -> str:
    """A page with its numbers and tables as the summaries have them."""
    keys = {label: (study, key) for label, study, key in KEY.findall(page)}

    def number(quote: re.Match[str]) -> str:
        study, key = keys[quote[2]]
        return f"[{shown(value_at(kept(study), key))}][{quote[2]}]"

    def table(block: re.Match[str]) -> str:
        head = block[0].split("\n")[0]
        lines = "\n".join(aligned(list(TABLES[block[1]](kept(block[2]), block[3] or ""))))
        return f"{head}\n```text\n{lines}\n```"

    return TABLE.sub(table, NUMBER.sub(number, page))


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]


def methods(summary: dict[str, Any], problem: str) -> Iterator[tuple[str, ...]]:
    """Methods on a problem: how many runs reach the last target, median passes to each."""
    rows = [
        (name, track, problems[problem])
        for name, tracks in summary["methods"].items()
        for track, problems in tracks.items()
        if problem in problems
    ]
    targets = list(rows[0][2]["targets"])
    yield ("", "runs", "failed", "reached", *(f"passes to {float(t):g}" for t in targets))
    for name, track, one in rows:
        own = one["targets"]
        passes = (shown(own[target]["median_passes"]) for target in targets)
        counts = (str(n) for n in (one["runs"], one["failed"], own[targets[-1]]["reached"]))
        label = name if track == "default" else f"{name}, {_settings(track, one)}"
        yield (label, *counts, *passes)


def problems(summary: dict[str, Any], target: str) -> Iterator[tuple[str, ...]]:
    """Problems with EM's rate and the median passes of every method to a target."""
    names = [(name, "default") for name in summary["methods"]]
    yield ("", "EM's rate", "steps a digit", *(name for name, _ in names))
    for problem, about in summary["problems"].items():
        cells = []
        for name, track in names:
            one = summary["methods"][name][track][problem]
            own = one["targets"][target]
            missed = one["runs"] - own["reached"]
            cells.append((f"({missed}) " if missed else "") + shown(own["median_passes"]))
        rate, digit = about["em_rate"], about["em_steps_per_digit"]
        yield (problem, shown(rate), shown(digit), *cells)


def measurements(summary: dict[str, Any], name: str) -> Iterator[tuple[str, ...]]:
    """What a study measures, a column a problem."""
    measured = summary["measurements"][name]
    rows = [dict(flattened(one)) for one in measured.values()]
    yield ("", *measured)
    for quantity in (key for key, value in rows[0].items() if not isinstance(value, list)):
        yield (quantity, *(shown(row.get(quantity)) for row in rows))


TABLES = {"methods": methods, "problems": problems, "measurements": measurements}


def _settings(track: str, one: dict[str, Any]) -> str:
    rate = one["settings"].get("learning_rate")
    return f"tuned to {rate:g}" if track == "tuned" else f"{rate:g}"


def keep(reports: Path) -> None:
    """Keep the summaries of reports, and the pictures of them that notes show."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for report in sorted(reports.glob("*-report")):
        name = report.name.removesuffix("-report")
        shutil.copyfile(report / "summary.json", RESULTS / f"{name}.json")
    for page in pages():
        for name, picture in PICTURE.findall(page.read_text()):
            source = reports / f"{name}-report" / "figures" / picture
            if source.exists():
                (PICTURES / name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, PICTURES / name / picture)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        keep(Path(sys.argv[1]))
    for page in pages():
        page.write_text(written(page.read_text()))
