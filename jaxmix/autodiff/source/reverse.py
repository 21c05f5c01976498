"""The reverse mode: the program forward, then the adjoints of its steps backward.

Every step `w3 = x1 * x2` becomes `x1_bar += w3_bar * x2` and `x2_bar += x1 * w3_bar`, last step
first; overwritten values come back from a stack (`notes/autodiff.md`).
"""

import ast
from dataclasses import replace

from jaxmix.autodiff.source.code import choice, expression, function, identifiers, name, statement
from jaxmix.autodiff.source.escapes import without_exits
from jaxmix.autodiff.source.items import Block, Branch, Item, Loop, Routine, Step, walk
from jaxmix.autodiff.source.rules import negated, terms, total
from jaxmix.autodiff.source.sweeps import Overwriting, remembering

PREFIX = "grad_"
"""The derivative of f is grad_f."""

PARTNER = "{}_bar"
"""The adjoint of x is x_bar."""

PER_LINE = 6
"""Variables initialized on one line."""


def emit(routine: Routine) -> ast.FunctionDef:
    """Write the function of arguments that returns a value and the arguments' adjoints.

    Args:
        routine: the function in three-address form.

    Returns:
        The derivative function's definition; its last argument is the adjoint of the value.
    """
    routine, value = without_exits(routine)
    block = remembering(routine.block, routine.names)
    return _Reverse(replace(routine, block=block), value).definition()


class _Reverse:
    def __init__(self, routine: Routine, value: ast.expr):
        self.routine, self.value = routine, value
        self.seed, self.stack, self.blank = map(routine.names.fresh, ("seed", "stack", "_"))
        self.overwriting = Overwriting(routine)
        self.saved: frozenset[str] = frozenset()

    def definition(self) -> ast.FunctionDef:
        backward = self.settled_backward()
        forward = self.block(self.routine.block)
        read = identifiers(*forward, *backward)
        stack = [statement(f"{self.stack} = []")] if self.stack in read else []
        unset = _initialized(sorted(self.overwriting.unset & self.saved), "None")
        adjoints = self.initial_adjoints(identifiers(*backward))
        arguments = list(self.routine.reading.arguments)
        kept, value = self.kept_value()
        body = [*stack, *unset, *forward, *kept, *adjoints, *backward, self.returned(value)]
        return function(self.routine.derivative, [*arguments, f"{self.seed}=1.0"], body)

    def settled_backward(self) -> list[ast.stmt]:
        """What is saved depends on what the sweep reads, which depends on what is saved."""
        while True:
            lines = self.backward_block(self.routine.block)
            overwritten = {target for _, target in self.overwriting.places}
            saved = frozenset(overwritten & identifiers(*lines))
            if saved == self.saved:
                return lines
            self.saved = saved

    def block(self, block: Block) -> list[ast.stmt]:
        return [line for item in block for line in self.item(item)]

    def item(self, item: Item) -> list[ast.stmt]:
        if isinstance(item, Branch):
            return choice(item.test, self.block(item.yes), self.block(item.no))
        if isinstance(item, Loop):
            return [self.loop(item)]
        assert isinstance(item, Step)
        restored = reversed(self.restored(item))
        pushes = [statement(f"{self.stack}.append({target})") for target in restored]
        made = statement(f"{', '.join(item.targets)} = 0")
        assert isinstance(made, ast.Assign)
        made.value = item.value
        return [*pushes, made]

    def loop(self, item: Loop) -> ast.stmt:
        body = self.block(item.body)
        if item.count:
            body = [statement(f"{item.count} += 1"), *body]
        if item.leave:
            body = [*body, ast.If(item.leave, [ast.Break()], [])]
        if item.target is None:
            return ast.While(item.head, body, [])
        return ast.For(name(item.target), item.head, body or [ast.Pass()], [])

    def restored(self, step: Step) -> list[str]:
        """The variables that the step saves, in the order in which they come back."""
        places = self.overwriting.places
        return [t for t in step.targets if (step, t) in places and t in self.saved]

    def backward_block(self, block: Block) -> list[ast.stmt]:
        return [line for item in reversed(block) for line in self.backward(item)]

    def backward(self, item: Item) -> list[ast.stmt]:
        if isinstance(item, Branch):
            yes, no = self.backward_block(item.yes), self.backward_block(item.no)
            return choice(item.test, yes, no)
        if isinstance(item, Loop):
            return self.backward_loop(item)
        assert isinstance(item, Step)
        return self.backward_step(item)

    def backward_loop(self, item: Loop) -> list[ast.stmt]:
        body = self.backward_block(item.body)
        if not body:
            return []
        if item.target is None:
            return [ast.For(name(self.blank), expression(f"range({item.count})"), body, [])]
        template = f"reversed(head[:{item.count}])" if item.count else "reversed(head)"
        return [ast.For(name(item.target), expression(template, head=item.head), body, [])]

    def backward_step(self, step: Step) -> list[ast.stmt]:
        """What the step reads and overwrites must be back before its terms, which need slopes."""
        lines = self.adjoint_updates(step)
        pops = [statement(f"{t} = {self.stack}.pop()") for t in self.restored(step)]
        count = int(step.target in identifiers(step.value) and step.target in self.restored(step))
        return [*pops[:count], *lines, *pops[count:]]

    def adjoint_updates(self, step: Step) -> list[ast.stmt]:
        if step.target not in self.routine.active:
            return []
        adjoint = name(self.routine.names.partner(step.target))
        updates, own = [], []
        for operand, part in self.parts(step, adjoint):
            if isinstance(operand, ast.Name) and operand.id == step.target:
                own.append(part)
            else:
                updates.append(self.update(operand, part))
        return [*updates, *self.own_update(step, adjoint, own)]

    def own_update(self, step: Step, adjoint: ast.expr, own: list[ast.expr]) -> list[ast.stmt]:
        """The adjoint of the old value takes the place of the new one's."""
        before = total(own)
        overwrites = (step, step.target) in self.overwriting.places
        if not overwrites or ast.unparse(before) == ast.unparse(adjoint):
            return []
        return [statement("bar = value", bar=adjoint, value=before)]

    def parts(self, step: Step, adjoint: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
        """Every active operand with what the step adds to its adjoint."""
        if not step.active:
            return []
        if isinstance(step.value, ast.Call) and step.slopes:
            found = [
                (operand, expression(f"{step.slopes}[{index}] * bar", bar=adjoint))
                for index, operand in enumerate(step.value.args)
            ]
        else:
            found = [(term.operand, term.of(adjoint)) for term in terms(step.value, step.target)]
        return [(operand, part) for operand, part in found if self.routine.is_active(operand)]

    def update(self, operand: ast.expr, part: ast.expr) -> ast.stmt:
        bar = self.adjoint(operand)
        if isinstance(operand, ast.Name) and operand.id in self.routine.lists:
            template = "bar = [old + slope * result for old, slope in zip(bar, slopes)]"
            assert isinstance(part, ast.BinOp)
            return statement(template, bar=bar, slopes=part.left, result=part.right)
        negative = negated(part)
        if negative:
            return statement("bar -= value", bar=bar, value=negative)
        return statement("bar += value", bar=bar, value=part)

    def adjoint(self, operand: ast.expr) -> ast.expr:
        if isinstance(operand, ast.Subscript):
            return ast.Subscript(self.adjoint(operand.value), operand.slice, ast.Load())
        assert isinstance(operand, ast.Name)
        return name(self.routine.names.partner(operand.id))

    def initial_adjoints(self, read: set[str]) -> list[ast.stmt]:
        """The value's own adjoint is the seed; all others start at 0."""
        names, arguments = self.routine.names, self.routine.reading.arguments
        lists = [argument for argument in arguments if argument in self.routine.lists]
        steps = [item.target for item in walk(self.routine.block) if isinstance(item, Step)]
        active = [v for v in dict.fromkeys([*arguments, *steps]) if v in self.routine.active]
        seeded = {self.value.id} if isinstance(self.value, ast.Name) else set()
        zeros = [
            names.partner(variable)
            for variable in active
            if (variable in arguments or names.partner(variable) in read)
            and variable not in seeded.union(lists)
        ]
        empty = [statement(f"{names.partner(v)} = [0.0] * len({v})") for v in lists]
        return [*_initialized(zeros, "0.0"), *empty, *self.seeding()]

    def seeding(self) -> list[ast.stmt]:
        if not self.routine.is_active(self.value):
            return []
        sign = "=" if isinstance(self.value, ast.Name) else "+="
        return [statement(f"bar {sign} {self.seed}", bar=self.adjoint(self.value))]

    def kept_value(self) -> tuple[list[ast.stmt], ast.expr]:
        """The backward sweep may take the returned variable back to an earlier value."""
        if not identifiers(self.value) & self.saved:
            return [], self.value
        kept = name(self.routine.names.fresh("value"))
        return [statement("kept = value", kept=kept, value=self.value)], kept

    def returned(self, value: ast.expr) -> ast.stmt:
        adjoints = [name(self.routine.names.partner(v)) for v in self.routine.reading.arguments]
        pair = ast.Tuple([value, ast.Tuple(adjoints, ast.Load())], ast.Load())
        return ast.Return(pair)


def _initialized(variables: list[str], value: str) -> list[ast.stmt]:
    parts = [variables[i : i + PER_LINE] for i in range(0, len(variables), PER_LINE)]
    return [statement(" = ".join([*part, value])) for part in parts]
