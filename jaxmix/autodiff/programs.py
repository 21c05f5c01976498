"""A program to differentiate and where: a one-line expression, or a function of a user's file.

Demonstrations take the lecture's programs and the user's own in the same form. An expression calls
the functions of `jaxmix.dual`, so that it runs on numbers, dual numbers, recorders and jax arrays
(notes/autodiff.md).
"""

import ast
import builtins
import inspect
import linecache
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from jaxmix import dual
from jaxmix.autodiff.graph import grouped, named_inputs
from jaxmix.autodiff.source.code import identifiers
from jaxmix.dual.rules import RULES
from jaxmix.suggestions import unknown
from jaxmix.user_files import defined_in

CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS = {name: getattr(dual, name) for name in RULES if hasattr(dual, name)}
"""What an expression may call, beside Python's own abs, max, min, range and sum."""

BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BUILTINS = vars(builtins).keys()
_numbers = count(1)


class Program(NamedTuple):
    """A function of numbers or lists of numbers, how it was written, and its arguments."""

    text: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    expression: ast.Expression | None = None

    @property
    def place(self) -> str:
        """The arguments in words, for captions."""
        return ", ".join(f"{name} = {number:g}" for name, number in self.inputs.items())

    @property
    def inputs(self) -> dict[str, float]:
        """Every number that goes in by its name, entries of lists by their index."""
        return dict(named_inputs(self.function, self.arguments))

    @property
    def point(self) -> np.ndarray:
        """All numbers that go in, [n]."""
        return np.array(list(self.inputs.values()), float)

    def on(self, numbers: Sequence[Any] | Any) -> Any:
        """The program on other numbers [n] of any kind, in the order of the inputs."""
        return self.function(*grouped(numbers, self.arguments))

    def outputs(self, numbers: Sequence[Any] | Any) -> Any:
        """As `on`, with everything that comes out in one array [m]."""
        y = self.on(numbers)
        parts = list(y) if isinstance(y, tuple | list) or getattr(y, "shape", ()) else [y]
        return dual.stack(parts)

    def parts(self, numbers: Sequence[Any]) -> list[tuple[str, Any]]:
        """The operations of a one-line expression from the inside out, with their values.

        Those inside loops of their own are left out; another program has its result alone.
        """
        if self.expression is None or any(isinstance(a, list) for a in self.arguments):
            return [(self.text, self.on(numbers))]
        known = FUNCTIONS | CONSTANTS | dict(zip(self.inputs, numbers))
        kinds = ast.BinOp | ast.UnaryOp | ast.Call | ast.IfExp
        nodes = [node for node in _inside_out(self.expression.body) if isinstance(node, kinds)]
        texts = [ast.unparse(n) for n in nodes if identifiers(n) <= known.keys() | _BUILTINS]
        values = {text: eval(text, dict(known)) for text in texts}
        values[ast.unparse(self.expression)] = self.on(numbers)
        return [(text, x) for text, x in values.items() if isinstance(x, dual.Dual | float | int)]

    def check(self) -> None:
        """Raise ValueError unless the program runs on its own arguments."""
        try:
            self.function(*self.arguments)
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {error}"
            raise ValueError(f"{self.text} does not run at {self.place}: {what}") from error


def read(text: str, at: str | None = None, held: Mapping[str, Any] | None = None) -> Program:
    """A program as a command line writes it.

    Args:
        text: an expression such as "x1*x2 + sin(x1)", whose variables become arguments in
            alphabetical order, x2 before x10; or "FILE.py:function".
        at: the arguments, written as in a call: "2, 3" or "x1=2, x2=3"; a list is an argument, too.
            1 for each when left out.
        held: values of variables that are no arguments, such as data.

    Returns:
        The program.

    Raises:
        ValueError: for text that is no expression, an unknown function, a file without such a
            function, or arguments that do not fit.

    Examples:
        >>> program = read("x1*x2 + sin(x1)", at="2, 3")
        >>> program.inputs, round(program.function(*program.arguments), 4)
        ({'x1': 2, 'x2': 3}, 6.9093)
    """
    named = re.fullmatch(r"(?P<file>.+\.py):(?P<name>\w*)", text.strip())
    if named:
        expression, function = None, _of_file(named["file"], named["name"])
    else:
        expression = _parsed(text)
        function = _of_expression(expression)
    for name, value in (held or {}).items():
        function = _holding(function, name, value)
    return Program(text.strip(), function, _arguments(function, at), expression)


def _of_file(file: str, name: str) -> Callable[..., Any]:
    functions = defined_in(file, inspect.isfunction)
    if name not in functions:
        raise unknown(f"function in {file}", name, functions)
    return functions[name]


def _of_expression(tree: ast.Expression) -> Callable[..., Any]:
    """A function whose source Python can find, for the source transformation reads it."""
    names = ", ".join(_variables(tree))
    source = f"def f({names}):\n    return {ast.unparse(tree)}\n"
    file = f"<expression {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = FUNCTIONS | CONSTANTS
    exec(compile(source, file, "exec"), namespace)
    return namespace["f"]


def _holding(function: Callable[..., Any], name: str, value: Any) -> Callable[..., Any]:
    """The function of its other parameters."""
    others = [p for p in inspect.signature(function).parameters.values() if p.name != name]
    if len(others) == len(inspect.signature(function).parameters):
        raise ValueError(f"the program must have a variable {name}, which stands for the data")
    if not others:
        raise ValueError(f"the program has no parameter beside {name}, which stands for the data")

    def of_the_others(*arguments: Any) -> Any:
        return function(**dict(zip((p.name for p in others), arguments)), **{name: value})

    of_the_others.__signature__ = inspect.Signature(others)
    return of_the_others


def _inside_out(node: ast.AST) -> Iterator[ast.AST]:
    """A tree's nodes, each after its parts."""
    for part in ast.iter_child_nodes(node):
        yield from _inside_out(part)
    yield node


def _parsed(text: str) -> ast.Expression:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        advice = "write an expression such as x1*x2 + sin(x1), or FILE.py:function"
        raise ValueError(f"cannot read {text!r}; {advice}") from None
    if any(isinstance(node, ast.BitXor) for node in ast.walk(tree)):
        raise ValueError(f"{text!r} has ^, which is no power in Python; write x**2")
    for name in sorted({node.id for node in _called(tree)} - FUNCTIONS.keys()):
        if name not in _BUILTINS:
            raise unknown("function", name, FUNCTIONS)
    return tree


def _called(tree: ast.Expression) -> list[ast.Name]:
    """The names that stand where a function is called."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [function for function in calls if isinstance(function, ast.Name)]


def _variables(tree: ast.Expression) -> list[str]:
    loose = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in loose if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    called = _called(tree)
    names = {node.id for node in loose if node not in called} - bound - CONSTANTS.keys()
    if not names:
        raise ValueError(f"{ast.unparse(tree)!r} has no variable to differentiate by")
    return sorted(names, key=_natural)


def _natural(name: str) -> list[Any]:
    """A key that sorts x2 before x10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _arguments(function: Callable[..., Any], at: str | None) -> tuple[Any, ...]:
    signature = inspect.signature(function)
    names = ", ".join(signature.parameters)
    required = [p for p in signature.parameters.values() if p.default is p.empty]
    if not required or any(p.kind not in BY_POSITION for p in required):
        raise ValueError(f"a program takes numbers by position, and at least one; got ({names})")
    at = ", ".join("1.0" for _ in required) if at is None else at
    try:
        args, keywords = eval(f"call({at})", {**vars(math), "call": lambda *a, **k: (a, k)})
        bound = signature.bind(*args, **keywords)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"cannot use the arguments {at!r}: {error}; the program takes ({names}), "
            "written as in a call, such as --at 'x1=2, x2=3'"
        ) from None
    return tuple(_number_or_list(value) for value in bound.args)


def _number_or_list(value: Any) -> Any:
    entries = value if isinstance(value, list | tuple) else [value]
    for entry in entries:
        if not isinstance(entry, int | float) or not abs(entry) <= sys.float_info.max:
            shown = repr(value) if isinstance(value, float | str) else type(value).__name__
            raise ValueError(f"arguments are finite numbers or lists of them, got {shown}")
    return list(value) if isinstance(value, list | tuple) else value
