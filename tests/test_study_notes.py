"""The notes on studies quote what the studies found: every number is its key's."""

import json
import re
import runpy
from pathlib import Path

import pytest

from jaxmix.race.entries import entries
from jaxmix.race.study import read_study

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "experiments" / "studies").glob("*.toml"))
TOOL = runpy.run_path(str(ROOT / "experiments" / "study_pages.py"))
PAGES = {path.name: path.read_text() for path in TOOL["pages"]()}


def test_every_study_has_a_page():
    expected = {f"study-{path.stem.replace('_', '-')}.md" for path in STUDIES}
    assert expected == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_number_and_table_is_that_of_its_key(name):
    assert TOOL["written"](PAGES[name]) == PAGES[name]
    keys = TOOL["KEY"].findall(PAGES[name])
    assert {label for label, *_ in keys} == {q[1] for q in TOOL["NUMBER"].findall(PAGES[name])}
    assert len({(study, key) for _, study, key in keys}) == len(keys) > 4
    studies = {study for _, study, _ in keys}
    assert name.removeprefix("study-").removesuffix(".md").replace("-", "_") in studies


@pytest.mark.parametrize("name", PAGES)
def test_no_number_of_a_page_lacks_a_key(name):
    """But settings, in code or in formulas, names of methods, and other notes' equations."""
    text = re.sub(r"```.*?```|<!--.*?-->", "", PAGES[name], flags=re.S)
    text = TOOL["NUMBER"].sub("", TOOL["KEY"].sub("", text))
    text = re.sub(r"`[^`]*`|\$[^$]*\$|!?\[[^]]*\]\([^)]*\)|eq\. \d+", "", text)
    assert not re.findall(r"\S*\d\S*", text)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_summary_is_of_the_whole_study_as_it_stands(path):
    study, summary = read_study(path), TOOL["kept"](path.stem)
    asked = entries(study)
    assert summary["title"] == study.title
    assert list(summary["problems"]) == list(dict.fromkeys(one.problem for one in asked))
    races = sum(one.kind == "race" for one in asked)
    assert (summary["runs"]["finished"], summary["runs"]["left"]) == (races, 0)
    for tracks in summary["methods"].values():
        for problems in tracks.values():
            for one in problems.values():
                assert list(map(float, one["targets"])) == list(study.targets)


def test_a_wrong_number_is_noticed(tmp_path, monkeypatch):
    summary = {"methods": {"Adam (Fisher)": {"tuned": {"p": {"reached": 1234, "gap": 0.05126}}}}}
    (tmp_path / "made_up.json").write_text(json.dumps(summary))
    monkeypatch.setitem(TOOL["written"].__globals__, "RESULTS", tmp_path)

    keys = [f"made_up.json#methods.Adam (Fisher).tuned.p.{name}" for name in ("reached", "gap")]
    ends = "".join(
        f"[{number}]: <../experiments/results/studies/{key}>\n" for number, key in enumerate(keys)
    )
    right = f"[1,234][0] of [0.0513][1]\n\n{ends}"
    assert TOOL["written"](right) == right
    assert TOOL["written"](right.replace("1,234", "1,243")) == right
    with pytest.raises(ValueError, match="path of a value"):
        TOOL["written"](right.replace("reached", "arrived"))


def test_values_are_shown_to_three_digits():
    shown = [TOOL["shown"](value) for value in (1225, 26.0, 356.32, 4.5e-13, 0.995666, 0.96)]
    assert shown == ["1,225", "26", "356", "4.5e-13", "0.99567", "0.96"]
    assert [TOOL["shown"](value) for value in (0.0, None, -1529.7)] == ["0", "never", "-1,529.70"]
