"""Symbolic differentiation beside a program: how an expression swells where a program does not.

SymPy is optional and needed here alone (notes/autodiff.md, eq. 18).
"""

from collections.abc import Callable
from typing import Any

from jaxmix.autodiff.graph import trace
from jaxmix.report.writers import Table

CAPTION = (
    "Operations of the expression and of its derivative, written out; lines of the program, and of "
    "the program with a tangent beside every line."
)


def logistic(x: Any) -> Any:
    """One step of the logistic map, 4 x (1 - x)."""
    return 4 * x * (1 - x)


def swell(step: Callable[[Any], Any] = logistic, most: int = 6) -> Table:
    """Sizes of an iterated function and of its derivative, as expression and as program.

    Args:
        step: what is iterated; arithmetic only, so that it takes symbols.
        most: the largest number of iterations.

    Returns:
        A row a number of iterations.

    Raises:
        ImportError: without SymPy.

    Examples:
        >>> [row[1:] for row in swell(most=3).rows]
        [(3, 2, 3, 6), (8, 21, 6, 12), (18, 82, 9, 18)]

    Source: notes/autodiff.md, eq. 18.
    """
    try:
        import sympy
    except ImportError:
        raise ImportError("symbolic differentiation needs SymPy: pip install sympy") from None
    x = sympy.Symbol("x")
    rows, y = [], x
    for count in range(1, most + 1):
        y = step(y)
        lines = len(trace(_iterated(step, count), 0.3).lines) - 1
        sizes = (int(sympy.count_ops(y)), int(sympy.count_ops(sympy.diff(y, x))))
        rows.append((count, *sizes, lines, 2 * lines))
    columns = ("iterations", "expression", "derivative", "program lines", "with tangents")
    return Table(columns, tuple(rows), CAPTION)


def _iterated(step: Callable[[Any], Any], count: int) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for _ in range(count):
            x = step(x)
        return x

    return run
