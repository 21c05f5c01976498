"""A table of data: the matrix a mixture is fitted to, with its names, classes and origin."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxmix.suggestions import unknown


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A named data matrix with everything that belongs to it.

    Args:
        name: what reports call the data.
        x: [n d], one row an observation.
        columns: d column names.
        labels: [n], the known class of each row; None where there are none.
        sample_weights: [n], how often each row was seen; None means once.
        source: where the data come from, in words.

    Example:
        >>> Table("tiny", np.zeros((3, 2)), ("height", "width"))
        Table 'tiny': 3 x 2 (height, width)
    """

    name: str
    x: np.ndarray
    columns: tuple[str, ...]
    labels: np.ndarray | None = None
    sample_weights: np.ndarray | None = None
    source: str = ""

    def __repr__(self) -> str:
        n, d = self.x.shape
        extras = ", labels" * (self.labels is not None)
        extras += ", sample_weights" * (self.sample_weights is not None)
        return f"Table {self.name!r}: {n} x {d} ({', '.join(self.columns)}){extras}"

    def select(self, columns: Sequence[str]) -> "Table":
        """The table with these columns only, in this order.

        Args:
            columns: names among `columns`.

        Raises:
            ValueError: for an unknown name, with a suggestion.
        """
        for name in columns:
            if name not in self.columns:
                raise unknown("column", name, self.columns)
        if len(set(columns)) < len(columns):
            raise ValueError(f"each column may be chosen once, got {', '.join(columns)}")
        places = [self.columns.index(name) for name in columns]
        return dataclasses.replace(self, x=self.x[:, places], columns=tuple(columns))
