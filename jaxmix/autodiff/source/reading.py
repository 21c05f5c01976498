"""Reading a function: its syntax tree, what its names stand for, and the helpers that it calls.

The first pass of the source transformation that `notes/autodiff.md` derives.
"""

import ast
import builtins
import inspect
import math
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from jaxmix.autodiff.source.code import identifiers
from jaxmix.autodiff.source.grammar import SourceError, check, limited_depth, refusal, refusal_at
from jaxmix.autodiff.source.rules import ARITIES, known_name


@dataclass(frozen=True, eq=False)
class Reading:
    """A function as it was written, and the names of its module."""

    namespace: dict[str, Any]
    file: str
    node: ast.FunctionDef
    arguments: tuple[str, ...]
    variables: frozenset[str]

    def refuse(self, node: ast.AST, what: str, advice: str) -> SourceError:
        """Build the error for a construct; the caller raises it."""
        return refusal(self.file, node, what, advice)

    def callee(self, call: ast.Call) -> FunctionType | str:
        """What a call calls: a helper of the same module, or a known function by its name."""
        if call.keywords:
            raise self.refuse(call, "a keyword argument", "write the arguments by position")
        called = self.look_up(call.func)
        if isinstance(called, FunctionType) and called.__globals__ is self.namespace:
            return called
        name = known_name(called)
        if name is None:
            advice = f"use a function of this module or one of: {', '.join(sorted(ARITIES))}"
            raise self.refuse(call, "the unknown function", advice)
        many = name in ("max", "min") and len(call.args) > 2
        if len(call.args) != ARITIES[name] and not many:
            advice = f"{name} takes {ARITIES[name]} here"
            raise self.refuse(call, f"a call with {len(call.args)} arguments", advice)
        return name

    def look_up(self, node: ast.expr) -> Any:
        """What a name of the module, or an attribute of a module, stands for."""
        if isinstance(node, ast.Attribute):
            owner = self.look_up(node.value)
            if not isinstance(owner, ModuleType):
                raise self.refuse(node, "an attribute", "use plain variables")
            if not hasattr(owner, node.attr):
                raise self.refuse(node, "an undefined name", "define it in the module")
            return getattr(owner, node.attr)
        if not isinstance(node, ast.Name) or node.id in self.variables:
            raise self.refuse(node, "this use of a variable", "use a name of the module")
        names = vars(builtins) | self.namespace
        if node.id not in names:
            raise self.refuse(node, "an undefined name", "define it in the module")
        return names[node.id]

    def constant(self, node: ast.expr) -> float | int:
        """The number that a name of the module, or an attribute of a module, stands for."""
        value = self.look_up(node)
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Real):
            return float(value)
        raise self.refuse(node, "a name that is no number", "hand it in as an argument")


def read(function: Any) -> Reading:
    """Read one function's source.

    Args:
        function: a plain Python function with positional arguments.

    Returns:
        What was read, its grammar checked.

    Raises:
        SourceError: where there is no source, or the function is outside of the grammar.
    """
    title = getattr(function, "__name__", repr(function))
    if not isinstance(function, FunctionType):
        raise SourceError(f"{title} has no source to transform; give a function written with def")
    file, line = Path(function.__code__.co_filename).name, function.__code__.co_firstlineno
    if hasattr(function, "__wrapped__"):
        advice = "call the plain function itself"
        raise refusal_at(file, line, f"a wrapper of {title}", advice)
    if title == "<lambda>":
        raise refusal_at(file, line, "a lambda", "write the function with def")
    node = _definition(function)
    if not isinstance(node, ast.FunctionDef):
        raise refusal(file, node, "what is no plain function", "write it with def")
    return _checked(function, file, node)


def _definition(function: FunctionType) -> ast.stmt:
    """The statement that defines a function, which may stand at any depth of its file."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        message = f"the source of {function.__name__} cannot be found; define it in a file"
        raise SourceError(message) from None
    indented = lines[0][0].isspace()
    node = ast.parse("".join(["if True:\n" * indented, *lines])).body[0]
    ast.increment_lineno(node, first - 1 - indented)
    return node.body[0] if isinstance(node, ast.If) else node


def _checked(function: FunctionType, file: str, node: ast.FunctionDef) -> Reading:
    if node.decorator_list:
        raise refusal(file, node, "a decorated function", "give the plain function")
    for name in function.__code__.co_freevars:
        advice = "make it an argument or a name of the module"
        raise refusal(file, node, f"a closure over {name!r}", advice)
    parameters = node.args
    extra = (parameters.vararg, parameters.kwarg, *parameters.kwonlyargs, *parameters.defaults)
    if any(extra):
        raise refusal(file, node, "a star or default argument", "use plain positional arguments")
    with limited_depth(file, node):
        _Plain().visit(node)
        for statement in node.body:
            check(file, statement)
    arguments = tuple(argument.arg for argument in (*parameters.posonlyargs, *parameters.args))
    stored = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and _is_stored(part)}
    return Reading(function.__globals__, file, node, arguments, frozenset(arguments) | stored)


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


class _Plain(ast.NodeTransformer):
    """Leaves out docstrings and annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node) if isinstance(node.value, ast.Constant) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        bare = ast.Assign([node.target], node.value) if node.value else ast.Pass()
        return ast.copy_location(bare, node)


def reachable(function: Any) -> dict[FunctionType, Reading]:
    """Read a function and every helper that it calls.

    Args:
        function: the function to transform.

    Returns:
        The readings, each helper before its callers.

    Raises:
        SourceError: for recursion, too.
    """
    found: dict[FunctionType, Reading] = {}
    _visit(function, found, ())
    return found


def _visit(function: Any, found: dict[FunctionType, Reading], callers: tuple[Any, ...]) -> None:
    if function in found:
        return
    reading = read(function)
    for call in ast.walk(ast.Module(reading.node.body, [])):
        if not isinstance(call, ast.Call) or is_range(call):
            continue
        callee = reading.callee(call)
        if callee in (*callers, function):
            raise reading.refuse(call, "recursion", "write a loop")
        if isinstance(callee, FunctionType):
            _visit(callee, found, (*callers, function))
    found[function] = reading


def is_range(call: ast.expr) -> bool:
    """Whether an expression is a call of range."""
    return (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"
    )


def taken_names(readings: dict[FunctionType, Reading]) -> set[str]:
    """Every name that occurs in some functions."""
    names: set[str] = set()
    for reading in readings.values():
        names |= identifiers(reading.node) | reading.variables
    return names


def is_of_math(name: str, value: Any) -> bool:
    """Whether `math` defines the name as this number."""
    return isinstance(value, float) and repr(getattr(math, name, None)) == repr(value)
