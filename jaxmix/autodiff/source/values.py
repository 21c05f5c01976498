"""Helpers copied for their values alone, where a test, a bound or an index calls them.

Such a copy needs no derivative, and runs where the helper has none. The rest of a derivative
program is that of `notes/autodiff.md`.
"""

import ast
import copy
from collections.abc import Iterable
from types import FunctionType
from typing import Any

from jaxmix.autodiff.source.code import function
from jaxmix.autodiff.source.grammar import limited_depth
from jaxmix.autodiff.source.plain import Plain
from jaxmix.autodiff.source.reading import Reading, is_range


def value_functions(plains: dict[FunctionType, Plain]) -> list[tuple[Reading, ast.FunctionDef]]:
    """Copy the helpers that are called for their values, by copies too.

    Args:
        plains: every function, helpers before their callers.

    Returns:
        The copies, in the same order, with the functions that they copy.
    """
    wanted: set[FunctionType] = set()
    made: list[tuple[Reading, ast.FunctionDef]] = []
    for f, plain in reversed(plains.items()):
        if f in wanted:
            made.insert(0, (plain.reading, _copied(plain, plain.values[f])))
        wanted |= plain.valued
    return made


def _copied(plain: Plain, title: str) -> ast.FunctionDef:
    reading = plain.reading
    lines = [line for line in reading.node.body if not isinstance(line, ast.Pass)]
    with limited_depth(reading.file, reading.node):
        return function(title, list(reading.arguments), _Copier(plain).all(lines))


class _Copier(ast.NodeTransformer):
    def __init__(self, plain: Plain):
        self.plain = plain

    def all(self, nodes: Iterable[ast.AST]) -> list[Any]:
        return [self.visit(copy.deepcopy(node)) for node in nodes]

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Call) and is_range(node):
            return ast.Call(node.func, self.all(node.args), [])
        stored = isinstance(getattr(node, "ctx", None), ast.Store)
        if isinstance(node, ast.expr) and not stored and not isinstance(node, ast.Tuple):
            return self.plain(node)
        return self.generic_visit(node)
