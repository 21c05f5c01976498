"""The process in which a student's file runs: `python -m jaxmix.teaching.exercises.child`.

It writes a line before and after each case, so that its parent, process.py, can say where an
endless loop or a crash happened.
"""

import json
import sys
from pathlib import Path
from typing import Any

from jaxmix.teaching.exercises.cases import EXERCISES
from jaxmix.teaching.exercises.checking import findings
from jaxmix.user_files import run_file


def exercises_in(names: dict[str, Any]) -> dict[str, Any]:
    """The functions and classes that a file defines and that are exercises, by their names."""
    plain = {name.replace("_", "").lower(): name for name in EXERCISES}
    return {
        plain[key]: value
        for name, value in names.items()
        if (key := name.replace("_", "").lower()) in plain
        and callable(value)
        and not _is_imported(name, value, names["__name__"])
    }


def _is_imported(name: str, value: Any, file: str) -> bool:
    """Whether another module has this very object by this name, as scipy.special has softmax."""
    origin = getattr(value, "__module__", None)
    return origin != file and getattr(sys.modules.get(str(origin)), name, None) is value


def check_what_is_left(file: str, family: str, done: str, path: str) -> None:
    """Check what is not done yet, a line before and after each case."""
    with Path(path).open("w") as out:

        def say(**line: Any) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()

        try:
            given = exercises_in(vars(run_file(file)))
            if not given:
                raise ValueError(f"{file} defines none of the exercises {', '.join(EXERCISES)}")
            left = {name: value for name, value in given.items() if name not in done.split(",")}
            for finding in findings(left, family, lambda part, case: say(part=part, case=case)):
                say(**finding._asdict())
            say(end=True)
        except ValueError as error:
            say(mistake=str(error))


if __name__ == "__main__":
    check_what_is_left(*sys.argv[1:])
