"""The table that a command line names: a bundled one, or a file."""

import sys
from collections.abc import Iterator
from typing import Any

from jaxmix.suggestions import unknown


def named_table(
    name: str,
    columns: str | None = None,
    labels: str | None = None,
    sample_weights: str | None = None,
    missing: bool = False,
) -> Any:
    """Load a bundled table or read a file, with a word on what was left out.

    Args:
        name: a bundled table, or a csv, npy, parquet, png or jpg file.
        columns: names of the columns to use, separated by commas; all numeric ones if None.
        labels: the column that holds known classes.
        sample_weights: the column of a file that says how often each row was seen.
        missing: whether entries may be missing.

    Returns:
        A `data.Table`.

    Raises:
        ValueError: for an unknown name, and for files and columns that cannot be used.
    """
    from jaxmix import data

    chosen = None if columns is None else [c.strip() for c in columns.split(",") if c.strip()]
    if name in data.names():
        if sample_weights is not None:
            raise ValueError(f"--sample-weights names a column of a file; {name} brings its own")
        return _bundled(name, chosen, labels)
    if "." not in name and "/" not in name:
        raise unknown("data set", name, (*data.names(), "FILE.csv", "FILE.npy"))
    table, left_out = data.read(name, chosen, labels, sample_weights, missing)
    if left_out:
        print(f"left out text columns: {', '.join(left_out)}", file=sys.stderr)
    return table


def _bundled(name: str, columns: list[str] | None, labels: str | None) -> Any:
    from jaxmix import data

    table, known = data.load(name), data.label_name(name)
    if labels is not None and known is None:
        raise ValueError(f"the table {name} has no known classes; leave --labels out")
    if labels not in (None, known):
        raise unknown("column of known classes", labels, (str(known),))
    return table if columns is None else table.select(columns)


class Frame:
    """A table's x as a data frame shows it, so that messages and results name its columns."""

    def __init__(self, table: Any):
        self.columns, self._x = table.columns, table.x

    def to_numpy(self) -> Any:
        return self._x

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self.columns, self._x.T)
