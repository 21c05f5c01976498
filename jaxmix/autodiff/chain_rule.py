"""The chain rule as a table: a program beside its dual program, and the paths that add up.

Along a path from an input to the result the slopes multiply, and the paths' contributions add:
that is eq. 5 of notes/autodiff.md, written out.
"""

import ast
import re

from jaxmix.autodiff.graph import Graph, line_name
from jaxmix.autodiff.source.code import expression, name
from jaxmix.autodiff.source.rules import NUMPY, terms, total
from jaxmix.report.writers import Table

MOST_PATHS, MOST_COUNTED = 6, 10**15
"""More contributions than these are counted, not listed; more than those are not counted."""


def chain_rule(graph: Graph) -> Table:
    """Program, dual program, value and derivatives of each line, side by side.

    Args:
        graph: of the program, from `graph.trace`.

    Returns:
        A row a line, a column of derivatives an input; the caption follows the paths from each
        input to the result.

    Examples:
        >>> from jaxmix.autodiff.graph import trace
        >>> from jaxmix.dual import sin
        >>> table = chain_rule(trace(lambda x1, x2: x1 * x2 + sin(x1), 2.0, 3.0))
        >>> [row[2] for row in table.rows]
        ['dx1', 'dx2', 'dw1 * w2 + w1 * dw2', 'cos(w1) * dw1', 'dw3 + dw4']

    Source: notes/autodiff.md, eq. 5.
    """
    plain = graph.table()
    programs = [dual_program(graph, index) for index in range(len(graph.lines))]
    rows = tuple((*row[:2], text, *row[2:-1]) for row, text in zip(plain.rows, programs))
    columns = (*plain.columns[:2], "dual program", *plain.columns[2:-1])
    sentences = [_by_path(graph, i, slope) for i, slope in enumerate(graph.gradient)]
    return Table(columns, rows, "\n".join(sentences))


def dual_program(graph: Graph, index: int) -> str:
    """The tangent of a line, written as source transformation writes it.

    Args:
        graph: of the program.
        index: of the line.

    Returns:
        An expression in the names of lines and their tangents. A function that `math` has not gets
        its slopes as numbers.
    """
    line, title = graph.lines[index], line_name(index)
    if not line.parents:
        return f"d{line.program}" if index < graph.num_inputs else "0"
    value = expression(line.program)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        value.func.id = NUMPY.get(value.func.id, value.func.id)
    try:
        found = [term for term in terms(value, title) if _is_line(term.operand)]
    except KeyError:
        pairs = zip(line.slopes, line.parents)
        return " + ".join(f"{slope:.6g} * d{line_name(parent)}" for slope, parent in pairs)
    return ast.unparse(total([term.of(name(f"d{ast.unparse(term.operand)}")) for term in found]))


def _is_line(node: ast.expr) -> bool:
    return re.fullmatch(r"w\d+", ast.unparse(node)) is not None


def contributions(graph: Graph, source: int) -> list[float]:
    """The product of slopes along every path from a line to the result.

    Their number can grow as 2 to the power of the program's length; see `num_paths`.

    Args:
        graph: of the program.
        source: index of the line.

    Returns:
        A product a path; their sum is the line's adjoint.
    """
    from_here: list[list[float]] = [[] for _ in graph.lines]
    from_here[source] = [1.0]
    for index, line in enumerate(graph.lines):
        for slope, parent in zip(line.slopes, line.parents):
            from_here[index] += [slope * product for product in from_here[parent]]
    return from_here[graph.result]


def num_paths(graph: Graph, source: int) -> int:
    """How many paths lead from a line to the result."""
    counts = [int(index == source) for index in range(len(graph.lines))]
    for index, line in enumerate(graph.lines):
        counts[index] += sum(counts[parent] for parent in line.parents)
    return counts[graph.result]


def _by_path(graph: Graph, source: int, derivative: float) -> str:
    """One sentence on the paths from an input, whose contributions add up to the derivative."""
    count, title = num_paths(graph, source), graph.lines[source].program
    if count == 0:
        return f"{title} does not reach the result."
    paths = f"{count} path{'s' * (count > 1)}" if count <= MOST_COUNTED else "more than 1e15 paths"
    ways = f"{title} reaches the result by {paths}: "
    slope = f"{derivative:.6g}"
    if not 1 < count <= MOST_PATHS:
        return ways + slope
    parts = " + ".join(f"{product:.6g}" for product in contributions(graph, source))
    return f"{ways}{parts} = {slope}".replace("+ -", "- ")
