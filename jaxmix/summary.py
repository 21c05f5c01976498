"""What a fit says of itself: one screen of text, or the same as HTML in a notebook."""

from html import escape
from typing import Any

import numpy as np

from jaxmix.families.gaussian import MATRICES
from jaxmix.loop import Outcome
from jaxmix.result import ADVICE, FitResult


def _facts(result: FitResult) -> list[tuple[str, str]]:
    k, d = result.mixture.family.shape
    cost, outcome = result.cost, result.outcome
    products = f", {int(cost.hessian_products)} Hessian products" * bool(cost.hessian_products)
    spent = f"{int(cost.passes)} passes, {int(cost.gradients)} gradients{products}"
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


MOST_ROWS = 60
"""Parameters with errors that a screen holds."""


def _shortened(cells: list[str]) -> list[str]:
    return cells if len(cells) <= MOST_COLUMNS else [*cells[: MOST_COLUMNS - 1], "..."]


def text(result: FitResult, errors: Any = None) -> str:
    """One screen of text, with standard errors where they are given."""
    if np.ndim(result.code):
        return f"FitResult of {np.size(result.code)} fits (batched)"
    facts, (header, rows) = _facts(result), _components(result)
    if hasattr(errors, "shares"):
        facts.append(("information", _known(errors)))
    lines = [f"{name:<15} {value}" for name, value in facts]
    lines += ["", *_aligned([_shortened(row) for row in [header, *rows]])]
    if errors is not None:
        lines += ["", f"parameters with standard errors ({errors.kind})"]
        lines += _aligned(_with_errors(result, errors))
    return "\n".join(lines)


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(len(row[j]) for row in table) for j in range(len(table[0]))]
    return ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in table]


def _known(errors: Any) -> str:
    """How much of what seen components would tell the data tell in their weakest direction."""
    least = float(errors.shares[0])
    if errors.singular:
        return "singular: nothing is known in some direction, whose standard errors are infinite"
    return f"at least {least:.2g} of what known components would hold (EM rate {1 - least:.6g})"


def _with_errors(result: FitResult, errors: Any) -> list[list[str]]:
    """A row for every parameter that may have an error: where it stands, its value, its error."""
    from jaxmix.inference.parts import user_parts

    values, table = user_parts(result.mixture), [["parameter", "value", "error"]]
    for part, spread in errors.parts.items():
        spread, value = np.asarray(spread), np.asarray(values[part])
        for place in zip(*np.nonzero(spread > 0), strict=True):
            if not _mirrored(part, result, place):
                name = f"{part}[{', '.join(_names(part, result, place))}]"
                table.append([name, f"{value[place]:.6g}", f"{spread[place]:.3g}"])
    return [*table[:MOST_ROWS], ["..."] * 3] if len(table) > MOST_ROWS else table


def _matrices(part: str, result: FitResult) -> bool:
    """Whether a part's last two axes are those of symmetric matrices."""
    full = result.mixture.family.name in MATRICES
    return part == "correlations" or (part == "covariances" and full)


def _mirrored(part: str, result: FitResult, place: tuple[Any, ...]) -> bool:
    """Whether an entry of a symmetric matrix says nothing that another does not."""
    if part == "correlations":
        return bool(place[-2] >= place[-1])
    return _matrices(part, result) and bool(place[-2] > place[-1])


def _names(part: str, result: FitResult, place: tuple[Any, ...]) -> list[str]:
    """Numbers of components and levels, names of columns."""
    first = len(place) - 2 if _matrices(part, result) else 1
    named = range(first, len(place) if _matrices(part, result) else 2)
    columns = result.columns if "." not in part else ()
    return [
        columns[index] if axis in named and columns else str(index)
        for axis, index in enumerate(place)
    ]


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
