"""Truncated Taylor series against nested derivatives, mpmath and known series."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxmix import dual
from jaxmix.dual.core import FUNCTIONS
from jaxmix.dual.rules import RULES

DEGREE = 6
UNARY = [name for name, rule in RULES.items() if len(rule.domain) == 1 and name != "clip"]
BINARY = [name for name, rule in RULES.items() if len(rule.domain) == 2]


def middle(interval):
    low, high = interval
    return low + 0.4 * (high - low)


def nested(f, x, degree=DEGREE):
    coefficients = []
    for order in range(degree + 1):
        coefficients.append(f(x) / math.factorial(order))
        f = dual.derivative(f)
    return coefficients


@pytest.mark.parametrize("name", UNARY)
def test_every_function_of_one_number(name):
    f, x = FUNCTIONS[name], middle(RULES[name].domain[0])
    expected = nested(f, x)
    np.testing.assert_allclose(dual.taylor(f, x, DEGREE), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", BINARY)
def test_every_function_of_two_numbers(name):
    first, second = (middle(interval) for interval in RULES[name].domain)

    def f(x):
        return FUNCTIONS[name](first + (x - 1) * 0.1, second * x)

    np.testing.assert_allclose(dual.taylor(f, 1.0, 4), nested(f, 1.0, 4), rtol=1e-11, atol=1e-12)


COMPOSED = {
    "exp, sin, sqrt": (
        lambda x: dual.exp(dual.sin(x)) / dual.sqrt(x),
        lambda x: mpmath.exp(mpmath.sin(x)) / mpmath.sqrt(x),
    ),
    "log, tanh": (
        lambda x: dual.log(1 + x**2) * dual.tanh(x),
        lambda x: mpmath.log(1 + x**2) * mpmath.tanh(x),
    ),
    "powers": (
        lambda x: x**2.5 - 2**x + 1 / x,
        lambda x: x ** mpmath.mpf("2.5") - 2**x + 1 / x,
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_to_degree_twenty(name):
    ours, reference = COMPOSED[name]
    with mpmath.workdps(60):
        expected = [float(c) for c in mpmath.taylor(reference, mpmath.mpf("0.75"), 20)]
    np.testing.assert_allclose(dual.taylor(ours, 0.75, 20), expected, rtol=1e-9, atol=1e-12)


def test_known_series():
    assert dual.taylor(lambda x: x**4, 2.0, 5).tolist() == [16, 32, 24, 8, 1, 0]
    assert dual.taylor(lambda x: x**4, 0.0, 5).tolist() == [0, 0, 0, 0, 1, 0]
    assert dual.taylor(lambda x: 1 / (1 - x), 0.0, 3).tolist() == [1, 1, 1, 1]
    assert dual.taylor(lambda x: 3.0, 0.0, 2).tolist() == [3, 0, 0]
    assert dual.taylor(dual.exp, 2, 0).tolist() == [math.exp(2)]


def test_loops_branches_and_comparisons():
    def f(x):
        total = 1.0
        while total < 10:
            total = total * x
        return total if x > 1 else -total

    assert dual.taylor(f, 1.5, 2).tolist() == [1.5**6, 6 * 1.5**5, 15 * 1.5**4]


def test_series_and_dual_numbers_nest_both_ways():
    outer = dual.derivative(lambda a: dual.taylor(lambda x: dual.sin(a * x), 0.5, 2)[2])
    a = 1.2  # the coefficient is -a^2 sin(a x) / 2
    assert outer(a) == pytest.approx(-a * math.sin(0.5 * a) - a**2 * 0.25 * math.cos(0.5 * a))
    inner = dual.taylor(lambda x: dual.derivative(lambda a: dual.sin(a * x))(a), 0.5, 1)
    assert inner[1] == pytest.approx(math.cos(0.6) - 0.6 * math.sin(0.6))


def test_arrays_single_precision_and_jit():
    x = np.array([0.5, 1.0, 2.0], np.float32)
    series = dual.taylor(lambda x: dual.exp(x) * x, x, 2)
    assert series.shape == (3, 3)
    assert series.dtype == np.float32
    np.testing.assert_allclose(series[1], np.exp(x) * (1 + x), rtol=1e-6)
    compiled = jax.jit(lambda x: dual.taylor(lambda x: dual.exp(x) * x, x, 2))
    np.testing.assert_allclose(compiled(jnp.asarray(x)), series, rtol=1e-6)


def test_what_a_series_cannot_do_is_said():
    with pytest.raises(TypeError, match="nest derivative"):
        dual.taylor(lambda x: np.sum(x), np.ones(3), 2)
    with pytest.raises(ValueError, match="whole number"):
        dual.taylor(dual.exp, 0.0, -1)
