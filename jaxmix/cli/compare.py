"""`jaxmix compare`: the main job, from a table or a file to a folder of results.

Works in float64; prints the table, and on stderr what it is doing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from jaxmix.cli.tables import named_table


@dataclass(frozen=True)
class Compare:
    """Fit one mixture by several methods from the same starts, and compare them."""

    data: tyro.conf.Positional[str] = "faithful"
    """A bundled table (faithful, galaxies, iris, hasselblad, linkage), a csv, npy or parquet file,
    or the pixels of a png or jpg."""

    k: int = 2
    """Number of components."""

    family: str = "full"
    """Covariances: full, tied, diag or spherical."""

    methods: str = "em, lbfgs, adam(gradient='autodiff'), adam, sgd"
    """Methods to compare: em, online, incremental, any optax optimizer by name, also as
    minibatch-adam, or FILE.py:Class, each with settings in parentheses, as in
    "em, adam(learning_rate=0.05)"."""

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
        table = named_table(self.data, self.columns, self.labels)
        methods = contenders(self.methods)
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


def show(result: dict[str, Any]) -> None:
    """Print the table of a comparison, and how well its best fit finds known classes."""
    from jaxmix.report.tables import comparison_table, confusion_table

    for table in (comparison_table(result), confusion_table(result)):
        if table is not None:
            print(table.to_text())
    for title, settings in result["settings"].items():
        print(f"{title}: {settings}")
