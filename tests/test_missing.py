"""Missing entries: the likelihood of what is observed, its statistics, and what fills the gaps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from helpers import FAMILIES, compiled_problem, random_mixture
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import jaxmix as jm
from jaxmix.completion import observed_responsibilities
from jaxmix.inputs import as_incomplete

NAN = float("nan")
IRIS = jm.data.load("iris").x


def with_gaps(x, share, seed):
    """Entries left out at random, but one of every row."""
    rng = np.random.default_rng(seed)
    missing = rng.random(x.shape) < share
    missing[np.arange(len(x)), rng.integers(x.shape[1], size=len(x))] = False
    return np.where(missing, NAN, x)


CENTER = [5.0, 0.0, -5.0]
X = with_gaps(np.random.default_rng(0).normal(CENTER, size=(40, 3)), 0.4, seed=1)
WEIGHTS = np.random.default_rng(2).uniform(0.5, 2.0, 40)


def marginals(mixture, row):
    """Textbook: log w_k + log N(observed entries) and each component's completion of a row."""
    seen = ~np.isnan(row)
    logits, completions = [], []
    for weight, mean, matrix in zip(
        np.asarray(mixture.weights), np.asarray(mixture.means), np.asarray(mixture.family.matrices)
    ):
        within = matrix[np.ix_(seen, seen)]
        centered = row[seen] - mean[seen]
        logits.append(np.log(weight) + multivariate_normal(mean[seen], within).logpdf(row[seen]))
        filled = mean + matrix[:, seen] @ np.linalg.solve(within, centered)
        completions.append(np.where(seen, row, filled))
    return np.array(logits), np.array(completions)


def brute_force(mixture, x, weights=None):
    weights = np.ones(len(x)) if weights is None else weights
    return sum(w * logsumexp(marginals(mixture, row)[0]) for w, row in zip(weights, x))


def test_a_traced_fit_takes_gaps_too():
    start, stop = random_mixture(0, "diag", d=3, center=CENTER), jm.Stop(max_steps=3)

    @jax.jit
    def means(weights):
        fit = jm.fit(X, start, stop=stop, sample_weights=weights, missing=True)
        return fit.mixture.means

    alone = jm.fit(X, start, stop=stop, sample_weights=WEIGHTS, missing=True)
    np.testing.assert_allclose(means(WEIGHTS), alone.mixture.means, rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_likelihood_and_statistics_of_what_is_observed(family):
    mixture = random_mixture(0, family, d=3, center=CENTER)
    problem = compiled_problem(X, WEIGHTS, None, 0.0, rows=16, missing=True)
    by_steps = problem.evaluate(problem.enter(mixture))
    assert by_steps.objective == pytest.approx(brute_force(mixture, X, WEIGHTS), rel=1e-11)
    by_autodiff = problem.evaluate(problem.enter(mixture), "autodiff")
    np.testing.assert_allclose(by_steps.statistics, by_autodiff.statistics, rtol=1e-8, atol=1e-10)
    after = problem.leave(by_steps.em_step)
    rise = brute_force(after, X, WEIGHTS) - brute_force(mixture, X, WEIGHTS)
    assert rise >= by_steps.gap > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_missing_is_plain_em(family):
    x = np.nan_to_num(X, nan=1.0)
    mixture = random_mixture(1, family, d=3)
    complete = compiled_problem(x, WEIGHTS, None, 0.0, rows=16)
    opted_in = compiled_problem(x, WEIGHTS, None, 0.0, rows=16, missing=True)
    one, other = (problem.evaluate(problem.enter(mixture)) for problem in (complete, opted_in))
    np.testing.assert_allclose(opted_in.pooled, complete.pooled, rtol=1e-12)
    assert one.objective == pytest.approx(float(other.objective), rel=1e-13)
    np.testing.assert_allclose(one.statistics, other.statistics, rtol=1e-12, atol=1e-12)
    assert one.gap == pytest.approx(float(other.gap), rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_gaps_are_filled_by_conditional_expectations(family):
    mixture = random_mixture(2, family, d=3, center=CENTER)
    filled = np.asarray(mixture.complete(X))
    for row, values in zip(X, filled):
        logits, completions = marginals(mixture, row)
        expected = np.exp(logits - logsumexp(logits)) @ completions
        np.testing.assert_allclose(values, expected, rtol=1e-9)
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])


def test_rows_belong_to_components_by_what_is_observed():
    mixture = random_mixture(2, "diag", d=3, center=CENTER)
    logits = np.array([marginals(mixture, row)[0] for row in X])
    expected = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    shares = observed_responsibilities(mixture, jnp.asarray(X))
    np.testing.assert_allclose(shares, expected, rtol=1e-9)


def test_iris_with_a_fifth_of_its_entries_missing():
    errors = []
    for seed in range(10):
        x = with_gaps(IRIS, 0.2, seed)
        gaps = np.isnan(x)
        result = jm.fit(x, jm.initialize(x, 2, missing=True), missing=True)
        assert result.outcome.name == "CONVERGED"
        assert np.all(np.diff(result.history) >= -1e-9)
        if seed == 0:
            by_scipy = brute_force(result.mixture, x)
            assert result.log_likelihood == pytest.approx(by_scipy, rel=1e-10)
        filled = np.asarray(result.mixture.complete(x))
        by_means = np.where(gaps, np.nanmean(x, axis=0), x)
        squares = [np.mean((guess - IRIS)[gaps] ** 2) for guess in (filled, by_means)]
        errors.append(np.sqrt(squares[0] / squares[1]))
    assert max(errors) <= 0.55
    assert np.median(errors) <= 0.45


def test_gradient_methods_climb_the_same_objective():
    x = with_gaps(jm.data.load("faithful").x, 0.2, seed=0)
    x = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)
    by_em = jm.fit_restarts(x, 2, family="diag", num_starts=2, missing=True).best
    start = jm.initialize(x, 2, "diag", missing=True)
    by_lbfgs = jm.fit(x, start, jm.GradientAscent(optax.lbfgs), missing=True)
    assert by_lbfgs.objective == pytest.approx(float(by_em.objective), abs=1e-6)


def test_missing_entries_of_any_kind():
    frame = pd.DataFrame({"a": [1.0, None], "b": pd.array([None, 2], dtype="Int64")})
    for x in (frame, [[1.0, None], [NAN, 2]], np.array([[1, np.nan], [np.nan, 2]])):
        np.testing.assert_array_equal(as_incomplete(x)[0], [[1.0, NAN], [NAN, 2.0]])


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([[1.0, 2.0], [NAN, NAN]], "row 1 of x has no observed entry"),
        ([[1.0, NAN], [2.0, NAN]], "column 'x2' of x has no observed entry"),
        ([[1.0, float("inf")], [2.0, NAN]], "inf"),
        ([["a", None], [2.0, 1.0]], "text"),
        (np.array([[2**60, None], [2, 1]], dtype=object), "integer above"),
    ],
)
def test_what_no_mixture_can_use(x, said):
    with pytest.raises(ValueError, match=said):
        jm.initialize(x, 1, missing=True)
    if "column" not in said:
        with pytest.raises(ValueError, match=said):
            jm.gaussian_mixture([1.0], [[0.0, 0.0]], 1.0).complete(x)


def test_without_consent_nan_is_an_error():
    with pytest.raises(ValueError, match="missing=True"):
        jm.fit(X, random_mixture(0, "diag", d=3))


def test_rows_without_weight_observe_nothing():
    x, weights = [[1.0, 2.0], [3.0, NAN], [4.0, NAN]], [0.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="column 'x2' of x has no observed entry"):
        jm.initialize(x, 1, "diag", sample_weights=weights, missing=True)
    start = jm.gaussian_mixture([1.0], [[0.0, 0.0]], 1.0, "diag")
    with pytest.raises(ValueError, match="column 'x2' of x has no observed entry"):
        jm.fit(x, start, sample_weights=weights, missing=True, ridge=0.1)


def test_gaps_are_filled_under_jit():
    mixture = random_mixture(2, "diag", d=3, center=CENTER)
    filled = jax.jit(lambda x: mixture.complete(x))(X)
    np.testing.assert_allclose(filled, mixture.complete(X), rtol=1e-12)


@pytest.mark.parametrize("family", ["full", "diag"])
def test_gaps_are_filled_far_from_other_components(family):
    means = [[0.0, 0.0], [1e8, 1e8], [1e8 + 1, 1e8 + 1]]
    mixture = jm.gaussian_mixture([0.4, 0.3, 0.3], means, 0.25, family)
    ratio = np.exp((0.2**2 - 0.8**2) / 0.5)
    filled = mixture.complete([[1e8 + 0.2, NAN]])[0, 1] - 1e8
    assert filled == pytest.approx(ratio / (1 + ratio), abs=1e-6)


def test_equal_rows_with_gaps_have_no_variance():
    start = jm.gaussian_mixture([1.0], [[0.0, 0.0]], 1.0, "spherical")
    with pytest.raises(ValueError, match="all rows are equal"):
        jm.fit([[1.0, NAN], [NAN, 2.0], [1.0, 2.0]], start, missing=True)
