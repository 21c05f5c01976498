"""Data larger than memory: files whose rows are read range by range.

Nothing is kept but what a range holds. Text is read once, into a temporary binary file.
"""

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from jaxmix.data.read import ROW_FILES, refuse_unreadable
from jaxmix.data.roles import Roles, same_columns
from jaxmix.data.row_files import RowFile
from jaxmix.data.text_rows import text_rows
from jaxmix.inputs import as_count
from jaxmix.suggestions import unknown

_TYPES = (".npy", ".csv", ".parquet")


class Stream:
    """Rows in files, of which any range can be read; `jaxmix.data.stream` opens one.

    Args:
        name: what reports call the data.
        files: the files, one after another, with the same columns and dtype.
        columns: names of the columns of x.
        sample_weights: name of the column that counts how often a row was seen, or None.
        left_out: names of the text columns that are left out of x.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[RowFile],
        columns: tuple[str, ...],
        sample_weights: str | None = None,
        left_out: tuple[str, ...] = (),
    ):
        self.name, self.columns, self.left_out = name, columns, left_out
        self.sample_weights = sample_weights
        self._files, self._lock = list(files), threading.Lock()
        self._last: RowFile | None = None
        self._firsts = [0, *accumulate(file.length for file in files)]
        self.dtype = files[0].dtype(columns)

    @property
    def shape(self) -> tuple[int, int]:
        """n rows and d columns."""
        return len(self), len(self.columns)

    def __len__(self) -> int:
        return self._firsts[-1]

    def __repr__(self) -> str:
        n, d = self.shape
        extras = "" if self.sample_weights is None else ", sample_weights"
        return f"Stream {self.name!r}: {n} x {d} ({', '.join(self.columns)}){extras}"

    def rows(self, start: int, stop: int) -> Float[np.ndarray, "m d"]:
        """Read rows `start` to `stop` of x, counted from 0, the last one excluded.

        Args:
            start: where the range begins.
            stop: where it ends, at most n.

        Returns:
            The rows [m d] in `dtype`.

        Raises:
            ValueError, TypeError: if there is no such range, if an entry is not a finite number
                or an integer above 2**53, if a file has changed, or if the stream is closed.
        """
        columns = self.columns
        pieces = self._pieces(start, stop, lambda file, i, j: file.rows(i, j, columns))
        empty = np.empty((0, len(columns)), self.dtype)
        return pieces[0] if len(pieces) == 1 else np.concatenate([empty, *pieces])

    def weights(self, start: int, stop: int) -> Float64[np.ndarray, " m"] | None:
        """Read the sample weights of rows `start` to `stop`, None where every row counts once.

        Raises:
            ValueError, TypeError: as `rows`; and if a weight is negative.
        """
        if self.sample_weights is None:
            return None
        name = self.sample_weights
        pieces = self._pieces(start, stop, lambda file, i, j: file.weights(i, j, name))
        return np.concatenate([np.empty(0), *pieces])

    def close(self) -> None:
        """Close the files and remove a temporary one; this also happens when the stream is gone."""
        with self._lock:
            if self._last is not None:
                self._last.release()
            self._files, self._last = [], None

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _pieces(
        self, start: int, stop: int, read: Callable[[RowFile, int, int], np.ndarray]
    ) -> list[np.ndarray]:
        start, stop = as_count(start, "start", least=0), as_count(stop, "stop", least=0)
        if not start <= stop <= len(self):
            raise ValueError(f"expected start <= stop <= {len(self)} rows, got {start} and {stop}")
        pieces = []
        with self._lock:
            if not self._files:
                raise ValueError(f"the stream {self.name!r} is closed; open it again")
            for file, first in zip(self._files, self._firsts):
                low, high = max(start - first, 0), min(stop - first, file.length)
                if low < high:
                    self._turn_to(file)
                    pieces.append(read(file, low, high))
        return pieces

    def _turn_to(self, file: RowFile) -> None:
        # Only one file at a time holds anything, however many there are.
        if self._last is not None and self._last is not file:
            self._last.release()
        self._last = file


def stream(
    path: str | PathLike[str],
    columns: Sequence[str] | None = None,
    sample_weights: str | None = None,
) -> Stream:
    """Open data larger than memory: a .npy, .csv or .parquet file, or a folder of such files.

    Files of a folder are of one type, have the same columns and follow one another in the order of
    their names; those that begin with a dot or an underscore are passed over. Names of columns,
    headers and separators are as in `jaxmix.data.read`; no entry may be missing.

    A .npy or .parquet file is opened without being read. Text is read once here, in parts of a
    million characters, into a temporary binary file of 8 bytes a number, which is removed with the
    stream (the environment's TMPDIR says where it lies). Its first part says which columns are
    text. Reading a .parquet file (the extra jaxmix[parquet]) from elsewhere than where the last
    reading ended decodes a row group from its beginning. Methods that move batch by batch read
    blocks of 128 to 8192 rows in random order: write row groups for them that are no longer.

    Args:
        path: the file or the folder.
        columns: names of the columns of x, in this order; every column of numbers by default.
        sample_weights: name of the column that counts how often a row was seen, kept out of x.

    Returns:
        The stream; a context manager, which closes it.

    Raises:
        ValueError: if files cannot be read, are empty, damaged or do not agree, if a column is
            unknown, named twice or holds text, if a cell of text is not a finite number, or if
            pyarrow is needed and missing.
        TypeError: if columns is a single string, or hold what are not real numbers.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for part in range(2):
        ...         np.save(Path(folder) / f"part{part}.npy", np.arange(6.0).reshape(3, 2) + part)
        ...     with stream(folder, sample_weights="x2") as parts:
        ...         parts.shape, parts.columns, parts.dtype.name
        ...         parts.rows(2, 5).tolist(), parts.weights(2, 5).tolist()
        ((6, 1), ('x1',), 'float64')
        ([[4.0], [1.0], [3.0]], [5.0, 2.0, 4.0])
    """
    path = Path(path)
    paths, roles = _paths(path), Roles(columns, None, sample_weights, False)
    if paths[0].suffix.lower() == ".csv":
        rows, chosen, left_out = text_rows(path, paths, roles)
        return Stream(path.stem, [rows], chosen, sample_weights, left_out)
    files = [ROW_FILES[path.suffix.lower()](path) for path in paths]
    for file in files:
        same_columns(files[0].path, files[0].names, file.path, file.names)
    chosen, left_out = roles.leave_out(path, roles.choose(files[0].names), files[0].texts)
    _refuse_mixed_precision(files, chosen)
    return Stream(path.stem, files, chosen, sample_weights, left_out)


def _paths(path: Path) -> list[Path]:
    if not path.is_dir():
        refuse_unreadable(path)
        if path.suffix.lower() not in _TYPES:
            raise unknown("file type", path.suffix, _TYPES)
        return [path]
    paths = sorted(file for file in path.iterdir() if not file.name.startswith((".", "_")))
    types = {file.suffix.lower() for file in paths}
    if len(types) != 1 or not types <= set(_TYPES):
        found = ", ".join(sorted(types)) or "none"
        raise ValueError(f"{path}: expected files of one of {', '.join(_TYPES)}, found {found}")
    for file in paths:
        refuse_unreadable(file)
    return paths


def _refuse_mixed_precision(files: Sequence[RowFile], columns: tuple[str, ...]) -> None:
    first = files[0].dtype(columns)
    for file in files:
        if file.dtype(columns) != first:
            raise ValueError(
                f"{files[0].path.name} holds {first}, but {file.path.name} "
                f"{file.dtype(columns)}; store files of one table in one precision"
            )
