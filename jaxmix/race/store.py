"""Folders of runs: every file whole or not there, and a manifest, written last, that vouches.

A run's folder holds `manifest.json` (what ran, how it ended, and the hash of every file and array),
`trace.jsonl` (a line an evaluation) and `final.npz` (the last mixture, its path and histories);
while it runs, `state.npz`, from which it goes on, and lease files.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxmix.archives import Arrays, Kind, content_of, read_archive, write_archive
from jaxmix.plain_values import nulls
from jaxmix.whole_files import tidy, write_whole

SCHEMA = 1
"""Of the manifest."""

STATE = Kind("jaxmix race state", 1, of="a race's state", writer="jaxmix run")
FINAL = Kind("jaxmix race", 1, of="a race's arrays", writer="jaxmix run")

MANIFEST, TRACE, ARRAYS, HALFWAY = "manifest.json", "trace.jsonl", "final.npz", "state.npz"

Row = dict[str, float | int]


def digest(values: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and bytes."""
    about = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(about + np.ascontiguousarray(array).tobytes()).hexdigest()


def run_name(config: Mapping[str, Any], code: Mapping[str, str]) -> str:
    """The name of a run's folder: of its configuration, and of the code that it uses."""
    return f"{digest(config)[:16]}-{digest(code)[:16]}"


def name_of(manifest: Mapping[str, Any]) -> str:
    """The name of the folder that a manifest belongs to."""
    return run_name(manifest["config"], manifest["code"])


class RunFolder(NamedTuple):
    """One run's folder."""

    path: Path

    def manifest(self) -> dict[str, Any] | None:
        """The manifest of a run that is done, whatever became of it; None where it is not.

        A manifest counts only where it is whole and every file is the one that it vouches for.
        """
        try:
            stated = json.loads((self.path / MANIFEST).read_bytes())
            signed = stated.pop("digest")
            if stated["schema"] > SCHEMA or digest(stated) != signed:
                return None
            for name, expected in stated["files"].items():
                if hashlib.sha256((self.path / name).read_bytes()).hexdigest() != expected:
                    return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return stated

    def trace(self) -> list[Row]:
        """The evaluations of a run that is done."""
        lines = (self.path / TRACE).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def arrays(self) -> Arrays:
        """The arrays of a run that is done; none where it failed before its first step."""
        path = self.path / ARRAYS
        return read_archive(content_of(path), FINAL)[1] if path.exists() else {}

    def state(self) -> tuple[dict[str, Any], Arrays] | None:
        """Where an unfinished run is; None where nothing usable of this run is."""
        try:
            header, arrays = read_archive(content_of(self.path / HALFWAY), STATE)
        except ValueError:
            return None
        return (header, arrays) if header.get("run") == self.path.name else None

    def reset(self) -> None:
        """Make a run that is done, or whose files are not those that it left, one that is not."""
        (self.path / MANIFEST).unlink(missing_ok=True)

    def keep(self, header: Mapping[str, Any], arrays: Arrays) -> None:
        """Write where a run is."""
        write_archive(self.path / HALFWAY, STATE, {"run": self.path.name, **header}, arrays)

    def finish(
        self,
        manifest: Mapping[str, Any],
        trace: Sequence[Row],
        arrays: Arrays,
        check: Callable[[], None],
    ) -> None:
        """Write what a run has found, and last, unless `check` raises, the manifest that vouches
        for it."""
        lines = [json.dumps(nulls(row), allow_nan=False) + "\n" for row in trace]
        write_whole(self.path / TRACE, "".join(lines).encode())
        files = [TRACE]
        if arrays:
            write_archive(self.path / ARRAYS, FINAL, {}, arrays)
            files.append(ARRAYS)
        hashes = {name: hashlib.sha256((self.path / name).read_bytes()) for name in files}
        stated = {"schema": SCHEMA, **nulls(manifest)}
        stated["files"] = {name: one.hexdigest() for name, one in hashes.items()}
        stated["digest"] = digest(stated)
        check()
        write_whole(self.path / MANIFEST, (json.dumps(stated, indent=1) + "\n").encode())
        (self.path / HALFWAY).unlink(missing_ok=True)
        for name in (MANIFEST, TRACE, ARRAYS, HALFWAY):
            tidy(self.path / name)


class Store(NamedTuple):
    """A folder of runs."""

    path: Path

    def run(self, name: str) -> RunFolder:
        """The folder of one run, which need not exist."""
        return RunFolder(self.path / name)

    def manifest(self, name: str) -> dict[str, Any] | None:
        """The manifest of a run that is done, where it is of the run that its folder names."""
        stated = self.run(name).manifest()
        return stated if stated is not None and name_of(stated) == name else None

    def others(self, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Manifests of runs of the same configuration, by whatever code."""
        for path in sorted(self.path.glob(f"{digest(config)[:16]}-*")):
            manifest = self.manifest(path.name)
            if manifest is not None:
                yield manifest
