"""Digits of derivatives against references of 50 digits."""

import mpmath
import numpy as np
import pytest

from jaxmix.autodiff import accuracy
from jaxmix.dual import exp, log, sin, sqrt, tanh


def oscillating(x):
    return exp(sin(3 * x)) / sqrt(1 + x * x)


def composed(x):
    return tanh(x) * log(1 + x * x) + x**3


def summed(x):
    total = 0.0
    for k in range(1, 20):
        total = total + sin(k * x) / k
    return total


PROGRAMS = {
    "oscillating": (
        oscillating,
        lambda x: mpmath.exp(mpmath.sin(3 * x)) / mpmath.sqrt(1 + x * x),
    ),
    "composed": (composed, lambda x: mpmath.tanh(x) * mpmath.log(1 + x * x) + x**3),
    "summed": (summed, lambda x: mpmath.fsum(mpmath.sin(k * x) / k for k in range(1, 20))),
}
STEPPED = {"forward differences": 0.5, "central differences": 2 / 3}
"""Methods with a step, and the share of the digits that it leaves."""


@pytest.mark.parametrize("x", [0.625, 1.375])
@pytest.mark.parametrize("name", PROGRAMS)
def test_methods_without_a_step_are_exact_to_rounding(name, x):
    f, reference = PROGRAMS[name]
    with mpmath.workdps(50):
        exact = float(mpmath.diff(reference, mpmath.mpf(x)))
    rows = accuracy.digits(f, x, exact).rows
    assert len(rows) == 15
    for method, precision, _, error in rows:
        rounding = float(np.finfo(precision).eps)
        if method in STEPPED:
            assert error < 300 * rounding ** STEPPED[method]
            assert error > rounding
        else:
            assert error < 60 * rounding


def test_a_point_that_single_precision_rounds_is_refused():
    with pytest.raises(ValueError, match="single precision holds"):
        accuracy.digits(composed, 0.1, 1.0)


@pytest.mark.parametrize("exact", [0.0, float("inf"), float("nan")])
def test_a_relative_error_needs_a_derivative_other_than_0(exact):
    with pytest.raises(ValueError, match="take another x"):
        accuracy.digits(composed, 0.5, exact)
