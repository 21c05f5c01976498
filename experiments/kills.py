"""Kills runs of a study at 50 moments, lets them go on, and compares hashes with undisturbed ones.

Run: python experiments/kills.py
20 processes kill themselves with half of a file written, 10 before or after a file takes its name,
and 20 are killed from outside at random moments. Each goes on with what the one before has left; in
between, every file of a run must be whole. Writes experiments/results/kills.json and prints it.
"""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from jaxmix.race.store import MANIFEST, RunFolder

RESULTS = Path(__file__).parent / "results" / "kills.json"
MOMENTS = [("write", 20), ("rename", 10), ("any", 20)]

STUDY = """
title = "killed"
seeds = 1
[budget]
passes = 600
[reference]
starts = 4
[[problems]]
name = "faithful"
[[methods]]
name = "em"
[[methods]]
name = "adam"
[[methods]]
name = "squarem"
[[methods]]
name = "sklearn"
"""


def child(moment: str, number: int, words: list[str]) -> None:
    """The command, with a state written at every evaluation, that kills itself at a writing."""
    from jaxmix import whole_files
    from jaxmix.race import running

    running.SAVE_SECONDS = 0.0
    left, replace, sync = [number], os.replace, os.fsync

    def due() -> bool:
        left[0] -= 1
        return left[0] == 0

    def half_written(descriptor: int) -> None:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if moment == "write" and is_file and due():
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    def renamed(source: str, target: str) -> None:
        last = moment == "rename" and due()
        if last and number % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    # The files of runs alone: a lease that is cut off keeps others away for minutes, by design.
    whole_files.os = SimpleNamespace(**{**vars(os), "fsync": half_written, "replace": renamed})
    from jaxmix.cli.main import main

    sys.exit(main(words))


def torn(runs: Path) -> list[str]:
    """Files that are there under their names and are not whole."""
    found = []
    for run in runs.glob("*-*"):
        folder = RunFolder(run)
        if (run / MANIFEST).exists() and folder.manifest() is None:
            found.append(f"{run.name}/{MANIFEST}")
        if (run / "state.npz").exists() and folder.state() is None:
            found.append(f"{run.name}/state.npz")
    return found


def hashes(runs: Path) -> dict[str, dict[str, str]]:
    """The hashes of every run that is done."""
    manifests = {run.name: RunFolder(run).manifest() for run in runs.glob("*-*")}
    return {name: one["hashes"] for name, one in manifests.items() if one is not None}


def killed(study: Path, runs: Path, moment: str, rng: random.Random) -> bool:
    """Start the command, and whether it was killed before its end."""
    words = ["run", str(study), f"--out={runs}"]
    number = rng.randrange(1, 40)
    process = subprocess.Popen(
        [sys.executable, __file__, moment, str(number), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if moment == "any":
        time.sleep(rng.uniform(1.0, 8.0))
        process.kill()
    return process.wait() == -signal.SIGKILL


def main() -> None:
    """Disturb, go on, compare."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as place:
        study = Path(place, "killed.toml")
        study.write_text(STUDY)
        undisturbed = Path(place, "undisturbed")
        plain = [sys.executable, __file__, "none", "0", "run", str(study)]
        subprocess.run([*plain, f"--out={undisturbed}"], check=True, stdout=subprocess.DEVNULL)
        expected, counts, tears, same, rounds = hashes(undisturbed), {}, [], True, 0
        for moment, number in MOMENTS:
            while counts.get(moment, 0) < number:
                print(counts, f"{rounds} studies ended", file=sys.stderr)
                runs = Path(place, f"runs-{rounds}")
                if killed(study, runs, moment, rng):
                    counts[moment] = counts.get(moment, 0) + 1
                    tears += torn(runs)
                else:
                    same, rounds = same and hashes(runs) == expected, rounds + 1
        runs = Path(place, f"runs-{rounds}")
        subprocess.run([*plain, f"--out={runs}"], check=True, stdout=subprocess.DEVNULL)
        same = same and hashes(runs) == expected
    report = {"kills": counts, "studies_ended": rounds + 1, "torn_files": tears, "same_bits": same}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
    main()
