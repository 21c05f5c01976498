"""Dual numbers x + x' d with d^2 = 0: a derivative carried through a program beside its value.

The lecture's file; it works alone. Several partials ride along a leading axis; a derivative within
a derivative has its own tag, so that perturbations never mix (notes/dual.md, eq. 1-6).
"""

import operator
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

FUNCTIONS: dict[str, Callable[..., Any]] = {}  # of dual numbers, by NumPy's names for them


class Tag:
    """One derivative in progress; of two that are nested, the inner one has the larger number."""

    numbers = count()

    def __init__(self, depth: int = 0, times: Callable[[Any, Any], Any] = operator.mul):
        self.number, self.alive, self.depth, self.times = next(self.numbers), True, depth, times


OUTERMOST, in_progress = Tag(), threading.local()


class Dual(np.lib.mixins.NDArrayOperatorsMixin):
    """value + partials[0] d1 + partials[1] d2 + ...; NumPy looks operators up in `FUNCTIONS`.

    >>> x1, x2 = Dual(2.0, [1.0, 0.0]), Dual(3.0, [0.0, 1.0])
    >>> x1 * x2 + x1 - 2
    6 + 4 d1 + 2 d2
    """

    def __init__(self, value: Any, partials: Any, tag: Tag = OUTERMOST):
        self.value: Any = np.float64(value) if isinstance(value, int | float) else value
        self.tag = tag
        self.shape, self.dtype = self.value.shape, self.value.dtype
        self.partials = np.asarray(partials, self.dtype) if isinstance(partials, list) else partials
        if self.partials.shape[1:] != self.shape:
            raise TypeError(f"partials must be [m, *{self.shape}]; see gradient, jacobian or jvp")

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, out: Any = (), **options: Any):
        stores = options or not all(isinstance(place, Dual) for place in out)
        if method != "__call__" or stores or ufunc.__name__ not in FUNCTIONS:
            raise TypeError(f"no {ufunc.__name__} of dual numbers; in place, write x = x + y")
        return FUNCTIONS[ufunc.__name__](*args)

    def __getitem__(self, index: Any) -> "Dual":
        return Dual(self.value[index], self.partials[(slice(None), *np.index_exp[index])], self.tag)

    def __repr__(self) -> str:
        shown = [f"{x:g}" if np.isscalar(x) else f"({x})" for x in (self.value, *self.partials)]
        terms = [shown[0], *(f"{x} d{i}" for i, x in enumerate(shown[1:], 1))]
        return " + ".join(terms).replace("+ -", "- ")

    def chain(self, function: Any, slopes: Any, args: Any, values: Any) -> "Dual":
        """f(x + x' d) = f(x) + f'(x) x' d, summed over the arguments that carry d."""
        with np.errstate(all="ignore"):
            value: Any = function(*values)
            total: Any = 0.0
            for slope, arg in zip(slopes, args):
                if getattr(arg, "tag", None) is self.tag:
                    axes = [None] * (len(np.shape(value)) - len(arg.shape))
                    partials = arg.partials[(slice(None), *axes)]
                    total = total + self.tag.times(slope(*values), partials)
        if total.shape[1:] != np.shape(value):
            total = total + np.zeros(np.shape(value), total.dtype)
        return Dual(value, total, self.tag)


def rule(name: str, *slopes: Callable[..., Any], find: Any = getattr) -> Callable[..., Any]:
    """NumPy's function of this name, for dual numbers too: one slope for each argument."""

    def function(*args: Any) -> Any:
        tagged = [arg for arg in args if hasattr(arg, "tag")]
        if not tagged:  # then NumPy's function, or that of the library whose arrays are among them
            homes = [a.__array_namespace__() for a in args if hasattr(a, "__array_namespace__")]
            result = find(next((home for home in homes if home is not np), np), name)(*args)
            return result.item() if all(type(arg) in (int, float) for arg in args) else result
        inner = max(tagged, key=lambda arg: arg.tag.number)
        values = [arg.value if getattr(arg, "tag", None) is inner.tag else arg for arg in args]
        if not (slopes and inner.tag.alive):  # a flat function, or a derivative that has ended
            return function(*values)
        return inner.chain(function, slopes, args, values)

    function.__name__ = name
    return FUNCTIONS.setdefault(name, function)


for _name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"):
    rule(_name)
add = rule("add", lambda x, y: 1.0, lambda x, y: 1.0)
subtract = rule("subtract", lambda x, y: 1.0, lambda x, y: -1.0)
negative = rule("negative", lambda x: -1.0)
multiply = rule("multiply", lambda x, y: y, lambda x, y: x)
divide = rule("divide", lambda x, y: divide(1.0, y), lambda x, y: -divide(divide(x, y), y))
power = rule("power", lambda x, y: y * x ** (y - (y != 0)), lambda x, y: x**y * log(x + (x == 0)))
sin = rule("sin", lambda x: cos(x))
cos = rule("cos", lambda x: -sin(x))
exp = rule("exp", lambda x: exp(x))
log = rule("log", lambda x: divide(x >= 0, x * (x >= 0)))  # no slope where there is no logarithm
sqrt = rule("sqrt", lambda x: divide(0.5, sqrt(x)))


def sweep(f: Any, args: Any, seeds: Any, times: Any = operator.mul, make: Any = Dual) -> Any:
    """f at args, and its derivative along every row of the seeds, from one run."""
    args = [np.asarray(x) * 1.0 if isinstance(x, int | float | list) else x * 1.0 for x in args]
    tags = in_progress.__dict__.setdefault("tags", [OUTERMOST])
    tags.append(tag := Tag(len(tags), times))
    try:
        y = f(*(make(x, s.astype(x.dtype), tag) for x, s in zip(args, seeds)))
    finally:
        tags.pop().alive = False
    while hasattr(y, "tag") and y.tag is not tag and not y.tag.alive:
        y = y.value
    if getattr(y, "tag", None) is tag:
        return y.value, y.partials
    if not callable(y) and (getattr(y, "dtype", None) or np.asarray(y).dtype).kind in "OSU":
        raise TypeError(f"a derivative is that of a number or an array, got {type(y).__name__}")
    return y, None if callable(y) else np.zeros((len(seeds[0]), *np.shape(y)), args[0].dtype)


def derivative(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """x -> f'(x) for a number x; where f(x) is a function, so is its derivative."""

    def derivative_of_f(x: Any) -> Any:
        y, tangent = sweep(f, [x], [np.ones(1)])
        if callable(y):
            return lambda *args: derivative(lambda t: f(t)(*args))(x)
        return tangent[0]

    return derivative_of_f


def gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """The partial derivatives of a number f(x1, ..., xn), or f(x) with an array x, in one run."""

    def gradient_of_f(*args: Any) -> Any:
        shape = np.shape(args[0]) if len(args) == 1 else (len(args),)
        rows = np.eye(int(np.prod(shape)))
        y, tangent = sweep(f, args, rows if len(args) > 1 else [rows.reshape(len(rows), *shape)])
        if np.shape(y) or callable(y):
            raise TypeError("gradient is of one number, f gives an array or more; see jacobian")
        return tangent if len(shape) == 1 else tangent.reshape(shape)

    return gradient_of_f
