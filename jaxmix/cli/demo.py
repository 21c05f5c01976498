"""`jaxmix demo`: a lecture's example, or the same for a user's expression, function or data.

Works in float64; prints tables and programs, or writes them or the picture to a file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxmix.cli.tables import named_table
from jaxmix.suggestions import unknown


def _shown_as(name: str) -> Any:
    return tyro.conf.arg(metavar=name)


@dataclass(frozen=True)
class Demo:
    """Show one subject of the course, on the lecture's example or on your own."""

    subject: Annotated[tyro.conf.Positional[str], _shown_as("SUBJECT")]
    """Of autodiff: differences, dual, chain-rule, source, graph, modes, newton or likelihood.
    Of mixtures: em-means, em-is-gradient, bound, em, covariances, hard, starts or
    kmeans-or-mixture."""

    program: Annotated[tyro.conf.Positional[str | None], _shown_as("[PROGRAM]")] = None
    """Of autodiff: an expression such as "x1*x2 + sin(x1)", or FILE.py:function; the lecture's when
    left out. Of likelihood, the log-density of one observation x, here Old Faithful's eruptions."""

    at: Annotated[str | None, _shown_as("ARGUMENTS")] = None
    """The program's arguments, as in a call: "2, 3" or "x1=2, x2=3"; 1 each when left out."""

    data: Annotated[str | None, _shown_as("DATA")] = None
    """Of mixtures: a bundled table, or a csv, npy or parquet file; the lecture's when left out."""

    columns: str | None = None
    """Names of the columns to use, separated by commas; all numeric ones when left out."""

    labels: str | None = None
    """Name of the column that holds known classes."""

    out: Annotated[Path | None, _shown_as("FILE")] = None
    """What to write instead of printing: .txt, .md or .tex for the text, .png or .pdf for
    the picture."""

    def run(self) -> None:
        """Print the demonstration, or write it."""
        import jax

        jax.config.update("jax_enable_x64", True)
        shown = self._demonstration()
        if self.out is None:
            print(shown.to_text(), end="")
        else:
            shown.write(self.out)
            print(f"Written to {self.out}")

    def _demonstration(self) -> Any:
        """Of autodiff, on a program, or of mixtures, on a table."""
        from jaxmix.autodiff import demonstrations as autodiff
        from jaxmix.teaching import demonstrations as teaching

        if self.subject in autodiff.SUBJECTS:
            if (self.data, self.columns, self.labels) != (None, None, None):
                raise ValueError(f"{self.subject} takes a program, and no data")
            return autodiff.demonstrate(self.subject, self.program, self.at)
        if self.subject not in teaching.SUBJECTS:
            raise unknown("subject", self.subject, (*autodiff.SUBJECTS, *teaching.SUBJECTS))
        if (self.program, self.at) != (None, None):
            raise ValueError(f"{self.subject} takes data, and no program: --data FILE.csv")
        return teaching.demonstrate(self.subject, self._table())

    def _table(self) -> Any:
        if self.data is None:
            if (self.columns, self.labels) != (None, None):
                raise ValueError("--columns and --labels need --data")
            return None
        return named_table(self.data, self.columns, self.labels)
