"""Which variables carry a derivative, and which arguments are lists of numbers.

A variable is active if any assignment anywhere gives it a value that depends on an argument other
than stepwise; all else, such as counters and indices, is passive and has no tangent or adjoint
(`notes/autodiff.md`).
"""

import ast
from collections.abc import Iterator, Mapping, Set
from types import FunctionType

from jaxmix.autodiff.source.reading import Reading, is_range
from jaxmix.autodiff.source.rules import STEPWISE, number


def is_active(node: ast.expr, active: Set[str], reading: Reading) -> bool:
    """Whether an expression's derivative may differ from 0, given the active variables."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.Name):
        return node.id in active
    if isinstance(node, ast.Subscript):
        return True
    if isinstance(node, ast.Call):
        parts = [] if reading.callee(node) in STEPWISE else node.args
    elif isinstance(node, ast.BinOp) and not _is_stepwise(node):
        parts = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
        parts = [node.operand]
    elif isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
    elif isinstance(node, ast.BoolOp):
        parts = node.values
    return any(is_active(part, active, reading) for part in parts)


def _is_stepwise(node: ast.BinOp) -> bool:
    power = isinstance(node.op, ast.Pow) and number(node.right) == 0
    return power or isinstance(node.op, ast.FloorDiv)


def active_variables(reading: Reading) -> set[str]:
    """The variables whose values depend on the arguments, in any assignment."""
    active, pairs = set(reading.arguments), list(_assignments(reading.node))
    while True:
        more = {target for target, value in pairs if is_active(value, active, reading)} - active
        if not more:
            return active
        active |= more


def _assignments(node: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for part in ast.walk(node):
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            yield part.target.id, part.value
        elif isinstance(part, ast.Assign):
            for target in part.targets:
                yield from pairs(target, part.value)


def pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The variables that an assignment assigns, each with its own part of the value."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts):
            yield from pairs(inner, part)


def list_arguments(reading: Reading, lists: Mapping[FunctionType, Set[str]]) -> set[str]:
    """The arguments that are indexed, measured by len, or given to a helper's list argument.

    Args:
        reading: the function.
        lists: the list arguments of the helpers.
    """
    found: set[str] = set()
    for part in ast.walk(ast.Module(reading.node.body, [])):
        if isinstance(part, ast.Subscript):
            found |= _names(part.value)
        elif isinstance(part, ast.Call) and not is_range(part):
            found |= _given_as_lists(part, reading, lists)
    return found & set(reading.arguments)


def _given_as_lists(
    call: ast.Call, reading: Reading, lists: Mapping[FunctionType, Set[str]]
) -> set[str]:
    callee = reading.callee(call)
    if callee == "len":
        return _names(call.args[0])
    if isinstance(callee, str):
        return set()
    parameters = callee.__code__.co_varnames
    given = zip(parameters, call.args)
    return set().union(*(_names(node) for name, node in given if name in lists[callee]))


def _names(node: ast.expr) -> set[str]:
    return {node.id} if isinstance(node, ast.Name) else set()
