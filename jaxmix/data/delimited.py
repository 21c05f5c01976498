"""Text files of rows and columns: what a csv file says, cell by cell.

A cell is text until a column of numbers is asked for, so that every message can name its line.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxmix.data.text_parts import Part, text_parts
from jaxmix.inputs import LARGEST_EXACT_INTEGER, column_names

MISSING = ("", "na", "n/a", "nan", "null")
"""Cells, in any case, that stand for missing entries where these are allowed."""

_LET_IT_BE_MISSING = "or let it be missing (missing=True; --missing where a command has it)"
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?\d+(,\d+)+(\.\d+)?")


class Sheet(NamedTuple):
    """The cells of a delimited text file.

    Args:
        path: the file, for messages.
        names: d column names.
        rows: n rows of d cells, without surrounding blanks.
        lines: n line numbers of the rows in the file, counting from 1.
        head: number of the line of names, or of the first row where there is none.
        has_header: whether the names stand in the file.
        delimiter: what separates cells.
    """

    path: Path
    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    head: int
    has_header: bool
    delimiter: str

    def cells(self, name: str) -> list[str]:
        """Return the n cells of one column."""
        column = self.names.index(name)
        return [row[column] for row in self.rows]


def read_sheet(path: Path) -> Sheet:
    """Read a text file separated by commas, tabs or semicolons.

    The separator is the first of these three that splits the first line. A first line of
    numbers is data, and the columns are then named x1 to xd.

    Args:
        path: the file; UTF-8, with or without a byte order mark.

    Returns:
        Its cells.

    Raises:
        ValueError: if the file is empty, binary or a header alone, if its first line is neither
            a header nor data, or if rows differ in length.
    """
    return first_sheet(path, next(text_parts(path), None))


def first_sheet(path: Path, part: Part | None) -> Sheet:
    """The cells of the first part of a text file, as `read_sheet` says."""
    lines, rows = ([], []) if part is None else part.rows()
    if part is None or not rows:
        raise ValueError(f"{path} is empty; expected a header line and rows of numbers")
    head = lines[0]
    _refuse_ragged(path, lines, rows, len(rows[0]), head)
    names = _header(path, head, rows[0])
    if names is None:
        names = column_names(len(rows[0]))
        return Sheet(path, names, rows, lines, head, False, part.delimiter)
    if len(rows) == 1:
        raise ValueError(f"{path} has a header but no rows; expected rows of numbers below it")
    return Sheet(path, names, rows[1:], lines[1:], head, True, part.delimiter)


def next_sheet(first: Sheet, part: Part) -> Sheet:
    """The cells of a later part of the file, under the names of the first."""
    lines, rows = part.rows()
    _refuse_ragged(first.path, lines, rows, len(first.names), first.head)
    return first._replace(rows=rows, lines=lines)


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a missing entry, where these are allowed."""
    return cell.lower() in MISSING


def numbers(sheet: Sheet, name: str, missing: bool = False) -> np.ndarray | None:
    """Read a column as numbers.

    Args:
        sheet: the file's cells.
        name: the column.
        missing: whether empty cells and NA, N/A, NaN or null, in any case, become NaN.

    Returns:
        float64 [n], or None for a column of text.

    Raises:
        ValueError: if the column mixes numbers and text, or holds a missing entry, infinity, an
            integer above 2**53 or a decimal comma.
    """
    cells = sheet.cells(name)
    absent = np.array([missing and is_missing(cell) for cell in cells])
    values = [None if gap else _number(cell) for cell, gap in zip(cells, absent)]
    if None in values:
        empty = absent | np.array([not cell for cell in cells])
        texts = [row for row, value in enumerate(values) if value is None and not empty[row]]
        if texts:
            _refuse_commas(sheet, name, texts)
            number_row = next((row for row, value in enumerate(values) if value is not None), None)
            if number_row is None:
                return None
            number = f"line {sheet.lines[number_row]} has {cells[number_row]!r}"
            raise mixed_error(sheet, name, number, texts[0])
    column = np.array(values, np.float64)
    for row in np.flatnonzero(~(np.abs(column) < LARGEST_EXACT_INTEGER) & ~absent):
        problem = _problem(cells[row], values[row])
        if problem:
            raise ValueError(f"{sheet.path}, line {sheet.lines[row]}, column {name!r}: {problem}")
    return column


def classes(sheet: Sheet, name: str) -> np.ndarray:
    """Read a column as class names.

    Args:
        sheet: the file's cells.
        name: the column.

    Returns:
        Text [n].

    Raises:
        ValueError: if a cell is empty.
    """
    cells = sheet.cells(name)
    if "" in cells:
        line = sheet.lines[cells.index("")]
        raise ValueError(
            f"{sheet.path}, line {line}, column {name!r}: the label is missing; "
            "give every row its class, or drop the row"
        )
    return np.array(cells)


def _refuse_ragged(
    path: Path, lines: list[int], rows: list[list[str]], width: int, head: int
) -> None:
    for line, row in zip(lines, rows):
        if len(row) != width:
            raise ValueError(
                f"{path}, line {line} has {len(row)} cells, but line {head} has "
                f"{width}; give every row one cell a column"
            )


def _header(path: Path, line: int, cells: list[str]) -> tuple[str, ...] | None:
    are_numbers = [_number(cell) is not None for cell in cells]
    if all(are_numbers):
        return None
    if any(are_numbers):
        raise ValueError(
            f"{path}, line {line} mixes names and numbers, so it is neither a header nor data; "
            "add a first line that names every column"
        )
    for cell in cells:
        if cells.count(cell) > 1:
            raise ValueError(f"{path} has two columns named {cell!r}; rename one of them")
    return tuple(cells)


def _number(cell: str) -> float | None:
    # float() also reads 1_000, which is a name everywhere but in Python.
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def mixed_error(sheet: Sheet, name: str, number: str, text_row: int) -> ValueError:
    """The error for text in a column that holds numbers elsewhere; the caller raises it."""
    text = sheet.cells(name)[text_row]
    return ValueError(
        f"{sheet.path}: column {name!r} mixes numbers and text: line {sheet.lines[text_row]} has "
        f"{text!r}, {number}; correct the cell "
        + (_LET_IT_BE_MISSING if is_missing(text) else "or choose other columns")
    )


def _refuse_commas(sheet: Sheet, name: str, texts: list[int]) -> None:
    cells = sheet.cells(name)
    if all(_NUMBER_WITH_COMMA.fullmatch(cells[row]) for row in texts):
        raise ValueError(
            f"{sheet.path}, line {sheet.lines[texts[0]]}, column {name!r}: {cells[texts[0]]!r} is "
            "a number with a comma; write decimal points and no thousands separators"
        )


def _problem(cell: str, value: float | None) -> str | None:
    if value is None:
        return f"the cell is empty; fill it in, drop the row, {_LET_IT_BE_MISSING}"
    if not math.isfinite(value):
        advice = _LET_IT_BE_MISSING if is_missing(cell) else "or choose other columns"
        return f"{cell!r} is not a finite number; correct the cell, drop the row, {advice}"
    is_large = abs(value) >= LARGEST_EXACT_INTEGER and _INTEGER.fullmatch(cell)
    if is_large and abs(int(cell)) > LARGEST_EXACT_INTEGER:
        return f"{cell} is an integer above 2**53, which floats would round; change the unit"
    return None
