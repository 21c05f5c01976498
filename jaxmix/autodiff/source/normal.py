"""From statements to three-address form: one operation a step.

The second pass of the source transformation that `notes/autodiff.md` derives; both modes start from
what it returns.
"""

import ast

from jaxmix.autodiff.source.code import identifiers, name
from jaxmix.autodiff.source.expressions import Expressions
from jaxmix.autodiff.source.items import (
    Block,
    Branch,
    Exit,
    Item,
    Loop,
    Routine,
    Step,
    always_exits,
)
from jaxmix.autodiff.source.names import Names
from jaxmix.autodiff.source.plain import Plain
from jaxmix.autodiff.source.reading import is_range


def normalize(plain: Plain, derivative: str, names: Names) -> Routine:
    """Write a function in three-address form.

    Args:
        plain: the function, with its helpers.
        derivative: the name of its derivative function.
        names: where the temporaries' names come from.

    Returns:
        The routine, whose calls of helpers name their derivative functions.

    Raises:
        SourceError: for what cannot be transformed.
    """
    expressions, reading = Expressions(plain, names), plain.reading
    block = _Statements(expressions).block(reading.node.body)
    if not always_exits(block):
        raise reading.refuse(reading.node, "a path without a return", "return a number at its end")
    active, lists = frozenset(expressions.active), frozenset(plain.lists)
    return Routine(reading, derivative, lists, active, plain.constants, names, block)


class _Statements:
    def __init__(self, expressions: Expressions):
        self.expressions, self.reading = expressions, expressions.reading
        self.own_targets = _own_targets(self.reading.node) - set(self.reading.arguments)

    def block(self, statements: list[ast.stmt]) -> Block:
        with self.expressions.new_block() as items:
            for statement in statements:
                self.statement(statement)
        return items

    def add(self, item: Item) -> None:
        self.expressions.items.append(item)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            self.assignment(node)
        elif isinstance(node, ast.AugAssign):
            target = self.variable(node.target)
            before = ast.copy_location(name(target), node)
            after = ast.BinOp(before, node.op, node.value)
            self.expressions.assign(target, ast.copy_location(after, node))
        elif isinstance(node, ast.If):
            test = self.expressions.plain(node.test)
            self.add(Branch(test, self.block(node.body), self.block(node.orelse)))
        elif isinstance(node, (ast.For, ast.While)):
            self.loop(node)
        elif isinstance(node, ast.Return):
            self.add(Exit("return", self.returned(node)))
        elif isinstance(node, (ast.Break, ast.Continue)):
            self.add(Exit(type(node).__name__.lower()))

    def assignment(self, node: ast.Assign) -> None:
        if isinstance(node.targets[0], ast.Tuple):
            self.unpacking(node)
            return
        first, *others = (self.variable(target) for target in node.targets)
        self.expressions.assign(first, node.value)
        for other in others:
            self.expressions.assign(other, ast.copy_location(name(first), node))

    def unpacking(self, node: ast.Assign) -> None:
        """All values are known before the first variable changes."""
        left, right = node.targets[0], node.value
        values = right.elts if isinstance(right, ast.Tuple) else []
        parts = left.elts if isinstance(left, ast.Tuple) else []
        if len(node.targets) > 1 or len(parts) != len(values):
            advice = "write as many values as there are variables, without nesting"
            raise self.reading.refuse(node, "this unpacking", advice)
        self.expressions.assign_all([self.variable(part) for part in parts], values)

    def variable(self, target: ast.expr) -> str:
        if not isinstance(target, ast.Name):
            raise self.reading.refuse(target, "an assignment to a part", "assign whole variables")
        if target.id in self.expressions.plain.lists:
            raise self.reading.refuse(target, "an assignment to a list", "use another variable")
        return target.id

    def loop(self, node: ast.For | ast.While) -> None:
        if node.orelse:
            raise self.reading.refuse(node, "the else of a loop", "write it without else")
        if isinstance(node, ast.While):
            self.add(Loop(None, self.expressions.plain(node.test), self.block(node.body)))
            return
        target, head = self.variable(node.target), self.range(node.iter)
        if target in self.own_targets:
            self.add(Loop(target, head, self.block(node.body)))
            return
        counter = self.expressions.names.numbered("w")
        self.add(Loop(counter, head, [Step(target, name(counter)), *self.block(node.body)]))

    def range(self, node: ast.expr) -> ast.expr:
        if not isinstance(node, ast.Call) or not is_range(node) or node.keywords:
            raise self.reading.refuse(node, "a loop over", "loop over a range")
        if self.reading.look_up(node.func) is not range:
            raise self.reading.refuse(node, "a loop over", "leave the name range to Python")
        return ast.Call(node.func, [self.expressions.plain(bound) for bound in node.args], [])

    def returned(self, node: ast.Return) -> ast.expr:
        if node.value is None or isinstance(node.value, ast.Tuple):
            raise self.reading.refuse(
                node, "a return of anything but one number", "return one number"
            )
        return self.expressions.atom(node.value)


def _own_targets(node: ast.FunctionDef) -> set[str]:
    """Loop variables that live in their loops alone, so that no run needs an older value."""
    loops = [part for part in ast.walk(node) if isinstance(part, ast.For)]
    targets = {part.target.id for part in loops if isinstance(part.target, ast.Name)}
    return {target for target in targets if _is_own(target, node, loops)}


def _is_own(target: str, node: ast.FunctionDef, loops: list[ast.For]) -> bool:
    mine = [loop for loop in loops if identifiers(loop.target) == {target}]
    heads = {loop.target for loop in mine}
    inside = {part for loop in mine for line in loop.body for part in _uses(target, line)}
    everywhere = _uses(target, node)
    stores = {part for part in everywhere if isinstance(part.ctx, ast.Store)}
    return stores == heads and not inside & heads and inside | heads == everywhere


def _uses(target: str, node: ast.AST) -> set[ast.Name]:
    return {part for part in ast.walk(node) if isinstance(part, ast.Name) and part.id == target}
