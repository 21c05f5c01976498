"""What `plan`, `run`, `status` and `report` share: a study's file, a preset, a folder of runs."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxmix.race.planning import Planned
    from jaxmix.race.study import Study


def opened(path: Path, preset: str | None) -> "Study":
    """The study of a file, in float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from jaxmix.race.study import read_study

    return read_study(path, preset)


def folder_of(study: Path, out: Path | None) -> Path:
    """Where a study's runs are: beside its file unless the user says otherwise."""
    return study.with_name(f"{study.stem}-runs") if out is None else out


def planned(path: Path, preset: str | None, out: Path | None) -> "list[Planned]":
    """Every run of a study, with its state."""
    study = opened(path, preset)
    from jaxmix.race.entries import entries
    from jaxmix.race.planning import planned as states
    from jaxmix.race.store import Store

    return states(entries(study), Store(folder_of(path, out)))


def run_words(
    study: Path, preset: str | None, out: Path | None, rerun: str, names: "list[str]"
) -> list[str]:
    """Words after `jaxmix` that make these runs of a study."""
    words = ["run", str(study), f"--only={','.join(names)}", f"--rerun={rerun}"]
    words += [] if preset is None else [f"--preset={preset}"]
    return words + ([] if out is None else [f"--out={out}"])


def described(one: "Planned") -> dict[str, Any]:
    """One run in plain values."""
    entry = one.entry
    about = {"run": entry.name, "problem": entry.problem, "method": entry.method}
    about |= {"track": entry.track, "settings": entry.settings, "seed": entry.seed}
    return about | {"state": one.state, "why": one.why}


def summary(plan: "list[Planned]") -> str:
    """A line for runs of one problem and method in one state, for one reason."""
    from jaxmix.race.entries import titled
    from jaxmix.report.writers import Table

    lines = Counter(
        (one.entry.problem, titled(one.entry.method, one.entry.settings), one.state, one.why)
        for one in plan
    )
    rows = tuple((*line, number) for line, number in lines.items())
    counts = Counter(one.state for one in plan)
    total = ", ".join(f"{number} {state}" for state, number in counts.items())
    columns = ("problem", "method", "state", "why", "runs")
    return Table(columns, rows, f"{len(plan)} runs: {total}.").to_text()
