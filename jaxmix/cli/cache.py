"""Compiled programs kept from one run of the command to the next, in the user's cache folder.

JAX's own persistent cache, set by its own environment variables before jax is imported, so that the
library changes no setting. A variable that the user has set stays as it is.
"""

import contextlib
import hashlib
import os
import platform
import sys
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from typing import NamedTuple

FOLDER, ENABLED = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
"""JAX's variables: where programs are kept, and whether."""

WORTH_KEEPING = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""Most programs of a small fit take less than the second that JAX asks for by default."""

LARGEST = 2**27
"""Bytes of all programs, above which the older half goes; a comparison keeps some 2 MB."""


class Kept(NamedTuple):
    """What is kept of compiled programs."""

    on: bool
    folder: str
    """As a variable or this module names it; it need not be there yet."""
    programs: int
    bytes: int


def keep_compiled(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have JAX keep what it compiles, where the user has not said otherwise and it can."""
    if FOLDER in environment or _is_off(environment):
        return
    with contextlib.suppress(OSError, RuntimeError):
        folder = _programs(environment)
        # Programs are run: nobody else may write here.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_ours(folder):
            _shrink(folder)
            environment.update({**WORTH_KEEPING, FOLDER: str(folder)})
            # An entry that another process is writing is compiled instead: no news to a user.
            warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation")


def kept(environment: MutableMapping[str, str] = os.environ) -> Kept:
    """What `keep_compiled` would have JAX keep, and what is kept by now; makes no folder."""
    try:
        name = environment[FOLDER] if FOLDER in environment else str(_programs(environment))
        if not name:
            return Kept(False, name, 0, 0)
        folder = Path(name)
        sizes = [entry.stat().st_size for entry in folder.glob("*-cache")]
        there = next(path for path in (folder, *folder.parents) if path.exists())
        # A name such as gs://bucket is none of a folder here.
        on = not _is_off(environment) and ("://" in name or _is_ours(there))
        return Kept(on, name, len(sizes), sum(sizes))
    except (OSError, RuntimeError):
        return Kept(False, environment.get(FOLDER, ""), 0, 0)


def _is_off(environment: MutableMapping[str, str]) -> bool:
    return environment.get(ENABLED, "1").lower() in ("0", "false", "f", "off", "n", "no")


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def _programs(environment: MutableMapping[str, str]) -> Path:
    """The command's own folder; RuntimeError for a user without a home."""
    return cache_folder(environment) / "jaxmix" / f"programs-{_processor()}"


def cache_folder(environment: MutableMapping[str, str]) -> Path:
    """Where this system keeps what can be made again."""
    named = Path(environment.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA", Path.home()))
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _processor() -> str:
    """A name for what this processor can do: homes are shared among machines, programs are not."""
    known = platform.machine() + platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        known += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(known.encode()).hexdigest()[:8]


def _shrink(folder: Path) -> None:
    """Remove the older half of the programs where all are too large; another process may, too."""
    entries = sorted((entry.stat().st_mtime, entry) for entry in folder.glob("*-cache"))
    if sum(entry.stat().st_size for _, entry in entries) > LARGEST:
        for _, entry in entries[: len(entries) // 2]:
            entry.unlink(missing_ok=True)
