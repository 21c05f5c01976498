"""Files of which any range of rows can be read without the rest: what they share, and .npy files.

Rows come by plain reads, not through a memory map: pages of a map that were read stay with the
process, which would slowly come to hold the whole file.
"""

import math
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float, Float64

from jaxmix.inputs import as_floats, check_shape, column_names, refuse_negative


class RowFile(ABC):
    """A file of n rows, which stays as it was when it was opened.

    Args:
        path: the file, for messages.
        names: of its columns.
        texts: names of those that hold text.
        length: n.
    """

    def __init__(self, path: Path, names: tuple[str, ...], texts: tuple[str, ...], length: int):
        self.path, self.names, self.texts, self.length = path, names, texts, length
        self._version = _version(path)

    @abstractmethod
    def parts(self, start: int, stop: int, names: Sequence[str]) -> list[np.ndarray]:
        """Rows of some columns as they are stored: arrays [m c], side by side those columns."""

    def release(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what reading holds; the next reading begins anew."""

    def dtype(self, names: Sequence[str]) -> np.dtype:
        """What `rows` of these columns are: float32 where all are stored so, else float64."""
        dtype = self.rows(0, 1, names, missing=True).dtype
        self.release()
        return dtype

    def rows(
        self, start: int, stop: int, names: Sequence[str], missing: bool = False
    ) -> Float[np.ndarray, "m d"]:
        """Rows of some columns as floats, checked as any data are, with messages in place."""
        self._check_unchanged()
        places = [(self.names.index(name), name) for name in names]
        parts = self.parts(start, stop, names)
        return np.ascontiguousarray(as_floats(parts, places, self.path.name, missing, start))

    def weights(self, start: int, stop: int, name: str) -> Float64[np.ndarray, " m"]:
        """Rows of the column of sample weights, which are finite and not negative."""
        weights = self.rows(start, stop, (name,))[:, 0].astype(np.float64)
        refuse_negative(weights, f"sample_weights of {self.path.name}", start)
        return weights

    def _check_unchanged(self) -> None:
        if _version(self.path) != self._version:
            raise ValueError(f"{self.path} has changed since it was opened; open it again")


def _version(path: Path) -> tuple[int, ...] | None:
    """What tells a file from one that takes its place, or from itself once written to."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


class NpyRows(RowFile):
    """A .npy file, in the order of C or of Fortran; a vector is one column.

    Args:
        path: the file.
        names: of its columns; x1 to xd by default.
        file: the open file where there is no path to it, a temporary one, which is closed when
            this object is gone; otherwise None.

    Raises:
        ValueError: if the file is damaged, cut off or not an array of numbers [n d] or [n].
    """

    def __init__(
        self, path: Path, names: tuple[str, ...] | None = None, file: BinaryIO | None = None
    ):
        self._file, self.path = file, path
        try:
            with self._open() as opened:
                shape, self._by_column, self._dtype = _header(opened)
                self._begin = opened.tell()
                size = math.prod(shape) * self._dtype.itemsize
                found = opened.seek(0, 2) - self._begin
            if min(shape, default=0) < 0 or self._dtype.itemsize == 0 or found < size:
                raise ValueError(f"expected {size} bytes of entries, got {found}")
        except Exception as error:  # a damaged header raises anything, SyntaxError and more
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{path} is not a complete .npy file of numbers ({reason}); "
                "write one with numpy.save from an array of floats"
            ) from None
        check_shape(shape, path.name)
        self._shape = shape if len(shape) == 2 else (*shape, 1)
        super().__init__(path, names or column_names(self._shape[1]), (), self._shape[0])
        if file is not None:
            weakref.finalize(self, file.close)

    def _check_unchanged(self) -> None:
        # A temporary file is this object's own, whatever becomes of the one that it was made from.
        if self._file is None:
            super()._check_unchanged()

    def parts(self, start: int, stop: int, names: Sequence[str]) -> list[np.ndarray]:
        n, d = self._shape
        places = [self.names.index(name) for name in names]
        with self._open() as file:
            if self._by_column:
                entries = np.empty((len(places), stop - start), self._dtype)
                for column, place in zip(entries, places):
                    self._fill(column, file, place * n + start)
                return [entries.T]
            entries = np.empty((stop - start, d), self._dtype)
            self._fill(entries, file, start * d)
        return [entries if places == list(range(d)) else entries[:, places]]

    def _open(self) -> AbstractContextManager[BinaryIO]:
        return self.path.open("rb") if self._file is None else nullcontext(self._file)

    def _fill(self, entries: np.ndarray, file: BinaryIO, first: int) -> None:
        buffer = entries.reshape(-1).view(np.uint8)
        file.seek(self._begin + first * self._dtype.itemsize)
        if file.readinto(buffer) < buffer.size:  # pyright: ignore[reportAttributeAccessIssue]
            raise ValueError(f"{self.path} has become shorter; open it again")


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(f"version {version} is for arrays of records")
    shape, by_column, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError("Object arrays are not numbers")
    return shape, by_column, dtype
