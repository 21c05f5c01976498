"""The source transformation: Python source of f in, Python source of its derivative out.

Reading, three-address form and emission are the passes that `notes/autodiff.md` derives. The
derivative program imports nothing but `math`.
"""

import ast
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

from jaxmix.autodiff.source import forward, reverse
from jaxmix.autodiff.source.code import identifiers, literal, printed
from jaxmix.autodiff.source.items import Routine
from jaxmix.autodiff.source.names import Names
from jaxmix.autodiff.source.normal import normalize
from jaxmix.autodiff.source.plain import Plain
from jaxmix.autodiff.source.reading import Reading, reachable, taken_names
from jaxmix.suggestions import unknown

MODES = {"forward": forward, "reverse": reverse}


class Derivative(NamedTuple):
    """A derivative program: its text, its mode and the function that it defines."""

    source: str
    mode: str
    preamble: str
    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        """Call the derivative function."""
        return self.function(*arguments)

    def module(self) -> str:
        """The text of a module that needs nothing else."""
        return self.preamble + self.source + "\n"


def transform(f: Callable[..., Any], mode: str = "forward") -> Derivative:
    """Differentiate a program by rewriting its source.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    routines = _routines(reachable(f), mode)
    functions = [MODES[mode].emit(routine) for routine in routines]
    for routine, definition in zip(routines, functions):
        _check_names(routine, definition)
    source = "\n\n\n".join(printed(definition) for definition in functions)
    preamble = _preamble(routines, functions)
    namespace: dict[str, Any] = {}
    exec(preamble + source, namespace)
    return Derivative(source, mode, preamble, namespace[routines[-1].derivative])


def _routines(readings: dict[FunctionType, Reading], mode: str) -> list[Routine]:
    taken = taken_names(readings)
    given = Names(taken, 0, "")
    titles = {f: given.fresh(MODES[mode].PREFIX + f.__name__) for f in readings}
    routines: dict[FunctionType, Routine] = {}
    for f, reading in readings.items():
        names = Names(taken.union(titles.values()), len(reading.arguments), MODES[mode].PARTNER)
        plain = Plain(reading, routines, tangents=mode == "forward")
        routines[f] = normalize(plain, titles[f], names)
    return list(routines.values())


def _constants(routines: list[Routine]) -> dict[str, float | int]:
    return {name: value for routine in routines for name, value in routine.constants.items()}


def _check_names(routine: Routine, definition: ast.FunctionDef) -> None:
    """No variable or constant of the program may hide a function that the derivative calls."""
    calls = [part.func for part in ast.walk(definition) if isinstance(part, ast.Call)]
    hidden = identifiers(*calls) & (routine.reading.variables | routine.constants.keys())
    for variable in sorted(hidden):
        what = f"the variable {variable!r}, which hides a function that the derivative calls"
        raise routine.reading.refuse(routine.reading.node, what, "rename the variable")


def _preamble(routines: list[Routine], functions: list[ast.FunctionDef]) -> str:
    constants = _constants(routines)
    used: set[str] = set()
    for routine, definition in zip(routines, functions):
        used |= identifiers(definition) - routine.reading.variables
    imports = sorted((used & vars(math).keys()) - constants.keys() - {"pow"})
    lines = [f"from math import {', '.join(imports)}"] if imports else []
    lines += [f"{name} = {ast.unparse(literal(value))}" for name, value in constants.items()]
    return "\n".join(lines) + "\n\n\n" if lines else ""
