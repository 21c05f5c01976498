"""A student's file, checked in a process of its own that ends after a time limit.

This is no sandbox: the file runs with the user's rights.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jaxmix.teaching.exercises.checking import Finding, Report

CHILD = "jaxmix.teaching.exercises.child"


def check_file(file: str, family: str = "full", seconds: float = 20.0) -> Report:
    """Check the exercises that a student's Python file defines.

    Args:
        file: path; functions and classes are found by the exercises' names, whatever their case
            and underscores.
        family: "full", "tied", "diag" or "spherical": the shape of all covariances.
        seconds: the time after which the process is ended; the solution takes less than one.

    Returns:
        A `Report`. An exercise that does not answer in time, or ends the process, is left there,
        and the others go on in a new one.

    Raises:
        ValueError: if the file is missing, does not run or defines no exercise.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds:g}")
    if not Path(file).is_file():
        raise ValueError(f"there is no file {file}")
    found: list[Finding] = []
    done: list[str] = []
    while True:
        lines, ended = _run_child([file, family, ",".join(done)], seconds)
        if not lines:
            raise ValueError(f"{file}: {ended}")
        if "mistake" in lines[-1]:
            raise ValueError(lines[-1]["mistake"])
        found += [_finding(**line) for line in lines if "differences" in line]
        if "end" in lines[-1]:
            return Report(tuple(found))
        found.append(Finding(lines[-1]["part"], lines[-1]["case"], (ended,), ()))
        done = [finding.part for finding in found]


def _finding(part: str, case: str, differences: list[str], mistakes: list[str]) -> Finding:
    return Finding(part, case, tuple(differences), tuple(mistakes))


def _run_child(arguments: list[str], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """What the child wrote, and how it ended; what the student's file prints is dropped."""
    with tempfile.TemporaryDirectory() as folder:
        said, errors = Path(folder) / "said", Path(folder) / "errors"
        said.touch()
        command = [sys.executable, "-m", CHILD, *arguments, str(said)]
        with errors.open("w") as stderr:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": stderr}
            try:
                code = subprocess.run(command, timeout=seconds, check=False, **quiet).returncode
                ended = f"ends the process with exit code {code}"
            except subprocess.TimeoutExpired:
                ended = f"no answer after {seconds:g} seconds"
        last = errors.read_text(errors="replace").strip().splitlines()[-1:]
        lines = [json.loads(line) for line in said.read_text().splitlines()]
    return lines, ": ".join([ended, *last])
