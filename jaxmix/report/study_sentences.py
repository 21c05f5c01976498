"""What the page of a study says first: what was compared, how, and what went wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxmix.report.page import listed, stop_rule
from jaxmix.report.study_tables import last_line, settings_text

Content = Mapping[str, Any]

FEW = 4
"""Problems that sentences name one by one; of more, tables say it."""


def sentences(content: Content, summary: Content) -> list[str]:
    """Paragraphs of a study's page, as text.

    Args:
        content: of results.json.
        summary: of summary.json.
    """
    if not content["runs"] and not content["measurements"]:
        left = f" {content['left']} of its runs are not finished." if content["left"] else ""
        return [f"No run of this study has finished yet.{left} `jaxmix run` makes them."]
    races = (_compared, _budget, _reference, _failures, _tracks) if content["runs"] else ()
    parts = (*races, _measured, _left, _machines)
    return [paragraph for part in parts for paragraph in part(content, summary)]


def _compared(content: Content, _: Content) -> Iterator[str]:
    methods = list(dict.fromkeys(run["method"] for run in content["runs"]))
    problems = [one for one in content["problems"] if one["k"] is not None]
    noun = "problem" if len(problems) == 1 else "problems"
    names = "; ".join(map(_named, problems)) if len(problems) <= FEW else "the table has them all"
    yield (
        f"{listed(methods)} {'was' if len(methods) == 1 else 'were'} run on {len(problems)} "
        f"{noun}: {names}. Every method goes from the same "
        f"starts, {len(content['seeds'])} a problem (from {_seeds(content['seeds'])}), "
        f"in {content['precision']}; what "
        "it has found is evaluated in float64, outside of the time that counts."
    )


def _seeds(seeds: Sequence[int]) -> str:
    """Seeds one by one, or where three and more follow one another, from which to which."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _named(problem: Content) -> str:
    size = "" if problem["rows"] is None else f"{problem['rows']} rows, "
    ridge = f", ridge {problem['ridge']:g}" if problem["ridge"] else ""
    about = f"k = {problem['k']}, {problem['family']}, {problem['start']} starts"
    return f"{problem['name']} ({size}{about}{ridge})"


def _budget(content: Content, _: Content) -> Iterator[str]:
    units = {"passes": "passes over the data", "seconds": "seconds of compute"}
    limits = [f"{content['budget'][u]:g} {w}" for u, w in units.items() if content["budget"][u]]
    targets = listed([f"{target:g}" for target in content["targets"]])
    verb = "target is" if len(content["targets"]) == 1 else "targets are"
    yield (
        f"The budget of a run is {' or '.join(limits)}. Its own stopping rule does not end it but "
        f"is marked: {stop_rule(content['stop'])}. The {verb} {targets} nats below the "
        "problem's reference."
    )


def _reference(content: Content, summary: Content) -> Iterator[str]:
    known = [one for one in content["problems"] if one["reference"] is not None]
    values = listed([f"{one['reference']:.5f} for {one['name']}" for one in known])
    if len(known) > FEW:
        values = "as the table of problems has it"
    starts, steps = (content["reference"][name] for name in ("starts", "max_steps"))
    yield (
        "A problem's reference is the best objective that is known of it: that of a dedicated run, "
        f"EM from {starts} starts for at most {steps} steps and SQUAREM from the best end, or of a "
        "run of this study that came out higher. Degenerate and failed runs never set it. "
        + (f"It is, in nats, {values}." if values else "None is known yet.")
    )
    for one in content["problems"]:
        if one["reference"] is None:
            yield f"No run on {one['name']} is usable: it has no reference, and no figure."
        elif one["dedicated"] is None:
            yield (
                f"No dedicated run on {one['name']} has come to its end: its reference is only the "
                "best of the runs shown here."
            )
    for one in summary["beaten"]:
        settings = f" with {settings_text(one['settings'])}" if one["settings"] else ""
        yield (
            f"The dedicated reference was beaten on {one['problem']}: {one['method']}{settings} "
            f"from seed {one['seed']} (run {one['run']}) came out {one['nats']:.3g} nats above it, "
            "and is the reference here."
        )


def _failures(content: Content, summary: Content) -> Iterator[str]:
    counts = summary["runs"]
    if not counts["failed"]:
        yield f"None of the {counts['finished']} runs failed."
        return
    few = len(content["problems"]) <= FEW

    def where(run: Content) -> str:
        return f" on {run['problem']}" if few else ""

    failed = [
        (run["outcome"], last_line(run["error"]), run["method"] + where(run))
        for run in content["runs"]
        if run["track"] != "tuned" and run["outcome"] not in ("BUDGET", "STOPPED")
    ]
    yield (
        f"{counts['failed']} of {counts['finished']} runs failed. They count in every denominator, "
        "and as infinite in every median."
    )
    for outcome, message in dict.fromkeys(one[:2] for one in failed):
        who = Counter(one[2] for one in failed if one[:2] == (outcome, message))
        runs = listed([f"{number} of {name}" for name, number in who.items()])
        yield f"{outcome}{f' ({message})' if message else ''}: {runs}."


def _tracks(content: Content, _: Content) -> Iterator[str]:
    if not content["tuning"]:
        return
    seeds = ", ".join(map(str, content["tuning_seeds"]))
    choices = [
        f"{one['method']} on {one['problem']}: {settings_text(one['settings'])}, of {one['tried']} "
        f"tried, for {one['passes']:g} passes and {one['seconds']:.3g} seconds in all"
        for one in content["tuning"]
    ]
    both = set(content["seeds"]) & set(content["tuning_seeds"])
    shared = (
        f" Seeds {', '.join(map(str, sorted(both)))} served to tune and to compare." if both else ""
    )
    yield (
        "Default and tuned settings are separate tracks. Tuned ones are those of a grid that did "
        f"best on the tuning seeds {seeds}, whose cost comes on top: {'; '.join(choices)}.{shared}"
    )


def _measured(content: Content, _: Content) -> Iterator[str]:
    for name in dict.fromkeys(one["name"] for one in content["measurements"]):
        own = [one for one in content["measurements"] if one["name"] == name]
        failed = [f"{one['problem']}: {last_line(one['error'])}" for one in own if one["error"]]
        words = f"; on {len(failed)} it failed ({'; '.join(failed)})" if failed else ""
        noun = "problem" if len(own) == 1 else "problems"
        yield f"{name} was measured on {len(own)} {noun}{words}."


def _left(content: Content, _: Content) -> Iterator[str]:
    if content["left"]:
        yield f"{content['left']} runs of the study are not finished; nothing here counts them."


def _machines(content: Content, _: Content) -> Iterator[str]:
    kinds = machines(content)
    if kinds:
        yield f"Seconds were taken on {'; '.join(kinds)}."
    if len(kinds) > 1:
        yield (
            f"The runs were made under {len(kinds)} different circumstances: seconds cannot be "
            "compared between them, passes can."
        )


def machines(content: Content) -> list[str]:
    """The devices, threads and versions that runs were made with, each kind once."""
    kinds = []
    for one in content["circumstances"]:
        versions = one["versions"] or {}
        words = ", ".join(f"{name} {version}" for name, version in versions.items())
        kinds.append(f"{one['device']} with {one['threads']} threads ({words})")
    return list(dict.fromkeys(kinds))
