"""`jaxmix demo`: a lecture's example, or the same for an expression or a file of the user's.

Works in float64; prints tables and programs, or writes them or the picture to a file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


def _shown_as(name: str) -> Any:
    return tyro.conf.arg(metavar=name)


@dataclass(frozen=True)
class Demo:
    """Show one subject of the lecture on automatic differentiation."""

    subject: Annotated[tyro.conf.Positional[str], _shown_as("SUBJECT")]
    """differences, dual, chain-rule, source, graph, modes, newton or likelihood."""

    program: Annotated[tyro.conf.Positional[str | None], _shown_as("[PROGRAM]")] = None
    """An expression such as "x1*x2 + sin(x1)", or FILE.py:function; the lecture's when left out.
    Of likelihood, the log-density of one observation x, here Old Faithful's eruptions."""

    at: Annotated[str | None, _shown_as("ARGUMENTS")] = None
    """The program's arguments, as in a call: "2, 3" or "x1=2, x2=3"; 1 each when left out."""

    out: Annotated[Path | None, _shown_as("FILE")] = None
    """What to write instead of printing: .txt, .md or .tex for the text, .png or .pdf for
    the picture."""

    def run(self) -> None:
        """Print the demonstration, or write it."""
        import jax

        jax.config.update("jax_enable_x64", True)
        from jaxmix.autodiff.demonstrations import demonstrate

        shown = demonstrate(self.subject, self.program, self.at)
        if self.out is None:
            print(shown.to_text(), end="")
        else:
            shown.write(self.out)
            print(f"Written to {self.out}")
