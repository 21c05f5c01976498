"""`jaxmix select`: which family and how many components, from a table or a file to a folder.

Works in float64 and in the units of the data; prints the table and the best fit, and on stderr what
it is doing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from jaxmix.cli.tables import Frame, named_table


@dataclass(frozen=True)
class Select:
    """Fit families and numbers of components from many starts, and compare them."""

    data: tyro.conf.Positional[str] = "faithful"
    """A bundled table (faithful, galaxies, iris, hasselblad, linkage), a csv, npy or parquet file,
    or the pixels of a png or jpg."""

    ks: str = "1-4"
    """Numbers of components: a range such as 1-4, or numbers separated by commas, or both."""

    families: str = "full,tied,diag,spherical"
    """Names of families, separated by commas."""

    starts: int = 50
    """Number of starts of every cell."""

    start: str = "short_runs"
    """Kind of start: short_runs, kmeans++, kmeans, subsample, random_from_data, random_normal."""

    seed: int = 0
    """Seed of the starts."""

    criterion: str = "bic"
    """What chooses the best: bic, aic or icl."""

    ridge: float | None = None
    """Keeps variances from zero, in squared units of the data; 0 for none. A millionth of the
    smallest column variance when left out; constant columns do not count."""

    max_steps: int = 5000
    """The most steps of a start."""

    missing: bool = False
    """Whether entries may be missing: empty cells, NA, N/A, NaN or null in csv files."""

    columns: str | None = None
    """Names of the columns to use, separated by commas; all numeric ones when left out."""

    labels: str | None = None
    """Name of the column that holds known classes; kept out of the fit."""

    sample_weights: str | None = None
    """Name of the column that says how often each row was seen; kept out of the fit."""

    out: Path = Path("jaxmix-select")
    """Folder for the table and the picture; or one file, .txt, .md or .tex for the table, .png or
    .pdf for the picture."""

    def run(self) -> None:
        """Select, print the table and the best fit, and write them."""
        import jax

        jax.config.update("jax_enable_x64", True)
        from rich.console import Console

        from jaxmix.cli.ridge import default_ridge
        from jaxmix.families import STRUCTURES
        from jaxmix.report.demonstration import Demonstration, check_ending
        from jaxmix.selection import select
        from jaxmix.stopping import Stop

        sizes, families = as_sizes(self.ks), as_list(self.families, "families")
        if self.out.suffix:
            check_ending(self.out)
        table = named_table(self.data, self.columns, self.labels, self.sample_weights, self.missing)
        ridge = self.ridge
        if ridge is None:
            gaussian = not {*families}.isdisjoint(STRUCTURES)
            ridge = default_ridge(table.x, table.sample_weights) if gaussian else 0.0
        with Console(stderr=True).status(f"fitting {len(sizes) * len(families)} cells"):
            found = select(
                *(Frame(table), sizes, families, self.starts, self.seed, self.criterion),
                start=self.start,
                stop=Stop(max_steps=self.max_steps),
                ridge=ridge,
                sample_weights=table.sample_weights,
                missing=self.missing,
            )
        table_and_picture = Demonstration((found.table,), lambda: found.draw().figure)
        if self.out.suffix:
            table_and_picture.write(self.out)
        else:
            write_folder(found, self.out)
        print(found.to_text())
        origin = "a millionth of the smallest column variance" if self.ridge is None else "as given"
        if ridge:
            print(f"ridge {ridge:.6g} ({origin}); log-likelihoods are without its penalty")
        print("steps and passes count from where a start ends")
        if any(cell.result is not None for cell in found.cells):
            print(f"\n{found.best}\n")
        print(_agreement(table, found), end="")
        print(f"Written to {self.out}")


def as_list(names: str, option: str) -> list[str]:
    """Names separated by commas; ValueError where there is none."""
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    if not chosen:
        raise ValueError(f"--{option} names none; separate names by commas")
    return chosen


def as_sizes(ks: str) -> list[int]:
    """Numbers of components from ranges and numbers.

    >>> as_sizes("1-3, 6")
    [1, 2, 3, 6]
    """
    sizes: list[int] = []
    for part in as_list(ks, "ks"):
        first, dash, last = part.partition("-")
        if not first.strip().isdecimal() or (dash and not last.strip().isdecimal()):
            raise ValueError(f"--ks takes ranges and numbers such as 1-4,6, got {part!r}")
        span = range(int(first), int(last if dash else first) + 1)
        if not span:
            raise ValueError(f"the range {part} of --ks is empty; write the smaller number first")
        sizes += span
    return sizes


def write_folder(found: Any, folder: Path) -> None:
    """The table in four formats, the picture, and the best mixture where there is one."""
    from jaxmix.report.figures import figure_bytes
    from jaxmix.report.writers import write_files

    files = {
        "table.csv": found.table.to_csv(),
        "table.txt": found.to_text(),
        "table.md": found.to_markdown(),
        "table.tex": found.table.to_latex(),
        "selection.png": figure_bytes(found.draw().figure, "png"),
    }
    write_files(files, folder)
    if any(cell.result is not None for cell in found.cells):
        found.best.mixture.save(folder / "mixture.npz")


def _agreement(table: Any, found: Any) -> str:
    """How well the best fit finds known classes, where they are known."""
    from jaxmix.scores import adjusted_rand_index

    if table.labels is None or all(cell.result is None for cell in found.cells):
        return ""
    if table.x.dtype.kind == "f" and (table.x != table.x).any():
        return ""
    predicted = found.best.mixture.predict(table.x)
    return f"adjusted Rand index {adjusted_rand_index(table.labels, predicted):.3f}\n"
