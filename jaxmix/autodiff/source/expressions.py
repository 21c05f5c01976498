"""From nested expressions to steps of one operation each, innermost first.

Part of the second pass of the source transformation that `notes/autodiff.md` derives. What carries
no derivative stays one expression, so that the derivative program reads like the program.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType

from jaxmix.autodiff.source.activity import active_variables, is_active
from jaxmix.autodiff.source.code import identifiers, name
from jaxmix.autodiff.source.items import Block, Branch, Step
from jaxmix.autodiff.source.names import Names
from jaxmix.autodiff.source.plain import Plain
from jaxmix.autodiff.source.rules import CHOICES, uses_result


class Expressions:
    """Adds the steps that compute expressions to the block at hand, `items`."""

    def __init__(self, plain: Plain, names: Names):
        self.reading, self.plain, self.names = plain.reading, plain, names
        self.active = active_variables(plain.reading)
        self.items: Block = []

    @contextmanager
    def new_block(self) -> Iterator[Block]:
        """A block to which the steps go in the meantime."""
        outer, self.items = self.items, []
        yield self.items
        self.items = outer

    def assign(self, target: str, node: ast.expr) -> None:
        """Give a variable the value of an expression."""
        if self.is_choice(node):
            self.choose(target, node)
            return
        active, value = self.is_active(node), self.operation(node)
        if active and target in identifiers(value) and uses_result(value):
            value = self.temporary(value, active)
        self.copy(target, value, active)

    def assign_all(self, targets: list[str], nodes: list[ast.expr]) -> None:
        """Give variables the values of expressions, all at once."""
        values = [self.atom(node) for node in nodes]
        active = [self.is_active(node) for node in nodes]
        for index, value in enumerate(values):
            if identifiers(value) & set(targets[:index]):
                values[index] = self.temporary(value, active[index])
        for target, value, is_active_value in zip(targets, values, active):
            self.copy(target, value, is_active_value)

    def atom(self, node: ast.expr) -> ast.expr:
        """A variable, an indexed argument or a passive expression with the value of another."""
        if not self.is_active(node):
            value = self.plain(node)
            called = any(isinstance(part, ast.Call) for part in ast.walk(value))
            return self.temporary(value, False) if called else value
        if isinstance(node, (ast.Name, ast.Subscript)):
            return self.plain(node)
        if self.is_choice(node):
            target = self.new_variable(active=True)
            self.assign(target, node)
            return name(target)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
            return self.atom(node.operand)
        return self.temporary(self.operation(node), True)

    def operation(self, node: ast.expr) -> ast.expr:
        """One operation on atoms."""
        if not self.is_active(node):
            return self.plain(node)
        if isinstance(node, ast.BinOp):
            return ast.BinOp(self.atom(node.left), node.op, self.atom(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return ast.UnaryOp(node.op, self.atom(node.operand))
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.BoolOp):
            raise self.reading.refuse(node, "and, or of numbers", "write an if statement")
        return self.atom(node)

    def call(self, node: ast.Call) -> ast.expr:
        """The call of a helper's derivative or of a known function."""
        callee = self.reading.callee(node)
        if isinstance(callee, FunctionType):
            arguments = self.plain.arguments(node, callee, self.atom)
            return ast.Call(name(self.plain.helpers[callee].derivative), arguments, [])
        arguments = [self.atom(part) for part in node.args]
        if callee == "pow":
            return ast.BinOp(arguments[0], ast.Pow(), arguments[1])
        return ast.Call(name(callee), arguments, [])

    def is_choice(self, node: ast.expr) -> bool:
        """Whether the value is one of two, and active."""
        called = self.reading.callee(node) if isinstance(node, ast.Call) else None
        return (isinstance(node, ast.IfExp) or called in CHOICES) and self.is_active(node)

    def choose(self, target: str, node: ast.expr) -> None:
        """Write a conditional expression, max or min as a branch."""
        if isinstance(node, ast.IfExp):
            test = self.plain(node.test)
            with self.new_block() as yes:
                self.assign(target, node.body)
            with self.new_block() as no:
                self.assign(target, node.orelse)
        else:
            test, yes, no = self.larger_or_smaller(target, node)
        self.items.append(Branch(test, yes, no))

    def larger_or_smaller(self, target: str, node: ast.expr) -> tuple[ast.expr, Block, Block]:
        assert isinstance(node, ast.Call)
        callee = str(self.reading.callee(node))
        if len(node.args) != 2:
            raise self.reading.refuse(node, "a call with more than two", f"nest {callee}")
        first, second = (self.atom(part) for part in node.args)
        with self.new_block() as yes:
            self.copy(target, second, self.is_active(node.args[1]))
        with self.new_block() as no:
            self.copy(target, first, self.is_active(node.args[0]))
        return ast.Compare(second, [CHOICES[callee]], [first]), yes, no

    def is_active(self, node: ast.expr) -> bool:
        """Whether an expression of the program carries a derivative."""
        return is_active(node, self.active, self.reading)

    def copy(self, target: str, value: ast.expr, active: bool) -> None:
        """Assign, unless it is the variable itself."""
        if not isinstance(value, ast.Name) or value.id != target:
            self.items.append(Step(target, value, active))

    def temporary(self, value: ast.expr, active: bool) -> ast.expr:
        """A new variable that holds a value."""
        target = self.new_variable(active)
        self.items.append(Step(target, value, active))
        return name(target)

    def new_variable(self, active: bool) -> str:
        """The next temporary."""
        target = self.names.numbered("w")
        if active:
            self.active.add(target)
        return target
