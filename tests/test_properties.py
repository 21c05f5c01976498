"""Properties that every method, every family or every problem of the tables must have."""

import dataclasses
import warnings

import helpers
import jax
import numpy as np
import optax
import pytest
from helpers import CASES, FAMILIES, FRACTIONS, METHODS, PRIOR, PROBLEMS, X
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import jaxmix as jm
from jaxmix import compiling, fitting, posing
from jaxmix.loop import Outcome
from jaxmix.problem import Problem

SHORT = jm.Stop(tol=1e-9, max_steps=10)
SOFT = [case for case in CASES if not METHODS[case[0]].method.hard]
MONOTONE = [case for case in CASES if METHODS[case[0]].monotone]
SEEDS = st.integers(0, 2**32 - 1)
CENTER = X.mean(axis=0)
REPEATS = np.array([2, 1, 0])[(np.arange(len(X)) + 1) % 3]
"""Of each row; 79 in all, where X has 80, so that repeated rows compile nothing anew."""

every_case = pytest.mark.parametrize(("method", "family"), CASES)
every_soft_case = pytest.mark.parametrize(("method", "family"), SOFT)
every_monotone_case = pytest.mark.parametrize(("method", "family"), MONOTONE)
every_family = pytest.mark.parametrize("family", FAMILIES)
every_problem = pytest.mark.parametrize("problem", PROBLEMS)
a_few_examples = settings(max_examples=20, deadline=None)


def short_fit(method, family, x=X, start=None, **settings):
    start = helpers.start_of(family) if start is None else start
    return jm.fit(x, start, METHODS[method].method, stop=SHORT, **settings)


def assert_same_fit(one, other, tolerance=1e-9):
    np.testing.assert_allclose(one.objective, other.objective, rtol=tolerance)
    np.testing.assert_allclose(one.history, other.history, rtol=tolerance)
    assert_same_mixture(one.mixture, other.mixture, tolerance)


def assert_same_mixture(one, other, tolerance=1e-9):
    np.testing.assert_allclose(
        helpers.parameters(one), helpers.parameters(other), rtol=tolerance, atol=tolerance
    )


def assert_same_bits(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@every_problem
@every_case
def test_every_number_belongs_to_the_mixture(method, family, problem):
    result = helpers.fitted(method, family, problem)
    hard = METHODS[method].method.hard
    expected = helpers.objective(X, result.mixture, hard, **PROBLEMS[problem])
    assert result.outcome is Outcome.CONVERGED
    assert 0 <= result.gap <= 1e-10
    np.testing.assert_allclose(result.objective, expected, rtol=1e-12)
    assert len(result.history) == len(result.gap_history) == int(result.num_steps) + 1
    assert result.history[-1] == result.objective
    assert result.gap_history[-1] == result.gap
    weights = PROBLEMS[problem].get("sample_weights", np.ones(len(X)))
    densities = logsumexp(helpers.joint(X, result.mixture), axis=1)
    np.testing.assert_allclose(result.log_likelihood, weights @ densities, rtol=1e-12)


@every_problem
@every_case
def test_the_gap_is_never_negative(method, family, problem):
    assert np.all(np.asarray(helpers.fitted(method, family, problem).gap_history) >= 0)


@every_problem
@every_monotone_case
def test_em_never_lowers_the_objective_and_gains_at_least_the_gap(method, family, problem):
    result = helpers.fitted(method, family, problem)
    gains, rounding = np.diff(result.history), 1e-12 * np.abs(result.history[:-1])
    assert np.all(gains >= -rounding)
    assert np.all(result.gap_history[:-1] <= gains + rounding)


@every_problem
@every_soft_case
def test_every_method_ends_at_the_objective_of_em(method, family, problem):
    result, em = (helpers.fitted(name, family, problem) for name in (method, "em"))
    np.testing.assert_allclose(result.objective, em.objective, rtol=0, atol=1e-8)
    assert_same_mixture(result.mixture, em.mixture, tolerance=1e-3)


def central_differences(function, mixture, step=1e-5):
    """Derivatives of a plain function of a mixture in its unconstrained coordinates."""
    flat, rebuild = jax.flatten_util.ravel_pytree(mixture.unconstrain())
    moves = step * np.eye(len(flat))
    at = [function(mixture.constrain(rebuild(flat + sign * m))) for m in moves for sign in (1, -1)]
    return (np.array(at[::2]) - np.array(at[1::2])) / (2 * step)


@every_problem
@every_family
def test_the_fixed_point_of_em_has_zero_gradient(family, problem):
    result = helpers.fitted("em", family, problem, tol=1e-22)
    assert result.outcome is Outcome.CONVERGED
    assert result.gradient_norm < 1e-11
    slopes = central_differences(
        lambda mixture: helpers.objective(X, mixture, **PROBLEMS[problem]), result.mixture
    )
    np.testing.assert_allclose(slopes, 0, atol=1e-6)


@every_case
def test_permuted_rows_give_the_same_fit(method, family):
    order = np.random.default_rng(0).permutation(len(X))
    plain = short_fit(method, family, sample_weights=FRACTIONS)
    shuffled = short_fit(method, family, X[order], sample_weights=FRACTIONS[order])
    assert_same_fit(plain, shuffled)


@every_case
def test_permuted_components_give_the_same_fit(method, family):
    plain = short_fit(method, family)
    swapped = short_fit(method, family, start=helpers.start_of(family).take([1, 0]))
    np.testing.assert_allclose(plain.history, swapped.history, rtol=1e-9)
    assert_same_mixture(plain.mixture, swapped.mixture.take([1, 0]))


@every_case
def test_sample_weights_equal_repeated_rows(method, family):
    weighted = short_fit(method, family, sample_weights=REPEATS.astype(float))
    repeated = short_fit(method, family, np.repeat(X, REPEATS, axis=0))
    assert_same_fit(weighted, repeated)
    np.testing.assert_allclose(weighted.bic, repeated.bic, rtol=1e-9)


@every_case
def test_another_number_retraces_nothing(method, family):
    settings = {"sample_weights": FRACTIONS, "ridge": 0.05, "prior": PRIOR}
    short_fit(method, family, **settings)
    before = cache_sizes()
    other = dataclasses.replace(PRIOR, mean_strength=0.7, weight_concentration=2.0)
    jm.fit(
        X * 1.01,
        helpers.start_of(family),
        jax.tree.map(lambda number: 0.9 * number, METHODS[method].method),
        stop=jm.Stop(tol=3e-9, max_steps=7),
        **settings | {"ridge": 0.01, "prior": other},
    )
    assert cache_sizes() == before


def cache_sizes():
    compiled = (
        posing.compiled_surroundings,
        compiling.advance_of(False),
        compiling.advance_of(True),
        fitting.compiled_close,
        Problem._evaluate,
    )
    return [function._cache_size() for function in compiled]


@every_case
def test_watched_and_resumed_runs_have_the_same_bits(method, family):
    whole = short_fit(method, family)
    seen = []
    watched = short_fit(method, family, on_step=seen.append, record="all")
    first = jm.fit(
        X, helpers.start_of(family), METHODS[method].method, stop=jm.Stop(tol=1e-9, max_steps=3)
    )
    resumed = short_fit(method, family, resume=first)
    for other in (watched, resumed):
        assert_same_bits(
            (whole.mixture, whole.history, whole.gap_history, whole.gradient_norm, whole.cost),
            (other.mixture, other.history, other.gap_history, other.gradient_norm, other.cost),
        )
    assert [progress.objective for progress in seen] == list(np.asarray(whole.history[1:]))
    assert watched.path_steps == tuple(range(int(whole.num_steps) + 1))
    assert_same_bits(jax.tree.map(lambda leaf: leaf[-1], watched.path), whole.mixture)


MAPS = {
    "full": np.array([[2.0, -0.7], [0.4, 0.3]]),
    "tied": np.array([[2.0, -0.7], [0.4, 0.3]]),
    "diag": np.array([30.0, 0.2]),
    "spherical": 3.0 * np.array([[0.6, -0.8], [0.8, 0.6]]),
}
"""An affine map that each family is closed under."""
SHIFT = np.array([7.0, -40.0])


def mapped(x, family):
    scale = MAPS[family]
    return (x @ scale.T if scale.ndim == 2 else x * scale) + SHIFT


@every_monotone_case
def test_em_is_equivariant_and_the_gap_invariant(method, family):
    plain = short_fit(method, family)
    start = helpers.start_of(family).affine(MAPS[family], SHIFT)
    moved = short_fit(method, family, mapped(X, family), start)
    assert_same_mixture(moved.mixture, plain.mixture.affine(MAPS[family], SHIFT))
    np.testing.assert_allclose(moved.gap_history, plain.gap_history, rtol=1e-9, atol=1e-12)


@every_family
@pytest.mark.parametrize("steps", [5, 50])
def test_em_steps_equal_those_of_scikit_learn(family, steps):
    start = helpers.start_of(family)
    ours = helpers.fitted("em", family, max_steps=steps, tol=1e-24)
    values = np.asarray(start.covariances)
    oracle = GaussianMixture(
        2,
        covariance_type=family,
        weights_init=np.asarray(start.weights),
        means_init=np.asarray(start.means),
        precisions_init=np.linalg.inv(values) if family in ("full", "tied") else 1 / values,
        reg_covar=0,
        tol=0,
        max_iter=steps,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        oracle.fit(X)
    # Where the gap is 1e-24, more steps would change no digit that is compared.
    assert oracle.n_iter_ == steps
    assert ours.num_steps == steps or ours.gap <= 1e-24
    np.testing.assert_allclose(ours.mixture.weights, oracle.weights_, rtol=1e-9)
    np.testing.assert_allclose(ours.mixture.means, oracle.means_, rtol=1e-9)
    np.testing.assert_allclose(ours.mixture.covariances, oracle.covariances_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.log_likelihood, oracle.score(X) * len(X), rtol=1e-9)


@pytest.mark.parametrize("hard", [False, True])
@every_problem
@every_family
def test_the_gap_is_what_the_m_step_gains_in_q(family, problem, hard):
    data = helpers.problem_of(problem, hard)
    for seed in range(3):
        mixture = helpers.random_mixture(seed, family, center=CENTER)
        evaluation = data.evaluate(data.enter(mixture))
        after = data.leave(evaluation.em_step)
        gain, q = gain_in_q(mixture, after, hard, **PROBLEMS[problem])
        np.testing.assert_allclose(evaluation.gap, gain, rtol=1e-10, atol=1e-12 * abs(q))


def gain_in_q(before, after, hard=False, **settings):
    q = helpers.expected_objective(X, before, before, hard, **settings)
    return helpers.expected_objective(X, after, before, hard, **settings) - q, q


@every_family
@pytest.mark.parametrize("fixed", [("weights",), ("means",), ("covariances",)])
def test_fixed_parts_stay_and_the_gap_leaves_them_out(family, fixed):
    data = helpers.problem_of("penalized", fixed=fixed)
    mixture = helpers.random_mixture(5, family, center=CENTER)
    evaluation = data.evaluate(data.enter(mixture))
    after = data.leave(evaluation.em_step)
    gain, q = gain_in_q(mixture, after, **PROBLEMS["penalized"])
    np.testing.assert_allclose(
        getattr(after, fixed[0]), getattr(mixture, fixed[0]), rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(evaluation.gap, gain, rtol=1e-10, atol=1e-12 * abs(q))
    assert evaluation.gap > 0


@pytest.mark.parametrize("family", ["full"])
def test_em_and_l_bfgs_end_together_with_fixed_parts(family):
    start, fixed = helpers.start_of(family), ("weights", "covariances")
    em, lbfgs = (
        jm.fit(X, start, METHODS[name].method, stop=jm.Stop(tol=1e-10), fixed=fixed)
        for name in ("em", "lbfgs")
    )
    np.testing.assert_allclose(em.objective, lbfgs.objective, atol=1e-8)
    np.testing.assert_allclose(em.mixture.weights, start.weights, rtol=1e-15)
    np.testing.assert_allclose(lbfgs.mixture.covariances, start.covariances, rtol=1e-15)
    assert em.num_parameters == 4


@every_family
@pytest.mark.parametrize("d", [1, 3])
def test_one_component_has_the_closed_form(family, d):
    x = np.random.default_rng(d).normal(size=(60, d)) * np.arange(1, d + 1) + 4.0
    mean, covariance = x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False, ddof=0))
    expected = {
        "full": covariance[None],
        "tied": covariance,
        "diag": np.diag(covariance)[None],
        "spherical": np.array([np.trace(covariance) / d]),
    }[family]
    start = helpers.random_mixture(1, family, k=1, d=d)
    fitted = jm.em_step(x, start)
    np.testing.assert_allclose(fitted.means[0], mean, rtol=1e-12)
    np.testing.assert_allclose(fitted.covariances, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fitted.weights, [1.0])
    assert_same_mixture(jm.em_step(x, fitted), fitted, tolerance=1e-12)


@every_family
@a_few_examples
@given(seed=SEEDS)
def test_the_lower_bound_touches_the_log_likelihood_at_the_e_step(family, seed):
    mixture = helpers.random_mixture(seed, family, center=CENTER)
    own, log_likelihood = jm.e_step(X, mixture)
    any_rows = np.random.default_rng(seed).dirichlet([0.3, 0.3], size=len(X))
    rounding = 1e-11 * abs(float(log_likelihood))
    assert jm.lower_bound(X, mixture, any_rows) <= log_likelihood + rounding
    np.testing.assert_allclose(jm.lower_bound(X, mixture, own), log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(log_likelihood, helpers.objective(X, mixture), rtol=1e-12)


@every_family
@a_few_examples
@given(seed=SEEDS)
def test_the_gap_is_between_zero_and_what_the_step_gains(family, seed):
    mixture = helpers.random_mixture(seed, family, center=CENTER)
    data = helpers.problem_of("plain")
    before = data.evaluate(data.enter(mixture))
    if data.is_degenerate(before.em_step, before.statistics[:, -1]):
        return  # a fit ends here, and takes no such step
    assert np.isfinite(before.gap)
    after = data.evaluate(before.em_step)
    rounding = 1e-12 * abs(float(before.objective))
    assert 0 <= before.gap <= after.objective - before.objective + rounding


@every_family
@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (2, 3)])
@a_few_examples
@given(seed=SEEDS)
def test_constrain_undoes_unconstrain(family, k, d, seed):
    mixture = helpers.random_mixture(seed, family, k, d)
    again = mixture.constrain(mixture.unconstrain())
    assert_same_mixture(mixture, again, tolerance=1e-14)
    for part in mixture.unconstrain():
        others = mixture.unconstrain(fixed=(part,))
        assert part not in others
        assert_same_mixture(mixture, mixture.constrain(others), tolerance=1e-14)


FREE_PARAMETERS = {
    "full": lambda k, d: k * d * (d + 1) // 2,
    "tied": lambda k, d: d * (d + 1) // 2,
    "diag": lambda k, d: k * d,
    "spherical": lambda k, d: k,
}


@every_family
@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 3), (3, 2)])
def test_parameters_are_counted_as_textbooks_do(family, k, d):
    expected = k - 1 + k * d + FREE_PARAMETERS[family](k, d)
    assert helpers.random_mixture(0, family, k, d).num_parameters == expected


@every_family
def test_log_prob_survives_far_and_overlapping_components(family):
    mixture = helpers.random_mixture(2, family, k=3, d=2)
    far = np.array([[1e3, -1e3], [0.0, 0.0]])
    oracle = logsumexp(helpers.joint(far, mixture), axis=1)
    np.testing.assert_allclose(mixture.log_prob(far), oracle, rtol=1e-12)
    np.testing.assert_allclose(mixture.responsibilities(far).sum(axis=1), 1, rtol=1e-14)


@every_family
def test_float32_data_stay_in_float32_and_near_the_float64_fit(family):
    result = short_fit("em", family, X.astype(np.float32))
    leaves = [leaf for leaf in jax.tree.leaves(result.state) if leaf.dtype.kind == "f"]
    assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float32)}
    assert result.mixture.means.dtype == np.float32
    assert_same_mixture(result.mixture, short_fit("em", family).mixture, tolerance=1e-4)


def test_float32_gradient_ascent_reaches_the_float64_optimum():
    settings = {"stop": jm.Stop(tol=1e-5)}
    start, method = helpers.start_of("spherical"), jm.GradientAscent(optax.lbfgs)
    result = jm.fit(X.astype(np.float32), start, method, **settings)
    assert result.outcome is Outcome.CONVERGED
    assert result.objective.dtype == np.float32
    best = helpers.fitted("lbfgs", "spherical").objective
    np.testing.assert_allclose(result.objective, best, atol=1e-3)
