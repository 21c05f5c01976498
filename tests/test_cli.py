"""The command line: quick help, one line for every mistake, tables from files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxmix.cli.main import main

FAITHFUL = "eruptions,waiting,kind,mixed\n" + "\n".join(
    f"{a:.3f},{b:.1f},{'long' if a > 3 else 'short'},{'x' if i == 4 else i}"
    for i, (a, b) in enumerate(np.random.default_rng(0).normal([3, 70], [1, 9], size=(30, 2)))
)


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
    "NaN": (["{files}/nan.csv"], "NaN"),
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
    from jaxmix.race.contenders import DEFAULT

    assert Compare().methods == DEFAULT


def test_the_installed_command_runs():
    command = Path(sys.executable).parent / "jaxmix"
    done = subprocess.run([command, "compare", "none.csv"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
