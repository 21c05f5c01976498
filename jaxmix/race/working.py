"""Runs of a study made one after another by this process, beside others that share the folder.

A run belongs to whoever holds its lease; results that another process has left meanwhile are taken
as they are.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxmix.race.closure import changed
from jaxmix.race.entries import code_of, maker, roots_of
from jaxmix.race.execution import Found, execute, race
from jaxmix.race.leases import LeaseLost, take
from jaxmix.race.measuring import measured
from jaxmix.race.planning import Planned
from jaxmix.race.problems import Opened
from jaxmix.race.reference import referenced
from jaxmix.race.store import RunFolder, Store

POLL = 1.0
"""Seconds between two looks at runs that other processes are making."""

Say = Callable[[Planned, dict[str, Any] | None], None]
"""Told of every run that is to be made, and then of its manifest."""


def work(wanted: Sequence[Planned], store: Store, study_folder: Path, say: Say) -> None:
    """Make these runs, and wait for those that others are making, until all are done.

    Args:
        wanted: what to run, as it was planned.
        store: where results go.
        study_folder: where the study's files are.
        say: told what is being done.
    """
    left = list(wanted)
    while left:
        busy = [one for one in left if not _done(one, store, study_folder, say)]
        if len(busy) == len(left):
            time.sleep(POLL)
        left = busy


def _done(one: Planned, store: Store, study_folder: Path, say: Say) -> bool:
    """Whether a run is done, which it is made to be unless another process is making it."""
    name = one.entry.name
    folder = store.run(name)
    if _is_new(store.manifest(name), one):
        return True
    folder.path.mkdir(parents=True, exist_ok=True)
    lease = take(folder.path)
    if lease is None:
        return False
    with lease:
        # Another process may have ended it since.
        if _is_new(store.manifest(name), one):
            lease.clear()
            return True
        folder.reset()
        say(one, None)
        try:
            entry = one.entry
            manifest = make(entry.config, entry.code, study_folder, folder, lease.check)
        except LeaseLost:
            return False
        lease.clear()
        say(one, manifest)
    return True


def _is_new(manifest: dict[str, Any] | None, one: Planned) -> bool:
    """Whether a run has results, other than those that were there when it was planned."""
    return manifest is not None and manifest != one.manifest


def make(
    config: Mapping[str, Any],
    code: Mapping[str, str],
    study_folder: Path,
    folder: RunFolder,
    check: Callable[[], None],
) -> dict[str, Any]:
    """Make one run; its manifest.

    Args:
        config, code, study_folder, folder: as `execute` takes them.
        check: raises where the run has become another process's.

    Raises:
        ValueError: where code or data are no longer those that the run was planned with.
    """
    _check_unedited(config, code, study_folder)

    def do(problem: Opened) -> Found:
        if config["kind"] == "race":
            return race(config, problem, maker(config, study_folder), folder, check)
        if config["kind"] == "reference":
            return referenced(config, problem)
        return measured(config, problem, study_folder)

    def check_all() -> None:
        check()
        _check_unedited(config, code, study_folder)

    return execute(config, code, do, study_folder, folder, check_all)


def _check_unedited(config: Mapping[str, Any], code: Mapping[str, str], study_folder: Path) -> None:
    """A run is filed under the code and the data that it was planned with, or not at all."""
    roots = roots_of(config, study_folder)
    if not any(Path(study_folder, root).is_file() for root in roots):
        return  # all of it is the package's, and in memory
    edited = changed(code, code_of(roots, study_folder))
    if edited:
        raise ValueError(f"edited while the study ran: {', '.join(edited)}; run it again")
