"""`jaxmix plan`, `run`, `status` and `verify` on a study of two methods and a failing one."""

import json
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from itertools import cycle

import numpy as np
import pytest
from test_race_runs import BROKEN

import jaxmix as jm
from jaxmix.cli.main import main
from jaxmix.race.named_methods import method_named
from jaxmix.race.problems import opened
from jaxmix.race.store import RunFolder
from jaxmix.race.study import ProblemSpec
from jaxmix.race.verification import compared

STUDY = """
title = "two"
seeds = 2
[budget]
passes = 12
[reference]
starts = 4
[[problems]]
name = "faithful"
[[methods]]
name = "em"
[[methods]]
name = "mine.py:Mine"
[[measurements]]
name = "mine.py:spread"
settings = { power = 2 }
[presets.broken]
methods = [{ name = "broken.py:Broken" }]
measurements = []
seeds = 1
"""

MINE = """
import numpy as np
from helper import doubled
from jaxmix.methods import EM

class Mine(EM):
    "EM by another name."

def spread(problem, seed, power):
    return {"spread": doubled(float(np.std(problem.x)) ** power), "seed": seed, "x": problem.x[:2]}
"""

HELPER = """
def doubled(number):
    return 2 * number
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study that has been run."""
    folder = tmp_path_factory.mktemp("study")
    texts = {"two.toml": STUDY, "mine.py": MINE, "helper.py": HELPER, "broken.py": BROKEN}
    for name, text in texts.items():
        (folder / name).write_text(text)
    assert main(["run", str(folder / "two.toml")]) == 0
    return folder


@pytest.fixture
def study(folder, tmp_path):
    """A copy of it."""
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy" / "two.toml"


def told(capsys, *words):
    """What a command prints as JSON, and its exit code."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    return json.loads(capsys.readouterr().out), code


def states(capsys, study, *words):
    """How many runs of each method are in which state."""
    plan, _ = told(capsys, "plan", study, "--json", *words)
    return Counter((one["method"], one["state"]) for one in plan)


DONE = {
    ("reference", "up to date"): 1,
    ("EM", "up to date"): 2,
    ("mine.py:Mine", "up to date"): 2,
    ("mine.py:spread (power=2)", "up to date"): 1,
}


def test_a_study_that_was_run_is_up_to_date(study, capsys):
    assert states(capsys, study) == DONE
    before = {path: path.stat().st_mtime_ns for path in study.parent.rglob("manifest.json")}
    assert len(before) == 6
    plan, code = told(capsys, "run", study, "--json")
    assert (code, {one["state"] for one in plan}) == (0, {"up to date"})
    assert before == {path: path.stat().st_mtime_ns for path in before}
    measured = [RunFolder(path.parent).manifest().get("measured") for path in before]
    run = RunFolder(next(path.parent for path, m in zip(before, measured) if m))
    x = run.arrays()["measured.x"]
    assert x.shape == (2, 2)
    assert [m for m in measured if m] == [{"spread": pytest.approx(2.0), "seed": 0}]


@pytest.mark.parametrize(
    ("edit", "changes"),
    [
        (("2 * number", "3 * number"), True),
        (("return", "# doubles it\n    return"), False),
        (("def doubled(number):", 'def doubled(number):\n    "Twice it."'), False),
        (("def doubled(number):", "def doubled( number ):"), False),
    ],
)
def test_edited_code_is_planned_again_where_it_is_used(study, capsys, edit, changes):
    helper = study.with_name("helper.py")
    text = helper.read_text()
    assert edit[0] in text
    helper.write_text(text.replace(*edit))
    plan, _ = told(capsys, "plan", study, "--json")
    again = {one["method"] for one in plan if one["state"] == "code changed"}
    assert again == ({"mine.py:Mine", "mine.py:spread (power=2)"} if changes else set())
    assert {one["why"] for one in plan if one["method"] in again} <= {"helper.py changed"}
    assert all(one["state"] == "up to date" for one in plan if one["method"] not in again)


def test_reruns_are_those_that_are_asked_for(study, capsys):
    helper = study.with_name("helper.py")
    helper.write_text(HELPER + "more = 1\n")
    lines = {}
    for rerun in ("missing", "changed", "all"):
        capsys.readouterr()
        main(["plan", str(study), "--format", "commands", "--rerun", rerun])
        lines[rerun] = capsys.readouterr().out.splitlines()
    assert {name: len(found) for name, found in lines.items()} == {
        "missing": 0,
        "changed": 3,
        "all": 6,
    }
    assert shlex.split(lines["changed"][0])[:2] == ["jaxmix", "run"]


def test_a_failed_run_is_a_row_and_an_exit_code(study, capsys):
    words = [str(study), "--preset", "broken"]
    assert main(["run", *words]) == 1
    said, code = told(capsys, "status", *words, "--json")
    assert code == 1
    assert said["states"]["failed"] == 1
    assert said["shown"][0]["why"] == "RuntimeError: it does not even begin"
    assert main(["run", *words]) == 1
    study.with_name("broken.py").write_text(BROKEN + "more = 1\n")
    said, _ = told(capsys, "status", *words, "--json")
    assert (said["states"]["failed"], said["states"]["code changed"]) == (0, 1)


def test_a_run_without_its_manifest_is_made_again_to_the_same_bits(study, capsys):
    plan, _ = told(capsys, "plan", study, "--json")
    run = study.parent / "two-runs" / next(one["run"] for one in plan if one["method"] == "EM")
    before = RunFolder(run).manifest()["hashes"]
    (run / "manifest.json").unlink()
    assert states(capsys, study)["EM", "missing"] == 1
    assert main(["run", str(study)]) == 0
    assert RunFolder(run).manifest()["hashes"] == before


def test_verify_repeats_a_run_in_a_fresh_process(study, capsys):
    plan, _ = told(capsys, "plan", study, "--json")
    run = study.parent / "two-runs" / plan[1]["run"]
    said, code = told(capsys, "verify", run, "--json")
    assert (code, said[str(run)]) == (0, {"same": True, "why": "the same bits"})


BEFORE = {
    "outcome": "BUDGET",
    "code": {"a.py": "1"},
    "hashes": {"trace": "t", "path.means": "m"},
    "versions": {"jax": "1"},
    "device": "cpu",
    "threads": 2,
    "processes": 1,
}

VERDICTS = [
    ({}, 0.0, True, "the same bits"),
    ({"hashes": {"trace": "t", "path.means": "x"}}, 0.0, False, "differs in path.means"),
    ({"hashes": {"trace": "t"}}, 0.0, False, "differs in path.means"),
    ({"outcome": "STOPPED"}, 0.0, False, "differs in outcome STOPPED, was BUDGET"),
    ({"code": {"a.py": "2"}}, 0.0, True, "the code is another: a.py changed"),
    ({"threads": 4, "hashes": {"trace": "x"}}, 1e-9, True, "(threads), within 1e-06: largest"),
    ({"threads": 4, "hashes": {"trace": "x"}}, 1e-3, False, "relative difference 1.0e-03"),
]


@pytest.mark.parametrize(("now", "apart", "same", "why"), VERDICTS)
def test_verdicts_say_what_was_compared(now, apart, same, why):
    rows = [{"objective": -100.0}, {"objective": None}]
    again = [{"objective": -100.0 * (1 + apart)}, {"objective": None}]
    verdict = compared(BEFORE, BEFORE | now, rows, again)
    assert verdict.same is same
    assert why in verdict.why


def test_what_is_listed_is_known(capsys):
    said, code = told(capsys, "list", "--json")
    assert code == 0
    for name in said["methods"][:-2]:
        assert method_named(name, {}).hard is False
    for name in said["data"][:5]:
        assert opened(ProblemSpec(name, data=name, standardize=False, family="diag"), ".").x.size
    x = np.array([[0.0], [1.0], [2.0], [4.0]])
    for family, start in zip(said["families"], cycle(said["starts"])):
        assert jm.initialize(x[:2] if family == "bernoulli" else x, 1, family, start)
    capsys.readouterr()
    main(["list"])
    assert "em, squarem" in capsys.readouterr().out


MISTAKES = {
    "there is no run": ["run", "STUDY", "--only", "abc"],
    "unknown rerun 'al'; did you mean 'all'": ["run", "STUDY", "--rerun", "al"],
    "unknown format 'tabel'; did you mean 'table'": ["plan", "STUDY", "--format", "tabel"],
    "cannot read nowhere.toml": ["plan", "nowhere.toml"],
    "jobs": ["run", "STUDY", "--jobs", "0"],
    "holds no run that is done": ["verify", "FOLDER"],
    "unknown executor 'slrum'; did you mean 'slurm'": ["run", "STUDY", "--executor", "slrum"],
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_user_s_mistake_is_one_line(study, capsys, message):
    names = {"STUDY": str(study), "FOLDER": str(study.parent)}
    words = [names.get(word, word) for word in MISTAKES[message]]
    assert main([*words, *(["--rerun", "all"] if "slrum" in words else [])]) == 2
    assert message in capsys.readouterr().err


def test_a_debug_cluster_makes_what_is_missing(study, capsys):
    (min((study.parent / "two-runs").iterdir()) / "manifest.json").unlink()
    # Apart from pytest, whose streams submitit would keep for its messages.
    words = ["run", str(study), "--executor", "debug", "--jobs", "2"]
    command = [sys.executable, "-P", "-m", "jaxmix.cli.main", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "sent 1 runs as jobs DEBUG" in done.stderr
    assert states(capsys, study) == DONE


def test_two_processes_share_a_folder_and_do_no_run_twice(study):
    """Slow to start, so few: what leases do under hundreds of races is tested beside them."""
    for run in sorted((study.parent / "two-runs").iterdir())[::2]:
        (run / "manifest.json").unlink()
    command = [sys.executable, "-P", "-m", "jaxmix.cli.main", "run", str(study)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    made = [line.partition(" ")[2] for line in said.splitlines() if ": " in line]
    assert len(made) == len(set(made)) == 3
