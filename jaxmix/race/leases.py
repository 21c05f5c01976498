"""Who works in the folder of a run: leases, among processes of hosts that share a file system.

The lease in force is the `lease.000001`, `lease.000002`, ... of the highest number. Who finds it
free makes the next, which a file system lets one process do (O_EXCL, on NFS since its version 3;
flock may be missing there). Until the run is done nobody removes or renames a lease, and an owner
writes into the file that it made and never by name: whatever one that was frozen for hours does
when it wakes up, it cannot touch its successor's. The file says who the owner is and counts its
heartbeats. A lease is free
- once it is released;
- where its owner ran on this host, once that process has ended; stopped ones live;
- otherwise (another host, container or system, or a file that cannot be read) after `STALE` seconds
  without a change. The watcher's clock counts them, since hosts' clocks differ; and of the time
  between two looks only a part, since a watcher that was frozen itself has not seen silence.

What remains: an owner may be frozen between `check` and what it then writes. So two processes may
finish one run, and each must write its files whole and its manifest last.
"""

import errno
import os
import re
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path
from time import monotonic
from typing import final

from jaxmix.race.holders import read, this_process

HEARTBEAT = 15.0
"""Seconds between two heartbeats."""

STALE = 180.0
"""Seconds of silence after which the owner on another host counts as dead: twelve heartbeats, and
three times as long as a client of NFS may show a file from before a change."""

LOOKS = 6
"""In how many looks, at least, these seconds must be seen to pass."""

_NAME = re.compile(r"lease\.(\d{6,})")
_SIZE = 1024
"""Bytes of a lease, more than any needs; all of one size, none is ever cut off."""

_GONE = (errno.ENOENT, errno.ESTALE)
"""Errors for a file that was removed, here or by another host."""

Folder = str | os.PathLike[str]

_seen: dict[Path, tuple[tuple[int, bytes], float, float]] = {}
"""By folder: the lease seen there last, for how long it has been silent, and when that was seen."""


class LeaseLost(RuntimeError):
    """Another process has taken over the run."""


@final
class Lease:
    """The right to work in a folder: made by `take`, kept alive and at last released by `with`.

    Attributes:
        number: of its file.
        lost: whether a heartbeat has found that another process took over; costs nothing to ask.
    """

    def __init__(self, folder: Path, number: int, file: FileIO):
        self.number, self.lost = number, False
        self._folder, self._file = folder, file
        self._holder = this_process()
        self._writing, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def is_mine(self) -> bool:
        """Whether this is the lease in force still."""
        if self._file.closed or max(_numbers(self._folder), default=0) != self.number:
            return False
        try:
            # In a folder that was done meanwhile, the name may be that of another's.
            there = os.stat(_path(self._folder, self.number))
            return os.path.samestat(there, os.fstat(self._file.fileno()))
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise _refused(self._folder, error) from None

    def check(self) -> None:
        """Raise LeaseLost unless this is the lease in force: right before a manifest is written.

        The run's other files come before: a client of NFS reads a folder anew after it has
        written there.
        """
        if not self.is_mine():
            self.lost = True
            raise LeaseLost(
                f"another process has taken over {self._folder}, after {STALE:g} seconds without "
                "a sign of this one; the run is that one's to finish"
            )

    def beat(self) -> None:
        """Write the lease with one more heartbeat; a released one stays as it is."""
        with self._writing:
            if not self._file.closed:
                self._write("held")

    def release(self) -> None:
        """Give the folder back; once is enough, and again does nothing."""
        self._ended.set()
        with self._writing:
            if not self._file.closed:
                # Where it cannot be said, the end of this process frees the folder.
                with suppress(OSError), self._file:
                    self._write("released")
        if self._thread.is_alive():
            self._thread.join()

    def clear(self) -> None:
        """Release, and remove this and all earlier leases: of a run whose manifest is in place.

        Numbers then begin anew, which is safe only where nobody has anything left to write.
        """
        self.release()
        for number in _numbers(self._folder):
            # Windows removes no file that a frozen process has open.
            with suppress(OSError):
                if number <= self.number:
                    _path(self._folder, number).unlink()

    def _write(self, state: str) -> None:
        self._holder = self._holder._replace(state=state, beat=self._holder.beat + 1)
        self._file.seek(0)
        self._file.write(self._holder.written().ljust(_SIZE))
        os.fsync(self._file.fileno())

    def _keep_alive(self) -> None:
        while not self.lost and not self._ended.wait(HEARTBEAT):
            # Where the disk is full or the server away, a later one may succeed.
            with suppress(OSError, ValueError):
                self.beat()
                is_mine = self.is_mine()
                self.lost = not is_mine and not self._ended.is_set()


def take(folder: Folder) -> Lease | None:
    """The lease of a run's folder, where nobody alive holds it.

    Ask for the manifest before and again after: the run may be done in between, and then the
    leases of its owner are gone. So a run goes

        if manifest.exists(): ...                   # done
        lease = take(folder)
        if lease is None: ...                       # somebody works on it: ask again later
        with lease:
            if not manifest.exists():
                ...                                 # work, and write all files but the manifest
                lease.check()
                write_whole(manifest, ...)
            lease.clear()

    Args:
        folder: of one run; it exists.

    Returns:
        The lease, or None where it is somebody else's. Whether one of another host is alive shows
        when this is asked again: at least every `STALE / LOOKS` seconds, or it takes longer.

    Raises:
        ValueError: if there is no such folder, or it cannot be read and written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with take(folder) as lease:
        ...         print(take(folder), lease.is_mine(), os.listdir(folder))
        ...     lease.clear()
        None True ['lease.000001']
    """
    folder = Path(folder)
    number, content = _in_force(folder)
    if number and not _is_free(folder, number, content):
        return None
    _seen.pop(folder, None)
    path = _path(folder, number + 1)
    try:
        file = FileIO(path, "xb")
    except FileExistsError:
        return None
    except OSError as error:
        raise _refused(folder, error) from None
    lease = Lease(folder, number + 1, file)
    try:
        lease.beat()
    except OSError as error:
        file.close()
        path.unlink(missing_ok=True)
        raise _refused(folder, error) from None
    return lease


def held(folder: Folder) -> str | None:
    """Who holds a folder, for people to read; None where it is free.

    "alive" is a process of this host; whether one of another host is shows only with time.
    Raises ValueError as `take` does.
    """
    number, content = _in_force(Path(folder))
    holder = read(content)
    if not number or (holder and holder.is_through()):
        return None
    if holder is None:
        return f"unknown: {_path(Path(folder), number).name} cannot be read"
    return f"process {holder.pid} on {holder.host} ({'alive' if holder.lives() else 'unknown'})"


def _path(folder: Path, number: int) -> Path:
    return folder / f"lease.{number:06}"


def _numbers(folder: Path) -> list[int]:
    """The numbers of the leases in a folder."""
    try:
        found = [_NAME.fullmatch(name) for name in os.listdir(folder)]
    except OSError as error:
        raise _refused(folder, error) from None
    return sorted(int(match[1]) for match in found if match)


def _in_force(folder: Path) -> tuple[int, bytes]:
    """Number and content of the lease in force; no content where it goes while it is read."""
    number = max(_numbers(folder), default=0)
    try:
        return number, _path(folder, number).read_bytes() if number else b""
    except OSError as error:
        if error.errno in _GONE:
            return number, b""
        raise _refused(folder, error) from None


def _refused(folder: Path, error: OSError) -> ValueError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ValueError(f"there is no folder {folder}; make it, or name another")
    return ValueError(
        f"cannot take turns in {folder}: {error.strerror}; see that this user may read and write "
        "there, and that the disk has room"
    )


def _is_free(folder: Path, number: int, content: bytes) -> bool:
    """Whether a lease is released, or its owner dead as far as this process can tell."""
    holder = read(content)
    if holder and holder.is_through():
        return True
    if holder and holder.lives():
        return False
    now, lease = monotonic(), (number, content)
    before, silence, last = _seen.get(folder, (None, 0.0, now))
    silence = silence + min(now - last, STALE / LOOKS) if before == lease else 0.0
    _seen[folder] = lease, silence, now
    return silence >= STALE
