"""The source transformation: Python source of f in, Python source of its derivative out.

Reading, three-address form and emission are the passes that `notes/autodiff.md` derives. The
derivative program imports nothing but `math`.
"""

import ast
import math
from collections.abc import Callable, Set
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias

from jaxmix.autodiff.source import forward, reverse
from jaxmix.autodiff.source.code import identifiers, literal, printed
from jaxmix.autodiff.source.grammar import limited_depth
from jaxmix.autodiff.source.items import Routine
from jaxmix.autodiff.source.names import Names
from jaxmix.autodiff.source.normal import normalize
from jaxmix.autodiff.source.plain import Plain
from jaxmix.autodiff.source.reading import Reading, reachable, taken_names
from jaxmix.autodiff.source.values import value_functions
from jaxmix.suggestions import unknown

Written: TypeAlias = tuple[Reading, ast.FunctionDef]
"""A function of the derivative program, after the function of the user's that it comes from."""

MODES = {"forward": forward, "reverse": reverse}


class Derivative(NamedTuple):
    """A derivative program: its text, its mode and the function that it defines.

    `preamble` imports from `math` and defines the constants that the text needs.
    """

    source: str
    mode: str
    preamble: str
    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        """Call the derivative function.

        Args:
            arguments: those of `source`'s last function.

        Returns:
            The value, with its tangent or with the arguments' adjoints.

        Example:
            >>> def f(x):
            ...     return x * x
            >>> transform(f)(3.0, 1.0)
            (9.0, 6.0)
        """
        return self.function(*arguments)

    def module(self) -> str:
        """The text of a module that holds the program and needs nothing else.

        Returns:
            The imports from `math`, the constants of the program's own module, and `source`.

        Example:
            >>> from math import exp
            >>> def f(x):
            ...     return exp(x)
            >>> print(transform(f).module())
            from math import exp
            <BLANKLINE>
            <BLANKLINE>
            def df(x, dx):
                w2 = exp(x)
                dw2 = w2 * dx
                return w2, dw2
            <BLANKLINE>
        """
        return self.preamble + self.source + "\n"


def transform(f: Callable[..., Any], mode: str = "forward") -> Derivative:
    """Differentiate a program by rewriting its source.

    The program computes one number from numbers, and from lists of numbers that it indexes, by
    assignments, arithmetic, the elementary functions, branches, loops and functions of its own
    module. It may use the functions of `math` under NumPy's or JAX's names, too. Constants of its
    module are taken as they are now: the derivative does not see them change later. At kinks it
    takes one side where dual numbers may not (`notes/autodiff.md`).

    Args:
        f: a function whose source Python can find.
        mode: "forward" for df(x1, x2, dx1, dx2), which returns the value and its tangent along
            (dx1, dx2); "reverse" for grad_f(x1, x2, seed=1.0), which returns the value and the
            tuple of the arguments' adjoints x1_bar, x2_bar: the partial derivatives, times seed.
            A list of numbers has a list for its tangent and its adjoint; an argument that the
            program neither indexes nor measures by len counts as one number, with the adjoint 0.0
            where nothing depends on it.

    Returns:
        The derivative program, which can be printed and called.

    Raises:
        SourceError: for a construct that cannot be transformed, with its line and a way out.
        ValueError: for an unknown mode.

    Examples:
        >>> from math import sin
        >>> def f(x1, x2):
        ...     return x1 * x2 + sin(x1)
        >>> derivative = transform(f)
        >>> print(derivative.source)
        def df(x1, x2, dx1, dx2):
            w3 = x1 * x2
            dw3 = dx1 * x2 + x1 * dx2
            w4 = sin(x1)
            dw4 = cos(x1) * dx1
            w5 = w3 + w4
            dw5 = dw3 + dw4
            return w5, dw5
        >>> derivative(0.0, 3.0, 1.0, 0.0)
        (0.0, 4.0)
        >>> transform(f, "reverse")(0.0, 3.0)
        (0.0, (4.0, 0.0))
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    readings = reachable(f)
    plains, routines = _routines(readings, mode)
    functions = [*value_functions(plains), *(_emitted(routine, mode) for routine in routines)]
    constants = {
        name: value for plain in plains.values() for name, value in plain.constants.items()
    }
    for reading, definition in functions:
        _check_names(reading, definition, constants.keys())
    source = "\n\n\n".join(_text(reading, definition) for reading, definition in functions)
    preamble = _preamble(functions, constants)
    namespace: dict[str, Any] = {}
    exec(preamble + source, namespace)
    return Derivative(source, mode, preamble, namespace[routines[-1].derivative])


def _routines(
    readings: dict[FunctionType, Reading], mode: str
) -> tuple[dict[FunctionType, Plain], list[Routine]]:
    taken = taken_names(readings)
    given = Names(taken, 0, "")
    titles = {f: given.fresh(MODES[mode].PREFIX + f.__name__) for f in readings}
    values = {f: given.fresh(f"value_{f.__name__}") for f in readings}
    taken = taken.union(titles.values(), values.values())
    plains: dict[FunctionType, Plain] = {}
    routines: dict[FunctionType, Routine] = {}
    for f, reading in readings.items():
        names = Names(taken, len(reading.arguments), MODES[mode].PARTNER)
        plains[f] = Plain(reading, routines, values)
        with limited_depth(reading.file, reading.node):
            routines[f] = normalize(plains[f], titles[f], names)
    return plains, list(routines.values())


def _emitted(routine: Routine, mode: str) -> Written:
    with limited_depth(routine.reading.file, routine.reading.node):
        return routine.reading, MODES[mode].emit(routine)


def _text(reading: Reading, definition: ast.FunctionDef) -> str:
    """The definition as text, which Python must be able to read."""
    with limited_depth(reading.file, reading.node):
        text = printed(definition)
        compile(text, reading.file, "exec")
    return text


def _check_names(reading: Reading, definition: ast.FunctionDef, constants: Set[str]) -> None:
    """No variable or constant of the program may hide a function that the derivative calls."""
    calls = [part.func for part in ast.walk(definition) if isinstance(part, ast.Call)]
    hidden = identifiers(*calls) & (reading.variables | constants)
    for variable in sorted(hidden):
        what = f"the variable {variable!r}, which hides a function that the derivative calls"
        raise reading.refuse(reading.node, what, "rename the variable")


def _preamble(functions: list[Written], constants: dict[str, float | int]) -> str:
    used: set[str] = set()
    for reading, definition in functions:
        used |= identifiers(definition) - reading.variables
    imports = sorted((used & vars(math).keys()) - constants.keys())
    lines = [f"from math import {', '.join(imports)}\n"] if imports else []
    lines += [f"{name} = {ast.unparse(literal(value))}\n" for name, value in constants.items()]
    return "".join(lines) + "\n\n" if lines else ""
