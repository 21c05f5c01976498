"""Text files whose rows are read more than once: their numbers, written once to a binary file.

That file is temporary and has no name where the system allows it, so that nothing is left of it,
however the process ends.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from jaxmix.data.delimited import Sheet, first_sheet, mixed_error, next_sheet, numbers
from jaxmix.data.roles import Roles, same_columns
from jaxmix.data.row_files import NpyRows
from jaxmix.data.text_parts import Part, text_parts

_CHARACTERS = 2**20


class _Chosen(NamedTuple):
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    numeric: tuple[str, ...]
    first: Sheet

    def numbers(self, sheet: Sheet) -> np.ndarray:
        if not sheet.rows:
            return np.empty((0, len(self.numeric)))
        found = {name: numbers(sheet, name) for name in self.numeric}
        for name, values in found.items():
            if values is None:
                cell, line = self.first.cells(name)[0], self.first.lines[0]
                place = "" if sheet.path == self.first.path else f" of {self.first.path}"
                raise mixed_error(sheet, name, f"line {line}{place} has {cell!r}", 0)
        return np.stack([values for values in found.values() if values is not None], axis=1)


def text_rows(
    path: Path, paths: Sequence[Path], roles: Roles, size: int = _CHARACTERS
) -> tuple[NpyRows, tuple[str, ...], tuple[str, ...]]:
    """Turn csv files into one file of binary rows, part by part.

    Args:
        path: the file or the folder of files, for messages.
        paths: the files.
        roles: what their columns are for.
        size: characters of a part. The first part says which columns are text.

    Returns:
        The rows, the columns of x among theirs, and the text columns that are left out.

    Raises:
        ValueError: as `jaxmix.data.read` does, if files differ in columns, or if there is no room.
    """
    with ExitStack() as on_error:
        file = on_error.enter_context(tempfile.TemporaryFile())
        try:
            chosen = _convert(file, paths, roles, size)
        except OSError as error:
            raise ValueError(
                f"{path} needs room in {tempfile.gettempdir()} for its numbers ({error}); "
                "let the environment's TMPDIR name a folder with more"
            ) from None
        rows = NpyRows(path, chosen.numeric, file)
        on_error.pop_all()
    return rows, chosen.columns, chosen.left_out


def _convert(file: BinaryIO, paths: Sequence[Path], roles: Roles, size: int) -> _Chosen:
    chosen, length = None, 0
    for path in paths:
        parts = text_parts(path, size)
        first = first_sheet(path, next(parts, None))
        if chosen is None:
            chosen = _choose(first, roles)
            _write_header(file, 0, len(chosen.numeric))
        same_columns(chosen.first.path, chosen.first.names, path, first.names)
        for block in _blocks(first, parts, chosen):
            block.tofile(file)
            length += len(block)
    assert chosen is not None
    # NumPy pads headers, so that one with more rows takes the place of one with fewer.
    file.seek(0)
    _write_header(file, length, len(chosen.numeric))
    return chosen


def _choose(first: Sheet, roles: Roles) -> _Chosen:
    wanted = roles.choose(first.names)
    texts = [name for name in (*wanted, *roles.apart) if numbers(first, name) is None]
    columns, left_out = roles.leave_out(first.path, wanted, texts)
    return _Chosen(columns, left_out, (*columns, *roles.apart), first)


def _blocks(first: Sheet, parts: Iterator[Part], chosen: _Chosen) -> Iterator[np.ndarray]:
    yield chosen.numbers(first)
    places = [first.names.index(name) for name in chosen.numeric]
    for part in parts:
        block = part.plain_numbers(len(first.names), places)
        yield chosen.numbers(next_sheet(first, part)) if block is None else block


def _write_header(file: BinaryIO, n: int, d: int) -> None:
    about = {"descr": np.dtype(np.float64).str, "fortran_order": False, "shape": (n, d)}
    np.lib.format.write_array_header_1_0(file, about)
    file.flush()
