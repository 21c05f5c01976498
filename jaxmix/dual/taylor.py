"""Truncated Taylor series: all derivatives of a function of one number, up to a degree, in one run.

Where nesting derivatives m deep doubles the work with every level, a series of degree m costs some
m^2 multiplications an operation, and m^3 at most (notes/dual.md, eq. 12 to 14).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxmix.dual.arrays import broadcast_to, shape, stack, zeros_like
from jaxmix.dual.core import FUNCTIONS, Tag, cos, exp, log, power, sin, sqrt, sweep
from jaxmix.dual.rules import RULES, inverse_where

Series = Sequence[Any]

ELEMENTWISE = {*RULES, "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
OF_ARRAYS = (
    "a series has no {}: taylor takes elementwise functions; for others nest derivative or jvp"
)


class Taylor(np.lib.mixins.NDArrayOperatorsMixin):
    """c_0 + c_1 t + ... + c_m t^m, without the powers of t after the m-th."""

    def __init__(self, coefficients: Series, tag: Tag):
        self.coefficients, self.tag = list(coefficients), tag
        self.value = coefficients[0]
        self.shape, self.dtype = shape(self.value), getattr(self.value, "dtype", float)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        if method != "__call__" or ufunc.__name__ not in ELEMENTWISE:
            raise TypeError(OF_ARRAYS.format(ufunc.__name__))
        return FUNCTIONS[ufunc.__name__](*args)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function is np.shape:
            return self.shape
        raise TypeError(OF_ARRAYS.format(function.__name__))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __iter__(self) -> Iterator["Taylor"]:
        return (self[i] for i in range(len(self.value)))

    def __getitem__(self, index: Any) -> "Taylor":
        return Taylor([broadcast_to(c, self.shape)[index] for c in self.coefficients], self.tag)

    def __repr__(self) -> str:
        return " + ".join(f"({c}) t^{j}" for j, c in enumerate(self.coefficients))

    def chain(self, function: Any, slopes: Any, args: Any, values: Any) -> "Taylor":
        """The series of f: by its own recurrence, or from those of its slopes."""
        degree = len(self.coefficients) - 1
        series = [_series(arg, self.tag, degree) for arg in args]
        with np.errstate(all="ignore"):
            if recurrence := self._recurrence(function.__name__, args):
                return Taylor(recurrence(*series), self.tag)
            return Taylor(self._from_slopes(function(*values), slopes, args), self.tag)

    def _recurrence(self, name: str, args: Any) -> Callable[..., Series] | None:
        all_move = all(_carries(arg, self.tag) for arg in args)
        return RECURRENCES.get(name) or (WHERE_ALL_MOVE.get(name) if all_move else None)

    @property
    def partials(self) -> Series:
        """The coefficients after the first."""
        return self.coefficients[1:]

    def _from_slopes(self, value: Any, slopes: Any, args: Any) -> Series:
        """Integrate y' = sum of slope times x', with the slopes to one degree less."""
        degree, mine = len(self.coefficients) - 1, [_carries(arg, self.tag) for arg in args]
        if degree == 0:
            return [value]
        lower = [
            Taylor(arg.coefficients[:-1], self.tag) if own else arg for arg, own in zip(args, mine)
        ]
        rate: list[Any] = [0.0] * degree
        for slope, arg, own in zip(slopes, args, mine):
            if own:
                steepness = _series(slope(*lower), self.tag, degree - 1)
                moving = [j * c for j, c in enumerate(arg.coefficients)][1:]
                rate = [total + new for total, new in zip(rate, _multiply(steepness, moving))]
        return [value, *(part / k for k, part in enumerate(rate, start=1))]


def _carries(x: Any, tag: Tag) -> bool:
    return getattr(x, "tag", None) is tag


def _series(x: Any, tag: Tag, degree: int) -> Series:
    """Coefficients of a series, or of a constant."""
    return x.coefficients if _carries(x, tag) else [x, *[0.0] * degree]


def _weighted(a: Series, b: Series, k: int) -> Any:
    """The sum over j of (j / k) a_j b_(k-j), which is where every recurrence ends."""
    return sum((j * a[j] * b[k - j] for j in range(1, k + 1)), start=0.0) / k


def _multiply(a: Series, b: Series) -> Series:
    return [sum(a[j] * b[k - j] for j in range(k + 1)) for k in range(len(a))]


def _divide(a: Series, b: Series) -> Series:
    y: list[Any] = []
    for k, a_k in enumerate(a):
        y.append((a_k - sum((b[j] * y[k - j] for j in range(1, k + 1)), start=0.0)) / b[0])
    return y


def _exp(u: Series) -> Series:
    return _growing(exp(u[0]), u)


def _growing(first: Any, u: Series) -> Series:
    """The series that starts so and has the rate u' times itself."""
    y = [first]
    for k in range(1, len(u)):
        y.append(_weighted(u, y, k))
    return y


def _power(a: Series, b: Series) -> Series:
    return _growing(power(a[0], b[0]), _multiply(b, _log(a)))


def _log(u: Series) -> Series:
    """NaN after the first where there is no logarithm, as its slope is."""
    y, inverse = [log(u[0])], inverse_where(u[0] >= 0, u[0])
    for k in range(1, len(u)):
        known = sum((j * y[j] * u[k - j] for j in range(1, k)), start=0.0) / k
        y.append((u[k] - known) * inverse)
    return y


def _sqrt(u: Series) -> Series:
    y = [sqrt(u[0])]
    for k in range(1, len(u)):
        known = sum((y[j] * y[k - j] for j in range(1, k)), start=0.0)
        y.append((u[k] - known) / (2 * y[0]))
    return y


def _sin_cos(u: Series) -> tuple[Series, Series]:
    s, c = [sin(u[0])], [cos(u[0])]
    for k in range(1, len(u)):
        s_k, c_k = _weighted(u, c, k), -_weighted(u, s, k)
        s.append(s_k)
        c.append(c_k)
    return s, c


RECURRENCES: dict[str, Callable[..., Series]] = {
    "add": lambda a, b: [x + y for x, y in zip(a, b)],
    "subtract": lambda a, b: [x - y for x, y in zip(a, b)],
    "negative": lambda a: [-x for x in a],
    "multiply": _multiply,
    "divide": _divide,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sin": lambda u: _sin_cos(u)[0],
    "cos": lambda u: _sin_cos(u)[1],
}
WHERE_ALL_MOVE: dict[str, Callable[..., Series]] = {"power": _power}
"""Recurrences for functions whose slopes with one argument held fixed are series themselves."""


def taylor(f: Callable[[Any], Any], x: Any, degree: int) -> Any:
    """Taylor coefficients of a function at x, f^(j)(x) / j! for j = 0 to degree, from one run.

    Args:
        f: built from elementwise functions of this package; takes and returns a number or an array.
        x: where; of an array, every entry is expanded by itself.
        degree: of the last power kept.

    Returns:
        Coefficients [degree + 1 ...], the first axis by power.

    Raises:
        ValueError: for a degree that is no whole number, or negative.
        TypeError: for functions of whole arrays.

    Examples:
        >>> taylor(lambda x: x**4, 2.0, 4).tolist()
        [16.0, 32.0, 24.0, 8.0, 1.0]

    Source: notes/dual.md, eq. 12 to 14.
    """
    if isinstance(degree, bool) or not isinstance(degree, int | np.integer) or degree < 0:
        raise ValueError(f"degree must be a whole number, 0 or more, got {degree!r}")

    def expanded(x: Any, seeds: Any, tag: Tag) -> Taylor:
        return Taylor([x, *seeds], tag)

    moving = np.zeros((degree, *shape(x)))
    moving[:1] = 1.0
    value, rest = sweep(f, [x], [moving], make=expanded)
    if callable(value):
        raise TypeError(f"expected a number or an array from the function, got {value!r}")
    zero = zeros_like(value)
    return stack([zero + coefficient for coefficient in (value, *rest)])
