"""Early returns, breaks and continues rewritten as branches, so that a sweep can run backward.

The rest of a block after an exit goes into the other branch where one branch always exits, and
behind a flag that says how the run left the block where it may or may not (`notes/autodiff.md`).
"""

import ast
from dataclasses import replace

from jaxmix.autodiff.source.code import expression, name
from jaxmix.autodiff.source.items import (
    Block,
    Branch,
    Exit,
    Item,
    Loop,
    Routine,
    Step,
    always_exits,
    exits,
    walk,
)


def without_exits(routine: Routine) -> tuple[Routine, ast.expr]:
    """Rewrite a routine so that every block runs to its end.

    Args:
        routine: a routine with exits anywhere.

    Returns:
        The routine without exits, and the variable or passive expression that it returns.
    """
    *body, last = routine.block
    values = [i.value for i in walk(routine.block) if isinstance(i, Exit) and i.value is not None]
    if isinstance(last, Exit) and len(values) == 1:
        return replace(routine, block=_Rewriter(routine, "").flagged(body)), values[0]
    value = routine.names.fresh("value")
    block = _Rewriter(routine, value).flagged(routine.block)
    active = {value} if any(map(routine.is_active, values)) else set()
    return replace(routine, block=block, active=routine.active | active), name(value)


class _Rewriter:
    def __init__(self, routine: Routine, value: str):
        self.routine, self.value = routine, value
        self.left = routine.names.fresh("left")
        self.asked = False

    def flagged(self, block: Block) -> Block:
        """The flag is kept only where something asks for it."""
        rewritten = self.block(block)
        if not self.asked:
            return self.without_flag(rewritten)
        return [self.leaving(""), *rewritten]

    def without_flag(self, block: Block) -> Block:
        kept: Block = []
        for item in block:
            if isinstance(item, Branch):
                yes, no = self.without_flag(item.yes), self.without_flag(item.no)
                kept.append(Branch(item.test, yes, no))
            elif isinstance(item, Loop):
                kept.append(replace(item, body=self.without_flag(item.body)))
            elif not isinstance(item, Step) or item.target != self.left:
                kept.append(item)
        return kept

    def leaving(self, kind: str) -> Step:
        return Step(self.left, ast.Constant(kind))

    def ask(self, question: str) -> ast.expr:
        self.asked = True
        return expression(question, left=name(self.left))

    def block(self, block: Block) -> Block:
        done: Block = []
        for position, item in enumerate(block):
            rest = block[position + 1 :]
            if isinstance(item, Exit):
                return done + self.exit(item)
            if isinstance(item, Branch) and exits([item]):
                return done + self.branch(item, rest)
            if isinstance(item, Loop) and exits([item]):
                return done + self.loop(item) + self.unless_left(rest)
            done += self.running_on(item)
        return done

    def running_on(self, item: Item) -> Block:
        if isinstance(item, Branch):
            return self.branch(item, [])
        return self.loop(item) if isinstance(item, Loop) else [item]

    def exit(self, item: Exit) -> Block:
        if item.value is None:
            return [self.leaving(item.kind)]
        active = self.routine.is_active(item.value)
        return [Step(self.value, item.value, active), self.leaving(item.kind)]

    def branch(self, item: Branch, rest: Block) -> Block:
        yes, no = item.yes, item.no
        if always_exits(yes):
            no, rest = no + rest, []
        elif always_exits(no):
            yes, rest = yes + rest, []
        return [Branch(item.test, self.block(yes), self.block(no)), *self.unless_left(rest)]

    def unless_left(self, rest: Block) -> Block:
        return [Branch(self.ask("not left"), self.block(rest), [])] if rest else []

    def loop(self, item: Loop) -> Block:
        """A break or continue ends with its loop; a return goes on through all of them."""
        kinds, body = exits(item.body), self.block(item.body)
        if "continue" in kinds:
            body = [self.leaving(""), *body]
        leave = self.ask("left in ('break', 'return')") if kinds - {"continue"} else None
        counted = item.target is None or leave is not None
        count = self.routine.names.numbered("count") if counted else None
        start: Block = [Step(count, ast.Constant(0))] if count else []
        looped = replace(item, body=body, count=count, leave=leave)
        return [*start, looped, *self.after(kinds)]

    def after(self, kinds: set[str]) -> Block:
        if "return" in kinds and len(kinds) > 1:
            return [Branch(self.ask("left != 'return'"), [self.leaving("")], [])]
        return [self.leaving("")] if kinds - {"return"} else []
