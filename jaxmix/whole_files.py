"""Files written whole or not at all: a kill or a crash leaves the file from before, or the new one.

Content goes to another name in the same folder and to the disk, and only then in its place.
"""

import errno
import os
import re
from pathlib import Path
from uuid import uuid4

_UNSYNCED = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EBADF, errno.ENOTSUP)
"""Errors of systems that open no folder (Windows) and of file systems that sync none."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, in place of one of this name; ValueError where that cannot be done."""
    try:
        # A link stays, and the file that it names is replaced, as by a plain writing.
        place = Path(os.path.realpath(path))
        unfinished = place.with_name(f".{place.name}.{uuid4().hex}")
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, place)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(place.parent)
    except OSError as error:
        raise ValueError(f"cannot write to {path}: {error.strerror}") from None


def tidy(path: Path) -> None:
    """Remove what kills have left of writings of this file."""
    place = Path(os.path.realpath(path))
    left = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{32}}")
    for file in place.parent.iterdir():
        if left.fullmatch(file.name):
            file.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Let the names in a folder outlive a crash of the machine, where it can promise that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise
