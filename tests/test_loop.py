"""The one loop: segments, callers' transformations, outcomes, and what resuming means."""

import warnings

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import FAMILIES, METHODS, X

import jaxmix as jm
from jaxmix import compiling, fitting
from jaxmix.loop import Outcome
from jaxmix.stopping import RULES, parameter_vector

FAMILY = "spherical"
START = helpers.start_of(FAMILY)
every_kind = pytest.mark.parametrize("method", ["em", "adam"])


def assert_same_run(one, other, relative=0.0):
    steps = int(one.num_steps)
    assert int(other.num_steps) == steps
    for name in ("history", "gap_history"):
        a, b = (np.asarray(getattr(result, name))[: steps + 1] for result in (one, other))
        np.testing.assert_allclose(a, b, rtol=relative, atol=relative / 1e3)
    for a, b in zip(jax.tree.leaves(one.mixture), jax.tree.leaves(other.mixture), strict=True):
        np.testing.assert_allclose(a, b, rtol=relative, atol=0)
    assert jax.tree.map(int, one.cost) == jax.tree.map(int, other.cost)


def assert_same_mixtures(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def entry(stacked, j):
    """One of the mixtures or results stacked along leading axes."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[j], stacked)


@every_kind
def test_segments_do_not_change_the_bits(method, monkeypatch):
    whole = helpers.fitted(method, FAMILY)
    monkeypatch.setattr(fitting, "SEGMENT", 5)
    stop = jm.Stop(tol=1e-10, max_steps=2000)
    assert_same_run(whole, jm.fit(X, START, METHODS[method].method, stop=stop))


@every_kind
def test_some_recorded_steps_do_not_change_the_bits(method):
    whole = helpers.fitted(method, FAMILY)
    stop = jm.Stop(tol=1e-10, max_steps=2000)
    recorded = jm.fit(X, START, METHODS[method].method, stop=stop, record=[0, 3, 7])
    assert_same_run(whole, recorded)
    assert recorded.path_steps == (0, 3, 7, int(whole.num_steps))
    third = jm.fit(X, START, METHODS[method].method, stop=jm.Stop(tol=1e-10, max_steps=3))
    assert_same_mixtures(entry(recorded.path, 1), third.mixture)


@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_mixtures_have_the_parameters_of_each_step(family):
    start = helpers.start_of(family)
    result = jm.fit(X, start, stop=jm.Stop(max_steps=0), record="all")
    path = jax.tree.map(lambda leaf: jnp.stack([leaf[0], 2 * leaf[0]]), result.path)
    for name in ("weights", "means", "covariances"):
        stacked = getattr(path, name)
        for j in range(2):
            np.testing.assert_allclose(stacked[j], getattr(entry(path, j), name), rtol=1e-14)


@every_kind
def test_a_fit_inside_jit_and_vmap_equals_the_plain_one(method):
    whole = helpers.fitted(method, FAMILY)
    stop = jm.Stop(tol=1e-10, max_steps=300)

    @jax.jit
    @jax.vmap
    def fit(start):
        return jm.fit(X, start, METHODS[method].method, stop=stop)

    swapped = START.take([1, 0])
    together = fit(jax.tree.map(lambda *leaves: jnp.stack(leaves), START, swapped))
    first, second = entry(together, 0), entry(together, 1)
    assert_same_run(whole, first, relative=1e-9)
    np.testing.assert_allclose(second.mixture.means[::-1], whole.mixture.means, rtol=1e-9)
    assert first.history.shape == (301,)
    assert np.all(np.isnan(first.history[int(whole.num_steps) + 1 :]))
    assert first.outcome is Outcome.CONVERGED


def test_a_fit_is_differentiable_forwards_with_respect_to_the_data():
    """Through sixty steps of EM, where its derivative has long settled."""

    def means(x):
        return jm.fit(x, START, stop=jm.Stop(tol=1e-20, max_steps=60)).mixture.means

    move = jnp.sin(jnp.arange(X.size, dtype=float)).reshape(X.shape)
    slope = jax.jit(lambda x: jax.jvp(means, (x,), (move,))[1])(jnp.asarray(X))
    up, down = (means(X + h * np.asarray(move)) for h in (1e-5, -1e-5))
    np.testing.assert_allclose(slope, (up - down) / 2e-5, rtol=1e-5, atol=1e-8)


def test_a_later_tolerance_resumes_a_converged_run():
    coarse = helpers.fitted("em", FAMILY, tol=1e-4)
    fine = jm.Stop(tol=1e-10, max_steps=2000)
    assert_same_run(helpers.fitted("em", FAMILY), jm.fit(X, START, stop=fine, resume=coarse))


def test_no_steps_evaluate_the_start():
    result = jm.fit(X, START, stop=jm.Stop(max_steps=0))
    assert result.outcome is Outcome.MAX_STEPS
    assert int(result.num_steps) == int(result.cost.passes) == 0
    np.testing.assert_allclose(result.objective, helpers.objective(X, START), rtol=1e-12)


def test_a_start_at_the_optimum_takes_no_step():
    result = jm.fit(X, helpers.fitted("em", FAMILY).mixture)
    assert result.outcome is Outcome.CONVERGED
    assert int(result.num_steps) == 0


def measure(rule, before, after, result, index):
    """What a rule compares with its tolerance, from its published definition."""
    change = abs(after - before)
    return {
        "gap": lambda: float(result.gap_history[index]),
        "total": lambda: change,
        "mean": lambda: change / len(X),
        "relative": lambda: change / abs(after),
        "gradient": lambda: float(result.gradient_norm),
        "parameters": lambda: parameter_change(result),
    }[rule]()


def parameter_change(result):
    """With two components only the first weight is free."""
    old, new = (np.delete(helpers.parameters(entry(result.path, j)), 1) for j in (-2, -1))
    return np.linalg.norm(new - old) / np.linalg.norm(old)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_ends_the_run_at_the_first_step_within_its_tolerance(rule):
    tol = 1e-5
    result = jm.fit(X, START, stop=jm.Stop(rule, tol=tol), record="all")
    history = np.asarray(result.history)
    assert result.outcome is Outcome.CONVERGED
    assert measure(rule, history[-2], history[-1], result, -1) <= tol
    before = jm.fit(
        X, START, stop=jm.Stop(rule, tol=tol, max_steps=int(result.num_steps) - 1), record="all"
    )
    assert before.outcome is Outcome.MAX_STEPS
    assert measure(rule, history[-3], history[-2], before, -1) > tol


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parameter_vector_holds_every_free_number_once(family):
    """Also where k = d, so that means have the shape of a matrix."""
    mixture = helpers.random_mixture(0, family, k=2, d=2)
    vector = parameter_vector(mixture)
    assert len(vector) == mixture.num_parameters
    covariances = np.asarray(mixture.covariances)
    upper = covariances[..., *np.triu_indices(2)] if family in ("full", "tied") else covariances
    expected = [mixture.weights[:1], np.ravel(mixture.means), np.ravel(upper)]
    np.testing.assert_allclose(vector, np.concatenate(expected), rtol=1e-15)


def test_a_tolerance_below_rounding_is_raised_with_a_warning():
    with pytest.warns(UserWarning, match="below what float64 resolves"):
        result = jm.fit(X, START, stop=jm.Stop(tol=1e-40))
    assert result.outcome is Outcome.CONVERGED
    assert 1e-40 < result.stop.tol < 1e-20


def assert_own_numbers(result, x=X):
    """A failed run still holds a finite mixture, whose own numbers it reports."""
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(result.mixture))
    np.testing.assert_allclose(result.objective, helpers.objective(x, result.mixture), rtol=1e-10)
    assert result.history[-1] == result.objective
    assert len(result.history) == int(result.num_steps) + 1
    assert np.isfinite(result.log_likelihood)
    # Where the M-step from here does not exist, it promises infinitely much or nothing defined.
    np.testing.assert_array_equal(result.gap, result.gap_history[-1])
    with pytest.raises(jm.FitFailed, match=result.outcome.name):
        result.raise_if_failed()


def test_a_number_that_is_not_finite_returns_the_last_finite_mixture():
    steady, broken = (
        jm.GradientAscent(optax.sgd, learning_rate=rate, momentum=0.9) for rate in (0.1, np.nan)
    )
    before = jm.fit(X, START, steady, stop=jm.Stop(max_steps=5))
    result = jm.fit(X, START, broken, resume=before)
    assert result.outcome is Outcome.NONFINITE
    assert int(result.num_steps) == 5
    assert_same_mixtures(result.mixture, before.mixture)
    assert int(result.cost.passes) == 6
    assert_own_numbers(result)


@pytest.mark.parametrize("family", ["full", "spherical"])
def test_a_component_on_repeated_rows_ends_as_degenerate(family):
    x = np.concatenate([X[:-6], np.tile([30.0, 30.0], (6, 1))])
    start = jm.gaussian_mixture([0.5, 0.5], [X[0], [30.0, 30.0]], 1.0, family=family)
    result = jm.fit(x, start)
    assert result.outcome is Outcome.DEGENERATE
    assert_own_numbers(result, x)


def test_a_ridge_keeps_repeated_rows_from_ending_the_run():
    x = np.concatenate([X[:-6], np.tile([30.0, 30.0], (6, 1))])
    spread = x + 0.2 * np.sin(np.arange(x.size)).reshape(x.shape)
    start = jm.gaussian_mixture([0.5, 0.5], [X[0], [30.0, 30.0]], 1.0, family="spherical")
    assert jm.fit(spread, start, ridge=0.01).outcome is Outcome.CONVERGED


def test_a_component_without_observations_ends_as_degenerate():
    start = jm.gaussian_mixture([0.99, 0.01], [X.mean(axis=0), [60.0, 60.0]], 1.0, family=FAMILY)
    result = jm.fit(X, start)
    assert result.outcome is Outcome.DEGENERATE
    assert_own_numbers(result)


def test_a_result_of_other_data_or_another_method_is_not_resumed():
    result = helpers.fitted("em", FAMILY)
    with pytest.raises(ValueError, match="data or the penalties"):
        jm.fit(1.1 * X, START, resume=result)
    with pytest.raises(ValueError, match="the result comes from"):
        jm.fit(X, START, METHODS["adam"].method, resume=result)


def test_a_healthy_fit_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jm.fit(X, START, stop=jm.Stop(max_steps=3))


@every_kind
def test_large_problems_take_the_same_steps_as_small_ones(method, monkeypatch):
    """The loop is compiled by another route there, which other tests do not reach."""
    stop = jm.Stop(max_steps=20)
    small = jm.fit(X, START, METHODS[method].method, stop=stop)
    monkeypatch.setattr(compiling, "SMALL", 0)
    before = compiling.advance_of(False)._cache_size()
    large = jm.fit(X, START, METHODS[method].method, stop=stop)
    assert compiling.advance_of(False)._cache_size() == before + 1
    assert_same_run(small, large, relative=1e-9)


def test_options_that_a_release_of_xla_does_not_know_are_left_out(monkeypatch):
    known = dict(compiling.compiler_options(small=False))
    assert known == compiling.FAST
    monkeypatch.setattr(compiling, "FAST", known | {"xla_cpu_of_another_release": True})
    assert compiling.compiler_options.__wrapped__(small=False) == known
