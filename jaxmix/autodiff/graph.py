"""Computation graphs: a program recorded line by line, and the two sweeps of autodiff over it.

A function runs once on recording numbers, which come to the rule table of `jaxmix.dual` as dual
numbers do, and leave behind the lines w1, w2, ... with their local slopes. The forward sweep
carries tangents down the lines, the reverse sweep adjoints up (notes/autodiff.md, eq. 5 and 6).
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmix.dual.core import FUNCTIONS, Tag, sweep
from jaxmix.report.writers import Table

SYMBOLS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**"}
CAPTION = "One line of the program a row: tangents are carried down, adjoints up."


class Line(NamedTuple):
    """One line of a program: what it computes, from which lines, and its slope in each of them."""

    program: str
    value: float
    parents: tuple[int, ...]
    slopes: tuple[float, ...]


class Recorder(np.lib.mixins.NDArrayOperatorsMixin):
    """A number that writes down what becomes of it; it is the value of one line of a graph."""

    def __init__(self, lines: list[Line], index: int, tag: Tag):
        self.lines, self.index, self.tag = lines, index, tag
        self.value, self.shape, self.dtype = lines[index].value, (), float

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        if method != "__call__" or ufunc.__name__ not in FUNCTIONS:
            raise TypeError(f"a graph records numbers: it has no {ufunc.__name__}.{method}")
        return FUNCTIONS[ufunc.__name__](*args)

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("a graph records numbers, which no array holds; keep them in a list")

    def __bool__(self) -> bool:
        return bool(self.value)

    def chain(self, function: Any, slopes: Any, args: Any, values: Any) -> "Recorder":
        """Write one more line: the function's value, and its slope in every recorded argument."""
        if any(np.shape(value) for value in values):
            raise TypeError("a graph records numbers, got an array; index it, or see jaxmix.dual")
        recorded = [isinstance(arg, Recorder) and arg.tag is self.tag for arg in args]
        with np.errstate(all="ignore"):
            value = float(function(*values))
            local = [float(slope(*values)) for slope, own in zip(slopes, recorded) if own]
        parents = tuple(arg.index for arg, own in zip(args, recorded) if own)
        names = [
            line_name(arg.index) if own else _constant(arg) for arg, own in zip(args, recorded)
        ]
        self.lines.append(Line(_program(function.__name__, names), value, parents, tuple(local)))
        return Recorder(self.lines, len(self.lines) - 1, self.tag)


def line_name(index: int) -> str:
    """What a line is called: w1, w2, ..."""
    return f"w{index + 1}"


def _constant(number: Any) -> str:
    return f"({number:g})" if number < 0 else f"{number:g}"


def _program(function: str, names: Sequence[str]) -> str:
    if function in SYMBOLS:
        return f"{names[0]} {SYMBOLS[function]} {names[1]}"
    return f"-{names[0]}" if function == "negative" else f"{function}({', '.join(names)})"


class Graph(NamedTuple):
    """The lines of a program in their order, inputs first, and which of them is its result."""

    lines: tuple[Line, ...]
    num_inputs: int
    result: int

    @property
    def value(self) -> float:
        """The value of the function."""
        return self.lines[self.result].value

    def forward(self, seeds: Sequence[float] | np.ndarray) -> list[float]:
        """Tangents of all lines, from the first to the last.

        Args:
            seeds: tangents of the inputs, in their order.

        Returns:
            A tangent a line; the result's is the derivative along the seeds.

        Raises:
            ValueError: unless there are as many seeds as inputs.
        """
        if len(seeds) != self.num_inputs:
            raise ValueError(f"expected {self.num_inputs} seeds, one an input, got {len(seeds)}")
        tangents = [float(seed) for seed in seeds]
        for line in self.lines[self.num_inputs :]:
            terms = zip(line.slopes, line.parents)
            tangents.append(sum((slope * tangents[parent] for slope, parent in terms), 0.0))
        return tangents

    def reverse(self, seed: float = 1.0) -> list[float]:
        """Adjoints of all lines, from the last to the first: derivatives of the result by each.

        Args:
            seed: the adjoint of the result.

        Returns:
            An adjoint a line; those of the inputs are the gradient.
        """
        adjoints = [0.0] * len(self.lines)
        adjoints[self.result] = float(seed)
        for index in reversed(range(len(self.lines))):
            line = self.lines[index]
            for slope, parent in zip(line.slopes, line.parents):
                adjoints[parent] += slope * adjoints[index]
        return adjoints

    @property
    def gradient(self) -> list[float]:
        """All partial derivatives, by one reverse sweep."""
        return self.reverse()[: self.num_inputs]

    def table(self) -> Table:
        """Program, value, tangents and adjoint side by side, a line a row.

        There is a column of tangents for every input, from the sweep that starts with its seed
        alone; `to_text`, `to_markdown`, `to_latex`, `to_html` and `to_csv` write the table.
        """
        sweeps = [self.forward(seed) for seed in np.eye(self.num_inputs).tolist()]
        adjoints = self.reverse()
        inputs = [line.program for line in self.lines[: self.num_inputs]]
        rows = [
            (line_name(i), line.program, line.value, *(sweep[i] for sweep in sweeps), adjoints[i])
            for i, line in enumerate(self.lines)
        ]
        tangents = (f"d/d{name}" for name in inputs)
        return Table(("line", "program", "value", *tangents, "adjoint"), tuple(rows), CAPTION)

    def draw(self, panel: Any = None) -> Any:
        """Draw the graph with matplotlib: a node a line, an arrow an argument with its slope.

        Args:
            panel: matplotlib Axes to draw on; a new figure's when left out.

        Returns:
            The Axes.
        """
        from jaxmix.autodiff.drawing import draw_graph

        return draw_graph(self, panel)


def trace(f: Callable[..., Any], *args: Any) -> Graph:
    """The computation graph of f at args, by running it on recording numbers.

    Args:
        f: built from functions of jaxmix.dual or NumPy's; branches and loops are recorded as they
            happen to be taken at these arguments.
        *args: numbers, or lists of numbers, which f may index.

    Returns:
        A `Graph`: `forward`, `reverse`, `gradient`, `table` and `draw`.

    Raises:
        TypeError: where f has no arguments, computes with arrays, or returns anything but a number.

    Examples:
        >>> from jaxmix.dual import sin
        >>> graph = trace(lambda x1, x2: x1 * x2 + sin(x1), 2.0, 3.0)
        >>> [line.program for line in graph.lines]
        ['x1', 'x2', 'w1 * w2', 'sin(w1)', 'w3 + w4']
        >>> graph.gradient[1]
        2.0

    Source: notes/autodiff.md, eq. 5, 6; Griewank & Walther (2008), Evaluating Derivatives, ch. 3.
    """
    lines = [Line(name, float(value), (), ()) for name, value in named_inputs(f, args)]
    count, order, results = len(lines), iter(range(len(lines))), []

    def recorded(*recorders: Recorder) -> float:
        results.append(f(*grouped(recorders, args)))
        return 0.0

    values, unused = [line.value for line in lines], [np.zeros(1)] * count
    sweep(recorded, values, unused, make=lambda x, seed, tag: Recorder(lines, next(order), tag))
    y = results[0]
    if isinstance(y, Recorder) and y.lines is lines:
        return Graph(tuple(lines), count, y.index)
    if np.shape(y) or not isinstance(y, int | float | np.number):
        raise TypeError(f"a graph records a function that returns one number, got {y!r}")
    lines.append(Line(f"{y:g}", float(y), (), ()))
    return Graph(tuple(lines), count, len(lines) - 1)


def _is_list(arg: Any) -> bool:
    return isinstance(arg, list | tuple) or np.ndim(arg) == 1


def grouped(numbers: Any, args: Sequence[Any]) -> list[Any]:
    """Numbers in a row as arguments: those of a list in a list, as in args."""
    given = iter(numbers)
    return [[next(given) for _ in arg] if _is_list(arg) else next(given) for arg in args]


def named_inputs(f: Callable[..., Any], args: Sequence[Any]) -> list[tuple[str, float]]:
    """Names and values of the inputs, entries of lists by their index."""
    try:
        names = list(inspect.signature(f).parameters)[: len(args)]
    except (TypeError, ValueError):
        names = []
    names += [f"x{i + 1}" for i in range(len(names), len(args))]
    pairs = []
    for name, arg in zip(names, args):
        entries = (
            [(f"{name}[{i}]", x) for i, x in enumerate(arg)] if _is_list(arg) else [(name, arg)]
        )
        pairs += entries
    return pairs
