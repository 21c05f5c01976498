"""What `plan`, `run`, `status` and `report` share: a study's file, a preset, a folder of runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tyro

from jaxmix.suggestions import unknown

if TYPE_CHECKING:
    from jaxmix.race.planning import Planned
    from jaxmix.race.store import Store
    from jaxmix.race.study import Study


class Opened(NamedTuple):
    """A study with its runs."""

    study: "Study"
    store: "Store"
    plan: "list[Planned]"
    """Every run, with its state."""


@dataclass(frozen=True)
class OfStudy:
    """Arguments of a command on a study."""

    study: tyro.conf.Positional[Path]
    """The study's TOML file."""

    preset: str | None = None
    """Name of one of the study's presets."""

    out: Path | None = None
    """Folder of its runs; STUDY-runs beside the file when left out."""

    @property
    def runs(self) -> Path:
        """Where the study's runs are."""
        return self.study.with_name(f"{self.study.stem}-runs") if self.out is None else self.out

    def opened(self) -> Opened:
        """The study, in float64, and what is there of it."""
        import jax

        jax.config.update("jax_enable_x64", True)
        from jaxmix.race.entries import entries
        from jaxmix.race.planning import planned
        from jaxmix.race.store import Store
        from jaxmix.race.study import read_study

        study, store = read_study(self.study, self.preset), Store(self.runs)
        return Opened(study, store, planned(entries(study), store))

    def words(self, names: str, rerun: str) -> list[str]:
        """Words after `jaxmix` that make runs of these names, as `--only` takes them."""
        words = ["run", str(self.study), f"--only={names}", f"--rerun={rerun}"]
        words += [] if self.preset is None else [f"--preset={self.preset}"]
        return words + ([] if self.out is None else [f"--out={self.out}"])


def check_rerun(rerun: str) -> None:
    """Raise ValueError for what is no kind of runs to make again."""
    from jaxmix.race.planning import RERUNS

    if rerun not in RERUNS:
        raise unknown("rerun", rerun, RERUNS)


def described(one: "Planned") -> dict[str, Any]:
    """One run in plain values."""
    entry = one.entry
    about = {"run": entry.name, "problem": entry.problem, "method": entry.method}
    about |= {"track": entry.track, "settings": entry.settings, "seed": entry.seed}
    return about | {"state": one.state, "why": one.why}


def counted(plan: "Sequence[Planned]") -> str:
    """How many runs there are in which state, in words."""
    counts = Counter(one.state for one in plan)
    states = ", ".join(f"{number} {state}" for state, number in counts.items())
    return f"{len(plan)} runs: {states}"


def summary(plan: "Sequence[Planned]") -> str:
    """A line for runs of one problem and method in one state, for one reason."""
    from jaxmix.race.entries import titled
    from jaxmix.report.writers import Table

    lines = Counter(
        (one.entry.problem, titled(one.entry.method, one.entry.settings), one.state, one.why)
        for one in plan
    )
    rows = tuple((*line, number) for line, number in lines.items())
    columns = ("problem", "method", "state", "why", "runs")
    return Table(columns, rows, f"{counted(plan)}.").to_text()
