"""What the backward sweep must find again: conditions, bounds, slopes and overwritten values.

A value is saved where it is overwritten, and only if the backward sweep reads it
(`notes/autodiff.md`).
"""

import ast
from dataclasses import replace

from jaxmix.autodiff.source.code import identifiers, name
from jaxmix.autodiff.source.items import Block, Branch, Item, Loop, Routine, Step, assigned
from jaxmix.autodiff.source.names import Names
from jaxmix.autodiff.source.rules import calls_helper


def remembering(block: Block, names: Names) -> Block:
    """Give variables to slopes, and to tests and ranges that cannot be evaluated once more.

    Example: `if x > 0: x = -x` becomes `branch1 = x > 0`, `if branch1: x = -x`.
    """
    return [kept for item in block for kept in _remembering(item, names)]


def _remembering(item: Item, names: Names) -> Block:
    if isinstance(item, Branch):
        return _branch(item, names)
    if isinstance(item, Loop):
        return _loop(item, names)
    if isinstance(item, Step) and item.active and calls_helper(item.value):
        return [replace(item, slopes=names.numbered("slopes"))]
    return [item]


def _branch(item: Branch, names: Names) -> Block:
    yes, no = remembering(item.yes, names), remembering(item.no, names)
    calls = any(isinstance(part, ast.Call) for part in ast.walk(item.test))
    if not calls and not identifiers(item.test) & assigned(yes + no):
        return [Branch(item.test, yes, no)]
    test = names.numbered("branch")
    return [Step(test, item.test), Branch(name(test), yes, no)]


def _loop(item: Loop, names: Names) -> Block:
    body = remembering(item.body, names)
    if item.target is None or not identifiers(item.head) & assigned(body):
        return [replace(item, body=body)]
    head = names.numbered("range")
    return [Step(head, item.head), replace(item, body=body, head=name(head))]


class Overwriting:
    """The assignments that may overwrite a value, and what they may find unset.

    Attributes:
        places: every step with the target that may hold a value already.
        unset: the variables that may hold none at such a place.
    """

    def __init__(self, routine: Routine):
        self.places: set[tuple[Step, str]] = set()
        self.unset: set[str] = set()
        arguments = frozenset(routine.reading.arguments)
        self._walk(routine.block, arguments, arguments)

    def _walk(
        self, block: Block, possible: frozenset[str], certain: frozenset[str]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Follow the variables that possibly, and those that certainly, hold a value."""
        for item in block:
            if isinstance(item, Step):
                found = possible.intersection(item.targets)
                self.places |= {(item, target) for target in found}
                self.unset |= found - certain
                possible, certain = possible.union(item.targets), certain.union(item.targets)
            elif isinstance(item, Branch):
                after_yes = self._walk(item.yes, possible, certain)
                after_no = self._walk(item.no, possible, certain)
                possible, certain = after_yes[0] | after_no[0], after_yes[1] & after_no[1]
            elif isinstance(item, Loop):
                possible = possible | assigned(item.body)
                self._walk(item.body, possible, certain)
        return possible, certain
