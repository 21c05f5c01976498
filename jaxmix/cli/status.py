"""`jaxmix status`: how far a study is, and who is at work on it."""

import json
from collections import Counter
from dataclasses import dataclass

from jaxmix.cli.studies import OfStudy, counted, described


@dataclass(frozen=True)
class Status(OfStudy):
    """Say how far a study is: how many runs are done, failed, at work and left."""

    json: bool = False
    """Print counts and failures as JSON."""

    def run(self) -> int:
        """Print the counts, the runs at work, and the failures."""
        from jaxmix.race.planning import FAILED, INTERRUPTED, RUNNING, STATES

        plan = self.opened().plan
        counts = Counter(one.state for one in plan)
        shown = [described(one) for one in plan if one.state in (RUNNING, INTERRUPTED, FAILED)]
        if self.json:
            numbers = {state: counts[state] for state in STATES}
            print(json.dumps({"runs": len(plan), "states": numbers, "shown": shown}, indent=1))
        else:
            print(counted(plan))
            for one in shown:
                what = f"{one['problem']}, {one['method']}, seed {one['seed']}"
                print(f"{one['state']}: {what} ({one['why']}) {one['run']}")
        return 1 if counts[FAILED] else 0
