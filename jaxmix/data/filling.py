"""A file again, with its missing entries filled in and everything else as it was."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxmix.data.delimited import is_missing, read_sheet


def filled(path: Path, columns: Sequence[str], values: np.ndarray) -> bytes:
    """The content of a csv or npy file with the missing entries of some columns filled in.

    Args:
        path: the file that was read.
        columns: d names of columns of numbers; those of a npy file are x1 and so on.
        values: [n d], what to put where an entry of these columns is missing.

    Returns:
        The new content: of a csv file the same names, order, separator and other cells (cells lose
        surrounding blanks and needless quotes), of a npy file the same dtype and shape.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "pets.csv"
        ...     _ = file.write_text("name;weight\\nTom;4.50\\nRex;NA\\n")
        ...     filled(file, ["weight"], np.array([[4.5], [20.25]])).decode()
        'name;weight\\nTom;4.50\\nRex;20.25\\n'
    """
    return {".csv": _csv, ".npy": _npy}[path.suffix.lower()](path, columns, values)


def _csv(path: Path, columns: Sequence[str], values: np.ndarray) -> bytes:
    sheet = read_sheet(path)
    places = [sheet.names.index(name) for name in columns]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sheet.delimiter, lineterminator="\n")
    if sheet.has_header:
        writer.writerow(sheet.names)
    for cells, known in zip(sheet.rows, values, strict=True):
        row = list(cells)
        for place, value in zip(places, known, strict=True):
            if is_missing(row[place]):
                row[place] = repr(float(value))
        writer.writerow(row)
    return text.getvalue().encode("utf-8")


def _npy(path: Path, columns: Sequence[str], values: np.ndarray) -> bytes:
    matrix = np.load(path, allow_pickle=False)
    rows = matrix.reshape(len(matrix), -1)
    places = [int(name.removeprefix("x")) - 1 for name in columns]
    rows[:, places] = np.where(np.isnan(rows[:, places]), values, rows[:, places])
    content = io.BytesIO()
    np.save(content, rows.reshape(matrix.shape))
    return content.getvalue()
