"""`jaxmix plan`: what a study would run, and why."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import tyro

from jaxmix.suggestions import unknown

FORMATS = ("table", "commands")


@dataclass(frozen=True)
class Plan:
    """Say what a study would run, and why: missing, code changed in which file, failed."""

    study: tyro.conf.Positional[Path]
    """The study's TOML file."""

    preset: str | None = None
    """Name of one of the study's presets."""

    out: Path | None = None
    """Folder of its runs; STUDY-runs beside the file when left out."""

    rerun: str = "changed"
    """What to run again: missing (only what was never run), changed, failed or all."""

    format: str = "table"
    """table, or commands: a command for every run, for a scheduler of your own."""

    json: bool = False
    """Print every run as JSON."""

    def run(self) -> None:
        """Print the plan."""
        from jaxmix.cli.studies import described, planned, run_words, summary
        from jaxmix.race.planning import RERUNS

        if self.format not in FORMATS:
            raise unknown("format", self.format, FORMATS)
        if self.rerun not in RERUNS:
            raise unknown("rerun", self.rerun, RERUNS)
        plan = planned(self.study, self.preset, self.out)
        if self.json:
            print(json.dumps([described(one) for one in plan], indent=1))
        elif self.format == "table":
            print(summary(plan))
        else:
            for one in plan:
                if one.wanted(self.rerun):
                    words = run_words(
                        self.study, self.preset, self.out, self.rerun, [one.entry.name]
                    )
                    print(shlex.join(["jaxmix", *words]))
