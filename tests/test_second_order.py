"""Newton's method, natural gradients and the model on a ball, against SciPy and formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import jaxmix as jm
from jaxmix.trust_region import highest, krylov

WAITING = jm.data.load("faithful").x[:, 1]
START = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")


@jax.jit
def by_krylov(matrix, slope, radius):
    noise = jax.random.normal(jax.random.key(1), matrix.shape)
    return highest(krylov(lambda v: matrix @ v, slope, len(slope), noise), radius)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    least=st.sampled_from([-2.0, -0.1, 0.0, 0.3]),
    touched=st.booleans(),
    radius=st.sampled_from([1e-3, 0.5, 20.0]),
)
def test_a_model_is_highest_where_no_other_point_of_the_ball_is_higher(
    seed, least, touched, radius
):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    matrix = turn @ np.diag([least, 0.2, 0.7, 1.0]) @ turn.T
    slope = turn @ (rng.normal(size=4) * np.array([touched, 1, 1, 1]))
    move, gain = by_krylov(matrix, slope, radius)

    def model(s):
        return slope @ s - s @ matrix @ s / 2

    assert np.linalg.norm(move) <= radius * (1 + 1e-9)
    assert gain == pytest.approx(model(np.asarray(move)), rel=1e-9, abs=1e-12)
    ball = {"type": "ineq", "fun": lambda s: radius**2 - s @ s}
    starts = [0.7 * radius * side * turn[:, 0] + 1e-3 * radius for side in (-1, 1)]
    found = [minimize(lambda s: -model(s), s, constraints=ball, tol=1e-12) for s in starts]
    inside = [-one.fun for one in found if np.linalg.norm(one.x) <= radius * (1 + 1e-6)]
    assert all(gain >= other - 1e-5 * max(abs(other), 1e-9) for other in inside)


@pytest.mark.parametrize("start", [(0.4, 1.0, 2.0), (0.3, 1.0, 2.5)])
def test_newton_takes_ten_steps_where_em_takes_two_thousand(start):
    p, first, second = start
    deaths = jm.data.load("hasselblad")
    mixture = jm.poisson_mixture([p, 1 - p], [first, second])
    weights, stop = deaths.sample_weights, jm.Stop(tol=1e-14)
    result = jm.fit(deaths.x, mixture, jm.Newton(), stop=stop, sample_weights=weights)
    assert result.outcome.name == "CONVERGED"
    assert result.num_steps <= 10
    np.testing.assert_allclose(result.mixture.weights[0], 0.3598853969849, atol=1e-8)
    np.testing.assert_allclose(
        result.mixture.rates.ravel(), [1.2560951012244, 2.6634043566325], atol=1e-8
    )
    assert result.cost.hessian_products == 3 * result.num_steps
    assert result.cost.passes >= result.num_steps
    assert np.all(np.diff(result.history) >= -1e-9)


def test_newton_leaves_a_saddle_that_em_cannot_leave():
    fixed = ("covariances",)
    saddle = jm.gaussian_mixture([0.5, 0.5], [[WAITING.mean()]] * 2, [[25.0]], family="tied")
    total = jm.Stop("total", tol=1e-9)
    still = jm.fit(WAITING, saddle, jm.EM(), stop=total, fixed=fixed)
    moved = jm.fit(WAITING, saddle, jm.Newton(), stop=total, fixed=fixed)
    assert still.log_likelihood == pytest.approx(float(jm.log_likelihood(saddle, WAITING)))
    assert moved.outcome.name == "CONVERGED"
    assert moved.log_likelihood > still.log_likelihood + 100
    np.testing.assert_allclose(np.sort(moved.mixture.means.ravel()), [54.6, 80.1], atol=1.0)


def test_a_flat_direction_stops_no_newton_step():
    one = jm.fit(WAITING, jm.initialize(WAITING, 1, family="tied")).mixture
    twice = jm.gaussian_mixture([0.4, 0.6], [one.means[0]] * 2, one.covariances, family="tied")
    near = jm.gaussian_mixture([0.4, 0.6], [[71.0]] * 2, one.covariances, family="tied")
    result = jm.fit(WAITING, near, jm.Newton())
    assert result.outcome.name == "CONVERGED"
    assert result.log_likelihood >= float(jm.log_likelihood(twice, WAITING)) - 1e-6


def test_a_hybrid_run_is_em_until_em_turns_out_to_be_slow():
    quick, slow = jm.Hybrid(rate=0.3), jm.Hybrid(rate=0.2)  # EM's rate is .29
    stop = jm.Stop(tol=1e-14)
    em = jm.fit(WAITING, START, jm.EM(), stop=stop)
    same = jm.fit(WAITING, START, quick, stop=stop)
    np.testing.assert_allclose(same.history, em.history, rtol=1e-13)
    assert same.cost.hessian_products == 0
    switched = jm.fit(WAITING, START, slow, stop=stop)
    rates = np.sqrt(em.gap_history[1:] / em.gap_history[:-1])
    steps = 2 + np.flatnonzero((rates[1:] >= 0.2) & (rates[:-1] >= 0.2))[0]
    np.testing.assert_allclose(switched.history[: steps + 1], em.history[: steps + 1], rtol=1e-13)
    newton = jm.fit(WAITING, START, jm.Newton(), stop=stop)
    assert switched.num_steps - steps < newton.num_steps
    assert switched.cost.hessian_products == 4 * (switched.num_steps - steps)
    assert switched.objective == pytest.approx(float(em.objective), abs=1e-9)


def test_a_natural_step_of_one_is_em():
    stop = jm.Stop(max_steps=5)
    em = jm.fit(WAITING, START, jm.EM(), stop=stop)
    natural = jm.fit(WAITING, START, jm.NaturalGradient(), stop=stop)
    np.testing.assert_allclose(natural.history, em.history, rtol=1e-12)
    np.testing.assert_allclose(natural.mixture.means, em.mixture.means, rtol=1e-12)


def test_a_natural_step_changes_em_rates_as_the_note_says():
    optimum = jm.fit(WAITING, START, jm.Newton(), stop=jm.Stop(tol=1e-20)).mixture
    eigenvalues = np.linalg.eigvals(jm.inference.em_jacobian(optimum, WAITING)).real
    size = 2 / (2 - eigenvalues.max() - eigenvalues.min())
    stop = jm.Stop(tol=1e-20, max_steps=40)
    run = jm.fit(WAITING, START, jm.NaturalGradient(size), stop=stop)
    factor = np.abs(1 - size * (1 - eigenvalues)).max()
    gaps = np.asarray(run.gap_history)
    assert factor < eigenvalues.max()
    assert np.sqrt(gaps[9] / gaps[8]) == pytest.approx(factor, rel=0.05)


def test_a_natural_step_out_of_range_is_em():
    far = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[4000.0]], family="tied")
    stop = jm.Stop(max_steps=1)
    run = jm.fit(WAITING, far, jm.NaturalGradient(50.0), stop=stop)
    em = jm.fit(WAITING, far, jm.EM(), stop=stop)
    np.testing.assert_allclose(run.history, em.history, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jm.Newton(radius=0.0), "radius must be positive"),
        (lambda: jm.Newton(most_products=0), "most_products"),
        (lambda: jm.Hybrid(rate=1.5), r"rate must be finite and in \[0, 1\]"),
        (lambda: jm.NaturalGradient(-1.0), "step_size must be"),
        (lambda: jm.NaturalGradient(0.0), "step_size must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_new_radius_or_step_size_compiles_nothing():
    @jax.jit
    def traced(method):
        traced.count += 1
        return jnp.asarray(jax.tree.leaves(method)[0])

    traced.count = 0
    for value in (0.1, 0.2):
        traced(jm.Newton(radius=value))
        traced(jm.NaturalGradient(value))
    assert traced.count == 2
