"""Files of runs whose process is killed while it writes, or while a file takes its name."""

import subprocess
import sys
from pathlib import Path

import pytest

from jaxmix.race.store import RunFolder

ROOT = Path(__file__).parents[1]

WRITER = """
import os, signal, stat, sys
import numpy as np
from pathlib import Path
from jaxmix import whole_files
from jaxmix.race.store import RunFolder

moment, left = sys.argv[2], int(sys.argv[3])
sync, replace = os.fsync, os.replace

def due():
    global left
    left -= 1
    return left == 0

def end():
    os.kill(os.getpid(), signal.SIGKILL)

def half_written(descriptor):
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if moment == "write" and is_file and due():
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        end()
    sync(descriptor)

def renamed(source, target):
    dies = moment in ("before", "after") and due()
    if dies and moment == "before":
        end()
    replace(source, target)
    if dies:
        end()

whole_files.os.fsync, whole_files.os.replace = half_written, renamed
folder = RunFolder(Path(sys.argv[1]))
for step in range(1, 4):
    folder.keep({"step": step}, {"x": np.full(1000, step)})
row = {"step": 3, "seconds": 0.0}
folder.finish({"outcome": "BUDGET"}, [row], {"x": np.full(1000, 3)}, lambda: None)
"""

WRITINGS = 6
"""Three states, the evaluations, the arrays and the manifest."""


@pytest.mark.parametrize("moment", ["write", "before", "after"])
def test_a_kill_leaves_the_file_from_before_or_the_new_one(tmp_path, moment):
    command = [sys.executable, "-c", WRITER]
    for number in range(1, WRITINGS + 2):
        place = tmp_path / str(number)
        place.mkdir()
        done = subprocess.run([*command, str(place), moment, str(number)], cwd=ROOT)
        assert done.returncode == (-9 if number <= WRITINGS else 0)
        folder = RunFolder(place)
        state, written = folder.state(), number - (moment != "after")
        if written < WRITINGS:
            assert folder.manifest() is None
            step = min(written, 3)
            assert (state is None) == (step == 0)
            if state is not None:
                assert state[0]["step"] == step
                assert (state[1]["x"] == step).all()
        else:
            assert folder.manifest()["outcome"] == "BUDGET"
            assert (folder.arrays()["x"] == 3).all()
            assert folder.trace() == [{"step": 3, "seconds": 0.0}]
