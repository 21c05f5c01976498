"""`jaxmix compare`: the main job, from a table or a file to a folder of results.

Works in float64; prints the table, and on stderr what it is doing.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from jaxmix.suggestions import unknown


@dataclass(frozen=True)
class Compare:
    """Fit one mixture by several methods from the same starts, and compare them."""

    data: tyro.conf.Positional[str] = "faithful"
    """A bundled table (faithful, galaxies, iris, hasselblad, linkage), or a csv or npy file."""

    k: int = 2
    """Number of components."""

    family: str = "full"
    """Covariances: full, tied, diag or spherical."""

    methods: str = "em, lbfgs, adam(gradient='autodiff'), adam, sgd"
    """Methods to compare: em, any optax optimizer by name, or FILE.py:Class, each with settings in
    parentheses, as in "em, adam(learning_rate=0.05)"."""

    starts: int = 1
    """Number of starts; each method runs from every one of them."""

    seed: int = 0
    """Seed of the starts."""

    max_steps: int = 5000
    """The most steps of any run."""

    columns: str | None = None
    """Names of the columns to use, separated by commas; all numeric ones when left out."""

    labels: str | None = None
    """Name of the column that holds known classes; kept out of the fit."""

    out: Path = Path("jaxmix-compare")
    """Folder for the results."""

    def run(self) -> None:
        """Compare, print the table and write the folder."""
        import jax
        from rich.console import Console

        jax.config.update("jax_enable_x64", True)
        from jaxmix.inputs import as_count
        from jaxmix.race import compare, contenders
        from jaxmix.report.folder import write_folder
        from jaxmix.stopping import Stop

        as_count(self.starts, "starts")
        table, methods = self._table(), contenders(self.methods)
        console = Console(stderr=True)
        with console.status("starting") as status:

            def say(message: str) -> None:
                status.update(message)
                if not console.is_terminal:
                    console.print(message)

            result = compare(
                table,
                self.k,
                self.family,
                methods,
                self.starts,
                self.seed,
                Stop(max_steps=self.max_steps),
                say,
            )
            say(f"writing {self.out}")
            write_folder(result, self.out)
        show(result)
        print(f"Written to {self.out}: open {self.out / 'report.html'}")

    def _table(self) -> Any:
        """The table named on the command line, with a word on what was left out."""
        from jaxmix import data

        columns = None if self.columns is None else _names(self.columns)
        if self.data in data.names():
            return self._bundled(columns)
        if "." not in self.data and "/" not in self.data:
            raise unknown("data set", self.data, (*data.names(), "FILE.csv", "FILE.npy"))
        table, left_out = data.read(self.data, columns=columns, labels=self.labels)
        if left_out:
            print(f"left out text columns: {', '.join(left_out)}", file=sys.stderr)
        return table

    def _bundled(self, columns: list[str] | None) -> Any:
        from jaxmix import data

        table = data.load(self.data)
        known = data.label_name(self.data)
        if self.labels is not None and known is None:
            raise ValueError(f"the table {self.data} has no known classes; leave --labels out")
        if self.labels not in (None, known):
            raise unknown("column of known classes", self.labels, (str(known),))
        return table if columns is None else table.select(columns)


def _names(text: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def show(result: dict[str, Any]) -> None:
    """Print the table of a comparison, and how well its best fit finds known classes."""
    from jaxmix.report.tables import comparison_table, confusion_table

    for table in (comparison_table(result), confusion_table(result)):
        if table is not None:
            print(table.to_text())
    for title, settings in result["settings"].items():
        print(f"{title}: {settings}")
