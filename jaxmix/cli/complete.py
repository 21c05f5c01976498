"""`jaxmix complete`: a file again, with its missing entries filled in by a mixture.

Works in float64; the mixture is fitted to what is observed, or loaded.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxmix.cli.tables import named_table

OF_A_FIT = ("k", "family", "starts", "seed", "ridge", "sample_weights")
"""Options that say how to fit, and nothing to a mixture that is fitted already."""


@dataclass(frozen=True)
class Complete:
    """Fill in the missing entries of a file by their expectations under a mixture."""

    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE")]
    """A csv file with empty cells, NA, N/A, NaN or null, or a npy file with NaN."""

    k: int | None = None
    """Number of components to fit."""

    mixture: Annotated[Path | None, tyro.conf.arg(metavar="FILE.npz")] = None
    """A saved mixture of these columns in this order, instead of a fit."""

    family: str = "full"
    """Covariances: full, tied, diag or spherical."""

    starts: int = 8
    """Number of starts, of which the best is kept."""

    seed: int = 0
    """Seed of the starts."""

    ridge: float | None = None
    """Keeps variances from zero, in squared units of the data; 0 for none. A millionth of the
    smallest column variance when left out; constant columns do not count."""

    columns: str | None = None
    """Names of the columns to use, separated by commas; all numeric ones when left out. The others
    are written as they are."""

    sample_weights: str | None = None
    """Name of the column that says how often each row was seen; kept out of the fit."""

    out: Path = Path("completed.csv")
    """The file to write, of the same kind."""

    def run(self) -> None:
        """Fit or load a mixture, complete the table and write it."""
        import jax

        jax.config.update("jax_enable_x64", True)
        import numpy as np

        from jaxmix.data.filling import filled
        from jaxmix.report.writers import write_files

        self._check()
        table = named_table(self.data, self.columns, None, self.sample_weights, missing=True)
        completed = np.asarray(self._mixture(table).complete(table.x))
        content = filled(Path(self.data), table.columns, completed)
        write_files({self.out.name: content}, self.out.parent)
        print(_said(table))
        print(f"Written to {self.out}")

    def _check(self) -> None:
        kind = Path(self.data).suffix.lower()
        if kind not in (".csv", ".npy"):
            raise ValueError(f"expected a .csv or .npy file to complete, got {self.data}")
        if self.out.suffix.lower() != kind:
            raise ValueError(f"--out must end in {kind}, as the data do, got {self.out}")
        default = {field.name: field.default for field in dataclasses.fields(self)}
        told = [name for name in OF_A_FIT if getattr(self, name) != default[name]]
        if self.mixture is not None and told:
            raise ValueError(f"a mixture that is loaded takes no --{told[0].replace('_', '-')}")

    def _mixture(self, table: Any) -> Any:
        from jaxmix.cli.fitted import fitted
        from jaxmix.saving import load_mixture

        if self.mixture is not None:
            return load_mixture(self.mixture)
        if self.k is None:
            raise ValueError("give --k to fit a mixture, or --mixture to load one")
        family, starts, seed, ridge = self.family, self.starts, self.seed, self.ridge
        found = fitted(table, self.k, family, "em", starts, seed, ridge, missing=True)
        print(found.to_text())
        return found.best.mixture


def _said(table: Any) -> str:
    """How many entries of which columns were filled in."""
    import numpy as np

    gaps = np.isnan(table.x)
    counts = zip(table.columns, gaps.sum(axis=0), strict=True)
    columns = ", ".join(f"{name} {count}" for name, count in counts if count)
    rows = f"{int(gaps.any(axis=1).sum())} of {len(gaps)} rows"
    return f"{int(gaps.sum())} entries filled in, in {rows}" + (f": {columns}" if columns else "")
