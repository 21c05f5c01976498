"""The README's example, the how-to's method and the experiment run as printed."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

from jaxmix.autodiff import demonstrations as autodiff
from jaxmix.cli.main import _parse, main
from jaxmix.teaching import demonstrations as teaching

ROOT = Path(__file__).parents[1]


def fenced(text, language=""):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_example_prints_what_the_readme_shows():
    text = (ROOT / "README.md").read_text()
    example = fenced(text, "python")[0]
    shown = re.search(r"^prints\n\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    assert run("-W", "error", "-c", example) == shown


def test_the_readme_demonstration_prints_what_the_readme_shows(capsys):
    text = (ROOT / "README.md").read_text()
    command = re.findall("^jaxmix demo .*$", text, re.MULTILINE)[0]
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out == fenced(text, "text")[0]


def test_the_readme_commands_parse():
    text = (ROOT / "README.md").read_text()
    commands = [shlex.split(command)[1:] for command in re.findall("^jaxmix .*$", text, re.M)]
    assert {"compare", "fit", "complete"} <= {command[0] for command in commands}
    assert all(_parse(command) for command in commands)


def test_the_readme_names_every_subject():
    text = (ROOT / "README.md").read_text()
    assert all(f"`{subject}`" in text for subject in (*autodiff.SUBJECTS, *teaching.SUBJECTS))


def test_the_lecture_shows_every_subject_by_commands_that_parse():
    text = (ROOT / "notes/teaching.md").read_text()
    commands = [shlex.split(command)[1:] for command in re.findall("^ *jaxmix (?:.*)$", text, re.M)]
    parsed = [_parse(command) for command in commands]
    shown = {command[1] for command in commands if command[0] == "demo"}
    assert shown == {*autodiff.SUBJECTS, *teaching.SUBJECTS}
    assert len(parsed) == len(shown) + 3


def test_the_readme_gives_two_commands_for_installing():
    commands = [block for block in fenced((ROOT / "README.md").read_text()) if "-m venv" in block]
    assert len(commands) == 2
    assert commands[0].strip().endswith("jaxmix compare")
    assert commands[1].strip().endswith("pytest")


def test_the_how_to_shows_the_method_that_its_file_holds():
    shown = fenced((ROOT / "notes/how-to-add.md").read_text(), "python")[0]
    file = (ROOT / "notes/examples/heavyball.py").read_text()
    assert shown in file
    code = [line for line in shown.splitlines() if line.strip() and '"""' not in line]
    assert len(code) <= 26


def test_old_faithful_experiment_is_short_and_runs(capsys, monkeypatch):
    script = ROOT / "experiments/old_faithful.py"
    assert len(script.read_text().splitlines()) <= 60
    names = runpy.run_path(str(script))
    # All five methods reach it in test_published.py.
    for name in ("Adam (jax.grad)", "Adam (Fisher)", "SGD with momentum"):
        names["METHODS"].pop(name)
    monkeypatch.setattr(sys, "argv", ["old_faithful.py", "--starts", "2"])
    names["main"]()
    said = capsys.readouterr().out
    assert "best log-likelihood -1130.26396" in said
    assert said.count("reached by 2 of 2") == 2
