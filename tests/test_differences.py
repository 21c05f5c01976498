"""Divided differences: the lecture's V, its branches and best steps, and methods without a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix import dual
from jaxmix.autodiff import differences

STUDY = differences.error_study(lambda x: x**3, 1.0)


def column(name, low=0.0, high=1.0):
    rows = [row for row in STUDY.rows if low * 0.99 <= row.h <= high * 1.01]
    return [row.h for row in rows], [getattr(row, name) for row in rows]


def test_the_least_errors_on_the_lectures_grid():
    assert len(STUDY.rows) == 32
    least = {name: min(zip(*column(name)[::-1])) for name in ("forward", "central")}
    assert f"{least['forward'][0]:.3e}" == "3.972e-09"
    assert least["forward"][1] == pytest.approx(1e-8)
    assert f"{least['central'][0]:.3e}" == "4.980e-12"
    assert least["central"][1] == pytest.approx(10**-5.5)


@pytest.mark.parametrize(
    ("name", "low", "high", "slope"),
    [
        ("forward", 1e-7, 1e-2, 1),
        ("forward", 1e-14, 1e-9, -1),
        ("central", 1e-5, 1e-1, 2),
        ("central", 1e-14, 1e-7, -1),
    ],
)
def test_both_branches_have_the_predicted_slopes(name, low, high, slope):
    for which in (name, f"{name}_predicted"):
        found = differences.logarithmic_slope(*column(which, low, high))
        assert found == pytest.approx(slope, rel=0.05)


def test_predictions_are_the_lectures_and_bound_the_errors():
    h, eps = np.array(column("forward")[0]), np.finfo(float).eps
    np.testing.assert_allclose(column("forward_predicted")[1], 3 * h + 2 * eps / h, rtol=1e-14)
    np.testing.assert_allclose(column("central_predicted")[1], h**2 + eps / h, rtol=1e-14)
    for name in ("forward", "central"):
        errors, bounds = column(name)[1], column(f"{name}_predicted")[1]
        assert all(error <= 1.3 * bound for error, bound in zip(errors, bounds))
    assert STUDY.best_forward_step == pytest.approx(np.sqrt(2 * eps / 3))
    assert STUDY.best_central_step == pytest.approx((eps / 2) ** (1 / 3))


def test_dual_numbers_and_the_complex_step_are_exact_to_rounding():
    assert STUDY.dual <= np.spacing(3.0)
    assert STUDY.complex_step <= np.spacing(3.0)


def test_a_straight_line_has_no_best_step():
    study = differences.error_study(lambda x: 2 * x, 1.0)
    assert study.best_forward_step == study.best_central_step == np.inf


@pytest.mark.parametrize(
    ("name", "tolerance"), [("forward", 1e-6), ("central", 1e-9), ("complex_step", 1e-14)]
)
def test_jacobians_and_gradients_by_differences(name, tolerance):
    method = getattr(differences, name)
    x = np.array([[0.5, -1000.0], [2.0, 0.0]])
    expected = jax.jacfwd(lambda x: jnp.sin(x[0]) * x[1])(x)
    np.testing.assert_allclose(
        method(lambda x: dual.sin(x[0]) * x[1], x), expected, rtol=tolerance, atol=100 * tolerance
    )
    gradient = method(lambda x: (x * x).sum(), x[0])
    np.testing.assert_allclose(gradient, 2 * x[0], rtol=tolerance, atol=1e3 * tolerance)
    assert method(lambda x: x**2, 3.0) == pytest.approx(6.0, rel=tolerance)


@pytest.mark.parametrize(("name", "tolerance"), [("forward", 3e-3), ("central", 3e-4)])
@pytest.mark.parametrize("x", [np.float32(3), np.array([3, 0.5], np.float32)])
def test_the_default_step_is_that_of_the_arguments_precision(name, tolerance, x):
    slope = getattr(differences, name)(lambda x: (x * x * x).sum(), x)
    np.testing.assert_allclose(slope, 3 * x * x, rtol=tolerance)
    assert slope.dtype == np.float32
    assert np.abs(slope - 3 * x * x).max() > 0


def test_whole_numbers_are_differentiated_in_double_precision():
    expected = pytest.approx([4.0, 6.0], rel=1e-9)
    assert differences.central(lambda x: (x**2).sum(), np.array([2, 3])).tolist() == expected
    assert differences.central(lambda x: x**2, np.int32(3)) == pytest.approx(6.0, rel=1e-9)


@pytest.mark.parametrize("name", ["forward", "central", "complex_step"])
@pytest.mark.parametrize("h", [0, -1e-3, np.inf, np.nan])
def test_a_step_is_positive_and_finite(name, h):
    with pytest.raises(ValueError, match="positive and finite"):
        getattr(differences, name)(lambda x: x**2, 3.0, h)


@pytest.mark.parametrize(
    ("f", "x"), [(dual.log, 1.0), (lambda x: x**2 - 2, np.sqrt(2)), (dual.sin, np.pi)]
)
def test_at_a_root_the_argument_is_what_rounding_hurts(f, x):
    study = differences.error_study(f, float(x))
    rows = [row for row in study.rows if row.h <= 1e-6]
    for name in ("forward", "central"):
        errors = [getattr(row, name) for row in rows]
        bounds = [getattr(row, f"{name}_predicted") for row in rows]
        assert all(error <= 2 * bound for error, bound in zip(errors, bounds))
        assert max(errors) > 0.05 * max(bounds)
    assert study.best_central_step > 1e-6


def test_at_the_root_0_nothing_is_rounded():
    study = differences.error_study(dual.sin, 0.0)
    assert [row.forward_predicted for row in study.rows] == [0.0] * 32
    assert all(row.central_predicted == pytest.approx(row.h**2 / 6) for row in study.rows)
    assert all(row.central <= 1.1 * row.central_predicted + 1e-16 for row in study.rows)
