"""Small studies for the lecture: orders of a chain, degrees of a series, solvers and noise.

Each returns its numbers, most of them as a table (notes/autodiff.md, eq. 8 to 10).
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from jaxmix import dual
from jaxmix.autodiff.costs import seconds
from jaxmix.autodiff.differences import central, forward
from jaxmix.report.writers import Table

REPEATS = 5


class Order(NamedTuple):
    """An order in which to multiply a chain of matrices, and its multiplications."""

    product: str
    multiplications: int


def chain_orders(sizes: Sequence[int]) -> tuple[Order, Order, Order]:
    """Multiplications for a chain of Jacobians: forward mode, reverse mode, and the best order.

    Args:
        sizes: of the inputs, of every stage between, and of the outputs, as the program runs. The
            Jacobian of stage j is [sizes[j + 1] sizes[j]].

    Returns:
        The order of forward mode (from the inputs on), that of reverse mode (from the outputs
        back), and the best of all.

    Raises:
        ValueError: for fewer than two sizes.

    Examples:
        >>> forward_mode, reverse_mode, best = chain_orders([10, 2, 50, 3])
        >>> forward_mode.multiplications, reverse_mode.multiplications, best
        (2500, 360, Order(product='(J3 J2) J1', multiplications=360))

    Source: notes/autodiff.md, eq. 8; Griewank & Walther (2008), Evaluating Derivatives, ch. 10.
    """
    if len(sizes) < 2:
        raise ValueError(f"a chain has inputs and outputs, got sizes {sizes}")
    stages = len(sizes) - 1
    onward = Order("J1", 0)
    for j in range(1, stages):
        onward = _joined(f"J{j + 1}", onward, sizes[j + 1] * sizes[j] * sizes[0])
    back = Order(f"J{stages}", 0)
    for j in reversed(range(stages - 1)):
        back = _joined(back, f"J{j + 1}", sizes[-1] * sizes[j + 1] * sizes[j])
    return onward, back, _best(tuple(sizes))


def _joined(left: Order | str, right: Order | str, multiplications: int) -> Order:
    """The product of two parts, an inner product in parentheses."""
    spent, names = multiplications, []
    for part in (left, right):
        name = part if isinstance(part, str) else part.product
        spent += 0 if isinstance(part, str) else part.multiplications
        names.append(f"({name})" if " " in name else name)
    return Order(" ".join(names), spent)


def _best(sizes: tuple[int, ...]) -> Order:
    """The order with the fewest multiplications, by splitting every part in every way."""

    @cache
    def best(first: int, last: int) -> Order:
        if last == first + 1:
            return Order(f"J{last}", 0)
        return min(
            (
                _joined(best(k, last), best(first, k), sizes[last] * sizes[k] * sizes[first])
                for k in range(first + 1, last)
            ),
            key=lambda order: order.multiplications,
        )

    return best(0, len(sizes) - 1)


def degrees(f: Callable[[Any], Any], x: float, most: int = 8, repeats: int = REPEATS) -> Table:
    """Seconds for all derivatives up to a degree: one truncated series against nesting.

    Args:
        f: a function of a number, of jaxmix.dual's functions.
        x: where.
        most: the largest degree.
        repeats: of which the median is taken.

    Returns:
        A row a degree: seconds of the series and of the nested derivative, and how far their last
        derivatives differ.

    Source: notes/autodiff.md, eq. 9.
    """
    rows = []
    for degree in range(1, most + 1):
        nested = _nested(f, degree)
        series_seconds = seconds(lambda d=degree: dual.taylor(f, x, d), repeats)
        nested_seconds = seconds(lambda g=nested: g(x), repeats)
        last = float(dual.taylor(f, x, degree)[-1]) * math.factorial(degree)
        rows.append((degree, series_seconds, nested_seconds, abs(last - float(nested(x)))))
    columns = ("degree", "series seconds", "nested seconds", "difference")
    return Table(columns, tuple(rows), "Seconds to all derivatives up to a degree.")


def _nested(f: Callable[[Any], Any], order: int) -> Callable[[Any], Any]:
    for _ in range(order):
        f = dual.derivative(f)
    return f


def through_a_solver(
    step: Callable[[Any, Any], Any], a: float, x: float, solution: Callable[[Any], Any], steps: int
) -> Table:
    """The derivative of an iterative solver's result, after every iteration.

    Args:
        step: the iteration, from the present x and the parameter to the next x.
        a: the parameter.
        x: where the iteration starts; it does not depend on a.
        solution: what it converges to, as a function of a.
        steps: iterations.

    Returns:
        A row an iteration: x, its error, its derivative by a, and the error of that.

    Examples:
        >>> table = through_a_solver(lambda x, a: (x + a / x) / 2, 2.0, 1.0, dual.sqrt, 6)
        >>> [row[4] < 1e-12 for row in table.rows]
        [False, False, False, False, False, True, True]

    Source: notes/autodiff.md, eq. 10; Griewank & Walther (2008), Evaluating Derivatives, ch. 15.
    """
    exact, slope = solution(a), dual.derivative(solution)(a)
    rows = []
    for count in range(steps + 1):

        def run(a: Any, count: int = count) -> Any:
            y: Any = x
            for _ in range(count):
                y = step(y, a)
            return y

        value, tangent = dual.jvp(run, (a,), (1.0,))
        errors = abs(float(value - exact)), abs(float(tangent - slope))
        rows.append((count, float(value), errors[0], float(tangent), errors[1]))
    columns = ("iteration", "x", "error", "derivative", "error of the derivative")
    return Table(columns, tuple(rows), "The derivative converges after what it is taken of.")


def with_noise(amplitude: float = 1e-6, frequency: float = 1e7, x: float = 1.0) -> Table:
    """Where differences are as good: a smooth trend under fast noise, and a function in steps.

    Args:
        amplitude: of a sine that stands for noise.
        frequency: of that sine; its slope is amplitude times frequency.
        x: where.

    Returns:
        A row a function and method: the derivative, and its distance from that of the trend, x^3.

    Raises:
        ValueError: unless the amplitude is positive and finite.
    """
    if not 0 < amplitude < math.inf:
        advice = "without noise see differences.error_study"
        raise ValueError(f"amplitude must be positive and finite, got {amplitude}; {advice}")
    programs = {
        "x^3 with noise": lambda x: x**3 + amplitude * dual.sin(frequency * x),
        "x^3 in steps": lambda x: dual.rint(x**3 / amplitude) * amplitude,
    }
    step = amplitude ** (1 / 3)
    rows: list[tuple[Any, ...]] = []
    for name, f in programs.items():
        answers = {
            "dual numbers": dual.derivative(f)(x),
            "forward differences": forward(f, x, math.sqrt(amplitude)),
            "central differences": central(f, x, step),
        }
        rows += [(name, way, float(v), abs(float(v) - 3 * x**2)) for way, v in answers.items()]
    caption = "Autodiff differentiates the program, noise included; a long step sees the trend."
    return Table(("program", "method", "derivative", "error"), tuple(rows), caption)
