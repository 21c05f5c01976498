"""What derivatives are for: each application against an answer that is known otherwise."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import rosen

from jaxmix import dual
from jaxmix.autodiff.applications import (
    implicit_euler,
    least_squares,
    minimize,
    newton,
    train_network,
)


def test_newtons_method_doubles_the_digits():
    found = newton(lambda x: x * x - 2, 1.0)
    errors = np.abs(found.path - np.sqrt(2))
    assert found.converged
    assert found.x == pytest.approx(np.sqrt(2), rel=1e-15)
    assert all(after <= before**2 for before, after in pairwise(errors[:4]))


def test_newtons_method_for_several_equations():
    def circle_and_line(x):
        return dual.stack([x[0] ** 2 + x[1] ** 2 - 5, x[1] - 2 * x[0]])

    found = newton(circle_and_line, [2.0, 1.0])
    np.testing.assert_allclose(found.x, [1.0, 2.0], rtol=1e-14)


@pytest.mark.parametrize(
    ("f", "start"), [(lambda x: x * x + 1, 0.0), (lambda x: x * x + 1, 0.3), (dual.arctan, 2.0)]
)
def test_newtons_method_says_when_it_finds_no_root(f, start):
    found = newton(f, start, max_steps=20)
    assert not found.converged
    assert np.all(np.isfinite(found.path))


@pytest.mark.parametrize("n", [2, 5])
def test_the_minimum_of_rosenbrocks_function(n):
    def f(x):
        return dual.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    start = np.full(n, -1.2)
    assert f(start) == pytest.approx(rosen(start))
    found = minimize(f, start)
    assert found.converged
    np.testing.assert_allclose(found.x, 1.0, rtol=1e-9)
    values = [f(x) for x in found.path]
    assert all(after <= before for before, after in pairwise(values))


def test_a_saddle_is_left_downhill():
    found = minimize(lambda x: x[0] ** 2 + x[1] ** 4 - x[1] ** 2, [1.0, 0.01])
    np.testing.assert_allclose(found.x, [0.0, np.sqrt(0.5)], atol=1e-9)


def test_an_inverse_problem_recovers_what_made_the_data():
    t = np.linspace(0, 4, 40)
    truth = np.array([2.0, 0.7, 3.0, 0.4])

    def model(p):
        return p[0] * dual.exp(-p[1] * t) * dual.cos(p[2] * t + p[3])

    found = least_squares(lambda p: model(p) - model(truth), [1.0, 0.3, 2.6, 0.0])
    assert found.converged
    np.testing.assert_allclose(found.x, truth, rtol=1e-10)


def test_a_line_is_fitted_as_by_the_normal_equations():
    rng = np.random.default_rng(0)
    t = rng.normal(size=30)
    y = 1 + 2 * t + rng.normal(size=30)
    found = least_squares(lambda p: p[0] + p[1] * t - y, [0.0, 0.0])
    np.testing.assert_allclose(found.x, np.polyfit(t, y, 1)[::-1], rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_a_network_learns_exclusive_or(seed):
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    network = train_network(x, y, seed=seed)
    assert network.losses[-1] < 1e-3 < network.losses[0]
    np.testing.assert_allclose(network(x), y, atol=0.1)


def test_a_stiff_equation_with_large_steps():
    rates = np.array([[-1.0, 0.0], [1e6, -1e6]])
    times = np.linspace(0.0, 1.0, 401)
    states = implicit_euler(lambda t, y: rates @ y, [1.0, 0.0], times)
    exact = solve_ivp(
        lambda t, y: rates @ y, (0, 1), [1.0, 0.0], method="Radau", rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(states[-1], exact.y[:, -1], rtol=2e-3)
    assert states.shape == (401, 2)


def test_van_der_pols_oscillator():
    def f(t, y):
        return dual.stack([y[1], 100 * (1 - y[0] ** 2) * y[1] - y[0]])

    def plain(t, y):
        return [y[1], 100 * (1 - y[0] ** 2) * y[1] - y[0]]

    states = implicit_euler(f, [2.0, 0.0], np.linspace(0, 10, 401))
    exact = solve_ivp(plain, (0, 10), [2.0, 0.0], method="Radau", rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(states[-1], exact.y[:, -1], rtol=1e-3)


def test_a_step_without_a_state_is_an_error():
    with pytest.raises(ArithmeticError, match="smaller steps"):
        implicit_euler(lambda t, y: y * y, 1.0, np.array([0.0, 10.0]))


def test_a_parameter_without_effect_stays_and_the_others_are_fitted():
    t = np.linspace(0, 2, 9)
    found = least_squares(lambda p: p[0] * t - 3 * t, [1.0, 5.0])
    assert found.converged
    np.testing.assert_allclose(found.x, [3.0, 5.0], rtol=1e-12)


def test_redundant_parameters_are_fitted_together():
    t = np.linspace(0, 2, 9)
    found = least_squares(lambda p: (p[0] + p[1]) * t - 3 * t, [1.0, 5.0])
    assert found.converged
    assert sum(found.x) == pytest.approx(3.0, rel=1e-12)


@pytest.mark.parametrize("start", [1.0, [1.0]])
def test_one_parameter_and_residuals_in_a_list(start):
    found = least_squares(
        lambda p: [p * 2.0 - 6.0, p - 3.0] if np.ndim(start) == 0 else p - 3, start
    )
    assert found.converged
    np.testing.assert_allclose(found.x, np.full(np.shape(start), 3.0), rtol=1e-12)


def uphill_from_everywhere(x):
    """Its value is larger wherever it is asked for next, whatever its slope of 1 promises."""
    uphill_from_everywhere.asked += 1
    return x * x + x + 10 * uphill_from_everywhere.asked


@pytest.mark.parametrize("solve", [minimize, least_squares])
def test_steps_that_never_succeed_are_not_convergence(solve):
    uphill_from_everywhere.asked = 0
    found = solve(uphill_from_everywhere, 1.0, max_steps=3)
    assert not found.converged
    assert np.all(found.path == 1.0)


def test_a_kink_is_not_a_stationary_point():
    assert not minimize(lambda x: abs(x - 0.3) + x * x, 1.0).converged


def test_a_constant_is_stationary_and_a_plane_nowhere():
    assert minimize(lambda x: 0 * x + 2.0, 1.0).converged
    assert not minimize(lambda x: 3 * x, 1.0, max_steps=5).converged


@pytest.mark.parametrize("start", [0.0, [0.0, 0.0]])
def test_a_start_at_the_root_has_converged(start):
    found = newton(lambda x: x * x, start)
    assert found.converged
    assert np.all(found.x == 0)


@pytest.mark.parametrize("f", [lambda x: x[0] - 1.0, lambda x: dual.concatenate([x, x])])
def test_as_many_equations_as_unknowns(f):
    with pytest.raises(ValueError, match="equations for 2 unknowns; see least_squares"):
        newton(f, [1.0, 2.0])


def test_equations_and_rates_may_come_in_lists():
    found = newton(lambda x: [x[0] + x[1] - 3, x[0] * x[1] - 2], [0.5, 3.0])
    np.testing.assert_allclose(found.x, [1.0, 2.0], rtol=1e-12)
    states = implicit_euler(lambda t, y: [y[1], -y[0]], [1.0, 0.0], np.array([0.0, 0.5]))
    np.testing.assert_allclose(states[-1], [0.8, -0.4], rtol=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "advice"),
    [
        (np.zeros((4, 2)), np.zeros((4, 1)), r"targets must be \[4\].* got \[4, 1\]; ravel"),
        (np.zeros((4, 2)), np.zeros(3), r"targets must be \[4\].* got \[3\]"),
        (np.zeros(4), np.zeros(4), r"inputs must be \[n d\], got \[4\]; .* x\[:, None\]"),
    ],
)
def test_inputs_and_targets_of_a_network_must_fit(x, y, advice):
    with pytest.raises(ValueError, match=advice):
        train_network(x, y, steps=1)


@pytest.mark.parametrize("x", [np.zeros(2), np.zeros((4, 3))])
def test_a_network_is_asked_about_what_it_was_trained_on(x):
    network = train_network(np.zeros((4, 2)), np.zeros(4), steps=1)
    with pytest.raises(ValueError, match=r"inputs must be \[n 2\]"):
        network(x)
