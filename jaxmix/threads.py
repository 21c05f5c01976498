"""The threads that XLA may use on processors; bits depend on their number.

notes/scaling.md says why.
"""

import math
import os
from pathlib import Path, PurePosixPath

VARIABLE = "PJRT_NPROC"
"""What tells XLA how many, where set before it starts."""


def processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Threads that a product of matrices is divided among, on one device."""
    told = os.environ.get(VARIABLE, "")
    return int(told) if told.isdigit() and int(told) else processors()


def quota(
    groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> float | None:
    """Processors whose time Linux allows this process's control groups; None where all.

    Args:
        groups: which groups the process is in, of versions 1 and 2.
        mounted: where their settings are.
    """
    try:
        lines = [line.split(":", 2) for line in groups.read_text().splitlines()]
    except OSError:
        return None
    tops = {"": mounted, "cpu": mounted / "cpu", "cpu,cpuacct": mounted / "cpu"}
    folders = [
        tops[kind].joinpath(*PurePosixPath(path).parts[1:])
        for _, kind, path in lines
        if kind in tops
    ]
    least = min((_quota(up) for folder in folders for up in (folder, *folder.parents)), default=0)
    return least if 0 < least < math.inf else None


def _quota(folder: Path) -> float:
    """Of one group; infinite where it has none."""
    try:
        if (folder / "cpu.max").exists():
            time, period = (folder / "cpu.max").read_text().split()
        else:
            time, period = (
                (folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        return int(time) / int(period) if int(time) > 0 else math.inf
    except (OSError, ValueError):  # version 2 says "max"
        return math.inf
