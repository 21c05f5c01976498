"""Fresh names for what a derivative program adds: temporaries, tangents, adjoints, flags.

A generated name never hides a name of the user's program, of `math`, or of Python itself. The
naming convention (w3, dw3, w3_bar) is that of `notes/autodiff.md`.
"""

import builtins
import keyword
import math
from collections.abc import Iterable

RESERVED = frozenset([*vars(math), *vars(builtins), *keyword.kwlist])


class Names:
    """The names of one derivative function, each given out once."""

    def __init__(self, taken: Iterable[str], arguments: int, partner: str):
        self._taken = RESERVED.union(taken)
        self._numbers = {"w": arguments}
        self._partners: dict[str, str] = {}
        self._partner = partner

    def fresh(self, name: str) -> str:
        """The name itself where it is free, else with underscores behind it."""
        while name in self._taken:
            name += "_"
        self._taken |= {name}
        return name

    def numbered(self, prefix: str) -> str:
        """The next free one of prefix1, prefix2, ...; those of "w" go on from the arguments."""
        while True:
            self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
            name = f"{prefix}{self._numbers[prefix]}"
            if name not in self._taken:
                return self.fresh(name)

    def partner(self, variable: str) -> str:
        """The name of the variable's tangent or adjoint."""
        if variable not in self._partners:
            self._partners[variable] = self.fresh(self._partner.format(variable))
        return self._partners[variable]
