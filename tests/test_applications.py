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
    times = np.linspace(0.0, 1.0, 2001)
    states = implicit_euler(lambda t, y: rates @ y, [1.0, 0.0], times)
    exact = solve_ivp(
        lambda t, y: rates @ y, (0, 1), [1.0, 0.0], method="Radau", rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(states[-1], exact.y[:, -1], rtol=5e-4)
    assert states.shape == (2001, 2)


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
