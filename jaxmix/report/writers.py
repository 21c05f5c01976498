"""A table and its writers: csv, Markdown, LaTeX, HTML and plain text; and files in a folder.

Numbers are formatted in one place (`FORMATS`), so that every written table shows the same
digits; only the csv keeps full precision, for people who compute with it. A column that holds
text is set to the left, numbers to the right.
"""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from jaxmix.whole_files import write_whole

MISSING = "-"

Cell = str | float | int | None


def is_number(value: Any) -> bool:
    """Whether a value of result.json is a finite number: failed methods leave null or NaN."""
    return isinstance(value, int | float) and math.isfinite(value)


def write_files(texts: Mapping[str, str | bytes], folder: str | Path) -> list[str]:
    """Write files by their names, each whole, into a folder; it is made if it does not exist.

    Names may have folders before them, which are made as well.

    Returns:
        The names. Files of the same names are replaced.

    Raises:
        ValueError: if the folder cannot be written.
    """
    try:
        for name, content in texts.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            encoded = content.encode("utf-8") if isinstance(content, str) else content
            write_whole(Path(folder, name), encoded)
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror}") from error
    return list(texts)


def _decimals(value: float) -> str:
    return f"{value:.5f}"


def _thousandths(value: float) -> str:
    return f"{value:.3f}"


def _scientific(value: float) -> str:
    return f"{value:.1e}" if value else "0"


def _three_digits(value: float) -> str:
    if not value:
        return "0"
    rounded = float(f"{value:.2e}")
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def _six_digits(value: float) -> str:
    plain = abs(value) < 1e15 and float(value).is_integer()
    return f"{value:z.0f}" if plain else f"{value:.6g}"


FORMATS: dict[str, Callable[[float], str]] = {
    "objective": _decimals,
    "log-likelihood": _decimals,
    "next log-likelihood": _decimals,
    "top of its bound": _decimals,
    "BIC": _thousandths,
    "AIC": _thousandths,
    "ICL": _thousandths,
    "smallest count": _three_digits,
    "gap": _scientific,
    "h": _scientific,
    "difference": _scientific,
    "distance to the best": _scientific,
    "forward sweep": _three_digits,
    "reverse sweep": _three_digits,
    "adjusted Rand index": _three_digits,
    "share": _three_digits,
    "smallest weight": _three_digits,
    "mean squared error": _six_digits,
}


def format_cell(column: str, value: Cell) -> str:
    """Write one cell the way every table shows it.

    Args:
        column: the column's name, which chooses the format.
        value: text, a number, or None or NaN where a failed method left none.

    Returns:
        The text, "-" for a missing number, "inf" or "-inf" for an infinite one.

    >>> format_cell("log-likelihood", -1130.263960), format_cell("gap", 3.21e-9)
    ('-1130.26396', '3.2e-09')
    >>> format_cell("run seconds", 0.012345), format_cell("steps", None)
    ('0.0123', '-')
    """
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return FORMATS.get(column, _format_of_kind(column))(value)


def _format_of_kind(column: str) -> Callable[[float], str]:
    if column.endswith(("seconds", " share")):
        return _three_digits
    return _scientific if "error" in column or column.endswith(" gap") else _six_digits


@dataclass(frozen=True)
class Table:
    """Columns, rows of raw cells, and a caption that says what the numbers are.

    >>> table = Table(("method", "gap"), (("EM", 3.21e-9), ("Adam", None)), "Gap in nats.")
    >>> print(table.to_text())
    method      gap
    ------  -------
    EM      3.2e-09
    Adam          -
    <BLANKLINE>
    Gap in nats.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    @property
    def is_text(self) -> tuple[bool, ...]:
        """Whether each column holds text."""
        by_column = list(zip(*self.rows)) or [()] * len(self.columns)
        return tuple(any(isinstance(cell, str) for cell in cells) for cells in by_column)

    def formatted(self) -> list[list[str]]:
        """All rows as text, formatted column by column."""
        return [[format_cell(c, v) for c, v in zip(self.columns, row)] for row in self.rows]

    def to_csv(self) -> str:
        """Comma-separated values in full precision, an empty field where no finite number is."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        for row in self.rows:
            writer.writerow([v if isinstance(v, str) or is_number(v) else "" for v in row])
        return text.getvalue()

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown, numbers to the right, the caption below."""
        rules = ["---" if text else "---:" for text in self.is_text]
        rows = [[_escape_markdown(cell) for cell in row] for row in self.formatted()]
        header = [_escape_markdown(column) for column in self.columns]
        lines = ["| " + " | ".join(row) + " |" for row in (header, rules, *rows)]
        return "\n".join(lines) + "\n" + _below(_escape_markdown(self.caption))

    def to_latex(self) -> str:
        """A `tabular` in the style of booktabs (the document loads that package)."""
        is_text = self.is_text
        alignment = "".join("l" if text else "r" for text in is_text)
        rows = [
            [_latex_cell(cell, text) for cell, text in zip(row, is_text)]
            for row in self.formatted()
        ]
        lines = [
            *(f"% {line}" for line in self.caption.splitlines()),
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            _latex_row([_escape_latex(column) for column in self.columns]),
            r"\midrule",
            *(_latex_row(row) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """A `table` element in a box that scrolls, numbers to the right, the caption below."""
        kinds = [' class="text"' if text else "" for text in self.is_text]
        header = "".join(f"<th{kind}>{escape(c)}</th>" for kind, c in zip(kinds, self.columns))
        rows = [
            "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row))
            for row in self.formatted()
        ]
        head, body = f"<thead><tr>{header}</tr></thead>", "</tr>\n".join([*rows, ""])
        return (
            f'<div class="wide"><table>\n{head}\n<tbody>\n{body}</tbody>\n'
            f'</table></div>\n<p class="note">{escape(self.caption)}</p>\n'
        )

    def to_text(self) -> str:
        """Aligned plain text for a terminal, the caption below."""
        rows, is_text = self.formatted(), self.is_text
        widths = [max(map(len, cells)) for cells in zip(self.columns, *rows)]
        lines = [list(self.columns), ["-" * width for width in widths], *rows]
        aligned = [_align(cells, widths, is_text) for cells in lines]
        return "\n".join(aligned) + "\n" + _below(self.caption)


def _below(caption: str) -> str:
    return f"\n{caption}\n" if caption else ""


def _align(cells: Sequence[str], widths: Sequence[int], is_text: Sequence[bool]) -> str:
    padded = [
        cell.ljust(width) if text else cell.rjust(width)
        for cell, width, text in zip(cells, widths, is_text)
    ]
    return "  ".join(padded).rstrip()


def _escape_markdown(text: str) -> str:
    return "".join("\\" + letter if letter in "\\|*_<`[" else letter for letter in text)


def _escape_latex(text: str) -> str:
    words = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(
        words.get(letter, "\\" + letter if letter in "&%$#_{}" else letter) for letter in text
    )


def _latex_cell(cell: str, text: bool) -> str:
    if text or cell == MISSING:
        return _escape_latex(cell)
    mantissa, _, exponent = cell.replace("inf", r"\infty").partition("e")
    power = rf" \times 10^{{{int(exponent)}}}" if exponent else ""
    return f"${mantissa}{power}$"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
