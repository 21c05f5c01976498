"""Parquet files, read by pyarrow: any range of rows, of only the columns that are needed.

Each set of columns has its own cursor, which goes through the file batch by batch, so that reading
on from where the last reading ended decodes nothing twice, and a row group of any size fits.
Reading from elsewhere decodes the row group from its beginning.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from jaxmix.data.row_files import RowFile
from jaxmix.inputs import check_shape, exceeds_exact

_BUFFER = 2**23  # bytes that are in memory before they are decoded
_BATCH = 2**20  # entries that are decoded at a time


class ParquetRows(RowFile):
    """A .parquet file; the index of a data frame is none of its columns, null is NaN.

    Args:
        path: the file.

    Raises:
        ValueError: if the file is damaged, has no rows or columns, or if pyarrow is missing.
    """

    def __init__(self, path: Path):
        file = _opened(path)
        schema, metadata = file.schema_arrow, file.metadata
        names = _columns(schema, path)
        check_shape((metadata.num_rows, len(names)), path.name)
        texts = tuple(name for name in names if _is_text(schema.field(name).type))
        super().__init__(path, names, texts, metadata.num_rows)
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._bounds = [0, *accumulate(groups)]
        self._cursors: dict[tuple[str, ...], _Cursor] = {}

    def parts(self, start: int, stop: int, names: Sequence[str]) -> list[np.ndarray]:
        from pyarrow import chunked_array

        wanted = tuple(names)
        cursor = self._cursors.pop(wanted, None)
        if cursor is None or not cursor.comes_to(start):
            cursor = _Cursor(self.path, self._bounds, start, wanted)
        with _damage_named(self.path):
            batches = cursor.take(start, stop)
        self._cursors[wanted] = cursor
        columns = [chunked_array([batch.column(name) for batch in batches]) for name in names]
        return [_entries(column) for column in columns]

    def release(self) -> None:
        self._cursors.clear()


class _Cursor:
    """Where reading some columns of a file has come to."""

    def __init__(self, path: Path, bounds: list[int], start: int, names: tuple[str, ...]):
        group = bisect_right(bounds, start) - 1
        self._position, self._bounds, self._rest = bounds[group], bounds, None
        groups = range(group, len(bounds) - 1)
        file = _opened(path, _BUFFER // len(names) + 1)
        size = _BATCH // len(names) + 1
        self._batches: Iterator[Any] = file.iter_batches(
            size, groups, columns=list(names), use_threads=False
        )

    def comes_to(self, start: int) -> bool:
        """Whether no beginning of a row group lies nearer before `start`."""
        nearest = self._bounds[bisect_right(self._bounds, start) - 1]
        return nearest <= self._position <= start

    def take(self, start: int, stop: int) -> list[Any]:
        """The batches of rows from `start` to `stop`, cut to these rows."""
        taken = []
        while self._position < stop:
            batch = next(self._batches) if self._rest is None else self._rest
            first, end = self._position, self._position + batch.num_rows
            if end > start:
                taken.append(batch.slice(max(start - first, 0), stop - max(start, first)))
            self._rest = batch.slice(stop - first) if end > stop else None
            self._position = min(end, stop)
        return taken


def _opened(path: Path, buffer: int = 1) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ValueError(
            f"{path}: .parquet files need pyarrow; pip install jaxmix[parquet]"
        ) from None
    with _damage_named(path):
        return ParquetFile(path, buffer_size=buffer, pre_buffer=False)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged file raises anything
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is not a complete .parquet file ({reason})") from None


def _columns(schema: Any, path: Path) -> tuple[str, ...]:
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    names = tuple(name for name in schema.names if name not in index)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path} has two columns named {name!r}; rename one of them")
    return names


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in (*tests, types.is_string_view, types.is_fixed_size_binary))


def _entries(column: Any) -> np.ndarray:
    """A column [m 1]; null is NaN in numbers and None in text."""
    from pyarrow import float64, types, uint8

    if types.is_decimal(column.type):
        column = column.cast(float64())
    if types.is_boolean(column.type):
        column = column.cast(uint8())
    tests = (types.is_integer, types.is_floating)
    if column.null_count == 0 or not any(test(column.type) for test in tests):
        return column.to_numpy()[:, None]
    entries = column.fill_null(0).to_numpy()[:, None]
    # An integer that NaN beside it would round stays one, for the checks to find.
    if entries.dtype.kind in "iu" and exceeds_exact(entries).any():
        return entries
    return np.where(column.is_null().to_numpy()[:, None], np.nan, entries)
