"""Arrays with a header in one npz file, written whole or not at all; reading executes nothing.

What the header says, and which arrays belong to it, is for those to know who write one
(`saving.py`, `checkpoint.py`).
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import numpy as np

from jaxmix.inputs import as_count
from jaxmix.whole_files import write_whole

Arrays = dict[str, np.ndarray]


class Kind(NamedTuple):
    """A kind of file, as its header names it and as messages do."""

    format: str
    version: int
    of: str
    """What one holds, as in "a mixture"."""
    writer: str
    """Who writes one."""


def write_archive(path: Path, kind: Kind, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Write arrays with their header to a file; ValueError where that cannot be done."""
    known = json.dumps({"format": kind.format, "version": kind.version, **header})
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, header=np.array(known), **arrays)
    write_whole(path, content.getvalue())


def content_of(path: Path) -> bytes:
    """The bytes of a file; ValueError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def read_archive(content: bytes, kind: Kind) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays of a file of this kind; ValueError, without its name, for any other."""
    try:
        if not is_zipfile(io.BytesIO(content)):
            raise ValueError("it is no npz file, or cut off")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged archive raises anything, zlib.error and more
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"it is not a complete file of {kind.of} ({reason})") from None
    return _header(arrays.pop("header", None), kind), arrays


def _header(entry: np.ndarray | None, kind: Kind) -> dict[str, Any]:
    try:
        header = json.loads(str(entry))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != kind.format:
        raise ValueError(f"it is not {kind.of} that {kind.writer} wrote")
    version = as_count(header.get("version"), "its version")
    if version > kind.version:
        raise ValueError(f"it has version {version}, newer than {kind.version}; update jaxmix")
    return header
