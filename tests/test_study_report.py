"""The report of a study: numbers worked out by hand, files that repeat, a page in a browser."""

import csv
import io
import json
import re

import numpy as np
import pytest
from browser import needs_chromium, started

from jaxmix.cli.main import main
from jaxmix.race.curves import courses
from jaxmix.race.summarizing import summarized, value_at
from jaxmix.report.pictures import Axis, Line, Panel, Picture, looks
from jaxmix.report.study_figures import figure_files
from jaxmix.report.study_folder import study_files
from jaxmix.report.study_page import study_html
from jaxmix.report.study_pictures import study_pictures
from jaxmix.report.study_sentences import sentences
from jaxmix.report.study_shown import Shown
from jaxmix.report.study_tables import parquet, study_tables
from jaxmix.report.svg import panel_svg
from jaxmix.report.writers import Table

REFERENCES = {"p": -10.0, "q": -20.0}
ATTACK = "</script><b onclick=x>\"'"


def run(problem, method, track, seed, passes, gaps, **more):
    known = REFERENCES[problem]
    trace = {
        "step": list(range(len(gaps))),
        "passes": passes,
        "gradients": [0 if method == "EM" else p for p in passes],
        "hessian_products": [0] * len(gaps),
        "seconds": [p / 4 for p in passes],
        "objective": [None if g is None else known - g for g in gaps],
        "gap": gaps,
    }
    about = {"run": f"{problem}-{method}-{track}-{seed}", "problem": problem, "method": method}
    plain = {"settings": {}, "outcome": "BUDGET", "error": None, "own_stop": None}
    rest = {"compile_seconds": 0.5, "num_parameters": 3, "cost": {}}
    return {**about, "track": track, "seed": seed, **plain, **rest, "trace": trace, **more}


def grid(problem, seed, rate, passes, gaps, track="grid"):
    return run(problem, "Adam", track, seed, passes, gaps, settings={"learning_rate": rate})


def problem(name, beaten=None):
    return {
        "name": name, "data": name, "k": 2, "family": "full", "start": "kmeans++", "ridge": 0.0,
        "settings": {}, "rows": 50, "total": 50.0, "columns": ["a", "b"], "source": "made up",
        "sha256": "0", "num_parameters": 3, "reference": REFERENCES[name],
        "dedicated": REFERENCES[name] - (0.5 if beaten else 0.0), "beaten_by": beaten,
        "em_rate": None if beaten else 0.1,
    }  # fmt: skip


def a_study(problems, runs, tuning=(), **more):
    kind = {"versions": {"jax": "1"}, "device": "cpu", "threads": 2, "git": None}
    return {
        "schema": 1, "title": "by hand", "precision": "float64", "seeds": [0, 1, 2],
        "tuning_seeds": [9], "targets": [1.0, 0.1], "budget": {"passes": 8, "seconds": None},
        "stop": {"rule": "gap", "tol": 1e-8}, "problems": problems, "runs": runs,
        "reference": {"starts": 7, "max_steps": 500}, "total_seconds": 60.0,
        "tuning": list(tuning), "measurements": [], "circumstances": [kind], "left": 0, **more,
    }  # fmt: skip


def by_hand():
    """Two methods, two problems, three seeds: a run that degenerates, one that raises, one that
    beats the dedicated reference."""
    failed = {"outcome": "ERROR", "error": f"Traceback\nValueError: {ATTACK}"}
    stops = [{"step": 3, "passes": 3}, {"step": 2, "passes": 2}, None]
    gaps = [[8, 2, 0.5, 0.0625], [8, 0.5, 0.25, 0.0625], [8, 4, 2, 0.5]]
    on_p = [
        run("p", "EM", "default", s, [0, 1, 2, 4], g, own_stop=stop)
        for s, (g, stop) in enumerate(zip(gaps, stops))
    ]
    adam = [
        run("p", "Adam", "default", 0, [0, 2, 4, 8], [8, 8, 1, 0.5]),
        run("p", "Adam", "default", 1, [0, 2], [8, -5], outcome="DEGENERATE"),
        run("p", "Adam", "default", 2, [], [], **failed),
    ]
    on_q = [run("q", "EM", "default", s, [0, 1], [4, 0.5]) for s in range(3)]
    on_q += [run("q", "Adam", "default", s, [0, 2], [4, 0.5]) for s in range(3)]
    seeds, choices = (0, 1, 2, 9), []
    for name, passes in (("p", [0, 2]), ("q", [0, 1])):
        for track in ("grid", "tuned"):
            choices += [grid(name, s, 0.5, passes, [8, 0.0625], track) for s in seeds]
        choices += [grid(name, s, 0.1, passes, [8, 4]) for s in seeds]
    beaten = {"method": "EM", "settings": {}, "seed": 2, "run": "q-EM-default-2", "nats": 0.5}
    tuning = [
        {"problem": name, "method": "Adam", "settings": {"learning_rate": 0.5}, "tried": 2,
         "runs": 2, "passes": 4, "gradients": 4, "hessian_products": 0, "seconds": 1.0}
        for name in "pq"
    ]  # fmt: skip
    problems = [problem("p"), problem("q", beaten)]
    return a_study(problems, [*on_p, *adam, *on_q, *choices], tuning)


def a_path(method, track="default", settings=None):
    means = [[[float(t), 0.0], [3.0, 3.0 + t]] for t in range(3)]
    return {
        "method": method, "track": track, "settings": settings or {}, "step": [0, 1, 2],
        "weights": [[0.5, 0.5]] * 3, "means": means, "covariances": [[np.eye(2).tolist()] * 2] * 3,
    }  # fmt: skip


def some_paths():
    grids = [a_path("Adam", "grid", {"learning_rate": rate}) for rate in (0.1, 0.5)]
    own = [a_path("EM"), a_path("Adam"), *grids]
    points = np.random.default_rng(0).normal(size=(30, 2)).tolist()
    return [{"problem": p, "columns": [ATTACK, "b"], "points": points, "paths": own} for p in "pq"]


def page_of(content, paths=()):
    summary, shown = summarized(content), courses(content)
    pictures = study_pictures(Shown(content, summary, shown))
    people = looks([(one["method"], one["label"]) for one in shown["who"]])
    return study_html(content, summary, study_tables(content, summary), pictures, people, paths)


@pytest.fixture(scope="module")
def summary():
    return summarized(by_hand())


NUMBERS = {
    "runs.finished": 28,
    "runs.failed": 2,
    "runs.total_seconds": 60,
    "problems.p.reference": -10.0,
    "problems.q.beaten_by_nats": 0.5,
    "problems.p.em_steps_per_digit": 1,
    "problems.q.em_steps_per_digit": None,
    "methods.EM.default.p.targets.1.0.reached": 3,
    "methods.EM.default.p.targets.1.0.median_passes": 2,
    "methods.EM.default.p.targets.1.0.expected_passes": 7 / 3,
    "methods.EM.default.p.targets.0.1.reached": 2,
    "methods.EM.default.p.targets.0.1.low": 0.207660,  # Wilson's interval for 2 of 3
    "methods.EM.default.p.targets.0.1.high": 0.938508,
    "methods.EM.default.p.targets.0.1.median_passes": 4,  # of 4, 4 and never
    "methods.EM.default.p.targets.0.1.expected_passes": 6,  # (4 + 4 + 4) / 2
    "methods.EM.default.p.targets.0.1.expected_seconds": 1.5,
    "methods.EM.default.p.final_gap.median": 0.0625,
    "methods.EM.default.p.own_stop.runs": 2,
    "methods.EM.default.p.own_stop.median_passes": 2.5,
    "methods.EM.default.p.own_stop.median_gap": 0.375,  # of 0.5, last seen by pass 3, and 0.25
    "methods.EM.default.p.cost_model.seconds": 0,
    "methods.EM.default.p.cost_model.seconds_per_pass": 0.25,
    "methods.Adam.default.p.failed": 2,
    "methods.Adam.default.p.targets.1.0.reached": 1,  # the degenerate one only seems to
    "methods.Adam.default.p.targets.1.0.median_passes": None,
    "methods.Adam.default.p.targets.1.0.expected_passes": 6,  # 4, and 2 of the degenerate run
    "methods.Adam.default.p.final_gap.median": None,
    "methods.Adam.default.p.final_gap.low": 0.5,
    "methods.Adam.tuned.p.runs": 3,
    "methods.Adam.grid (learning_rate=0.1).q.final_gap.median": 4,
    "tuning.Adam.p.passes": 4,
    "beaten.0.run": "q-EM-default-2",
    "profiles.pairs": 6,
    "profiles.performance.1.0.ratios": [1, 2],
    "profiles.performance.1.0.shares.EM": [5 / 6, 1],
    "profiles.performance.1.0.shares.Adam": [0, 4 / 6],
    "profiles.performance.1.0.shares.Adam, tuned": [5 / 6, 1],
    "profiles.data.1.0.budgets": [0.25, 0.5, 1],
    "profiles.data.1.0.shares.EM": [4 / 6, 5 / 6, 1],
    "profiles.runtime.EM.passes": [1, 2, 4],
    "profiles.runtime.EM.shares": [4 / 12, 5 / 12, 8 / 12],
}


@pytest.mark.parametrize("path", NUMBERS)
def test_the_summary_holds_the_numbers_worked_out_by_hand(summary, path):
    value, expected = value_at(summary, path), NUMBERS[path]
    if expected is None or isinstance(expected, str):
        assert value == expected
    else:
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-15)


def test_a_problem_without_a_reference_and_runs_that_are_missing_stay_out_of_profiles():
    content = by_hand()
    content["problems"][1]["reference"] = None
    content["runs"] = [r for r in content["runs"] if r["run"] != "p-Adam-default-1"]
    found = summarized(content)
    assert found["profiles"]["pairs"] == 2
    assert found["profiles"]["performance"]["1.0"]["shares"]["Adam"] == [0, 0.5]
    assert found["methods"]["EM"]["default"]["q"]["targets"]["1.0"]["reached"] == 0


def test_a_path_that_leads_nowhere_is_refused(summary):
    with pytest.raises(ValueError, match=r"got 'methods\.EM\.defualt'"):
        value_at(summary, "methods.EM.defualt")


def test_curves_count_failures_and_mark_where_they_were_last_seen():
    curves = {(c["problem"], c["label"]): c for c in courses(by_hand())["curves"]}
    em, adam = curves["p", "EM"], curves["p", "Adam"]
    assert em["costs"]["passes"]["at"] == [0, 1, 2, 4]
    assert em["costs"]["passes"]["median"] == [8, 2, 0.5, 0.0625]
    assert adam["costs"]["evaluations"]["at"] == [0, 4, 8, 16]
    assert adam["costs"]["passes"]["median"] == [None] * 4  # two of three failed
    seen = [(one["outcome"], one["passes"], one["gap"]) for one in adam["failures"]]
    assert seen == [("DEGENERATE", [0], [8]), ("ERROR", [], [])]


def test_the_sentences_name_failures_tuning_and_who_beat_the_reference():
    content = by_hand()
    text = "\n".join(sentences(content, summarized(content)))
    for words in (
        "the same starts, 3 a problem (from seeds 0 to 2), in float64",
        "EM and Adam were run on 2 problems: p (50 rows, k = 2, full, kmeans++ starts); q",
        "The budget of a run is 8 passes over the data.",
        "The targets are 1 and 0.1 nats below",
        "EM from 7 starts for at most 500 steps",
        "beaten on q: EM from seed 2 (run q-EM-default-2) came out 0.5 nats above",
        "2 of 28 runs failed.",
        "DEGENERATE: 1 of Adam on p.",
        f"ERROR (ValueError: {ATTACK}): 1 of Adam on p.",
        "Adam on p: learning_rate=0.5, of 2 tried, for 4 passes and 1 seconds in all",
        "Seconds were taken on cpu with 2 threads (jax 1).",
    ):
        assert words in text
    other = {**content["circumstances"][0], "threads": 4}
    mixed = {**content, "circumstances": [*content["circumstances"], other]}
    assert "2 different circumstances" in "\n".join(sentences(mixed, summarized(mixed)))


def test_many_problems_are_left_to_the_table():
    problems = [{**problem("p"), "name": name} for name in "abcde"]
    trace = ([0, 1], [4, 0.5])
    runs = [{**run("p", "EM", "default", 0, *trace), "problem": name} for name in "abcde"]
    runs += [{**one, "method": "Adam", "outcome": "DEGENERATE"} for one in runs]
    content = a_study(problems, runs)
    text = "\n".join(sentences(content, summarized(content)))
    for words in (
        "were run on 5 problems: the table has them all.",
        "It is, in nats, as the table of problems has it.",
        "DEGENERATE: 5 of Adam.",
    ):
        assert words in text
    rows = study_tables(content, summarized(content))["problems"].rows
    assert [row[:5] for row in rows] == [(name, 2, "full", "kmeans++", 50) for name in "abcde"]


def test_tables_hold_every_run_once_and_every_evaluation(summary):
    tables = study_tables(by_hand(), summary)
    runs = list(csv.DictReader(io.StringIO(tables["runs"].to_csv())))
    assert len(runs) == 28
    first = runs[0]
    assert (first["run"], first["outcome"], first["stop passes"]) == (
        "p-EM-default-0",
        "BUDGET",
        "3",
    )
    assert (float(first["objective"]), float(first["final gap"])) == (-10.0625, 0.0625)
    trace = list(csv.DictReader(io.StringIO(tables["trace"].to_csv())))
    assert [float(row["reference gap"]) for row in trace[:4]] == [8, 2, 0.5, 0.0625]
    targets = list(csv.DictReader(io.StringIO(tables["targets"].to_csv())))
    row = next(r for r in targets if (r["method"], r["problem"], r["target"]) == ("EM", "p", "0.1"))
    assert (row["reached"], row["runs"], float(row["expected passes"])) == ("2", "3", 6.0)
    assert len(tables["tuning"].rows) == 2


def test_parquet_has_the_cells_of_the_table_and_null_where_there_is_no_number():
    files = pytest.importorskip("pyarrow.parquet")
    table = Table(("who", "n", "gap"), (("EM", 1, 0.5), ("Adam", 2, None)))
    read = files.read_table(io.BytesIO(parquet(table)))
    assert read.to_pydict() == {"who": ["EM", "Adam"], "n": [1, 2], "gap": [0.5, None]}


def test_an_axis_has_places_for_zero_and_never():
    axis = Axis("passes", 1.0, 100.0, log=True, zero=True, never="never")
    np.testing.assert_allclose(axis.place([0, 1, 10, 100, np.inf]), [0, 0.07, 0.5, 0.93, 1])
    assert np.isnan(axis.place([np.nan])).all()
    assert [tick.label for tick in axis.ticks() if tick.label] == ["0", "1", "10", "never"]
    linear = Axis("share").ticks()
    assert [tick.label for tick in linear] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_svg_and_print_draw_from_the_same_places_and_escape():
    line = Line([0.0, 0.5, 1.0], [0.0, None, 1.0], 0)
    panel = Panel(ATTACK, Axis(ATTACK), Axis("y"), (line,), ATTACK)
    text = panel_svg(panel, looks([("EM", ATTACK)]))
    assert "<b" not in text
    # Each point stands alone beside the missing one.
    assert re.findall(r'd="(M[^"L]*)" fill="none" stroke="#0072B2"', text) == ["M68 234", "M344 10"]


def test_a_figure_is_the_same_bytes_when_drawn_again():
    panel = Panel("$x$", Axis("x"), Axis("y"), (Line([0, 1], [0, 1], 0, [0, 0], [1, 1]),), "")
    drawn = [figure_files([Picture("one", "", "", (panel,))], looks([("EM", "EM")])) for _ in "ab"]
    assert set(drawn[0]) == {"one.png", "one.pdf"}
    assert drawn[0] == drawn[1]


def one_run():
    only = run("p", "EM", "default", 0, [0, 1, 2], [8, 2, 0.5])
    return a_study([problem("p")], [only], seeds=[0])


def test_a_report_is_the_same_bytes_when_written_again():
    made = [
        study_files(c, summarized(c), courses(c), some_paths()[:1]) for c in (one_run(), one_run())
    ]
    assert made[0] == made[1]
    names = set(made[0])
    assert {"results.json", "summary.json", "report.html", "tables/runs.csv"} <= names
    assert "figures/gaps-p.pdf" in names
    # One method alone and no grid: there is no pair, and nothing that a setting changes.
    assert not {"figures/pairs.png", "figures/sensitivity.png", "tables/tuning.csv"} & names
    assert json.loads(made[0]["results.json"]) == json.loads(json.dumps(one_run()))
    assert json.loads(made[0]["summary.json"])["runs"]["finished"] == 1


def test_every_figure_says_what_is_seen_in_numbers():
    content = by_hand()
    pictures = study_pictures(Shown(content, summarized(content), courses(content)))
    said = {picture.name: [panel.alt for panel in picture.panels] for picture in pictures}
    assert list(said) == [
        *("gaps-p", "gaps-q", "success", "runtime", "performance-profiles", "data-profiles"),
        *("pairs", "sensitivity", "seconds"),
    ]
    assert "EM: 8 at 0, 0.0625 at 4. Adam: no median; 2 failed." in said["gaps-p"][0]
    assert "EM: of 3 runs 3 within 1.0, 2 within 0.1." in said["success"][0]
    assert "Of 6 pairs of runs" in said["pairs"][0]
    assert "Adam: best 0.0625 at 0.5. EM: 0.0625." in said["sensitivity"][0]
    assert "s + 0.25 s a pass, spread" in said["seconds"][0]


LEAST = """
title = "least"
[budget]
passes = 3
[[problems]]
name = "faithful"
[[methods]]
name = "em"
"""


def test_a_study_without_runs_gets_a_page_that_says_so(tmp_path, capsys):
    (tmp_path / "least.toml").write_text(LEAST)
    assert main(["report", str(tmp_path / "least.toml")]) == 0
    page = tmp_path / "least-report" / "report.html"
    assert capsys.readouterr().out == f"11 runs: 11 missing\n{page}\n"
    text = page.read_text(encoding="utf-8")
    assert "No run of this study has finished yet. 11 of its runs are not finished." in text


def test_a_study_of_measurements_alone_says_what_it_measured():
    done = {"run": "a", "problem": "p", "name": "f.py:rate", "outcome": "MEASURED", "error": None}
    failed = {**done, "problem": "q", "outcome": "ERROR", "error": "Traceback\nValueError: no"}
    measured = [{**done, "measured": {"rate": 0.5}}, {**failed, "measured": None}]
    problems = [problem("p"), problem("q")]
    page = page_of(a_study(problems, [], measurements=measured, left=1))
    assert "f.py:rate was measured on 2 problems; on 1 it failed (q: ValueError: no)." in page
    assert "1 runs of the study are not finished" in page
    assert ">rate</td>" in page
    assert "No run of this study" not in page


def test_text_of_a_user_cannot_become_markup():
    content = by_hand() | {"title": ATTACK}
    for one in content["runs"]:
        one["method"] = ATTACK if one["method"] == "Adam" else one["method"]
    for one in content["tuning"]:
        one["method"] = ATTACK
    content["problems"][0]["source"] = ATTACK
    text = page_of(content, some_paths())
    assert "<b onclick" not in text
    assert text.count("</script>") == 2


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with started(tmp_path_factory.mktemp("profile")) as session:
        yield session


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page_of(by_hand(), some_paths()), encoding="utf-8")
    return file


VISIBLE = """return [...document.querySelectorAll('g[data-who="1"]')]
    .map(g => getComputedStyle(g).display !== 'none')"""
FIRST_TABLE = "const table = document.querySelector('.wide table');"
CELLS = "return [...table.tBodies[0].rows].map(row => row.cells[5].textContent)"


@needs_chromium
def test_the_page_asks_for_nothing_and_no_script_fails(browser, page):
    browser.open(page)
    for button in ("next", "end", "previous", "start", "play", "play"):
        browser.press(button)
    assert browser.asked() == {page.as_uri()}
    assert browser.run("return window.problems") == []
    assert [entry for entry in browser.log("browser") if entry["level"] == "SEVERE"] == []
    unnamed = "svg[role=img]:not([aria-label]), svg[aria-label='']"
    assert browser.run(f'return document.querySelectorAll("{unnamed}").length') == 0


@needs_chromium
def test_a_method_is_hidden_and_shown_in_every_figure(browser, page):
    browser.open(page)
    press = "document.querySelectorAll('button[data-who=\"1\"]')[arguments[0]].click()"
    assert set(browser.run(VISIBLE)) == {True}
    browser.run(press, 0)
    assert set(browser.run(VISIBLE)) == {False}
    pressed = "return [...document.querySelectorAll('button[data-who]')].map(b => b.ariaPressed)"
    assert set(browser.run(pressed)) == {"true", "false"}
    browser.run(press, 3)
    assert set(browser.run(VISIBLE)) == {True}


@needs_chromium
def test_tables_are_sorted_by_their_heads(browser, page):
    browser.open(page)
    press = f"{FIRST_TABLE} table.tHead.rows[0].cells[5].firstChild.click();"
    browser.run(press)
    up = browser.run(FIRST_TABLE + CELLS)
    numbers = [float(text) for text in up if text != "-"]
    assert len(set(numbers)) > 2
    assert numbers == sorted(numbers)
    assert up[-1] == "-"
    browser.run(press)
    down = browser.run(FIRST_TABLE + CELLS)
    assert [float(text) for text in down if text != "-"] == numbers[::-1]
    assert down[-1] == "-"
    sort = f"{FIRST_TABLE} return table.tHead.rows[0].cells[5].ariaSort"
    assert browser.run(sort) == "descending"


@needs_chromium
def test_the_player_steps_slides_and_changes_the_problem(browser, page):
    browser.open(page)
    methods = "return [...document.getElementById('method').options].map(o => o.text)"
    assert browser.run(methods) == ["EM", "Adam", "Adam, tuned"]
    browser.press("next")
    assert "EM, step 1 · objective -12.00000 · gap to the reference 2.0e+0" in browser.status()
    assert [shape["cx"] for shape in browser.drawn()] == [1.0, 3.0]
    browser.run(
        "const s = document.getElementById('position'); s.value = 2;"
        "s.dispatchEvent(new Event('input'))"
    )
    assert [shape["cy"] for shape in browser.drawn()] == [0.0, 5.0]
    browser.run(
        "const s = document.getElementById('scene'); s.selectedIndex = 1;"
        "s.dispatchEvent(new Event('change'))"
    )
    assert "EM, step 0 · objective -24.00000" in browser.status()


@needs_chromium
def test_nothing_is_wider_than_a_phone(browser, page):
    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
    browser.ask("POST", "/goog/cdp/execute", command)
    browser.open(page)
    assert browser.run("return window.innerWidth") == 360
    assert browser.run("return document.documentElement.scrollWidth") <= 360
