"""`jaxmix run`: make the runs of a study that are missing, in one process or several.

Interrupted runs go on where they were. Other processes may work on the same folder at the same
time, here or on another machine: each run is made by one of them.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxmix.cli.studies import OfStudy, Opened, check_rerun, described, summary

if TYPE_CHECKING:
    from jaxmix.race.planning import Planned

SOME_FAILED = 1
"""Exit code."""


@dataclass(frozen=True)
class Run(OfStudy):
    """Make the runs of a study, and go on with those that were interrupted."""

    jobs: int = 1
    """How many processes, or jobs of a cluster; seconds are comparable only among runs of one
    number."""

    executor: str = "local"
    """local, slurm, or debug, which makes the jobs of a cluster here."""

    ask: str = ""
    """What to ask of a cluster, as submitit names it: "timeout_min=120, slurm_partition='long'"."""

    rerun: str = "changed"
    """What to run again: missing (only what was never run), changed, failed or all."""

    only: str | None = None
    """Names of the runs to make, separated by commas, or - for a line each on standard input; all
    when left out."""

    json: bool = False
    """Print every run as JSON at the end."""

    def run(self) -> int:
        """Run, say on stderr what is done, and print what came of it."""
        from jaxmix.inputs import as_count
        from jaxmix.race.planning import FAILED

        jobs = as_count(self.jobs, "jobs")
        check_rerun(self.rerun)
        opened = self.opened()
        wanted = [one for one in self._chosen(opened) if one.wanted(self.rerun)]
        if wanted and self.executor != "local":
            return self._send(wanted, min(jobs, len(wanted)))
        if jobs > 1 and len(wanted) > 1:
            code = self._spread(wanted, min(jobs, len(wanted)))
            if code:
                return code
        elif wanted:
            from jaxmix.race.working import work

            work(wanted, opened.store, Path(opened.study.folder), Meter(len(wanted)))
        plan = self._chosen(self.opened())
        if self.json:
            print(json.dumps([described(one) for one in plan], indent=1))
        elif self.only is None:
            print(summary(plan))
        return SOME_FAILED if any(one.state == FAILED for one in plan) else 0

    @cached_property
    def _names(self) -> list[str]:
        """What `--only` names; a command line cannot hold thousands."""
        return sys.stdin.read().split() if self.only == "-" else (self.only or "").split(",")

    def _chosen(self, opened: Opened) -> "list[Planned]":
        if self.only is None:
            return opened.plan
        names, known = self._names, {one.entry.name: one for one in opened.plan}
        for name in names:
            if name not in known:
                raise ValueError(f"there is no run {name}; jaxmix plan --json names all")
        return [known[name] for name in names]

    def _spread(self, wanted: "list[Planned]", jobs: int) -> int:
        """Have several processes make these runs."""
        from jaxmix.cli.processes import environment

        python = [sys.executable, "-P", "-m", "jaxmix.cli.main"]
        parts = _parts(wanted, jobs)
        workers = [
            subprocess.Popen(
                [*python, *self.words("-", self.rerun)],
                env=environment(number, len(parts)),
                stdin=subprocess.PIPE,
                text=True,
            )
            for number in range(len(parts))
        ]
        try:
            # Each begins with a part of its own, and then helps the others with theirs.
            for number, worker in enumerate(workers):
                assert worker.stdin is not None
                with worker.stdin as said:
                    turn = parts[number:] + parts[:number]
                    said.write("\n".join(name for part in turn for name in part))
            codes = [worker.wait() for worker in workers]
        except KeyboardInterrupt:
            for worker in workers:
                _interrupted(worker)
            raise
        return next((code for code in codes if code not in (0, SOME_FAILED)), 0)

    def _send(self, wanted: "list[Planned]", jobs: int) -> int:
        """Have a cluster make these runs."""
        from jaxmix.race.cluster import submitted

        commands = [self.words(",".join(part), self.rerun) for part in _parts(wanted, jobs)]
        logs = self.runs / "jobs"
        numbers = submitted(commands, self.executor, logs, self.ask)
        print(f"sent {len(wanted)} runs as jobs {', '.join(numbers)}", file=sys.stderr)
        return 0


def _parts(wanted: "list[Planned]", jobs: int) -> list[list[str]]:
    """Names of runs, shared out among so many jobs at most."""
    names, size = [one.entry.name for one in wanted], -(-len(wanted) // jobs)
    return [names[j : j + size] for j in range(0, len(names), size)]


def _interrupted(worker: "subprocess.Popen[str]") -> None:
    """Wait for a worker that Ctrl-C has reached as well, and pass on a signal that only we had."""
    try:
        worker.wait(timeout=5)
    except subprocess.TimeoutExpired:
        worker.send_signal(signal.SIGINT)
        worker.wait()


class Meter:
    """Says on stderr which run is being made, and what came of it."""

    def __init__(self, number: int):
        self._number, self._done = number, 0

    def __call__(self, one: "Planned", manifest: dict[str, Any] | None) -> None:
        """Told before a run and after it."""
        from jaxmix.race.entries import titled

        if manifest is None:
            return
        self._done += 1
        entry = one.entry
        what = f"{entry.problem}, {titled(entry.method, entry.settings)}, seed {entry.seed}"
        print(f"{self._done}/{self._number} {what}: {manifest['outcome']}", file=sys.stderr)
