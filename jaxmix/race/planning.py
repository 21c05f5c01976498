"""What a study would run, and why: runs without results, with changed code, failed, up to date."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from jaxmix.race.closure import changed
from jaxmix.race.entries import Entry
from jaxmix.race.leases import held
from jaxmix.race.store import MANIFEST, Store

MISSING, INTERRUPTED, CHANGED = "missing", "interrupted", "code changed"
RUNNING, FAILED, DONE = "running", "failed", "up to date"

STATES = (MISSING, INTERRUPTED, CHANGED, RUNNING, FAILED, DONE)

RERUNS = {
    "missing": (MISSING, INTERRUPTED),
    "changed": (MISSING, INTERRUPTED, CHANGED),
    "failed": (MISSING, INTERRUPTED, FAILED),
    "all": STATES,
}
"""By what a user asks to run: the states of the runs that are then made."""


class Planned(NamedTuple):
    """One run of a study, with its state and the reason for it."""

    entry: Entry
    state: str
    why: str
    manifest: dict[str, Any] | None
    """What is there of it, if it is done."""

    def wanted(self, rerun: str) -> bool:
        """Whether a user who asks for these reruns wants it run; one at work is joined later."""
        return self.state == RUNNING or self.state in RERUNS[rerun]


def planned(entries: Iterable[Entry], store: Store) -> list[Planned]:
    """The state of every run of a study in a store."""
    return [Planned(entry, *_state(entry, store)) for entry in entries]


def _state(entry: Entry, store: Store) -> tuple[str, str, dict[str, Any] | None]:
    folder = store.run(entry.name)
    manifest = store.manifest(entry.name)
    if manifest is not None:
        if manifest["outcome"] == "ERROR":
            return FAILED, manifest["error"].strip().splitlines()[-1], manifest
        return DONE, manifest["outcome"], manifest
    holder = held(folder.path) if folder.path.is_dir() else None
    if holder is not None:
        return RUNNING, holder, None
    state = folder.state()
    if state is not None:
        return INTERRUPTED, f"at step {state[0]['rows'][-1]['step']}", None
    others = [changed(one["code"], entry.code) for one in store.others(entry.config)]
    if others:
        return CHANGED, ", ".join(min(others, key=len)), None
    damaged = (folder.path / MANIFEST).exists()
    return MISSING, "its files are damaged" if damaged else "never run", None
