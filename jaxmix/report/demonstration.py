"""What a demonstration shows, tables and listings and a picture, in the kind of file asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from jaxmix.report.figures import FIXED_METADATA, figure_bytes
from jaxmix.report.writers import Table


class Listing(NamedTuple):
    """A program to read, with the writers of a `Table`."""

    source: str
    caption: str = ""

    def to_text(self) -> str:
        """The program as it is, the caption below."""
        return f"{self.source}\n" + (f"\n{self.caption}\n" if self.caption else "")

    def to_markdown(self) -> str:
        """A fenced block of Python."""
        return f"```python\n{self.source}\n```\n" + (f"\n{self.caption}\n" if self.caption else "")

    def to_latex(self) -> str:
        """A `verbatim` environment, the caption as a comment."""
        comment = f"% {self.caption}\n" if self.caption else ""
        return f"{comment}\\begin{{verbatim}}\n{self.source}\n\\end{{verbatim}}\n"


def check_ending(path: Path, picture: bool = True) -> None:
    """Raise ValueError unless a name ends as tables may, or pictures where there is one."""
    pictures = [f".{file_format}" for file_format in FIXED_METADATA] if picture else []
    endings = (".txt", ".md", ".tex", *pictures)
    if path.suffix.lower() not in endings:
        raise ValueError(f"cannot write {path}; its name must end in {', '.join(endings)}")


class Demonstration(NamedTuple):
    """The parts of a demonstration in their order, and how to draw its picture if it has one."""

    parts: tuple[Table | Listing, ...]
    draw: Callable[[], Figure] | None = None

    def to_text(self) -> str:
        """All parts as plain text for a terminal."""
        return "\n".join(part.to_text() for part in self.parts)

    def to_markdown(self) -> str:
        """All parts in GitHub's Markdown."""
        return "\n".join(part.to_markdown() for part in self.parts)

    def to_latex(self) -> str:
        """All parts in LaTeX (the document loads booktabs)."""
        return "\n".join(part.to_latex() for part in self.parts)

    def write(self, path: str | Path) -> None:
        """Write the text or the picture, as the file's name ends.

        Args:
            path: ends in .txt, .md or .tex for the text, in .png or .pdf for the picture.

        Raises:
            ValueError: for another ending, a picture where there is none, or a file that cannot be
                written.
        """
        path, ending = Path(path), Path(path).suffix.lower()
        check_ending(path, picture=self.draw is not None)
        texts = {".txt": self.to_text, ".md": self.to_markdown, ".tex": self.to_latex}
        if ending in texts:
            content = texts[ending]().encode("utf-8")
        else:
            assert self.draw is not None
            content = figure_bytes(self.draw(), ending[1:])
        try:
            path.write_bytes(content)
        except OSError as error:
            raise ValueError(f"cannot write {path}: {error.strerror}") from error
