"""What a fit says of itself: one screen of text, or the same as HTML in a notebook."""

from html import escape
from typing import Any

import numpy as np

from jaxmix.loop import Outcome
from jaxmix.result import ADVICE, FitResult


def _facts(result: FitResult) -> list[tuple[str, str]]:
    k, d = result.mixture.family.shape
    cost, outcome = result.cost, result.outcome
    spent = f"{int(cost.passes)} passes, {int(cost.gradients)} gradients"
    penalized = not np.isclose(float(result.objective), float(result.log_likelihood), rtol=1e-12)
    return [
        ("mixture", f"{k} {result.mixture.family.name} components, {d} columns"),
        ("observations", f"{float(result.total):g}"),
        ("log-likelihood", f"{float(result.log_likelihood):.6f}"),
        *([("objective", f"{float(result.objective):.6f}")] if penalized else []),
        ("BIC", f"{float(result.bic):.4f} ({result.num_parameters} parameters; lower is better)"),
        ("outcome", f"{outcome.name}: {ADVICE[outcome]}"),
        ("stopped by", result.stop.describe() if outcome == Outcome.CONVERGED else "-"),
        ("steps", f"{int(result.num_steps)} of {type(result.method).__name__} ({spent})"),
        ("gap", f"{float(result.gap):.2g} nats that one more EM step promises"),
    ]


def _components(result: FitResult) -> tuple[list[str], list[list[str]]]:
    columns = result.columns or tuple(f"x{j + 1}" for j in range(result.mixture.family.shape[1]))
    rows = result.mixture.family.describe(columns)
    weights = np.asarray(result.mixture.weights)
    header = ["component", "weight", *rows[0]]
    cells = [
        [str(c), f"{weight:.4f}", *(f"{value:.6g}" for value in row.values())]
        for c, (weight, row) in enumerate(zip(weights, rows, strict=True))
    ]
    return header, cells


MOST_COLUMNS = 14
"""Cells a row of the component table, beyond which a screen is not wide enough."""


def _shortened(cells: list[str]) -> list[str]:
    return cells if len(cells) <= MOST_COLUMNS else [*cells[: MOST_COLUMNS - 1], "..."]


def text(result: FitResult) -> str:
    """One screen of text."""
    if np.ndim(result.code):
        return f"FitResult of {np.size(result.code)} fits (batched)"
    facts, (header, rows) = _facts(result), _components(result)
    lines = [f"{name:<15} {value}" for name, value in facts]
    table = [_shortened(row) for row in [header, *rows]]
    widths = [max(len(row[j]) for row in table) for j in range(len(table[0]))]
    lines.append("")
    lines += [
        "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in table
    ]
    return "\n".join(lines)


def html(result: FitResult) -> str:
    """The same facts and components as HTML tables."""
    if np.ndim(result.code):
        return f"<p>{escape(text(result))}</p>"
    facts, (header, rows) = _facts(result), _components(result)

    def row(cells: Any, tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    first = "".join(row(fact, "td") for fact in facts)
    second = row(header, "th") + "".join(row(cells, "td") for cells in rows)
    return f"<table>{first}</table><table>{second}</table>"
