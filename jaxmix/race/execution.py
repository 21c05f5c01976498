"""A configuration is run, and its manifest says what came of it: numbers, hashes, circumstances.

A run that fails is a row with its traceback. Hashes leave out what a clock says, so that a run that
was killed and went on has those of one that was not.
"""

import os
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxmix.archives import Arrays
from jaxmix.circumstances import circumstances, fingerprint
from jaxmix.loop import Outcome
from jaxmix.mixture import Mixture
from jaxmix.race.problems import Opened, opened
from jaxmix.race.runners import Runner
from jaxmix.race.running import Beat, Race, Referee
from jaxmix.race.schedule import own_stop
from jaxmix.race.store import Row, RunFolder, array_digest, digest
from jaxmix.race.study import Budget, ProblemSpec, Rule

MakeRunner = Callable[[np.ndarray, Any, Mixture, float], Runner]
"""From columns in the run's precision, sample weights, a start and a ridge to a method's runner."""


class Found(NamedTuple):
    """What a run leaves: evaluations, arrays, and what its manifest says of them."""

    rows: list[Row]
    arrays: Arrays
    told: dict[str, Any]


def execute(
    config: Mapping[str, Any],
    code: Mapping[str, str],
    work: Callable[[Opened], Found],
    study_folder: Path,
    folder: RunFolder,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run one configuration to its end, and write what it found with its manifest.

    Args:
        config: as `jaxmix.race.entries` states it.
        code: hashes of the code that it uses.
        work: what to do with the opened problem.
        study_folder: where the study's files are.
        folder: the run's own.
        check: raises where the run has become another process's.

    Returns:
        The manifest; of a run that failed with outcome ERROR and its traceback.
    """
    began, data = time.perf_counter(), {}
    try:
        problem = opened(ProblemSpec(**config["problem"]), study_folder)
        data = _described(problem)
        found = work(problem)
    except (Exception, SystemExit) as error:
        check()
        found = Found([], {}, {"outcome": "ERROR", "error": told(error, study_folder)})
    manifest = {
        "config": dict(config),
        "code": dict(code),
        "study": _way(study_folder, folder.path),
        **circumstances(),
        "dtype": config.get("precision", "float64"),
        "git": _commit(study_folder),
        "data": data,
        **found.told,
        "hashes": hashes(found),
        "total_seconds": time.perf_counter() - began,
    }
    folder.finish(manifest, found.rows, found.arrays, check)
    return manifest


def race(
    config: Mapping[str, Any], problem: Opened, make: MakeRunner, folder: RunFolder, beat: Beat
) -> Found:
    """A method's run through its budget, evaluated on its way."""
    precision, stated = config["precision"], problem.stated
    start = problem.start(config["seed"], precision)
    given = (problem.x.astype(precision), problem.table.sample_weights, start, stated.ridge)
    began = time.perf_counter()
    runner = make(*given)
    one = Race(runner, Referee(problem, start), folder)
    compile_seconds = one.prepare()
    one.run(Budget(**config["budget"]), beat)
    stop = own_stop(runner.history, Rule(**config["stop"]), problem.total)
    failed = runner.outcome in (Outcome.DEGENERATE, Outcome.NONFINITE)
    ended = "BUDGET" if runner.outcome == Outcome.RUNNING else "STOPPED"
    about = {
        "outcome": runner.outcome.name if failed else ended,
        "error": None,
        "num_steps": runner.num_steps,
        "cost": runner.spent._asdict(),
        "own_stop": None if stop is None else stop._asdict(),
        "num_parameters": _num_parameters(start),
        "compile_seconds": compile_seconds,
        "run_seconds": one.seconds,
        "seconds": time.perf_counter() - began,
    }
    return Found(one.rows, one.arrays, about)


def hashes(found: Found) -> dict[str, str]:
    """Hashes of every array, and of the evaluations without what a clock says of them."""
    rows = [{name: v for name, v in row.items() if name != "seconds"} for row in found.rows]
    arrays = {name: array_digest(array) for name, array in sorted(found.arrays.items())}
    return {
        **arrays,
        "trace": digest([{n: float(v).hex() for n, v in row.items()} for row in rows]),
    }


def told(error: BaseException, folder: Path) -> str:
    """A traceback whose files are named without the folders around them."""
    text = "".join(traceback.format_exception(error))
    roots = {str(folder.resolve()): ".", str(Path(__file__).parents[2]): "."}
    roots |= {str(Path(np.__file__).parents[1]): "site-packages"}
    for root, name in sorted(roots.items(), key=lambda item: -len(item[0])):
        text = text.replace(root, name)
    return text


def _way(study_folder: Path, run: Path) -> str | None:
    """The way from a run to its study's files, where it names no folder outside of a common one."""
    there, here = study_folder.resolve(), run.resolve()
    common = Path(os.path.commonpath([there, here]))
    return os.path.relpath(there, here) if len(common.parts) > 2 else None


def _num_parameters(mixture: Mixture) -> int:
    return sum(mixture.family.sizes.values()) + mixture.num_components - 1


def _described(problem: Opened) -> dict[str, Any]:
    """The data, without the numbers themselves."""
    table = problem.table
    weights = table.sample_weights
    return {
        "name": table.name,
        "source": table.source,
        "columns": list(table.columns),
        "rows": len(table.x),
        "total": problem.total,
        "sha256": fingerprint(table.x),
        "weights_sha256": None if weights is None else fingerprint(np.asarray(weights)),
        "center": problem.units.center.tolist(),
        "scale": problem.units.scale.tolist(),
    }


def _commit(folder: Path) -> dict[str, Any] | None:
    """Commit and dirtiness of the repository that a folder is in; None outside of any."""

    def asked(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": asked("rev-parse", "HEAD"), "dirty": bool(asked("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None
