"""Files into tables: csv, npy, parquet and images, without executing anything."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from jaxmix.data.delimited import classes, numbers, read_sheet
from jaxmix.data.image import read_image
from jaxmix.data.parquet import ParquetRows
from jaxmix.data.roles import Roles
from jaxmix.data.row_files import NpyRows, RowFile
from jaxmix.data.table import Table
from jaxmix.suggestions import unknown

CHANNELS = ("red", "green", "blue")


class PixelRows(RowFile):
    """An image, a row a pixel."""

    def __init__(self, path: Path):
        self._pixels = read_image(path).reshape(-1, len(CHANNELS))
        super().__init__(path, CHANNELS, (), len(self._pixels))

    def parts(self, start: int, stop: int, names: Sequence[str]) -> list[np.ndarray]:
        return [self._pixels[start:stop, [CHANNELS.index(name) for name in names]]]


ROW_FILES: dict[str, Callable[[Path], RowFile]] = {
    ".npy": NpyRows,
    ".parquet": ParquetRows,
    **dict.fromkeys((".png", ".jpg", ".jpeg"), PixelRows),
}
"""How files are opened of which any range of rows can be read."""


def read(
    path: str | PathLike[str],
    columns: Sequence[str] | None = None,
    labels: str | None = None,
    sample_weights: str | None = None,
    missing: bool = False,
) -> tuple[Table, tuple[str, ...]]:
    """Read a .csv, .npy, .parquet, .png or .jpg file as a table.

    A csv file has a header line, or numbers only; commas, tabs or semicolons separate its cells.
    Columns without a header, and those of a .npy file, are named x1 to xd. A .parquet file needs
    pyarrow, the extra jaxmix[parquet]. An image is a row a pixel, line by line, with the columns
    red, green and blue from 0 to 255.

    Args:
        path: the file.
        columns: names of the columns of x, in this order; every column of numbers by default.
        labels: name of the column of known classes, which is kept out of x.
        sample_weights: name of the column that counts how often a row was seen, kept out of x.
        missing: whether x may have missing entries, NaN in the table: in csv files empty cells and
            NA, N/A, NaN or null in any case, in .parquet files null. Otherwise they are errors.

    Returns:
        The table, and the names of the text columns that were left out of it.

    Raises:
        ValueError: if the file is missing, unreadable, empty, binary, a header alone, truncated
            or of another type, if rows differ in length, if a column is unknown, named twice or
            mixes numbers and text, if no column holds numbers, or if a cell is missing without
            consent, infinite or an integer above 2**53, or if pyarrow is needed and missing.
        TypeError: if columns is a single string, or hold what are not real numbers.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "pets.csv"
        ...     _ = file.write_text("kind,weight,name\\ncat,4.5,Tom\\ndog,20,Rex\\n")
        ...     table, left_out = read(file, labels="kind")
        >>> table, left_out
        (Table 'pets': 2 x 1 (weight), labels, ('name',))
    """
    path = Path(path)
    refuse_unreadable(path)
    readers = {".csv": _read_csv} | dict.fromkeys(ROW_FILES, _read_rows)
    if path.suffix.lower() not in readers:
        raise unknown("file type", path.suffix, readers)
    roles = Roles(columns, labels, sample_weights, missing)
    return readers[path.suffix.lower()](path, roles)


def refuse_unreadable(path: Path) -> None:
    """Raise unless this is a file that can be opened."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; expected a data file") from None


def _read_csv(path: Path, roles: Roles) -> tuple[Table, tuple[str, ...]]:
    sheet = read_sheet(path)
    wanted = roles.choose(sheet.names)
    found = {name: numbers(sheet, name, roles.missing) for name in wanted}
    if roles.sample_weights is not None:
        found[roles.sample_weights] = numbers(sheet, roles.sample_weights)
    numeric = {name: values for name, values in found.items() if values is not None}
    columns, left_out = roles.leave_out(path, wanted, found.keys() - numeric.keys())
    x = np.stack([numeric[name] for name in columns], axis=1)
    known_classes = None if roles.labels is None else classes(sheet, roles.labels)
    weights = None if roles.sample_weights is None else numeric[roles.sample_weights]
    return Table(path.stem, x, columns, known_classes, weights, path.name), left_out


def _read_rows(path: Path, roles: Roles) -> tuple[Table, tuple[str, ...]]:
    file = ROW_FILES[path.suffix.lower()](path)
    columns, left_out = roles.leave_out(path, roles.choose(file.names), file.texts)
    x = file.rows(0, file.length, columns, roles.missing)
    known_classes = None if roles.labels is None else _classes(file, roles.labels)
    weights = None
    if roles.sample_weights is not None:
        weights = file.rows(0, file.length, (roles.sample_weights,))[:, 0]
    return Table(path.stem, x, columns, known_classes, weights, path.name), left_out


def _classes(file: RowFile, name: str) -> np.ndarray:
    if name in file.texts:
        (cells,) = file.parts(0, file.length, (name,))
        values, absent = cells[:, 0], np.array([cell is None for cell in cells[:, 0]])
    else:
        values = file.rows(0, file.length, (name,), missing=True)[:, 0]
        absent = np.isnan(values)
    if absent.any():
        row = int(np.argmax(absent))
        raise ValueError(
            f"{file.path}: the label of row {row} is missing; give every row its class"
        )
    return values.astype(str) if name in file.texts else values
