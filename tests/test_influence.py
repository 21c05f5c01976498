"""Influence against refits, deletion against refits, the jackknife against the sandwich."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxmix as jm

COUNTS = np.concatenate([np.arange(6.0), 7.0 + np.arange(6.0)])
STEP = 1e-4
SOME = slice(None, None, 8)
UPPER = (slice(None), [0, 0, 1], [0, 1, 1])


@pytest.fixture(scope="module")
def faithful():
    x = jm.data.load("faithful").x
    start = jm.gaussian_mixture([0.4, 0.6], [[2.0, 55.0], [4.3, 80.0]], [np.diag([0.1, 30.0])] * 2)
    return x, jm.fit(x, start, stop=jm.Stop(tol=1e-24)).mixture


@pytest.fixture(scope="module")
def refits(faithful):
    """Parameters [n 11] without each row; for SOME, with a little more and less weight."""
    x, mixture = faithful
    unit, some = np.eye(len(x)), np.eye(len(x))[SOME]
    stop = jm.Stop(tol=1e-26, max_steps=200)

    @jax.jit
    @jax.vmap
    def refit(sample_weights):
        return vector(jm.fit(x, mixture, stop=stop, sample_weights=sample_weights).mixture)

    weights = np.concatenate([1 - unit, 1 + STEP * some, 1 - STEP * some])
    return np.split(np.asarray(refit(weights)), [len(unit), len(unit) + len(some)])


def vector(mixture):
    covariances = mixture.covariances[UPPER]
    return jnp.concatenate([mixture.weights[:1], mixture.means.ravel(), covariances.ravel()])


def log_density(parameters, row):
    """Of two full Gaussians in two columns, by SciPy."""
    weight, means, packed = parameters[0], parameters[1:5].reshape(2, 2), parameters[5:]
    matrices = [np.array([[a, b], [b, c]]) for a, b, c in packed.reshape(2, 3)]
    first, second = (stats.multivariate_normal(m, c).logpdf(row) for m, c in zip(means, matrices))
    return np.logaddexp(np.log(weight) + first, np.log1p(-weight) + second)


def test_influence_is_the_derivative_of_the_refit(faithful, refits):
    found = jm.inference.influence(faithful[1], faithful[0])
    _, more, less = refits
    expected = (more - less) / (2 * STEP)
    actual = np.asarray(jax.vmap(vector)(found))[SOME]
    errors = np.linalg.norm(actual - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert errors.max() <= 1e-6
    assert np.sum(found.leverage) == pytest.approx(11, rel=0.1)


def test_influence_and_leave_one_out_are_close_to_deletion(faithful, refits):
    x, mixture = faithful
    whole = np.asarray(vector(mixture))
    deleted = refits[0] - whole
    influence = jm.inference.influence(mixture, x)
    left_out = jm.inference.leave_one_out(mixture, x)
    first_order = -np.asarray(jax.vmap(vector)(influence))
    newton = np.asarray(jax.vmap(vector)(left_out.mixtures)) - whole
    for moves, median, largest in ((first_order, 1e-2, 0.3), (newton, 2e-3, 0.3)):
        errors = np.linalg.norm(moves - deleted, axis=1) / np.linalg.norm(deleted, axis=1)
        assert np.median(errors) <= median
        assert errors.max() <= largest
        scales = deleted.std(axis=0)
        assert np.corrcoef((moves / scales).ravel(), (deleted / scales).ravel())[0, 1] >= 0.999

    fitted = np.array([log_density(whole, row) for row in x])
    exact = np.array([log_density(one, row) for one, row in zip(refits[0], x)])
    np.testing.assert_allclose(left_out.fitted, fitted, rtol=1e-10)
    assert left_out.correction / np.sum(fitted - exact) == pytest.approx(1, abs=0.02)
    assert left_out.log_likelihood == pytest.approx(exact.sum(), abs=0.2)


def test_leaving_out_knows_no_units(faithful):
    x, mixture = faithful
    scaled = jm.inference.leave_one_out(mixture.affine(1e80, np.zeros(2)), 1e80 * x)
    expected = float(jm.inference.leave_one_out(mixture, x).correction)
    assert scaled.correction == pytest.approx(expected, rel=1e-6)


def test_the_infinitesimal_jackknife_is_the_sandwich(faithful):
    x, mixture = faithful
    jackknife = jm.inference.infinitesimal_jackknife(mixture, x)
    sandwich = jm.inference.standard_errors(mixture, x, kind="sandwich")
    np.testing.assert_allclose(jackknife.means, sandwich.means, rtol=1e-10)
    np.testing.assert_allclose(jackknife.correlations, sandwich.correlations, rtol=1e-10)


def test_gaps_and_a_prior_about_their_mean_move_with_the_weights():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 2)) + 5.0 * (np.arange(24) % 2)[:, None]
    x[:6, 0] = x[4:9, 1] = np.nan
    x = x[~np.isnan(x).all(axis=1)]
    weights, unit = np.linspace(0.5, 1.5, len(x)), np.eye(len(x))
    start = jm.gaussian_mixture([0.5, 0.5], [[0.0, 0.0], [5.0, 5.0]], 1.0, family="diag")
    options = {"missing": True, "prior": jm.Prior(mean_strength=3.0)}

    @jax.jit
    @jax.vmap
    def refit(sample_weights):
        stop = jm.Stop(tol=1e-26, max_steps=300)
        return jm.fit(x, start, stop=stop, sample_weights=sample_weights, **options).mixture

    steps = [np.zeros_like(weights)[None], STEP * unit, -STEP * unit, -weights * unit]
    mixtures = refit(weights + np.concatenate(steps))
    mixture = jax.tree.map(lambda leaf: leaf[0], mixtures)
    more, less, without = mixtures.means[1:].reshape(3, len(x), 2, 2)
    found = jm.inference.influence(mixture, x, sample_weights=weights, **options)
    np.testing.assert_allclose(found.means, (more - less) / (2 * STEP), rtol=1e-5, atol=1e-7)
    left_out = jm.inference.leave_one_out(mixture, x, sample_weights=weights, **options)
    moved, expected = left_out.mixtures.means - mixture.means, without - mixture.means
    errors = [
        np.linalg.norm(one) / np.linalg.norm(two) for one, two in zip(moved - expected, expected)
    ]
    assert np.median(errors) <= 0.03


def test_leaving_out_a_row_of_one_component_is_exact():
    left_out = jm.inference.leave_one_out(jm.poisson_mixture([1.0], [COUNTS.mean()]), COUNTS)
    rest = (COUNTS.sum() - COUNTS) / (len(COUNTS) - 1)
    np.testing.assert_allclose(left_out.mixtures.rates[:, 0, 0], rest, rtol=1e-12)
    difference = left_out.log_densities - stats.poisson.logpmf(COUNTS, rest)
    np.testing.assert_allclose(difference, 0, atol=1e-11)


def test_singular_information_is_said(faithful):
    x = faithful[0]
    twice = jm.gaussian_mixture([0.5, 0.5], [x.mean(axis=0)] * 2, [np.cov(x.T)] * 2)
    with pytest.warns(UserWarning, match="no maximum|singular"):
        jm.inference.influence(twice, x)
