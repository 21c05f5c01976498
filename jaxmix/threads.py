"""The threads that XLA may use on processors; bits depend on their number.

notes/scaling.md says why.
"""

import os

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
