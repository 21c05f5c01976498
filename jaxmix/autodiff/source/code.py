"""Small pieces of Python code as `ast` nodes, built by filling expressions into templates.

The derivative programs of `notes/autodiff.md` are put together from these and printed by
`ast.unparse`.
"""

import ast
import math
from collections.abc import Mapping


class _Filler(ast.NodeTransformer):
    def __init__(self, parts: Mapping[str, ast.expr]):
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.parts.get(node.id, node)


def name(identifier: str) -> ast.expr:
    """A variable."""
    return ast.Name(identifier, ast.Load())


def expression(template: str, **parts: ast.expr) -> ast.expr:
    """An expression whose names that stand in `parts` are replaced, all at once.

    Example:
        >>> ast.unparse(expression("a * b", a=name("b"), b=ast.Constant(2)))
        'b * 2'
    """
    node = ast.parse(template, mode="eval").body
    return _Filler(parts).visit(node) if parts else node


def statement(template: str, **parts: ast.expr) -> ast.stmt:
    """A statement of one line, filled in like an expression."""
    node = ast.parse(template).body[0]
    return _Filler(parts).visit(node) if parts else node


def literal(number: float | int) -> ast.expr:
    """A number as Python source.

    Example:
        >>> ast.unparse(literal(float("inf")))
        "float('inf')"
    """
    plain = isinstance(number, int) or math.isfinite(number)
    return expression(repr(number) if plain else f"float('{number}')")


def identifiers(*nodes: ast.AST) -> set[str]:
    """Every name that occurs in some nodes."""
    return {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}


def function(name: str, parameters: list[str], body: list[ast.stmt]) -> ast.FunctionDef:
    """A function that can be printed."""
    made = ast.parse(f"def {name}({', '.join(parameters)}): pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.body = body
    return ast.fix_missing_locations(made)


def choice(test: ast.expr, yes: list[ast.stmt], no: list[ast.stmt]) -> list[ast.stmt]:
    """An if statement with as few branches as are filled."""
    if not yes and not no:
        return []
    if not yes:
        return [ast.If(expression("not test", test=test), no, [])]
    return [ast.If(test, yes, no)]


def printed(definition: ast.FunctionDef) -> str:
    """The text of a function, its returned tuples without parentheses."""
    lines = ast.unparse(definition) + "\n"
    for part in ast.walk(definition):
        if isinstance(part, ast.Return) and isinstance(part.value, ast.Tuple):
            value = ast.unparse(part.value)
            lines = lines.replace(f"return {value}\n", f"return {value[1:-1]}\n")
    return lines.removesuffix("\n")
