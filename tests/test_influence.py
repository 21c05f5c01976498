"""Influence against refits, deletion against refits, the jackknife against the sandwich."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxmix as jm

COUNTS = np.concatenate([np.arange(6.0), 7.0 + np.arange(6.0)])
STEP = 1e-4
UPPER = (slice(None), [0, 0, 1], [0, 1, 1])


@pytest.fixture(scope="module")
def faithful():
    x = jm.data.load("faithful").x
    start = jm.gaussian_mixture([0.4, 0.6], [[2.0, 55.0], [4.3, 80.0]], [np.diag([0.1, 30.0])] * 2)
    return x, jm.fit(x, start, stop=jm.Stop(tol=1e-24)).mixture


@pytest.fixture(scope="module")
def refits(faithful):
    """Parameters [n 11] without each row, and with its weight a little more and less than 1."""
    x, mixture = faithful
    unit = np.eye(len(x))
    stop = jm.Stop(tol=1e-26, max_steps=200)

    @jax.jit
    @jax.vmap
    def refit(sample_weights):
        return vector(jm.fit(x, mixture, stop=stop, sample_weights=sample_weights).mixture)

    weights = np.concatenate([1 - unit, 1 + STEP * unit, 1 - STEP * unit])
    return np.split(np.asarray(refit(weights)), 3)


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
    actual = np.asarray(jax.vmap(vector)(found))
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


def test_the_infinitesimal_jackknife_is_the_sandwich(faithful):
    x, mixture = faithful
    jackknife = jm.inference.infinitesimal_jackknife(mixture, x)
    sandwich = jm.inference.standard_errors(mixture, x, kind="sandwich")
    np.testing.assert_allclose(jackknife.means, sandwich.means, rtol=1e-10)
    np.testing.assert_allclose(jackknife.correlations, sandwich.correlations, rtol=1e-10)


def test_a_prior_about_the_mean_of_the_data_moves_with_the_weights():
    start, weights = jm.poisson_mixture([0.3, 0.7], [2.0, 9.0]), np.linspace(0.5, 1.5, len(COUNTS))
    prior, unit = jm.Prior(mean_strength=3.0), 1e-3 * np.eye(len(COUNTS))

    @jax.jit
    @jax.vmap
    def refit(sample_weights):
        stop = jm.Stop(tol=1e-26, max_steps=1000)
        return jm.fit(COUNTS, start, stop=stop, prior=prior, sample_weights=sample_weights).mixture

    mixtures = refit(np.concatenate([weights[None], weights + unit, weights - unit]))
    rates = mixtures.rates[1:].reshape(2, len(COUNTS), 2, 1)
    mixture = jax.tree.map(lambda leaf: leaf[0], mixtures)
    found = jm.inference.influence(mixture, COUNTS, sample_weights=weights, prior=prior)
    np.testing.assert_allclose(found.rates, (rates[0] - rates[1]) / 2e-3, rtol=1e-5)


def test_leaving_out_a_row_of_one_component_is_exact():
    left_out = jm.inference.leave_one_out(jm.poisson_mixture([1.0], [COUNTS.mean()]), COUNTS)
    rest = (COUNTS.sum() - COUNTS) / (len(COUNTS) - 1)
    np.testing.assert_allclose(left_out.mixtures.rates[:, 0, 0], rest, rtol=1e-12)
    difference = left_out.log_densities - stats.poisson.logpmf(COUNTS, rest)
    np.testing.assert_allclose(difference, 0, atol=1e-11)


def test_singular_information_is_said():
    x = jm.data.load("faithful").x[:, 1]
    twice = jm.gaussian_mixture([0.5, 0.5], [[70.9], [70.9]], [[184.1]], family="tied")
    with pytest.warns(UserWarning, match="no maximum|singular"):
        jm.inference.influence(twice, x)
