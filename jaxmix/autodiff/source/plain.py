"""Expressions whose value alone is wanted: conditions, bounds, indices and all that is passive.

They are copied as they stand, with functions and constants under the names of `math`
(`notes/autodiff.md`).
"""

import ast
from collections.abc import Callable, Mapping
from types import FunctionType

from jaxmix.autodiff.source.activity import list_arguments
from jaxmix.autodiff.source.code import literal, name
from jaxmix.autodiff.source.items import Routine
from jaxmix.autodiff.source.reading import Reading, is_of_math


class Plain:
    """Copies expressions of one function.

    Attributes:
        constants: the numbers of its module in what was copied.
        values: the name of every function's copy for its value alone.
        valued: the helpers that were called for their values.
    """

    def __init__(
        self,
        reading: Reading,
        helpers: Mapping[FunctionType, Routine],
        values: Mapping[FunctionType, str],
    ):
        self.reading, self.helpers, self.values = reading, helpers, values
        self.valued: set[FunctionType] = set()
        lists = {helper: routine.lists for helper, routine in helpers.items()}
        self.lists = list_arguments(reading, lists)
        self.constants: dict[str, float | int] = {}

    def __call__(self, node: ast.expr) -> ast.expr:
        """An expression with the value of another."""
        if isinstance(node, ast.Constant):
            return node
        if isinstance(node, ast.Name):
            return self.variable(node)
        if isinstance(node, ast.Attribute):
            return self.attribute(node)
        if isinstance(node, ast.Subscript):
            return self.entry(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        return self.compound(node)

    def compound(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.BinOp):
            return ast.BinOp(self(node.left), node.op, self(node.right))
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self(node.operand))
        if isinstance(node, ast.BoolOp):
            return ast.BoolOp(node.op, [self(part) for part in node.values])
        if isinstance(node, ast.Compare):
            return ast.Compare(self(node.left), node.ops, [self(part) for part in node.comparators])
        if isinstance(node, ast.IfExp):
            return ast.IfExp(self(node.test), self(node.body), self(node.orelse))
        raise self.reading.refuse(node, "a tuple", "use variables of plain numbers")

    def variable(self, node: ast.Name) -> ast.expr:
        if node.id in self.lists:
            raise self.reading.refuse(node, "a list as a number", "index it")
        if node.id not in self.reading.variables:
            value = self.reading.constant(node)
            if not is_of_math(node.id, value):
                self.constants[node.id] = value
        return node

    def attribute(self, node: ast.Attribute) -> ast.expr:
        """The constants of math stay names where the program's own names do not hide them."""
        value = self.reading.constant(node)
        names = self.reading.namespace
        hidden = node.attr in self.reading.variables or names.get(node.attr, value) != value
        return literal(value) if hidden or not is_of_math(node.attr, value) else name(node.attr)

    def entry(self, node: ast.Subscript) -> ast.expr:
        if not isinstance(node.value, ast.Name) or node.value.id not in self.lists:
            advice = "hand a list of numbers in as an argument of its own"
            raise self.reading.refuse(node, "an entry of what is no argument", advice)
        return ast.Subscript(node.value, self(node.slice), ast.Load())

    def call(self, node: ast.Call) -> ast.expr:
        callee = self.reading.callee(node)
        if isinstance(callee, FunctionType):
            self.valued.add(callee)
            return ast.Call(name(self.values[callee]), self.arguments(node, callee, self), [])
        if callee == "len":
            return ast.Call(name(callee), [self.whole_list(node.args[0])], [])
        arguments = [self(part) for part in node.args]
        if callee == "pow":
            return ast.BinOp(arguments[0], ast.Pow(), arguments[1])
        return ast.Call(name(callee), arguments, [])

    def arguments(
        self, node: ast.Call, callee: FunctionType, write: Callable[[ast.expr], ast.expr]
    ) -> list[ast.expr]:
        """The arguments of a helper's call: lists by their names, numbers as `write` has them."""
        parameters, lists = self.helpers[callee].reading.arguments, self.helpers[callee].lists
        if len(node.args) != len(parameters):
            advice = f"{callee.__name__} takes {len(parameters)}"
            raise self.reading.refuse(node, f"a call with {len(node.args)} arguments", advice)
        return [
            self.whole_list(part) if parameter in lists else write(part)
            for parameter, part in zip(parameters, node.args)
        ]

    def whole_list(self, node: ast.expr) -> ast.expr:
        if not isinstance(node, ast.Name) or node.id not in self.lists:
            raise self.reading.refuse(node, "what is no list", "hand an argument on as it is")
        return node
