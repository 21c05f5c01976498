"""Whether a run can be repeated: it is made anew in a fresh process, and its hashes are compared.

The bits are those of a class of machine, its number of threads and the versions of what computes:
where these are others, objectives are compared within a tolerance, and the verdict says so.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxmix.race.closure import changed
from jaxmix.race.store import RunFolder, name_of

TOLERANCE = 1e-6
"""Relative, of objectives after as many steps, where the same bits cannot be expected."""

CIRCUMSTANCES = ("versions", "device", "threads", "processes")


class Verdict(NamedTuple):
    """What became of a repetition."""

    same: bool
    why: str


def verified(run: Path, study_folder: Path | None = None) -> Verdict:
    """Repeat a run, and compare.

    Args:
        run: its folder.
        study_folder: where the study's files are; where the manifest says when left out.

    Raises:
        ValueError: if the run is not done, or limited by seconds, which no two runs share.
    """
    before = RunFolder(run).manifest()
    if before is None:
        raise ValueError(f"{run} holds no run that is done")
    if name_of(before) != run.resolve().name:
        raise ValueError(f"{run} holds the results of another run, {name_of(before)}")
    if before["outcome"] == "ERROR":
        raise ValueError(f"{run} holds a run that failed: {before['error'].splitlines()[-1]}")
    if (before["config"].get("budget") or {}).get("seconds") is not None:
        raise ValueError(f"{run} was limited by seconds, which no two runs share")
    if study_folder is None and before["study"] is None:
        raise ValueError(f"{run} does not say where its study's files are; name --folder")
    files = (run / before["study"]) if study_folder is None else study_folder
    with tempfile.TemporaryDirectory() as place:
        _repeat(before["config"], files, Path(place))
        now = RunFolder(Path(place)).manifest()
        if now is None:
            raise ValueError(f"the repetition of {run} left nothing")
        return compared(before, now, RunFolder(run).trace(), RunFolder(Path(place)).trace())


def compared(
    before: Mapping[str, Any], now: Mapping[str, Any], trace: list[Any], again: list[Any]
) -> Verdict:
    """Judge a repetition by its manifest and evaluations."""
    edits = changed(before["code"], now["code"])
    code = f"; the code is another: {', '.join(edits)}" if edits else ""
    others = [name for name in CIRCUMSTANCES if before[name] != now[name]]
    if not others:
        differ = [name for name, one in before["hashes"].items() if now["hashes"].get(name) != one]
        if before["outcome"] != now["outcome"] or differ:
            what = ", ".join(differ) or f"outcome {now['outcome']}, was {before['outcome']}"
            return Verdict(False, f"differs in {what}{code}")
        return Verdict(True, f"the same bits{code}")
    where = f"on another machine or setting ({', '.join(others)}), within {TOLERANCE:g}"
    pairs = list(zip(trace, again))
    worst = max((_distance(*(row["objective"] for row in pair)) for pair in pairs), default=0.0)
    same = len(trace) == len(again) and worst <= TOLERANCE
    word = "agrees" if same else "differs"
    return Verdict(same, f"{word} {where}: largest relative difference {worst:.1e}{code}")


def _distance(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return abs(one - other) / max(abs(one), abs(other), 1e-300)


def _repeat(config: Mapping[str, Any], files: Path, place: Path) -> None:
    """Make a run of this configuration in a process of its own."""
    words = [sys.executable, "-P", "-m", "jaxmix.race.repetition", str(files), str(place)]
    environment = os.environ | {"JAX_ENABLE_X64": "1"}
    done = subprocess.run(
        words, input=json.dumps(config), capture_output=True, text=True, env=environment
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"the repetition ended with code {done.returncode}: {last}")
