"""The command line: quick help, one line for every mistake, tables from files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxmix.cli import cache
from jaxmix.cli.cache import ENABLED, FOLDER, keep_compiled, kept
from jaxmix.cli.main import main

FAITHFUL = "eruptions,waiting,kind,mixed\n" + "\n".join(
    f"{a:.3f},{b:.1f},{'long' if a > 3 else 'short'},{'x' if i == 4 else i}"
    for i, (a, b) in enumerate(np.random.default_rng(0).normal([3, 70], [1, 9], size=(30, 2)))
)

PROGRAM = """
import math

def f(x):
    return x * x

def of_math(x):
    return math.sin(x)

def fails(x):
    raise KeyError("nothing")

def leaves(x):
    raise SystemExit(0)

def keyword(*, k):
    return k

def many(*x):
    return x[0]

def none():
    return 1.0

def times(x, n):
    for _ in range(n):
        x = x * x
    return x
"""


@pytest.fixture
def files(tmp_path):
    contents = {
        "good.csv": FAITHFUL,
        "empty.csv": "",
        "header.csv": "a,b\n",
        "ragged.csv": "a,b\n1,2\n3\n",
        "nan.csv": "a,b\n1,2\nnan,4\n",
        "infinite.csv": "a,b\n1,2\ninf,4\n",
        "large.csv": "a\n1\n9007199254740993\n",
        "text.csv": "a,b\nx,y\nz,w\n",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "empty.py").write_text("x = 1\n")
    return tmp_path


MISTAKES = {
    "missing file": (["no/such.csv"], "no/such.csv"),
    "unknown table": (["faithfull"], "did you mean 'faithful'"),
    "empty file": (["{files}/empty.csv"], "empty"),
    "header only": (["{files}/header.csv"], "header"),
    "rows of unequal length": (["{files}/ragged.csv"], "line 3"),
    "NaN": (["{files}/nan.csv"], "'nan' is not a finite number"),
    "infinity": (["{files}/infinite.csv"], "inf"),
    "large integer": (["{files}/large.csv"], "2**53"),
    "text only": (["{files}/text.csv"], "number"),
    "binary": (["{files}/binary.csv"], "binary.csv"),
    "mixed column": (["{files}/good.csv"], "mixed"),
    "unknown column": (["{files}/good.csv", "--columns", "eruption"], "did you mean 'eruptions'"),
    "unknown column of a table": (["iris", "--columns", "sepal"], "Known: sepal_length"),
    "unknown labels": (["{files}/good.csv", "--labels", "kinds"], "did you mean 'kind'"),
    "labels of a table without": (["faithful", "--labels", "kind"], "no known classes"),
    "k not a number": (["--k", "three"], "three"),
    "k zero": (["--k", "0"], "at least 1"),
    "k above n": (["--k", "273"], "272"),
    "unknown family": (["--family", "fulll"], "did you mean 'full'"),
    "a family without covariances": (["--family", "poisson"], "by jaxmix fit"),
    "unknown method": (["--methods", "adm"], "did you mean 'adam'"),
    "unknown setting": (["--methods", "adam(lr=0.1)"], "learning_rate"),
    "unknown setting of em": (["--methods", "em(harder=True)"], "did you mean 'hard'"),
    "method twice": (["--methods", "em, em"], "twice"),
    "no method": (["--methods", ","], "no method"),
    "unreadable settings": (["--methods", "adam(learning_rate=rate)"], "plain numbers"),
    "no method file": (["--methods", "none.py:Mine"], "none.py"),
    "method file that fails": (["--methods", "{files}/broken.py:Mine"], "nothing_of_this_name"),
    "method file without": (["--methods", "{files}/empty.py:Mine"], "Mine"),
    "unknown labels of a table": (["iris", "--labels", "kind"], "Known: species"),
    "a column twice": (["faithful", "--columns", "waiting,waiting"], "once"),
    "a seed beyond 63 bits": (["--seed", "9223372036854775808"], "2**63"),
    "hard EM": (["--methods", "em, em(hard=True)"], "another objective"),
    "no starts": (["--starts", "0"], "starts"),
    "negative steps": (["--max-steps", "-1"], "max_steps"),
    "unknown option": (["--kk", "3"], "--kk"),
}


DEMO_MISTAKES = {
    "no subject": ([], "differences, dual, chain-rule"),
    "unknown subject": (["dul"], "did you mean 'dual'"),
    "arguments without a program": (["dual", "--at", "2"], "needs a program"),
    "no expression": (["dual", "x1*"], "cannot read 'x1*'"),
    "a caret": (["dual", "x^2"], "write x**2"),
    "unknown function in an expression": (["dual", "sine(x)"], "did you mean 'sin'"),
    "no variable": (["dual", "2*pi"], "no variable"),
    "too few arguments": (["dual", "x*y", "--at", "1"], "the program takes (x, y)"),
    "an argument of another name": (["dual", "x*y", "--at", "x=1, z=2"], "takes (x, y)"),
    "an argument that is no number": (["dual", "x", "--at", "'one'"], "finite numbers"),
    "an argument that is NaN": (["dual", "x", "--at", "nan"], "finite numbers"),
    "no file": (["graph", "none.py:f"], "none.py"),
    "a file that fails": (["graph", "{files}/broken.py:f"], "nothing_of_this_name"),
    "a file without the function": (["graph", "{files}/program.py:g"], "Known: f, of_math, fails"),
    "a file without a function": (["graph", "{files}/program.py:"], "Known: f"),
    "a program that fails": (["graph", "{files}/program.py:fails"], "KeyError: 'nothing'"),
    "a file that exits": (["graph", "{files}/exits.py:f"], "SystemExit"),
    "a program that exits": (["graph", "{files}/program.py:leaves"], "SystemExit"),
    "a keyword": (["graph", "{files}/program.py:keyword", "--at", "k=1"], "by position"),
    "any number of arguments": (["graph", "{files}/program.py:many"], "by position"),
    "no argument": (["graph", "{files}/program.py:none"], "at least one"),
    "a whole number for range": (["dual", "{files}/program.py:times", "--at", "2, 3"], "a default"),
    "an argument beyond floats": (["dual", "x", "--at", "10**400"], "finite numbers"),
    "an argument that exits": (["dual", "x", "--at", "exit(0)"], "cannot use the arguments"),
    "a division by zero": (["differences", "1/x", "--at", "0"], "does not run at x = 0"),
    "an overflow": (["source", "exp(x)", "--at", "1000"], "OverflowError"),
    "an attribute": (["dual", "x.real"], "AttributeError"),
    "a program of math": (["dual", "{files}/program.py:of_math"], "those of math do not"),
    "differences of two variables": (["differences", "x*y"], "one variable, got x, y"),
    "a graph of two results": (["graph", "x*y, x"], "for which there is modes"),
    "more equations than unknowns": (["newton", "x, x, x"], "got 3 values"),
    "a source outside the grammar": (["source", "sinc(x)"], "unknown function"),
    "a likelihood without data": (["likelihood", "a*b"], "variable x"),
    "a likelihood without parameters": (["likelihood", "x*x"], "no parameter"),
    "a picture where there is none": (["source", "x", "--out", "a.png"], ".txt, .md, .tex"),
    "an ending of no kind": (["dual", "x", "--out", "a.gif"], "a.gif"),
    "a folder that is not there": (["dual", "x", "--out", "no/such/a.md"], "No such file"),
}


@pytest.mark.parametrize("mistake", DEMO_MISTAKES)
def test_a_mistake_in_a_demonstration_is_one_line_and_exit_code_2(mistake, files, capsys):
    (files / "program.py").write_text(PROGRAM)
    (files / "exits.py").write_text("raise SystemExit(0)")
    arguments, words = DEMO_MISTAKES[mistake]
    code = main(["demo", *(a.replace("{files}", str(files)) for a in arguments)])
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.startswith("jaxmix: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_a_demonstration_is_printed_or_written(tmp_path, capsys):
    assert main(["demo", "chain-rule", "x*y", "--at", "2, 3"]) == 0
    printed = capsys.readouterr().out
    assert "dw1 * w2 + w1 * dw2" in printed
    assert main(["demo", "chain-rule", "x*y", "--at", "2, 3", "--out", f"{tmp_path}/a.txt"]) == 0
    assert (tmp_path / "a.txt").read_text() == printed
    assert capsys.readouterr().out == f"Written to {tmp_path}/a.txt\n"


@pytest.mark.parametrize("expression", ["-x", "-x*y", "-log(x)", "-1*x"])
def test_an_expression_may_begin_with_a_minus(expression, capsys):
    assert main(["demo", "dual", expression]) == 0
    assert "- 1 d1" in capsys.readouterr().out
    assert main(["demo", "dual", "x", "--at", "-pi"]) == 0
    assert "-3.14159 + 1 d1" in capsys.readouterr().out


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(mistake, files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    arguments, words = MISTAKES[mistake]
    code = main(["compare", *(a.replace("{files}", str(files)) for a in arguments)])
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    complaint = [line for line in said.err.splitlines() if line.startswith("jaxmix:")]
    assert len(complaint) == 1
    assert said.err.endswith(complaint[0] + "\n")
    assert words in complaint[0]
    assert "Traceback" not in said.err
    assert not (files / "jaxmix-compare").exists()


def test_an_unknown_subcommand_is_one_line(capsys):
    assert main(["compete"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_names_the_subcommands_and_imports_no_jax():
    script = (
        "import sys\nfrom jaxmix.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout


def test_the_default_methods_are_those_of_the_race():
    from jaxmix.cli.compare import Compare
    from jaxmix.race.named_methods import DEFAULT

    assert Compare().methods == DEFAULT


def test_the_installed_command_runs():
    command = Path(sys.executable).parent / "jaxmix"
    done = subprocess.run([command, "compare", "none.csv"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_compiled_programs_are_kept_where_the_user_allows_it(tmp_path):
    known = {"XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path), "HOME": str(tmp_path)}
    environment = dict(known)
    keep_compiled(environment)
    folder = Path(environment[FOLDER])
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    for said in ({FOLDER: "mine"}, {ENABLED: "false"}, {ENABLED: "0"}):
        environment = known | said
        keep_compiled(environment)
        assert environment == known | said


def test_no_programs_are_kept_where_nothing_can_be_written(tmp_path):
    (tmp_path / "jaxmix").write_text("a file where the folder would be")
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    keep_compiled(environment)
    assert FOLDER not in environment


def test_the_older_half_of_too_many_programs_goes(tmp_path, monkeypatch):
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    keep_compiled(environment)
    folder = Path(environment.pop(FOLDER))
    for age in range(4):
        (folder / f"{age}-cache").write_bytes(b"program")
        os.utime(folder / f"{age}-cache", (age, age))
    monkeypatch.setattr(cache, "LARGEST", 27)
    keep_compiled(environment)
    assert sorted(path.name for path in folder.iterdir()) == ["2-cache", "3-cache"]


def test_what_is_kept_of_programs_is_told_without_making_a_folder(tmp_path):
    mine, home = {FOLDER: str(tmp_path)}, {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert kept(home)[0] is True
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "one-cache").write_bytes(b"program")
    assert kept(mine) == (True, str(tmp_path), 1, 7)
    assert kept(mine | {ENABLED: "no"}) == (False, str(tmp_path), 1, 7)
    assert kept({FOLDER: ""}) == (False, "", 0, 0)
    assert kept({FOLDER: "gs://bucket/programs"})[0] is True
    assert kept({FOLDER: str(tmp_path / "one-cache" / "below")})[0] is False
