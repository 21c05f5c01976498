"""What dual numbers and jax do at kinks and at the edges: the table of notes/dual.md.

Run: python experiments/notes/dual.py
Each row is a derivative of one order at one point, by nested dual numbers and by nested jax.jvp.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.scipy.special import gammaln  # noqa: E402

from jaxmix import dual  # noqa: E402


class Case(NamedTuple):
    """A derivative where two answers are thinkable."""

    name: str
    program: Callable[[Any, Any], Any]
    x: float
    order: int = 1


CONVENTIONS = (
    Case("abs(x) at 0", lambda lib, x: lib.absolute(x), 0.0),
    Case("sign(x) at 0", lambda lib, x: lib.sign(x), 0.0),
    Case("floor(x) at 1", lambda lib, x: lib.floor(x), 1.0),
    Case("maximum(x, 1) at 1", lambda lib, x: lib.maximum(x, 1.0), 1.0),
    Case("minimum(x, 1) at 1", lambda lib, x: lib.minimum(x, 1.0), 1.0),
    Case("clip(x, 1, 2) at 1", lambda lib, x: lib.clip(x, 1.0, 2.0), 1.0),
    Case("clip(x, 1, 2) at 2", lambda lib, x: lib.clip(x, 1.0, 2.0), 2.0),
    Case("x % 2 at 4", lambda lib, x: lib.remainder(x, 2.0), 4.0),
    Case("4 % x at 2", lambda lib, x: lib.remainder(4.0, x), 2.0),
    Case("sqrt(x) at 0", lambda lib, x: lib.sqrt(x), 0.0),
    Case("cbrt(x) at 0", lambda lib, x: lib.cbrt(x), 0.0),
    Case("log(x) at 0", lambda lib, x: lib.log(x), 0.0),
    Case("0**x at 0", lambda lib, x: lib.power(0.0, x), 0.0),
    Case("arctan2(x, 0) at 0", lambda lib, x: lib.arctan2(x, 0.0), 0.0),
)
"""Points where a derivative does not exist, or is infinite."""

BETTER = (
    Case("x**0.0 at 0", lambda lib, x: x**0.0, 0.0, 1),
    Case("x**1.0 at 0", lambda lib, x: x**1.0, 0.0, 2),
    Case("x**2.0 at 0", lambda lib, x: x**2.0, 0.0, 3),
    Case("x**3.0 at 0", lambda lib, x: x**3.0, 0.0, 4),
    Case("hypot(x, 1) at 1", lambda lib, x: lib.hypot(x, 1.0), 1.0, 2),
    Case("hypot(x, 1e200) at 1e200", lambda lib, x: lib.hypot(x, 1e200), 1e200),
    Case("arctan2(x, 1e200) at 1e200", lambda lib, x: lib.arctan2(x, 1e200), 1e200),
    Case("cbrt(x) at 0", lambda lib, x: lib.cbrt(x), 0.0, 2),
    Case("x / x at 1e-200", lambda lib, x: x / x, 1e-200),
    Case("log(x) at -1", lambda lib, x: lib.log(x), -1.0),
    Case("log2(x) at -1", lambda lib, x: lib.log2(x), -1.0),
    Case("log10(x) at -1", lambda lib, x: lib.log10(x), -1.0),
    Case("log1p(x) at -2", lambda lib, x: lib.log1p(x), -2.0),
    Case("arccosh(x) at -2", lambda lib, x: lib.arccosh(x), -2.0),
    Case("arctanh(x) at 2", lambda lib, x: lib.arctanh(x), 2.0),
    Case("0.5 % x at 1e-4", lambda lib, x: lib.remainder(0.5, x), 1e-4),
    Case("lgamma(x) at 0", lambda lib, x: gammaln(x) if lib is jnp else lib.lgamma(x), 0.0),
    Case("hypot(x, 0) at 0", lambda lib, x: lib.hypot(x, 0.0), 0.0),
)
"""Points where jax's answer is wrong, or NaN though the limit exists; NaN beside it: none does."""


def by_dual(case: Case) -> float:
    """The derivative by nested dual numbers."""
    f: Any = lambda x: case.program(dual, x)  # noqa: E731
    for _ in range(case.order):
        f = dual.derivative(f)
    with np.errstate(all="ignore"):
        return float(f(case.x))


def by_jax(case: Case) -> float:
    """The derivative by nested jax.jvp."""
    f: Any = lambda x: case.program(jnp, x)  # noqa: E731
    for _ in range(case.order):
        f = lambda x, g=f: jax.jvp(g, (x,), (1.0,))[1]  # noqa: E731
    return float(f(case.x))


def report(cases: tuple[Case, ...]) -> None:
    """A row a case."""
    print(f"{'':<28}{'order':>5}{'dual':>12}{'jax':>12}")
    for case in cases:
        numbers = f"{by_dual(case):>12.6g}{by_jax(case):>12.6g}"
        print(f"{case.name:<28}{case.order:>5}{numbers}")


if __name__ == "__main__":
    print("no derivative, or an infinite one: conventions")
    report(CONVENTIONS)
    print("\njax is wrong, or has NaN where there is a limit")
    report(BETTER)
