"""Delimited text, part by part: as many lines as make whole rows, and what separates cells."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from jaxmix.inputs import LARGEST_EXACT_INTEGER

_DELIMITERS = (",", "\t", ";")


class Part(NamedTuple):
    """Some lines of a delimited text file that hold whole rows.

    Args:
        path: the file, for messages.
        lines: the lines with their ends.
        first_line: the number of the first one in the file, counting from 1.
        delimiter: what separates cells.
    """

    path: Path
    lines: list[str]
    first_line: int
    delimiter: str

    def rows(self) -> tuple[list[int], list[list[str]]]:
        """Split the lines into cells.

        Returns:
            The numbers of the lines where n rows end, and n rows of cells without surrounding
            blanks. Blank lines are no rows.

        Raises:
            ValueError: if quotes are wrong.
        """
        numbers, rows = [], []
        reader = _reader(iter(self.lines), self.delimiter)
        try:
            for cells in reader:
                row = [cell.strip() for cell in cells]
                # A quoted empty cell is a row of one column; a blank line is none.
                if row and (row != [""] or self.lines[reader.line_num - 1].strip()):
                    rows.append(row)
                    numbers.append(self.first_line + reader.line_num - 1)
        except csv.Error as error:
            line = self.first_line + reader.line_num - 1
            raise ValueError(
                f"{self.path}, line {line}: {error}; check quotes and separators"
            ) from None
        return numbers, rows

    def plain_numbers(self, width: int, columns: list[int]) -> np.ndarray | None:
        """Read some columns at once, three times as fast as cell by cell, and to the same numbers.

        Args:
            width: how many cells every row has.
            columns: places of c columns of numbers.

        Returns:
            [n c]; or None where there are no rows, quotes, or anything but small finite numbers,
            and a closer look has to say what.
        """
        lines = [line for line in self.lines if line.strip() or self.delimiter in line]
        longest = csv.field_size_limit()
        for line in lines:
            if '"' in line or line.count(self.delimiter) != width - 1 or len(line) > longest:
                return None
        if not lines:
            return None
        try:
            found = np.loadtxt(
                lines, delimiter=self.delimiter, comments=None, usecols=columns, ndmin=2
            )
        except ValueError:
            return None
        return found if (np.abs(found) < LARGEST_EXACT_INTEGER).all() else None


def text_parts(path: Path, size: int = -1) -> Iterator[Part]:
    """Read a text file separated by commas, tabs or semicolons.

    The separator is the first of these three that splits the first line.

    Args:
        path: the file; UTF-8, with or without a byte order mark.
        size: how many characters a part has, and the rest of its last row; -1 for all.

    Yields:
        The parts, the first of which has at least two lines; none of a blank file.

    Raises:
        ValueError: if the file is not text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines, number = _beginning(file, size), 1
            delimiter = _delimiter(lines)
            while lines and delimiter is not None:
                if any('"' in line for line in lines):
                    lines += _rest_of_row(lines, file, delimiter)
                if any("\0" in line for line in lines):
                    raise _not_text(path)
                yield Part(path, lines, number, delimiter)
                number += len(lines)
                lines = file.readlines(size)
    except UnicodeDecodeError:
        raise _not_text(path) from None


def _not_text(path: Path) -> ValueError:
    return ValueError(f"{path} is not a UTF-8 text file; save it as CSV in UTF-8")


def _beginning(file: TextIO, size: int) -> list[str]:
    """The first lines; not a header alone, where there is more."""
    lines = file.readlines(size)
    while sum(not line.isspace() for line in lines) < 2 and (more := file.readlines(size)):
        lines += more
    return lines


def _reader(lines: Iterator[str], delimiter: str):
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)


def _delimiter(lines: list[str]) -> str | None:
    first_line = next((line for line in lines if line.strip()), None)
    if first_line is None:
        return None
    for delimiter in _DELIMITERS:
        try:
            if len(next(csv.reader([first_line], delimiter=delimiter))) > 1:
                return delimiter
        except csv.Error:
            break  # `Part.rows` meets it again, and names the line.
    return ","


def _rest_of_row(lines: list[str], file: TextIO, delimiter: str) -> list[str]:
    """Further lines, where the last of these leaves a quoted cell open."""
    rest: list[str] = []

    def ahead() -> Iterator[str]:
        yield from lines
        for line in file:
            rest.append(line)
            yield line

    reader = _reader(ahead(), delimiter)
    try:
        while reader.line_num < len(lines):
            next(reader)
    except csv.Error:
        pass  # `Part.rows` meets it again, and names the line.
    return rest
