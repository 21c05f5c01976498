"""`jaxmix plan`: what a study would run, and why."""

import json
import shlex
from dataclasses import dataclass

from jaxmix.cli.studies import OfStudy, check_rerun, described, summary
from jaxmix.suggestions import unknown

FORMATS = ("table", "commands")


@dataclass(frozen=True)
class Plan(OfStudy):
    """Say what a study would run, and why: missing, code changed in which file, failed."""

    rerun: str = "changed"
    """What to run again: missing (only what was never run), changed, failed or all."""

    format: str = "table"
    """table, or commands: a command for every run, for a scheduler of your own."""

    json: bool = False
    """Print every run as JSON."""

    def run(self) -> None:
        """Print the plan."""
        if self.format not in FORMATS:
            raise unknown("format", self.format, FORMATS)
        check_rerun(self.rerun)
        plan = self.opened().plan
        if self.json:
            print(json.dumps([described(one) for one in plan], indent=1))
        elif self.format == "table":
            print(summary(plan))
        else:
            for one in plan:
                if one.wanted(self.rerun):
                    print(shlex.join(["jaxmix", *self.words(one.entry.name, self.rerun)]))
