"""The forward mode: beside every value its tangent, in one pass.

Every step `w3 = x1 * x2` is followed by the derivative rule `dw3 = dx1 * x2 + x1 * dx2`;
control flow stays as it is (`notes/autodiff.md`).
"""

import ast

from jaxmix.autodiff.source.code import choice, function, name, statement
from jaxmix.autodiff.source.items import Block, Branch, Exit, Item, Loop, Routine, Step
from jaxmix.autodiff.source.rules import calls_helper, terms, total

PREFIX = "d"
"""The derivative of f is df."""

PARTNER = "d{}"
"""The tangent of x is dx."""


def emit(routine: Routine) -> ast.FunctionDef:
    """Write the function of arguments and tangents that returns a value and its tangent.

    Args:
        routine: the function in three-address form.

    Returns:
        The derivative function's definition.
    """
    arguments = list(routine.reading.arguments)
    tangents = [routine.names.partner(argument) for argument in arguments]
    return function(
        routine.derivative, arguments + tangents, _Forward(routine).block(routine.block)
    )


class _Forward:
    def __init__(self, routine: Routine):
        self.routine = routine

    def block(self, block: Block) -> list[ast.stmt]:
        return [line for item in block for line in self.item(item)]

    def item(self, item: Item) -> list[ast.stmt]:
        if isinstance(item, Step):
            return self.step(item)
        if isinstance(item, Branch):
            return choice(item.test, self.block(item.yes), self.block(item.no))
        if isinstance(item, Loop):
            return [self.loop(item)]
        return [self.exit(item)]

    def loop(self, item: Loop) -> ast.stmt:
        body = self.block(item.body) or [ast.Pass()]
        if item.target is None:
            return ast.While(item.head, body, [])
        return ast.For(name(item.target), item.head, body, [])

    def exit(self, item: Exit) -> ast.stmt:
        if item.value is None:
            return statement(item.kind)
        return statement("return value, dx", value=item.value, dx=self.tangent(item.value))

    def step(self, step: Step) -> list[ast.stmt]:
        """A tangent that needs the value to be overwritten comes before it."""
        target, tangent = name(step.target), name(self.routine.names.partner(step.target))
        value = statement("x = value", x=target, value=step.value)
        if step.target not in self.routine.active:
            return [value]
        if step.active and calls_helper(step.value):
            called = self.call(step.value)
            return [statement("x, dx = called", x=target, dx=tangent, called=called)]
        derivative = statement("dx = value", dx=tangent, value=self.derivative(step))
        operands = {part.id for part in ast.walk(step.value) if isinstance(part, ast.Name)}
        return [derivative, value] if step.target in operands else [value, derivative]

    def derivative(self, step: Step) -> ast.expr:
        found = terms(step.value, step.target) if step.active else []
        active = [term for term in found if self.routine.is_active(term.operand)]
        return total([term.of(self.tangent(term.operand)) for term in active])

    def call(self, node: ast.expr) -> ast.expr:
        assert isinstance(node, ast.Call)
        return ast.Call(node.func, node.args + [self.tangent(part) for part in node.args], [])

    def tangent(self, operand: ast.expr) -> ast.expr:
        if isinstance(operand, ast.Subscript):
            return ast.Subscript(self.tangent(operand.value), operand.slice, ast.Load())
        if isinstance(operand, ast.Name) and self.routine.is_active(operand):
            return name(self.routine.names.partner(operand.id))
        return ast.Constant(0.0)
