"""The page of a comparison: one HTML file that opens offline and asks for nothing.

Style, script, figures and the whole result are written into it; its player draws the
recorded steps from that same result, so that what is seen is what is in result.json.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from jaxmix.plain_values import nulls
from jaxmix.report.drawing import COLORS, describe
from jaxmix.report.tables import comparison_table, confusion_table

STOP_RULES = {
    "gap": "the gap, the nats of log-likelihood that one more EM step promises, is at most {tol}",
    "mean": "a step changes the log-likelihood a row of the data by at most {tol}",
    "total": "a step changes the log-likelihood by at most {tol}",
    "relative": "a step changes the log-likelihood by at most {tol} times its size",
    "gradient": "the norm of the gradient is at most {tol}",
    "parameters": "a step changes the parameters by at most {tol} times their norm",
}

CAPTIONS = {
    "ellipses": "The components of each method at the start, after early steps, and at the end; "
    "a component has one color everywhere.",
    "gaps": "How far each method is from the best log-likelihood seen by any of them, against "
    "steps, passes over the data and seconds. Left and below is better.",
    "paths": "The paths of all methods from one start (square) to their ends (circles) over the "
    "contours of a likelihood whose only free parameters are two means.",
}


def page_html(result: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """The report of a comparison as one self-contained HTML text, the same for the same result.

    Args:
        result: the content of result.json.
        images: PNG files by name, as `figure_files` gives them; other files are left out.
    """
    confusion = confusion_table(result)
    title = f"jaxmix comparison: {describe(result)}"
    body = Template(asset("comparison.html")).substitute(
        introduction=escape(introduction(result)),
        tables=comparison_table(result).to_html() + (confusion.to_html() if confusion else ""),
        player=html_player(_player_note(result)),
        figures="\n".join(
            _html_figure(name.removesuffix(".png"), image)
            for name, image in images.items()
            if name.endswith(".png")
        ),
        settings=html_facts(_facts(result)),
    )
    return whole_page(title, body, embedded_json(result), asset("player.js"))


def whole_page(title: str, body: str, result: str, script: str, css: str = "") -> str:
    """A page that opens offline and asks for nothing.

    Args:
        title: as text.
        body: HTML below the title.
        result: JSON for the script, as `script_json` writes it.
        script: what runs at the end.
        css: more style beside every page's own.
    """
    return Template(asset("page.html")).substitute(
        title=escape(title), body=body, result=result, css=asset("page.css") + css, script=script
    )


def html_player(note: str, keys: str = "everywhere") -> str:
    """The player's section: where `player.js` draws.

    Args:
        note: what its pictures show, as text.
        keys: "inside" where arrow keys are its own only while it has the focus.
    """
    place = {"colors": " ".join(COLORS), "note": escape(note), "keys": keys}
    return Template(asset("player.html")).substitute(place)


def introduction(result: Mapping[str, Any]) -> str:
    """Say in one paragraph what was compared: data, model, starts, and when methods stop."""
    data, stop = result["data"], result["stop"]
    num_starts = len({row["start"] for row in result["rows"]})
    starts = "the same start" if num_starts <= 1 else f"the same {num_starts} starts"
    rule = stop_rule(stop)
    return (
        f"A mixture of {result['k']} Gaussian components with {result['family']} covariances was "
        f"fitted to {data['name']} ({data['n']} rows; columns {', '.join(data['columns'])}) by "
        f"{listed(result['methods'])}, from {starts} (seed {result['seed']}). "
        f"Every method stops when {rule}, or after {stop['max_steps']} steps. "
        f"{_best_sentence(result)}"
    )


def stop_rule(stop: Mapping[str, Any]) -> str:
    """A stopping rule and its tolerance in words."""
    return STOP_RULES[stop["rule"]].format(tol=f"{stop['tol']:g}")


def _best_sentence(result: Mapping[str, Any]) -> str:
    best = result.get("best") or {}
    if best.get("log_likelihood") is None:
        return "No method ended with a usable fit."
    return f"The best log-likelihood, {best['log_likelihood']:.5f} nats, is {best['method']}'s."


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _player_note(result: Mapping[str, Any]) -> str:
    columns = result["data"]["columns"]
    if len(columns) == 1:
        return "Curves are weighted component densities, and their sum in black."
    more = f" in the first two of {len(columns)} columns" if len(columns) > 2 else ""
    return f"Ellipses lie at 1 and 2 standard deviations{more}; crosses mark the means."


def embedded_json(result: Mapping[str, Any]) -> str:
    r"""The result as JSON that is safe inside a script element.

    Every "<" is escaped and NaN and infinities are null. Of the traces only those of starts
    with a recorded path are kept, all that the player shows; twenty starts would make the
    page too large to open.

    >>> embedded_json({"name": "</script>", "gap": float("nan"), "paths": [], "traces": []})
    '{"name":"\\u003c/script>","gap":null,"paths":[],"traces":[]}'
    """
    starts = {path["start"] for path in result["paths"]}
    kept = [trace for trace in result["traces"] if trace["start"] in starts]
    return script_json({**result, "traces": kept})


def script_json(value: Any) -> str:
    """JSON that is safe inside a script element; NaN and infinities are null."""
    text = json.dumps(nulls(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def asset(name: str) -> str:
    """The text of a file that pages are made of."""
    return files("jaxmix.report").joinpath("assets", name).read_text(encoding="utf-8")


def _html_figure(name: str, png: bytes) -> str:
    image = base64.b64encode(png).decode("ascii")
    return (
        f'<figure id="figure-{name}"><div class="wide"><img alt="{escape(CAPTIONS[name])}" '
        f'src="data:image/png;base64,{image}"></div>'
        f"<figcaption>{escape(CAPTIONS[name])}</figcaption></figure>"
    )


def _facts(result: Mapping[str, Any]) -> dict[str, str]:
    data = result["data"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    machine = f"{result['device']}, {result['threads']} threads, {result['dtype']}"
    source = {"data source": data["source"]} if data.get("source") else {}
    return {**result["settings"], **source, "data sha256": data["sha256"], "versions": versions,
            "device": machine, "seed": str(result["seed"])}  # fmt: skip


def html_facts(facts: Mapping[str, str]) -> str:
    """Names and values in a table."""
    rows = "\n".join(
        f'<tr><th class="text">{escape(name)}</th><td class="text">{escape(str(fact))}</td></tr>'
        for name, fact in facts.items()
    )
    return f'<table class="facts">\n{rows}\n</table>'
