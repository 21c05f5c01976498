"""What the columns of a file are for: which make up x, and which are kept apart."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxmix.suggestions import unknown


class Roles(NamedTuple):
    """What the columns of a file are for.

    Args:
        columns: names of the columns of x, in this order; None for every column of numbers.
        labels: name of the column of known classes.
        sample_weights: name of the column that counts how often a row was seen.
        missing: whether x may have missing entries.
    """

    columns: Sequence[str] | None
    labels: str | None
    sample_weights: str | None
    missing: bool

    @property
    def apart(self) -> tuple[str, ...]:
        """Columns that are kept out of x."""
        return tuple(name for name in (self.labels, self.sample_weights) if name is not None)

    def choose(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The columns of x among those of a file, text included; raises for a bad choice."""
        columns = self.columns
        if isinstance(columns, str):
            raise TypeError(f"expected a list of column names, got the string {columns!r}")
        for name in [*(columns or ()), *self.apart]:
            if name not in names:
                raise unknown("column", name, names)
        everything = tuple(name for name in names if name not in self.apart)
        wanted = everything if columns is None else tuple(columns)
        self._refuse_unusable(wanted)
        return wanted

    def leave_out(
        self, path: Path, wanted: tuple[str, ...], texts: Container[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Part chosen columns into those of x and the text that is left out of it.

        Args:
            path: the file, for messages.
            wanted: what `choose` gave.
            texts: names of the columns that hold text.

        Returns:
            The columns of numbers, and those of text.

        Raises:
            ValueError: if no numbers are left, or if text was asked for as numbers.
        """
        numeric = tuple(name for name in wanted if name not in texts)
        left_out = tuple(name for name in wanted if name in texts)
        if not numeric or (left_out and self.columns is not None):
            raise ValueError(
                f"{path}: {', '.join(map(repr, left_out)) or 'no column'} holds text; expected "
                "at least one column of numbers, and only numbers in chosen columns"
            )
        if self.sample_weights is not None and self.sample_weights in texts:
            raise ValueError(
                f"{path}: {self.sample_weights!r} holds text; expected counts or weights"
            )
        return numeric, left_out

    def _refuse_unusable(self, wanted: tuple[str, ...]) -> None:
        if not wanted:
            raise ValueError("no columns are left for x; choose at least one besides the labels")
        if "" in wanted:
            raise ValueError("a column has no name; name it in the header, or choose other columns")
        if len(set(self.apart)) < len(self.apart):
            raise ValueError(f"column {self.labels!r} cannot be both labels and sample weights")
        for name in wanted:
            if wanted.count(name) > 1:
                raise ValueError(f"column {name!r} is chosen twice; name it once")
            if name in self.apart:
                kind = "labels" if name == self.labels else "sample weights"
                raise ValueError(f"column {name!r} cannot be both data and {kind}; choose one")


def same_columns(path: Path, names: tuple[str, ...], other: Path, others: tuple[str, ...]) -> None:
    """Raise unless two files of one table have the same columns, in the same order."""
    if names != others:
        raise ValueError(
            f"{path.name} has the columns {', '.join(names)}, but {other.name} has "
            f"{', '.join(others)}; files of one table must agree"
        )
