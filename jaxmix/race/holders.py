"""Processes as other processes can know them: those of this host, and nothing of other hosts.

A number alone tells little: another process may have it later, and every container and every host
counts its own. So a holder says too when it started, and where its number means what it means.
"""

import hashlib
import json
import os
import socket
import sys
import uuid
from pathlib import Path
from typing import NamedTuple


class Holder(NamedTuple):
    """The process that holds a lease, and how it stands."""

    owner: str
    """A name of its own for each lease that a process takes."""
    host: str
    """For people to read."""
    place: str | None
    pid: int
    start: int | None
    """In ticks of its host, where Linux shows them."""
    state: str = "held"
    """Or "released"."""
    beat: int = 0

    def written(self) -> bytes:
        """In JSON, for `read`."""
        return json.dumps(self._asdict(), ensure_ascii=False).encode()

    def lives(self) -> bool | None:
        """Whether the process lives, stopped or not; None where that cannot be known from here."""
        if self.place is None or self.place != _place():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it is another user's
        process = _process(self.pid)
        if process is None or self.start is None:
            return None
        state, start = process
        return start == self.start and state not in "ZX"

    def is_through(self) -> bool:
        """Whether it has released the lease, or ended."""
        return self.state == "released" or self.lives() is False


def this_process() -> Holder:
    """A holder of the process that asks."""
    pid = os.getpid()
    process = _process(pid)
    start = process[1] if process else None
    return Holder(uuid.uuid4().hex, socket.gethostname(), _place(), pid, start)


def read(content: bytes) -> Holder | None:
    """The holder that wrote this; None for what none writes."""
    try:
        holder = Holder(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None
    is_process = type(holder.pid) is int and 0 < holder.pid < 2**31
    return holder if is_process and holder.state in ("held", "released") else None


def _process(pid: int) -> tuple[str, int] | None:
    """State of a process ("Z" once it has ended) and its start, where Linux shows them."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _place() -> str | None:
    """Where pids mean the same processes: a host since its start, and of its containers one; None
    where that is not known, as on Windows (there `os.kill` of 0 is no question, but ends them)."""
    try:
        if sys.platform == "linux":
            where = Path("/proc/sys/kernel/random/boot_id").read_text()
            where += os.readlink("/proc/self/ns/pid")
        elif os.name == "posix":
            where = f"{uuid.getnode()}"
        else:
            return None
    except OSError:
        return None
    return hashlib.sha256(f"{socket.gethostname()} {where}".encode()).hexdigest()[:16]
