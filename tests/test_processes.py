"""`jaxmix fit` by several processes: the bits of one, and what a kill leaves to go on from."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from jaxmix.cli import main as command_line
from jaxmix.cli.fit import Fit
from jaxmix.cli.processes import arguments, environment
from jaxmix.threads import VARIABLE, processors, threads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20_000, 2)) * [1.0, 3.0] + RNG.integers(0, 2, (20_000, 1))
"""Five blocks, and components that EM is slow to tell apart."""

OWN = """
import os
import pathlib
import time
import jax
import jaxmix as jm
from jaxmix import checkpoint, sources

as_blocks, write_archive = sources.as_blocks, checkpoint.write_archive

def slow_write(*content):
    write_archive(*content)
    time.sleep(0.05)

def watched(source, cut, center, which):
    pathlib.Path(f"blocks-{jax.process_index()}").write_text(f"{which}")
    return as_blocks(source, cut, center, which)

if "WATCHED" in os.environ:
    checkpoint.SECONDS, checkpoint.write_archive = 0.0, slow_write
    sources.as_blocks = watched
    pathlib.Path(f"process-{jax.process_index()}").write_text(str(os.getpid()))

class Slow(jm.Method):
    def init(self, problem, mixture): return jm.EM().init(problem, mixture)
    def step(self, problem, state): return jm.EM().step(problem, state)
    def finish(self, state): return jm.EM().finish(state)
"""

COMMAND = ["fit", "x.npy", "--k=2", "--family=diag"]
COMMAND += ["--method=own.py:Slow", "--starts=1", "--ridge=0", "--tol=1e-20", "--max-steps=50"]


def start(folder, *options, **variables):
    """The command in a folder, with output in pipes and the threads of this process."""
    return subprocess.Popen(
        [sys.executable, "-m", "jaxmix.cli.main", *COMMAND, *options],
        cwd=folder,
        env=os.environ | {VARIABLE: str(threads())} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps_in(file):
    """How many steps the checkpoint has, 0 where there is none."""
    if not file.exists():
        return 0
    with np.load(file) as archive:
        return len(archive["trace.0"]) - 1


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


def test_two_processes_of_which_one_is_killed_find_the_bits_of_one(folder, monkeypatch):
    two = ["--processes=2", "--checkpoint=two.npz", "--out=two"]
    job = start(folder, *two, WATCHED="1")
    while steps_in(folder / "two.npz") < 5 and job.poll() is None:
        time.sleep(0.01)
    os.kill(int((folder / "process-1").read_text()), signal.SIGKILL)
    killed = time.monotonic()
    said, complaint = job.communicate(timeout=60)
    assert time.monotonic() - killed < 10
    assert (job.returncode, said) == (1, "")
    assert complaint == (
        "jaxmix: process 1 of 2 was ended by SIGKILL, and the others with it; the same command "
        "goes on from --checkpoint two.npz, or begins anew if that was not written yet\n"
    )
    assert 5 <= steps_in(folder / "two.npz") < 50
    # Five blocks, and one of padding that makes them equal.
    blocks = [(folder / f"blocks-{j}").read_text() for j in range(2)]
    assert blocks == ["range(0, 3)", "range(3, 6)"]

    job = start(folder, *two)
    said, complaint = job.communicate(timeout=120)
    assert (job.returncode, complaint) == (0, "")
    assert said.startswith((folder / "two" / "summary.txt").read_text())
    record = json.loads((folder / "two" / "result.json").read_text())
    assert record["threads"] == threads()

    # One start after another, as with a checkpoint, and not in lanes of one program.
    monkeypatch.chdir(folder)
    assert command_line.main([*COMMAND, "--checkpoint=one.npz", "--out=one"]) == 0
    whole = json.loads((folder / "one" / "result.json").read_text())
    assert (record.pop("processes"), whole.pop("processes")) == (2, 1)
    assert record == whole
    assert record["num_steps"] == 50
    for name in ("mixture.npz", "assignments.csv"):
        one, two = ((folder / part / name).read_bytes() for part in ("one", "two"))
        assert one == two


def test_a_mistake_in_a_process_is_one_line(folder):
    job = start(folder, "--processes=1", "--columns=z")
    said, complaint = job.communicate(timeout=60)
    assert (job.returncode, said, complaint.count("\n")) == (2, "", 1)
    assert complaint.startswith("jaxmix: ")
    assert "'z'" in complaint


def test_processes_share_the_processors_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert environment(1, 2)[VARIABLE] == str(max(1, processors() // 2))
    monkeypatch.setenv(VARIABLE, "7")
    assert environment(1, 2)[VARIABLE] == "7"


def test_processes_are_told_all_that_the_first_was():
    words = ["fit", "x.csv", "--k", "3", "--ridge", "1e-3", "--missing", "--max-steps", "7"]
    words += ["--method", "adam(learning_rate=0.1)", "--out", "a folder", "--processes", "2"]
    command = command_line._parse(words)
    assert isinstance(command, Fit)
    again = command_line._parse(arguments(command))
    assert vars(again) == vars(command) | {"processes": None}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--processes", "0"], "--processes"),
        (["--processes", "2", "--coordinator", "localhost:1"], "leave it out"),
        (["--process-id", "1"], "need --coordinator"),
    ],
)
def test_processes_that_make_no_sense_are_refused(options, said, capsys):
    assert command_line.main(["fit", *options]) == 2
    assert said in capsys.readouterr().err
