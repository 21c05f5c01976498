"""Files into tables: csv, npy, images, without executing anything, and the choice of columns."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxmix.data.delimited import classes, numbers, read_sheet
from jaxmix.data.image import read_image
from jaxmix.data.table import Table
from jaxmix.inputs import as_matrix
from jaxmix.suggestions import unknown

IMAGES = (".png", ".jpg", ".jpeg")
CHANNELS = ("red", "green", "blue")


class Roles(NamedTuple):
    """What the columns of a file are for."""

    columns: Sequence[str] | None
    labels: str | None
    sample_weights: str | None
    missing: bool

    @property
    def apart(self) -> tuple[str, ...]:
        """Columns that are kept out of x."""
        return tuple(name for name in (self.labels, self.sample_weights) if name is not None)


def read(
    path: str | PathLike[str],
    columns: Sequence[str] | None = None,
    labels: str | None = None,
    sample_weights: str | None = None,
    missing: bool = False,
) -> tuple[Table, tuple[str, ...]]:
    """Read a .csv, .npy, .png or .jpg file as a table.

    A csv file has a header line, or numbers only; commas, tabs or semicolons separate its cells.
    Columns without a header, and those of a .npy file, are named x1 to xd. An image is a row a
    pixel, line by line, with the columns red, green and blue from 0 to 255.

    Args:
        path: the file.
        columns: names of the columns of x, in this order; every column of numbers by default.
        labels: name of the column of known classes, which is kept out of x.
        sample_weights: name of the column that counts how often a row was seen, kept out of x.
        missing: whether x may have missing entries, NaN in the table: in csv files empty cells and
            NA, N/A, NaN or null in any case. Otherwise they are errors.

    Returns:
        The table, and the names of the text columns that were left out of it.

    Raises:
        ValueError: if the file is missing, unreadable, empty, binary, a header alone, truncated
            or of another type, if rows differ in length, if a column is unknown, named twice or
            mixes numbers and text, if no column holds numbers, or if a cell is missing without
            consent, infinite or an integer above 2**53.
        TypeError: if columns is a single string, or a .npy file does not hold real numbers.

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
    _refuse_unreadable(path)
    readers = {".csv": _read_csv, ".npy": _read_npy} | dict.fromkeys(IMAGES, _read_pixels)
    if path.suffix.lower() not in readers:
        raise unknown("file type", path.suffix, readers)
    roles = Roles(columns, labels, sample_weights, missing)
    return readers[path.suffix.lower()](path, roles)


def _refuse_unreadable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; expected a data file") from None


def _read_csv(path: Path, roles: Roles) -> tuple[Table, tuple[str, ...]]:
    sheet = read_sheet(path)
    wanted = _choose(sheet.names, roles)
    found = {name: numbers(sheet, name, roles.missing) for name in wanted}
    numeric = {name: values for name, values in found.items() if values is not None}
    left_out = tuple(name for name in wanted if name not in numeric)
    if not numeric or (left_out and roles.columns is not None):
        raise ValueError(
            f"{path}: {', '.join(map(repr, left_out)) or 'no column'} holds text; expected "
            "at least one column of numbers, and only numbers in chosen columns"
        )
    x = np.stack(list(numeric.values()), axis=1)
    known_classes = None if roles.labels is None else classes(sheet, roles.labels)
    weights = None if roles.sample_weights is None else numbers(sheet, roles.sample_weights)
    if weights is None and roles.sample_weights is not None:
        raise ValueError(f"{path}: {roles.sample_weights!r} holds text; expected counts or weights")
    return Table(path.stem, x, tuple(numeric), known_classes, weights, path.name), left_out


def _read_npy(path: Path, roles: Roles) -> tuple[Table, tuple[str, ...]]:
    matrix, names = as_matrix(_load_array(path), path.name, roles.missing)
    return _chosen(path, matrix, names, roles)


def _read_pixels(path: Path, roles: Roles) -> tuple[Table, tuple[str, ...]]:
    pixels = read_image(path).reshape(-1, len(CHANNELS)).astype(float)
    return _chosen(path, pixels, CHANNELS, roles)


def _chosen(
    path: Path, matrix: np.ndarray, names: tuple[str, ...], roles: Roles
) -> tuple[Table, tuple[str, ...]]:
    wanted = _choose(names, roles)
    x = matrix[:, [names.index(name) for name in wanted]]
    apart = [
        None if name is None else matrix[:, names.index(name)]
        for name in (roles.labels, roles.sample_weights)
    ]
    known_classes = apart[0]
    if known_classes is not None and np.isnan(known_classes).any():
        row = int(np.argmax(np.isnan(known_classes)))
        raise ValueError(f"{path}: the label of row {row} is missing; give every row its class")
    return Table(path.stem, x, wanted, *apart, source=path.name), ()


def _load_array(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # a damaged header raises anything, SyntaxError and more
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} is not a complete .npy file of numbers ({reason}); "
            "write one with numpy.save from an array of floats"
        ) from None


def _choose(names: tuple[str, ...], roles: Roles) -> tuple[str, ...]:
    columns = roles.columns
    if isinstance(columns, str):
        raise TypeError(f"expected a list of column names, got the string {columns!r}")
    for name in [*(columns or ()), *roles.apart]:
        if name not in names:
            raise unknown("column", name, names)
    everything = tuple(name for name in names if name not in roles.apart)
    wanted = everything if columns is None else tuple(columns)
    _refuse_unusable(wanted, roles)
    return wanted


def _refuse_unusable(wanted: tuple[str, ...], roles: Roles) -> None:
    if not wanted:
        raise ValueError("no columns are left for x; choose at least one besides the labels")
    if "" in wanted:
        raise ValueError("a column has no name; name it in the header, or choose other columns")
    if len(set(roles.apart)) < len(roles.apart):
        raise ValueError(f"column {roles.labels!r} cannot be both labels and sample weights")
    for name in wanted:
        if wanted.count(name) > 1:
            raise ValueError(f"column {name!r} is chosen twice; name it once")
        if name in roles.apart:
            kind = "labels" if name == roles.labels else "sample weights"
            raise ValueError(f"column {name!r} cannot be both data and {kind}; choose one")
