"""The rule table: every elementwise function, its slopes, where it is smooth, and what to know.

From this one table come the functions, their tests and the conventions listed in notes/dual.md. The
rows without slopes are the lecture's, whose slopes are in core.py, or flat functions.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from jaxmix.dual.core import FUNCTIONS, divide, exp, rule, sqrt

Interval = tuple[float, float]
Find = Callable[[Any, str], Callable[..., Any]]


class Rule(NamedTuple):
    """One function: its name, a smooth interval an argument, and what to know about it."""

    name: str
    domain: tuple[Interval, ...]
    note: str = ""


RULES: dict[str, Rule] = {}
ANY, POSITIVE, INSIDE, NEGATIVE = (-3.0, 3.0), (0.1, 3.0), (-0.9, 0.9), (-3.0, -0.1)


def _row(
    name: str,
    domain: tuple[Interval, ...],
    *slopes: Callable[..., Any],
    note: str = "",
    find: Find = getattr,
) -> Callable[..., Any]:
    RULES[name] = Rule(name, domain, note)
    return FUNCTIONS[name] if name in FUNCTIONS else rule(name, *slopes, find=find)


def _special(scipy_name: str) -> Find:
    """Finds a special function in SciPy, or in jax for its arrays."""

    def find(home: Any, name: str) -> Callable[..., Any]:
        if home is np:
            return getattr(scipy.special, scipy_name)
        import jax.scipy.special

        return getattr(jax.scipy.special, scipy_name)

    return find


def _polygamma(home: Any, name: str) -> Callable[..., Any]:
    function = _special(name)(home, name)
    if home is not np:
        return function
    return lambda order, x: np.asarray(
        function(order, x), np.result_type(np.asarray(x), np.float16)
    )[()]


def _sine_over(home: Any, name: str) -> Callable[..., Any]:
    """The n-th derivative of sin(u) / u: a series near 0, and a recursion in n elsewhere."""

    def derivative(order: int, u: Any) -> Any:
        near, value = home.abs(u) < 3, 0.0
        small, large = home.where(near, u, 0.0 * u), home.where(near, 3.0 + 0.0 * u, u)
        for power in range(order % 2, 32, 2):
            sign = -1.0 if (order + power) % 4 else 1.0
            value = value + sign * small**power / float(math.factorial(power) * (order + power + 1))
        series, value = value, home.sin(large) / large
        for n in range(1, order + 1):
            value = (home.sin(large + n * math.pi / 2) - n * value) / large
        return home.where(near, series, value)

    return derivative


def _unit(part: Any, x: Any, y: Any) -> Any:
    """x or y over their hypotenuse, both scaled: nothing overflows, and no slope of it cancels."""
    scale = maximum(absolute(x), absolute(y))
    return divide(divide(part, scale), sqrt(square(divide(x, scale)) + square(divide(y, scale))))


def inverse_where(valid: Any, x: Any) -> Any:
    """1 / x, and NaN where a function is not defined: it has no slope there either."""
    return divide(valid * np.float16(1.0), x * valid)


def _share(larger: Any, equal: Any) -> Any:
    """1 for the argument that is taken, 1/2 for each at a tie, in the least of all precisions."""
    return larger * np.float16(1.0) + equal * np.float16(0.5)


for _name in ("add", "subtract", "multiply"):
    _row(_name, (ANY, ANY))
for _name in ("negative", "sin", "cos", "exp"):
    _row(_name, (ANY,))
_row("divide", (ANY, POSITIVE))
_row("power", (POSITIVE, ANY), note="x**0 has the slope 0, at x = 0 too")
_row("log", (POSITIVE,), note="no slope where it is not defined")
_row("sqrt", (POSITIVE,), note="an infinite slope at 0")

positive = _row("positive", (ANY,), lambda x: 1.0)
square = _row("square", (ANY,), lambda x: 2 * x)
reciprocal = _row("reciprocal", (POSITIVE,), lambda x: -square(reciprocal(x)))
expm1 = _row("expm1", (ANY,), lambda x: exp(x))
exp2 = _row("exp2", (ANY,), lambda x: exp2(x) * math.log(2.0))
log1p = _row("log1p", (INSIDE,), lambda x: inverse_where(x >= -1, 1 + x), note="as log")
log2 = _row("log2", (POSITIVE,), lambda x: inverse_where(x >= 0, x * math.log(2.0)), note="as log")
log10 = _row(
    "log10", (POSITIVE,), lambda x: inverse_where(x >= 0, x * math.log(10.0)), note="as log"
)
logaddexp = _row("logaddexp", (ANY, ANY), lambda x, y: sigmoid(x - y), lambda x, y: sigmoid(y - x))
tan = _row("tan", (INSIDE,), lambda x: 1 + square(tan(x)))
arcsin = _row("arcsin", (INSIDE,), lambda x: divide(1.0, sqrt((1 - x) * (1 + x))))
arccos = _row("arccos", (INSIDE,), lambda x: divide(-1.0, sqrt((1 - x) * (1 + x))))
arctan = _row("arctan", (ANY,), lambda x: 1 / (1 + square(x)))
arctan2 = _row(
    "arctan2",
    (ANY, POSITIVE),
    lambda y, x: divide(_unit(x, x, y), hypot(x, y)),
    lambda y, x: divide(-_unit(y, x, y), hypot(x, y)),
)
sinh = _row("sinh", (ANY,), lambda x: cosh(x))
cosh = _row("cosh", (ANY,), lambda x: sinh(x))
tanh = _row("tanh", (ANY,), lambda x: 1 - square(tanh(x)))
arcsinh = _row("arcsinh", (ANY,), lambda x: 1 / hypot(x, 1.0))
arccosh = _row("arccosh", ((1.1, 3.0),), lambda x: divide(1.0, sqrt(x - 1) * sqrt(x + 1)))
arctanh = _row(
    "arctanh", (INSIDE,), lambda x: inverse_where(x * x <= 1, (1 - x) * (1 + x)), note="as log"
)
cbrt = _row("cbrt", (POSITIVE,), lambda x: divide(1.0, 3 * square(cbrt(x))))
hypot = _row(
    "hypot",
    (ANY, POSITIVE),
    lambda x, y: _unit(x, x, y),
    lambda x, y: _unit(y, x, y),
    note="nothing is squared, so that nothing overflows",
)
absolute = _row(
    "absolute",
    (NEGATIVE,),
    lambda x: _share(x >= 0, False) - _share(x < 0, False),
    note="the slope at 0 is 1",
)
maximum = _row(
    "maximum",
    (POSITIVE, NEGATIVE),
    lambda x, y: _share(x > y, x == y),
    lambda x, y: _share(y > x, x == y),
    note="half of each slope at a tie",
)
minimum = _row(
    "minimum",
    (POSITIVE, NEGATIVE),
    lambda x, y: _share(x < y, x == y),
    lambda x, y: _share(y < x, x == y),
    note="half of each slope at a tie",
)
remainder = _row(
    "remainder",
    ((0.1, 1.9), (2.1, 3.0)),
    lambda x, y: 1.0,
    lambda x, y: -floor_divide(x, y),
    note="on a jump, the slopes of its right side",
)
sign = _row("sign", (POSITIVE,), note="flat, at 0 too")
floor = _row("floor", ((0.1, 0.9),), note="flat, on a step too")
ceil = _row("ceil", ((0.1, 0.9),), note="flat, on a step too")
trunc = _row("trunc", ((0.1, 0.9),), note="flat, on a step too")
rint = _row("rint", ((0.6, 1.4),), note="flat, on a step too")
floor_divide = _row("floor_divide", ((0.1, 1.9), (2.1, 3.0)), note="flat, on a step too")
erf = _row(
    "erf",
    (ANY,),
    lambda x: exp(-square(x)) * (2 / math.sqrt(math.pi)),
    find=_special("erf"),
)
erfc = _row(
    "erfc",
    (ANY,),
    lambda x: exp(-square(x)) * (-2 / math.sqrt(math.pi)),
    find=_special("erfc"),
)
sigmoid = _row("sigmoid", (ANY,), lambda x: _bell(sigmoid(x)), find=_special("expit"))
lgamma = _row("lgamma", (POSITIVE,), lambda x: digamma(x), find=_special("gammaln"))
digamma = _row("digamma", (POSITIVE,), lambda x: polygamma(1, x), find=_special("digamma"))
polygamma = rule("polygamma", lambda n, x: 0.0, lambda n, x: polygamma(n + 1, x), find=_polygamma)
_sinc = rule("_sinc", lambda n, u: 0.0, lambda n, u: _sinc(n + 1, u), find=_sine_over)


def _bell(probability: Any) -> Any:
    return probability * (1 - probability)


def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), and 1 at 0; smooth there to every order."""
    return _sinc(0, x * math.pi)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return logaddexp(x, 0.0)


def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """x, but at least a_min and at most a_max, where given; half of each slope on a bound."""
    x = x if a_min is None else maximum(x, a_min)
    return x if a_max is None else minimum(x, a_max)


for _function, _domain in ((sinc, ANY), (softplus, ANY), (clip, INSIDE)):
    RULES[_function.__name__] = Rule(_function.__name__, (_domain,))
    FUNCTIONS[_function.__name__] = _function
for _name in ("isfinite", "isinf", "isnan", "signbit"):
    rule(_name)
FUNCTIONS |= {"abs": absolute, "mod": remainder}
FUNCTIONS["divmod"] = lambda x, y: (floor_divide(x, y), remainder(x, y))
