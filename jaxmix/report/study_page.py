"""The page of a study: one HTML file that opens offline and asks for nothing.

The same pictures as in print, as SVG in which methods are shown and hidden; tables that are sorted
by their heads; and a player of the mixtures on their way, from one start.
"""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from jaxmix.report.page import asset, html_facts, html_player, script_json, whole_page
from jaxmix.report.pictures import Look, Picture
from jaxmix.report.study_sentences import machines, sentences
from jaxmix.report.study_tables import settings_text
from jaxmix.report.svg import panel_svg, sample
from jaxmix.report.writers import Table

HEADS = {
    "methods": "Where methods end",
    "targets": "Targets",
    "problems": "Problems",
    "tuning": "What tuning cost",
    "measurements": "Measurements",
    "runs": "All runs",
}
"""Tables of the page, in order; evaluations are in a file alone."""

MANY_ROWS = 50
"""From how many rows on a table is folded."""

DIGITS = 6
"""Of the player's numbers, enough for a screen."""

Content = Mapping[str, Any]


def study_html(
    content: Content,
    summary: Content,
    tables: Mapping[str, Table],
    pictures: Sequence[Picture],
    people: Sequence[Look],
    paths: Sequence[Content],
) -> str:
    """The page of a study as one self-contained HTML text, the same for the same runs.

    Args:
        content: of results.json.
        summary: of summary.json.
        tables: by name.
        pictures: in their order.
        people: the looks of methods and tracks, by number.
        paths: of one start, as `jaxmix.race.paths.paths_of` returns them.
    """
    shown = scenes(content, paths)
    said = "\n".join(f"<p>{escape(text)}</p>" for text in sentences(content, summary))
    drawn = "\n".join(_figure(picture, people) for picture in pictures)
    made = {name: _table(HEADS[name], tables[name]) for name in HEADS if name in tables}
    body = Template(asset("study.html")).substitute(
        introduction=said,
        measured=made.pop("methods", ""),
        figures=f"<h2>Figures</h2>\n{drawn}" if drawn else "",
        player=_player(shown, content) if shown else "",
        tables="\n".join(made.values()),
        facts=html_facts(_facts(content)),
    )
    script = asset("study.js") + (
        asset("player.js").removeprefix('"use strict";\n') if shown else ""
    )
    title = f"jaxmix study: {content['title']}"
    return whole_page(title, body, script_json({"scenes": shown}), script, asset("study.css"))


def scenes(content: Content, paths: Sequence[Content]) -> list[dict[str, Any]]:
    """What the player shows: a scene a problem, of its default and tuned settings.

    Args:
        content: of results.json.
        paths: with grids, of which the tuned settings are kept.
    """
    chosen = {(one["problem"], one["method"]): one["settings"] for one in content["tuning"]}
    found = []
    for one in paths:
        problem, kept = one["problem"], []
        for path in one["paths"]:
            tuned = chosen.get((problem, path["method"])) == path["settings"]
            if path["track"] == "default" or tuned:
                kept.append((path, "" if path["track"] == "default" else ", tuned"))
        data = {"name": problem, "columns": one["columns"], "points": _rounded(one["points"])}
        scene = {
            "data": data,
            "measures": ["objective", "gap to the reference"],
            "paths": [_path(path, note) for path, note in kept],
            "traces": [_trace(content, problem, path, note) for path, note in kept],
        }
        found += [scene] if kept else []
    return found


def _path(path: Content, note: str) -> dict[str, Any]:
    parts = {key: _rounded(path[key]) for key in ("weights", "means", "covariances")}
    return {"method": path["method"] + note, "start": 0, "steps": path["step"], **parts}


def _trace(content: Content, problem: str, path: Content, note: str) -> dict[str, Any]:
    """The numbers that the player says of a path; none where the run is not there."""
    known = {one["name"]: one["reference"] for one in content["problems"]}[problem]
    own: Content = next(
        (
            run["trace"]
            for run in content["runs"]
            if (run["problem"], run["seed"]) == (problem, content["seeds"][0])
            if all(run[key] == path[key] for key in ("method", "track", "settings"))
        ),
        {"step": [], "objective": []},
    )
    gaps = [None if None in (known, v) else known - v for v in own["objective"]]
    about = {"method": path["method"] + note, "start": 0, "steps": own["step"]}
    return about | {"objective": own["objective"], "gap": gaps}


def _rounded(values: Any) -> Any:
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return values if values is None else float(f"{values:.{DIGITS}g}")


def _player(shown: Sequence[Content], content: Content) -> str:
    seed = content["seeds"][0]
    note = (
        f"From seed {seed}. Ellipses lie at 1 and 2 standard deviations in the first two columns, "
        "crosses mark the means; with one column, weighted densities."
    )
    return f"<h2>Step by step</h2>\n{html_player(note, keys='inside')}\n"


def _figure(picture: Picture, people: Sequence[Look]) -> str:
    buttons = "".join(
        f'<button type="button" class="who" data-who="{who}" aria-pressed="true">'
        f"{sample(people[who])}{escape(people[who].label)}</button>"
        for who in picture.people
    )
    panels = "\n".join(
        f'<div class="panel">{f"<p>{escape(panel.title)}</p>" if panel.title else ""}'
        f"{panel_svg(panel, people)}</div>"
        for panel in picture.panels
    )
    return (
        f'<figure id="figure-{picture.name}">\n<h3>{escape(picture.title)}</h3>\n'
        f'<div class="legend" role="group" aria-label="Methods to show">{buttons}</div>\n'
        f'<div class="panels">\n{panels}\n</div>\n'
        f"<figcaption>{escape(picture.caption)}</figcaption>\n</figure>"
    )


def _table(head: str, table: Table) -> str:
    if len(table.rows) < MANY_ROWS:
        return f"<h2>{head}</h2>\n{table.to_html()}"
    summary = f"<summary>{len(table.rows)} rows</summary>"
    return f"<h2>{head}</h2>\n<details>{summary}\n{table.to_html()}</details>\n"


def _facts(content: Content) -> dict[str, str]:
    facts = {}
    for one in content["problems"]:
        parts = [f"{key} {one[key]}" for key in ("source", "sha256") if one.get(key)]
        parts += [settings_text(one["settings"])] if one["settings"] else []
        facts[one["name"]] = "; ".join(parts) or "no run of it has finished"
    for number, kind in enumerate(machines(content), 1):
        facts["machine" if number == 1 else f"machine {number}"] = kind
    commits = [one["git"] for one in content["circumstances"] if one.get("git")]
    names = [one["commit"] + (" and changes" if one["dirty"] else "") for one in commits]
    return facts | ({"commit": ", ".join(dict.fromkeys(names))} if names else {})
