"""`jaxmix status`: how far a study is, and who is at work on it."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Status:
    """Say how far a study is: how many runs are done, failed, at work and left."""

    study: tyro.conf.Positional[Path]
    """The study's TOML file."""

    preset: str | None = None
    """Name of one of the study's presets."""

    out: Path | None = None
    """Folder of its runs; STUDY-runs beside the file when left out."""

    json: bool = False
    """Print counts and failures as JSON."""

    def run(self) -> int:
        """Print the counts, the runs at work, and the failures."""
        from jaxmix.cli.studies import described, planned
        from jaxmix.race.planning import FAILED, INTERRUPTED, RUNNING, STATES

        plan = planned(self.study, self.preset, self.out)
        counts = Counter(one.state for one in plan)
        shown = [described(one) for one in plan if one.state in (RUNNING, INTERRUPTED, FAILED)]
        if self.json:
            numbers = {state: counts[state] for state in STATES}
            print(json.dumps({"runs": len(plan), "states": numbers, "shown": shown}, indent=1))
        else:
            print(f"{len(plan)} runs: " + ", ".join(f"{n} {s}" for s, n in counts.items()))
            for one in shown:
                what = f"{one['problem']}, {one['method']}, seed {one['seed']}"
                print(f"{one['state']}: {what} ({one['why']}) {one['run']}")
        return 1 if counts[FAILED] else 0
