"""SQUAREM, DAAREM and fixed points of any map, against published numbers, mpmath and NumPy."""

from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import special
from scipy.optimize import brentq

import jaxmix as jm
from jaxmix.methods.daarem import damped
from jaxmix.methods.squarem import steplength

SEQUENCE = [0.608247422680, 0.624321050369, 0.626488879080, 0.626777322347]
SEQUENCE += [0.626815632110, 0.626820719019, 0.626821394456, 0.626821484140]


def linkage(counts):
    """Rao's linkage model as a user writes it: the EM map of its counts, and the likelihood."""
    first, second, third, fourth = counts

    def em_step(t):
        hidden = first * t / (2 + t)
        return (hidden + fourth) / (hidden + second + third + fourth)

    def log_likelihood(t):
        cells = jnp.array([0.5 + t / 4, (1 - t) / 4, (1 - t) / 4, t / 4])
        return jnp.log(cells) @ jnp.array(counts)

    return em_step, log_likelihood


RAO = linkage(tuple(jm.data.load("linkage").sample_weights.tolist()))
accelerations = pytest.mark.parametrize(
    "method", [jm.SQUAREM(), jm.DAAREM()], ids=lambda method: type(method).__name__
)


def test_linkage_by_plain_iteration_takes_the_published_sequence():
    em_step, log_likelihood = RAO
    stop = jm.Stop(tol=1e-13)
    end = jm.fixed_point(em_step, 0.5, objective=log_likelihood, stop=stop, record="all")
    np.testing.assert_allclose(end.path[1:9], SEQUENCE, rtol=0, atol=6e-13)
    assert float(end.theta) == pytest.approx(0.626821498, abs=5e-10)
    assert float(end.theta) == pytest.approx((15 + np.sqrt(53809)) / 394, abs=1e-13)
    assert float(end.information[0, 0]) == pytest.approx(377.516900, abs=5e-7)
    assert float(end.rate) == pytest.approx(0.1327787337, abs=5e-11)
    assert float(end.standard_errors) == pytest.approx(0.0514673492, abs=5e-11)
    assert float(end.information[0, 0] / (1 - end.rate)) == pytest.approx(435.317854, abs=5e-7)
    assert end.outcome.name == "CONVERGED"
    assert end.num_evaluations == end.num_steps + 1 == len(end.history)
    assert np.all(np.diff(end.history) >= -1e-13)


@accelerations
def test_linkage_of_other_counts_agrees_with_fifty_digits(method):
    mpmath.mp.dps = 50
    score = lambda t: 124 / (2 + t) - 39 / (1 - t) + 34 / t  # noqa: E731
    root = mpmath.findroot(score, mpmath.mpf("0.6"))
    information = -mpmath.diff(score, root)
    em_step, log_likelihood = linkage((124.0, 19.0, 20.0, 34.0))
    end = jm.fixed_point(em_step, 0.5, method, log_likelihood, stop=jm.Stop(tol=1e-14))
    assert float(end.theta) == pytest.approx(float(root), rel=1e-13)
    assert float(end.standard_errors) == pytest.approx(float(information**-0.5), rel=1e-12)
    assert end.num_steps < 20


DEATHS = jm.data.load("hasselblad")
X, FREQUENCIES = DEATHS.x[:, 0], DEATHS.sample_weights
MLE = np.array([0.3598853969849, 1.2560951012244, 2.6634043566325])


def joint(theta, xp=jnp):
    """Log joint densities [2 n] of Hasselblad's mixture, up to a constant of the data."""
    p, *rates = theta
    logs = [xp.log(p), xp.log(1 - p)]
    return xp.stack([w - rate + X * xp.log(rate) for w, rate in zip(logs, rates, strict=True)])


def deaths_step(theta, xp=jnp):
    softmax = jax.nn.softmax if xp is jnp else special.softmax
    shares = FREQUENCIES * softmax(joint(theta, xp), axis=0)
    counts = shares.sum(axis=1)
    return xp.stack([counts[0] / FREQUENCIES.sum(), *(shares @ X / counts)])


def deaths_likelihood(theta):
    return jax.nn.logsumexp(joint(theta), axis=0) @ FREQUENCIES


def to_free(theta):
    return jnp.log(jnp.array([theta[0] / (1 - theta[0]), theta[1], theta[2]]))


def from_free(free):
    return jnp.array([jax.nn.sigmoid(free[0]), jnp.exp(free[1]), jnp.exp(free[2])])


FREE = (to_free, from_free)
STARTS = np.random.default_rng(0).uniform(0, [1, 4, 4], (100, 3))


def deaths(start, method, coordinates=None, **settings):
    stop = settings.pop("stop", jm.Stop(tol=1e-7, max_steps=2000))
    return jm.fixed_point(
        deaths_step,
        start,
        method,
        deaths_likelihood,
        stop=stop,
        coordinates=coordinates,
        **settings,
    )


def in_order(theta):
    """Parameters with the smaller rate first."""
    other = np.stack([1 - theta[:, 0], theta[:, 2], theta[:, 1]], axis=1)
    return np.where(theta[:, 1:2] > theta[:, 2:], other, theta)


HUNDRED = {
    "SQUAREM": (jm.SQUAREM(), None, 90),
    "SQUAREM free": (jm.SQUAREM(), FREE, 110),
    "DAAREM free": (jm.DAAREM(), FREE, 50),
}


@cache
def hundred(name):
    """Runs from all starts at once, computed once a session."""
    method, coordinates, _ = HUNDRED[name]
    return jax.vmap(lambda start: deaths(start, method, coordinates))(STARTS)


@pytest.mark.parametrize("name", HUNDRED)
def test_hasselblad_from_a_hundred_starts(name):
    method, _, median = HUNDRED[name]
    ends = hundred(name)
    assert np.median(ends.num_evaluations) <= median
    converged = np.asarray(ends.code) == jm.Outcome.CONVERGED
    assert np.mean(converged) >= 0.99
    theta = in_order(np.asarray(ends.theta))
    np.testing.assert_allclose(theta[converged], np.tile(MLE, (converged.sum(), 1)), atol=1e-4)
    assert np.all(np.asarray(ends.residual)[converged] <= 1e-7)
    falls = -np.nanmin(np.diff(np.asarray(ends.history), axis=1))
    assert falls <= float(method.max_decrease) + 1e-9


def test_a_run_alone_is_the_run_among_others():
    alone = deaths(STARTS[7], jm.SQUAREM())
    among = jax.tree.map(lambda leaf: leaf[7], hundred("SQUAREM"))
    assert alone.num_evaluations == among.num_evaluations
    assert alone.outcome == among.outcome == jm.Outcome.CONVERGED
    np.testing.assert_allclose(alone.theta, among.theta, rtol=1e-6)
    np.testing.assert_allclose(alone.history, among.history[: len(alone.history)], rtol=1e-9)
    assert np.all(np.isnan(among.history[len(alone.history) :]))


def test_limits_of_many_starts_are_differentiated_together():
    ends = jax.vmap(lambda end: (end.rate, end.standard_errors))(hundred("SQUAREM free"))
    rates, errors = map(np.asarray, ends)
    np.testing.assert_allclose(rates, 0.995666223, atol=1e-6)
    published = np.sort([0.1946842987, 0.3500297114, 0.2504782703])
    np.testing.assert_allclose(np.sort(errors, axis=1), np.tile(published, (100, 1)), rtol=1e-3)


def test_em_takes_the_published_number_of_iterations():
    stop = jm.Stop("parameters", tol=1e-8, max_steps=3000)
    for start, published in (([0.4, 1.0, 2.0], 2061), ([0.3, 1.0, 2.5], 2335)):
        assert deaths(np.array(start), None, stop=stop).num_steps == published


def log_likelihood(theta):
    return special.logsumexp(joint(theta, np), axis=0) @ FREQUENCIES


def test_squarem_takes_the_textbook_s_path():
    path, step_max = [np.array([0.4, 1.0, 2.0])], 1.0
    for _ in range(8):
        start = path[-1]
        once = deaths_step(start, np)
        twice = deaths_step(once, np)
        r, v = once - start, twice - 2 * once + start
        length = np.clip(np.linalg.norm(r) / np.linalg.norm(v), 1, step_max)
        new = deaths_step(start + 2 * length * r + length**2 * v, np) if length > 1 else twice
        if not log_likelihood(new) >= log_likelihood(start) - 1.0:
            new, step_max = twice, max(1.0, step_max / 4)
        elif length == step_max:
            step_max *= 4
        path.append(new)
    ours = deaths(path[0], jm.SQUAREM(), stop=jm.Stop(max_steps=8), record="all")
    np.testing.assert_allclose(ours.path, path, rtol=1e-9)


def ridge_by_root(changes, residual, share):
    """Damped coefficients with a penalty found by bisection."""
    gram, right = changes @ changes.T, changes @ residual

    def solution(penalty):
        return np.linalg.solve(gram + penalty * np.eye(len(gram)), right)

    wanted = share * np.sum(solution(0.0) ** 2)
    scale = np.trace(gram)
    excess = lambda penalty: np.sum(solution(penalty) ** 2) - wanted  # noqa: E731
    return solution(brentq(excess, 0.0, 1e6 * scale, xtol=1e-300, rtol=1e-14))


def test_daarem_takes_the_textbook_s_path():
    points, trust, cycle = [np.array([0.4, 1.0, 2.0])], 0, None
    points.append(deaths_step(points[0], np))
    cycle, known = log_likelihood(points[0]), 1
    for _ in range(12):
        residuals = [deaths_step(point, np) - point for point in points]
        moves = np.diff(points, axis=0)[-known:]
        changes = np.diff(residuals, axis=0)[-known:]
        gamma = ridge_by_root(changes, residuals[-1], 1 / (1 + 1.2 ** (25 - trust)))
        new = points[-1] + residuals[-1] - gamma @ (moves + changes)
        if log_likelihood(new) >= log_likelihood(points[-1]):
            trust += 1
        else:
            new = points[-1] + residuals[-1]
        if known == 2:
            trust = max(trust - 2, -50) if log_likelihood(new) < cycle else trust
            cycle = log_likelihood(new)
        known = 1 if known == 2 else known + 1
        points.append(new)
    ours = deaths(points[0], jm.DAAREM(), stop=jm.Stop(max_steps=13), record="all")
    np.testing.assert_allclose(ours.path, points, rtol=1e-7)


@pytest.mark.parametrize("share", [1e-2, 0.3, 1 - 1e-6])
def test_damping_shortens_by_the_share_that_it_is_told(share):
    rng = np.random.default_rng(1)
    changes = rng.normal(size=(3, 6)) * [[1.0], [1e-3], [1e-5]]
    residual = rng.normal(size=6)
    ours = damped(jnp.asarray(changes), jnp.asarray(residual), jnp.asarray(share))
    np.testing.assert_allclose(ours, ridge_by_root(changes, residual, share), rtol=1e-6)
    plain = np.linalg.lstsq(changes.T, residual)[0]
    assert np.sum(np.square(ours)) == pytest.approx(share * np.sum(plain**2), rel=1e-9)


def test_empty_columns_and_equal_steps_leave_the_map_s_own_step():
    none = damped(jnp.zeros((2, 3)), jnp.ones(3), jnp.asarray(0.5))
    np.testing.assert_array_equal(none, 0)
    assert steplength(jnp.ones(2), jnp.zeros(2), jnp.asarray(4.0)) == 1
    assert steplength(jnp.array([3.0, 4.0]), jnp.array([0.0, 2.0]), jnp.asarray(4.0)) == 2.5


@accelerations
def test_every_evaluation_is_counted_and_bad_extrapolations_are_refused(method):
    calls = []

    def step(theta):  # nothing is known beyond 1, where the fixed point lies
        jax.debug.callback(lambda: calls.append(1))
        near = theta + jnp.array([0.02, 0.3]) * (1 - theta) + 0.3 * (1 - theta) ** 3
        return jnp.where(jnp.all(theta <= 1), near, jnp.nan)

    stop = jm.Stop(tol=1e-9, max_steps=600)
    end = jm.fixed_point(step, np.array([-0.2, 0.1]), method, stop=stop)
    jax.effects_barrier()
    assert end.outcome.name == "CONVERGED"
    np.testing.assert_allclose(end.theta, 1, atol=1e-7)
    assert end.num_evaluations == len(calls)
    assert end.num_objective_evaluations == 0
    assert end.history is None


@accelerations
def test_old_faithful_never_falls_below_the_tolerance(method):
    faithful = jm.data.load("faithful").x
    for seed in range(3):
        run = jm.fit(faithful, jm.initialize(faithful, 3, seed=seed), method)
        assert run.outcome.name == "CONVERGED"
        assert np.min(np.diff(run.history)) >= -float(method.max_decrease) - 1e-9
        assert run.objective > -1120


def assert_quick_and_right(run):
    assert run.outcome.name == "CONVERGED"
    assert run.cost.passes <= 150
    assert run.pass_history[-1] == run.cost.passes
    np.testing.assert_allclose(np.sort(run.mixture.rates[:, 0]), MLE[1:], atol=1e-4)
    assert run.objective == pytest.approx(-1989.945859883, abs=1e-8)


SLOW = {"sample_weights": FREQUENCIES, "stop": jm.Stop(tol=1e-12)}
"""A mixture that takes EM thousands of passes."""


def test_daarem_takes_few_passes_where_em_is_slow():
    assert_quick_and_right(
        jm.fit(X, jm.poisson_mixture([0.4, 0.6], [1.0, 2.0]), jm.DAAREM(), **SLOW)
    )


def test_squarem_takes_few_passes_from_every_start():
    for run in jm.fit_restarts(X, 2, jm.SQUAREM(), "poisson", num_starts=4, **SLOW).results:
        assert_quick_and_right(run)


MISTAKES = {
    "no number": (deaths_step, "abc", {}, TypeError, "nested arrays of numbers"),
    "shape": (lambda t: t[:2], np.ones(3), {}, ValueError, r"theta0, \(3,\), got \(2,\)"),
    "structure": (lambda t: {"t": t}, np.ones(3), {}, TypeError, "structure of theta0"),
    "two numbers": (jnp.sin, np.ones(3), {"objective": jnp.cos}, ValueError, "one number"),
    "outside": (deaths_step, np.array([2.0, 1, 2]), {}, ValueError, "no usable start"),
    "rule": (jnp.sin, 0.5, {"stop": jm.Stop("gradient")}, ValueError, "needs a mixture"),
    "no objective": (jnp.sin, 0.5, {"stop": jm.Stop("total")}, ValueError, "needs an objective"),
    "record": (jnp.sin, 0.5, {"record": "last"}, ValueError, "record must be"),
}


@pytest.mark.parametrize(
    ("step", "theta0", "settings", "error", "message"), MISTAKES.values(), ids=MISTAKES
)
def test_mistakes_are_named(step, theta0, settings, error, message):
    with pytest.raises(error, match=message):
        jm.fixed_point(step, theta0, **settings)


def test_settings_out_of_range_are_named():
    with pytest.raises(ValueError, match="step_max must be finite and at least 1"):
        jm.SQUAREM(step_max=0.5)
    with pytest.raises(ValueError, match=r"rho must be finite and in \[0, 1\]"):
        jm.DAAREM(rho=2.0)
    with pytest.raises(ValueError, match="expected order >= 1"):
        jm.DAAREM(order=0)
    end = jm.fixed_point(jnp.cos, 0.5)
    with pytest.raises(ValueError, match="give an objective"):
        _ = end.information
