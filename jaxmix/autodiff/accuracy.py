"""How many digits of a derivative each method gets right, in single and in double precision.

Differences lose a third or a half of them by eq. 3 of notes/autodiff.md; methods without a step
lose what the function itself loses.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxmix import dual
from jaxmix.autodiff.differences import central, complex_step, forward
from jaxmix.autodiff.graph import trace
from jaxmix.autodiff.source import transform
from jaxmix.report.writers import Table

Program = Callable[[Any], Any]

METHODS: dict[str, Callable[[Program, Any, float], Any]] = {
    "forward differences": lambda f, x, eps: forward(f, x, eps**0.5),
    "central differences": lambda f, x, eps: central(f, x, eps ** (1 / 3)),
    "complex step": lambda f, x, eps: complex_step(f, x, 1e-20),
    "dual numbers": lambda f, x, eps: dual.derivative(f)(x),
    "Taylor series": lambda f, x, eps: dual.taylor(f, x, 1)[1],
    "jax.grad": lambda f, x, eps: jax.grad(f)(jax.numpy.asarray(x)),
}
"""In the precision of their argument; complex numbers have twice its size."""

IN_DOUBLE: dict[str, Callable[[Program, float], Any]] = {
    "forward source": lambda f, x: transform(f)(x, 1.0)[1],
    "reverse source": lambda f, x: transform(f, "reverse")(x)[1][0],
    "graph": lambda f, x: trace(f, x).gradient[0],
}
"""On Python's own numbers."""


def digits(f: Program, x: float, exact: float) -> Table:
    """The derivative of f at x by every method, in both precisions, against the exact one.

    Args:
        f: a function of a number, of jaxmix.dual's functions, that `source.transform` accepts.
        x: where; a number that single precision holds.
        exact: the derivative there, from a reference of more digits.

    Returns:
        A row a method and precision: the derivative and its relative error.

    Raises:
        ValueError: for an x that single precision rounds, or an exact derivative of 0 or none.
    """
    if exact == 0 or not math.isfinite(exact):
        advice = "take another x, since relative errors need a finite number other than 0"
        raise ValueError(f"the exact derivative is {exact}; {advice}")
    if float(np.float32(x)) != x:
        raise ValueError(f"x must be a number that single precision holds, got {x}")
    answers = [
        (name, kind.__name__, method(f, kind(x), float(np.finfo(kind).eps)))
        for kind in (np.float32, np.float64)
        for name, method in METHODS.items()
    ]
    answers += [(name, "float64", method(f, float(x))) for name, method in IN_DOUBLE.items()]
    rows = tuple(
        (name, kind, float(answer), abs(float(answer) - exact) / abs(exact))
        for name, kind, answer in answers
    )
    columns = ("method", "precision", "derivative", "relative error")
    return Table(columns, rows, "Relative errors against a reference of more digits.")
