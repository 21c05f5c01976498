"""The three-address form of a program: one operation a step, with control flow kept structured.

Both modes of `notes/autodiff.md` are generated from these four kinds of items. Expressions are
nodes of Python's own `ast`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from jaxmix.autodiff.source.names import Names
from jaxmix.autodiff.source.reading import Reading


@dataclass(frozen=True, eq=False)
class Step:
    """target = value; an active value is one operation on variables and passive expressions.

    The reverse mode keeps the partial derivatives of a helper's call in `slopes`.
    """

    target: str
    value: ast.expr
    active: bool = False
    slopes: str | None = None

    @property
    def targets(self) -> list[str]:
        """All variables that the step assigns."""
        return [self.target, self.slopes] if self.slopes else [self.target]


@dataclass(frozen=True, eq=False)
class Branch:
    """Either of two blocks."""

    test: ast.expr
    yes: "Block"
    no: "Block"


@dataclass(frozen=True, eq=False)
class Loop:
    """A for loop over the range `head`, or a while loop on the condition `head` with no target.

    The reverse mode counts the iterations in `count` where a range does not tell them, and leaves
    the loop after an iteration that says so in `leave`.
    """

    target: str | None
    head: ast.expr
    body: "Block"
    count: str | None = None
    leave: ast.expr | None = None


@dataclass(frozen=True, eq=False)
class Exit:
    """A return of a value, a break or a continue."""

    kind: str
    value: ast.expr | None = None


Item: TypeAlias = Step | Branch | Loop | Exit
Block: TypeAlias = list[Item]


@dataclass(frozen=True, eq=False)
class Routine:
    """A function in three-address form.

    `derivative` names its derivative function, `lists` the arguments that are lists, `active` the
    variables with a derivative, and `constants` the numbers that it takes from its module.
    """

    reading: Reading
    derivative: str
    lists: frozenset[str]
    active: frozenset[str]
    constants: dict[str, float | int]
    names: Names
    block: Block

    def is_active(self, operand: ast.expr) -> bool:
        """Whether an operand of a step has a derivative."""
        named = isinstance(operand, ast.Name) and operand.id in self.active
        return named or isinstance(operand, ast.Subscript)


def walk(block: Block) -> Iterator[Item]:
    """Every item of a block, those inside branches and loops too."""
    for item in block:
        yield item
        if isinstance(item, Branch):
            yield from walk(item.yes + item.no)
        elif isinstance(item, Loop):
            yield from walk(item.body)


def assigned(block: Block) -> set[str]:
    """The variables that a block may assign."""
    loops = {item.target for item in walk(block) if isinstance(item, Loop) and item.target}
    return loops.union(*(item.targets for item in walk(block) if isinstance(item, Step)))


def always_exits(block: Block) -> bool:
    """Whether no run of the block reaches its end."""
    return any(_always_exits(item) for item in block)


def _always_exits(item: Item) -> bool:
    if isinstance(item, Branch):
        return always_exits(item.yes) and always_exits(item.no)
    if isinstance(item, Loop):
        endless = isinstance(item.head, ast.Constant) and bool(item.head.value)
        return endless and "break" not in exits(item.body)
    return isinstance(item, Exit)


def exits(block: Block) -> set[str]:
    """The kinds of exits that leave a block: of the loops inside it, returns only."""
    kinds: set[str] = set()
    for item in block:
        if isinstance(item, Exit):
            kinds.add(item.kind)
        elif isinstance(item, Branch):
            kinds |= exits(item.yes) | exits(item.no)
        elif isinstance(item, Loop):
            kinds |= exits(item.body) & {"return"}
    return kinds
