"""Coordinates of covariances, against finite differences, SciPy and each other."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import COUNTS, X, compiled_problem, random_mixture
from scipy.linalg import sqrtm
from scipy.stats import multivariate_normal

import jaxmix as jm
from jaxmix.methods.gradient import CHARTS
from jaxmix.methods.optimizers import Optimizer

PROBLEM = compiled_problem(jnp.asarray(X), jnp.asarray(COUNTS), None, 0.01)
MIXTURE = PROBLEM.enter(random_mixture(5, "full", center=X.mean(axis=0)))
charts = pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)


@charts
def test_coordinates_lead_back_and_their_slope_is_the_difference_quotient(chart):
    frame, coordinates = chart.begin(MIXTURE, ())
    objective = jax.jit(lambda at: PROBLEM.objective(chart.mixture(frame, at)))
    settled, _ = chart.settle(frame, coordinates)
    for one in (chart.mixture(frame, coordinates), settled):
        np.testing.assert_allclose(one.weights, MIXTURE.weights, rtol=1e-12)
        np.testing.assert_allclose(one.means, MIXTURE.means, rtol=1e-12)
        np.testing.assert_allclose(one.covariances, MIXTURE.covariances, rtol=1e-12)
    at = lambda where: chart.mixture(frame, where)  # noqa: E731
    statistics = PROBLEM.evaluate(MIXTURE).statistics
    slope = jax.jit(lambda where: PROBLEM.slope(at, where, statistics))(coordinates)
    rng = np.random.default_rng(0)
    for name, part in coordinates.items():
        along = rng.normal(size=part.shape)
        ends = [objective(coordinates | {name: part + side * 1e-5 * along}) for side in (1, -1)]
        quotient = (ends[0] - ends[1]) / 2e-5
        assert quotient == pytest.approx(float(jnp.vdot(slope[name], along)), rel=1e-6)


def test_a_triangle_of_any_signs_is_a_factor():
    chart = CHARTS["cholesky"]
    frame, coordinates = chart.begin(MIXTURE, ("means",))
    assert set(coordinates) == {"weights", "covariances"}
    turned = coordinates | {"covariances": -coordinates["covariances"]}
    np.testing.assert_allclose(
        chart.mixture(frame, turned).covariances, MIXTURE.covariances, rtol=1e-12
    )


STEP = 0.3 * np.random.default_rng(1).normal(size=(2, 3, 3))
STEP = STEP + np.swapaxes(STEP, 1, 2)


def augmented(mixture):
    """The matrices S of a mixture, at s = 1."""
    means, covariances = np.asarray(mixture.means), np.asarray(mixture.covariances)
    rows = np.concatenate([np.ones((len(means), 1)), means], axis=1)
    whole = rows[:, :, None] * rows[:, None, :]
    whole[:, 1:, 1:] += covariances
    return whole


def frames(frame):
    """The square roots E of these matrices."""
    return np.linalg.cholesky(augmented(frame.mixture)) @ np.asarray(frame.rotations)


def test_augmented_densities_are_those_of_one_centered_gaussian():
    chart = CHARTS["augmented"]
    frame, coordinates = chart.begin(MIXTURE, ())
    moved = chart.mixture(frame, coordinates | {"components": jnp.asarray(STEP)})
    root = frames(frame)
    whole = root @ (np.eye(3) + STEP + STEP @ STEP / 2) @ np.swapaxes(root, 1, 2)
    row = X[0] - np.asarray(PROBLEM.center)
    for j, matrix in enumerate(whole):
        mean, s = matrix[1:, 0] / matrix[0, 0], matrix[0, 0]
        covariance = matrix[1:, 1:] - s * np.outer(mean, mean)
        np.testing.assert_allclose(moved.means[j], mean, rtol=1e-10)
        np.testing.assert_allclose(moved.covariances[j], covariance, rtol=1e-10)
        ours = moved.log_weights[j] + multivariate_normal(mean, covariance).logpdf(row)
        joined = multivariate_normal(np.zeros(3), matrix).logpdf([1.0, *row])
        theirs = joined + np.log(2 * np.pi) / 2 + 0.5 + MIXTURE.log_weights[j]
        assert ours == pytest.approx(float(theirs), rel=1e-10)


def test_frames_are_carried_along_and_s_goes_back_to_one():
    chart = CHARTS["augmented"]
    frame, coordinates = chart.begin(MIXTURE, ())
    _, frame = chart.settle(frame, coordinates | {"components": jnp.asarray(STEP)})
    mixture, new = chart.settle(frame, coordinates | {"components": jnp.asarray(3 * STEP)})
    old, stretch = frames(frame), np.eye(3) + 2 * STEP + 2 * STEP @ STEP
    for j in range(2):
        carried = old[j] @ sqrtm(stretch[j])
        whole = carried @ carried.T
        mean, s = whole[1:, 0] / whole[0, 0], whole[0, 0]
        shift = np.block([[np.ones((1, 1)), np.zeros((1, 2))], [mean[:, None], np.eye(2)]])
        back = shift @ np.diag([s**-0.5, 1, 1]) @ np.linalg.inv(shift)
        np.testing.assert_allclose(frames(new)[j], back @ carried, rtol=1e-9, atol=1e-12)
    seen = chart.mixture(frame, coordinates | {"components": jnp.asarray(3 * STEP)})
    assert PROBLEM.objective(mixture) >= PROBLEM.objective(seen)


def test_augmented_coordinates_know_no_units():
    method = jm.GradientAscent(optax.lbfgs, coordinates="augmented")
    scale, shift = np.array([[1e3, 2e2], [0.0, 1e-2]]), np.array([5.0, -7.0])
    start = jm.initialize(X, 2, seed=1)
    run = jm.fit(X, start, method)
    other = jm.fit(X @ scale.T + shift, start.affine(scale, shift), method)
    assert run.outcome.name == other.outcome.name == "CONVERGED"
    assert run.num_steps == other.num_steps
    lost = len(X) * np.log(abs(np.linalg.det(scale)))
    np.testing.assert_allclose(other.history + lost, run.history, rtol=1e-9)


def test_other_components_and_parts_are_refused():
    with pytest.raises(TypeError, match="full covariances, got diag components"):
        CHARTS["augmented"].begin(random_mixture(5, "diag"), ())
    with pytest.raises(TypeError, match="full covariances, got diag components"):
        CHARTS["cholesky"].begin(random_mixture(5, "diag"), ())
    with pytest.raises(ValueError, match=r"neither in fixed, got means"):
        CHARTS["augmented"].begin(MIXTURE, ("means",))
    with pytest.raises(ValueError, match="did you mean 'cholesky'"):
        jm.GradientAscent(optax.lbfgs, coordinates="cholesk")


def test_a_step_along_which_the_slope_rises_spoils_no_later_one():
    optimizer, one = Optimizer(optax.lbfgs, {}), jnp.ones(())

    @jax.jit
    def climb(start, memory, slope):
        """Up a parabola of height slope^2 / 4, from where it has this slope."""
        parabola = lambda at: slope * (at["a"] - start) - (at["a"] - start) ** 2  # noqa: E731
        given = ({"a": jnp.asarray(start)}, memory, one, 0.0 * one, {"a": slope * one}, parabola)
        moved, memory = optimizer.ascend(*given)
        return moved["a"], memory, parabola(moved)

    there, memory, _ = climb(0.0, optimizer.init({"a": one}), 1.0)
    _, _, gained = climb(there, memory, 3.0)
    assert gained > 0.5 * 3.0**2 / 4
