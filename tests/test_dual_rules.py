"""The rule table: every function against jax, complex steps and SymPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import sympy

from jaxmix import dual
from jaxmix.dual.core import FUNCTIONS
from jaxmix.dual.rules import RULES

JAX = {
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "lgamma": jax.scipy.special.gammaln,
    "digamma": jax.scipy.special.digamma,
    "clip": lambda x: jnp.clip(x, -1.0, 1.0),
}
"""jax's functions that are not jax.numpy's."""

OURS = {"clip": lambda x: dual.clip(x, -1.0, 1.0)}

SYMPY = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "square": lambda x: x**2,
    "reciprocal": lambda x: 1 / x,
    "absolute": lambda x: -x,
    "expm1": lambda x: sympy.exp(x) - 1,
    "exp2": lambda x: 2**x,
    "log1p": lambda x: sympy.log(1 + x),
    "log2": lambda x: sympy.log(x) / sympy.log(2),
    "log10": lambda x: sympy.log(x) / sympy.log(10),
    "logaddexp": lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
    "arctan2": lambda y, x: sympy.atan(y / x),
    "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
    "cbrt": lambda x: x ** sympy.Rational(1, 3),
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "lgamma": sympy.loggamma,
    "sinc": lambda x: sympy.sin(sympy.pi * x) / (sympy.pi * x),
    "clip": lambda x: x,
    "remainder": lambda x, y: x,
    "maximum": lambda x, y: x,
    "minimum": lambda x, y: y,
} | {
    name: getattr(sympy, name.replace("arc", "a"))
    for name in (
        *("sin", "cos", "tan", "exp", "log", "sqrt", "sinh", "cosh", "tanh", "arcsin", "arccos"),
        *("arctan", "arcsinh", "arccosh", "arctanh", "erf", "erfc", "digamma"),
    )
}
FLAT = ("sign", "floor", "ceil", "trunc", "rint", "floor_divide")
SMOOTH = [name for name in RULES if name not in FLAT]
COMPLEX = [name for name in SMOOTH if isinstance(getattr(np, name, None), np.ufunc)]
COMPLEX = [name for name in COMPLEX if any("D" in kind for kind in getattr(np, name).types)]
every_rule = pytest.mark.parametrize("name", RULES)
every_smooth_rule = pytest.mark.parametrize("name", SMOOTH)


def ours(name):
    return OURS.get(name, FUNCTIONS[name])


def jaxs(name):
    return JAX[name] if name in JAX else getattr(jnp, name)


def points(name, count=5):
    """Rational points inside the intervals of the table, as fractions of 64."""
    rng = np.random.default_rng(len(name))
    columns = [rng.uniform(low, high, count) for low, high in RULES[name].domain]
    return np.round(np.array(columns).T * 64) / 64


def nested(f, order, argument, args):
    """The derivative of this order in one argument."""

    def g(x):
        return f(*args[:argument], x, *args[argument + 1 :])

    for _ in range(order):
        g = dual.derivative(g)
    return g(args[argument])


def test_every_function_has_a_row_and_a_symbolic_form():
    assert set(SMOOTH) <= set(SYMPY)
    assert len(COMPLEX) > 20
    assert all(callable(getattr(dual, name)) for name in RULES)


@every_rule
def test_first_derivatives_are_jaxs(name):
    x = points(name)
    for argument in range(x.shape[1]):
        direction = np.eye(x.shape[1])[argument][:, None] * np.ones(len(x))
        value, tangent = dual.jvp(ours(name), tuple(x.T), tuple(direction))
        expected = jax.jvp(jaxs(name), tuple(x.T), tuple(direction))
        np.testing.assert_allclose(value, expected[0], rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(tangent, expected[1], rtol=2e-12, atol=1e-14)
        for row in x[:2]:
            slope = jax.grad(jaxs(name), argument)(*row)
            np.testing.assert_allclose(nested(ours(name), 1, argument, row), slope, rtol=2e-12)


@every_rule
def test_compiled_functions_of_jax_arrays_give_the_same(name):
    columns = tuple(points(name).T)
    ones = tuple(np.ones_like(column) for column in columns)
    expected = dual.jvp(ours(name), columns, ones)
    run = jax.jit(lambda *args: dual.jvp(ours(name), args, ones))(*columns)
    assert isinstance(run[0], jax.Array)
    np.testing.assert_allclose(run[0], expected[0], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(run[1], expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", COMPLEX)
def test_first_derivatives_are_those_of_complex_steps(name):
    for row in points(name, 3):
        for argument in range(len(row)):
            stepped = row.astype(complex)
            stepped[argument] += 1e-30j
            expected = getattr(np, name)(*stepped).imag / 1e-30
            if name != "absolute":
                np.testing.assert_allclose(
                    nested(ours(name), 1, argument, row), expected, rtol=1e-13, atol=1e-15
                )


@every_smooth_rule
def test_derivatives_to_order_four_are_the_symbolic_ones(name):
    x = points(name, 2)
    symbols = sympy.symbols("x y", real=True)[: x.shape[1]]
    expression = SYMPY[name](*symbols)
    for argument, symbol in enumerate(symbols):
        if name == "remainder" and argument == 1:
            continue
        for order in range(1, 5):
            exact = sympy.diff(expression, symbol, order)
            for row in x:
                at = {s: sympy.Rational(value) for s, value in zip(symbols, row)}
                expected = float(exact.subs(at).evalf(40))
                got = nested(ours(name), order, argument, row)
                np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@every_rule
def test_single_precision_stays_single(name):
    columns = tuple(np.float32(column) for column in points(name).T)
    ones = tuple(np.ones_like(column) for column in columns)
    expected = jax.jit(lambda *args: jax.jvp(jaxs(name), args, ones))(*columns)
    compiled = jax.jit(lambda *args: dual.jvp(ours(name), args, ones))
    for value, tangent in (dual.jvp(ours(name), columns, ones), compiled(*columns)):
        assert value.dtype == tangent.dtype == np.float32
        np.testing.assert_allclose(tangent, expected[1], rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 0.0, 1.0, 2.0, 3.0, 4.0])
def test_powers_at_zero_to_order_four(exponent):
    for order in range(5):
        factors = [exponent - j for j in range(order)]
        expected = float(np.prod(factors)) if order == exponent else 0.0
        assert nested(lambda x: x**exponent, order, 0, (0.0,)) == expected


def test_sinc_is_smooth_at_zero_and_near_it():
    derivatives = [nested(dual.sinc, order, 0, (0.0,)) for order in range(5)]
    expected = [1.0, 0.0, -(np.pi**2) / 3, 0.0, np.pi**4 / 5]
    np.testing.assert_allclose(derivatives, expected, rtol=1e-14)
    assert abs(nested(dual.sinc, 1, 0, (1e-5,)) / (-(np.pi**2) * 1e-5 / 3) - 1) < 1e-9


def test_polygamma_is_scipys():
    x = points("digamma")[:, 0]
    for order in (1, 2):
        got = dual.jvp(lambda x, n=order: dual.polygamma(n, x), (x,), (np.ones_like(x),))
        np.testing.assert_allclose(got[0], scipy.special.polygamma(order, x), rtol=1e-13)
        np.testing.assert_allclose(got[1], scipy.special.polygamma(order + 1, x), rtol=1e-13)
