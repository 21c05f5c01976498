"""`jaxmix quantize`: an image in few colors, beside the original.

Works in float64; prints the palette and the errors, and writes the picture.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Quantize:
    """Show an image in few colors, found by k-means or by a mixture."""

    image: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[IMAGE]")] = None
    """A png or jpg file; the photograph that comes with matplotlib when left out."""

    colors: int = 5
    """How many colors, at most 256."""

    by: str = "kmeans"
    """kmeans, whose squared error is least, or mixture, whose likelihood is greatest."""

    seed: int = 0
    """Seed of the starts."""

    out: Path = Path("jaxmix-quantize.png")
    """The picture, .png or .pdf; .txt, .md or .tex for what is printed."""

    def run(self) -> None:
        """Quantize, write the picture and print the tables."""
        import jax

        jax.config.update("jax_enable_x64", True)
        from jaxmix.teaching.quantizing import demonstration

        shown = demonstration(self.image, self.colors, self.by, self.seed)
        shown.write(self.out)
        print(shown.to_text())
        print(f"Written to {self.out}")
