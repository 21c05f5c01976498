"""Identities at any mixture, information by several routes, published standard errors and rates."""

import equinox as eqx
import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FRACTIONS, PRIOR, X

import jaxmix as jm
from jaxmix.inference import whitening

inference = jm.inference
CENTER = X.mean(axis=0)
COUNTS = np.random.default_rng(0).poisson(3.0, (80, 2)).astype(float)
CASES = {
    **{name: (helpers.random_mixture(3, name, center=CENTER), X) for name in helpers.FAMILIES},
    "poisson": (jm.poisson_mixture([0.3, 0.7], [[1.0, 2.0], [3.0, 4.0]]), COUNTS),
}
PENALIZED = {"ridge": 0.05, "prior": PRIOR, "sample_weights": FRACTIONS}
OF_LIKELIHOODS = ("fisher", "louis", "oakes", "responsibilities_gradient")
OF_STEPS = ("mirror_descent", "natural_gradient")


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        *((name, identity) for name in ("full", "poisson") for identity in OF_LIKELIHOODS),
        *((name, identity) for name in ("full", "tied", "poisson") for identity in OF_STEPS),
    ],
)
def test_an_identity_holds_at_any_mixture(name, identity):
    mixture, x = CASES[name]
    sides = getattr(inference, identity)(mixture, x)
    assert sides.difference <= 1e-13
    assert max(np.max(np.abs(leaf)) for leaf in jax.tree.leaves(sides.left)) > 1e-3


@pytest.mark.parametrize("identity", ["fisher", "louis", "oakes"])
def test_an_identity_holds_under_penalties_and_weights(identity):
    assert getattr(inference, identity)(*CASES["full"], **PENALIZED).difference <= 1e-13


def test_oakes_identity_holds_with_missing_entries():
    x = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    x = x[~np.isnan(x).all(axis=1)]
    assert inference.oakes(CASES["diag"][0], x, missing=True).difference <= 1e-12
    with pytest.raises(ValueError, match="oakes holds there too"):
        inference.louis(CASES["diag"][0], x, missing=True)


def four_columns(family, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, 4)) * rng.uniform(0.5, 3, 4) + 4 * rng.integers(0, 2, (120, 1))
    return helpers.random_mixture(seed, family, k=3, d=4, center=2.0), x


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", helpers.FAMILIES)
def test_em_is_a_gradient_step_with_xu_and_jordans_matrices(family, seed):
    mixture, x = four_columns(family, seed)
    assert inference.em_preconditioner(mixture, x).difference <= 1e-12


def test_about_the_new_means_xu_and_jordan_s_matrix_is_off_for_covariances_alone():
    mixture, x = four_columns("full", seed=0)
    new = inference.em_preconditioner(mixture, x, mean="new")
    assert new.difference > 1e-3
    for part in ("weights", "means"):
        np.testing.assert_allclose(new.left[part], new.right[part], rtol=1e-8, atol=1e-10)


def test_xu_and_jordans_matrices_are_for_gaussians():
    with pytest.raises(TypeError, match="natural_gradient says the same of any"):
        inference.em_preconditioner(*CASES["poisson"])
    with pytest.raises(ValueError, match="mean"):
        inference.em_preconditioner(*CASES["full"], mean="older")


@pytest.mark.parametrize("name", ["full", "poisson"])
def test_information_is_a_difference_quotient_of_gradients(name):
    mixture, x = CASES[name]
    posed = inference.posing.pose(mixture, x)
    slope = jax.jit(jax.grad(lambda v: jnp.sum(posed.user_mixture(v).log_prob(x))))
    step = 1e-5
    quotient = [
        (slope(posed.vector - step * unit) - slope(posed.vector + step * unit)) / (2 * step)
        for unit in np.eye(posed.free.size)
    ]
    exact = inference.information(mixture, x)
    np.testing.assert_allclose(exact, quotient, rtol=1e-5, atol=1e-5 * np.abs(exact).max())
    parts = [inference.information(mixture, x, kind) for kind in ("complete", "missing")]
    np.testing.assert_allclose(parts[0] - parts[1], exact, rtol=1e-12, atol=1e-9)


@pytest.fixture(scope="module")
def waiting():
    """Old Faithful's waiting times, two components of one variance, at the optimum."""
    x = jm.data.load("faithful").x[:, 1]
    start = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")
    return x, jm.fit(x, start, stop=jm.Stop(tol=1e-18)).mixture


@pytest.fixture(scope="module")
def deaths():
    """Hasselblad's counts of deaths, two Poisson components, at the optimum."""
    table = jm.data.load("hasselblad")
    start = jm.poisson_mixture([0.3, 0.7], [1.0, 2.5])
    options = {"sample_weights": table.sample_weights}
    stop = jm.Stop("parameters", 1e-13, max_steps=20_000)
    return table.x, jm.fit(table.x, start, stop=stop, **options).mixture, options


def routes(mixture, x, options):
    """Observed information in free coordinates, by three routes."""
    complete = inference.information(mixture, x, "complete", **options)
    jacobian = inference.em_jacobian(mixture, x, **options)
    return (
        inference.information(mixture, x, **options),
        inference.louis(mixture, x, **options).right,
        inference.oakes(mixture, x, **options).right,
        complete @ (np.eye(len(complete)) - jacobian),
    )


def test_published_rate_and_standard_errors_of_waiting_times(waiting):
    x, mixture = waiting
    errors = inference.standard_errors(mixture, x)
    assert inference.em_rate(mixture, x) == pytest.approx(0.29180512, abs=5e-9)
    np.testing.assert_allclose(errors.weights, [0.0301246] * 2, atol=5e-8)
    np.testing.assert_allclose(errors.means.ravel(), [0.6460892, 0.4763245], atol=5e-8)
    np.testing.assert_allclose(errors.covariances, [[3.1802482]], atol=5e-8)
    first, *others = routes(mixture, x, {})
    for one in others:
        np.testing.assert_allclose(one, first, rtol=1e-8, atol=1e-8)


def test_published_rate_and_standard_errors_of_deaths(deaths):
    x, mixture, options = deaths
    errors = inference.standard_errors(mixture, x, **options)
    assert inference.em_rate(mixture, x, **options) == pytest.approx(0.995666223, abs=5e-10)
    np.testing.assert_allclose(errors.weights, [0.1946842987] * 2, rtol=5e-7)
    np.testing.assert_allclose(errors.rates.ravel(), [0.3500297114, 0.2504782703], rtol=5e-7)
    first, *others = routes(mixture, x, options)
    variances = np.diagonal(np.linalg.inv(first))
    for one in others:
        np.testing.assert_allclose(np.diagonal(np.linalg.inv(one)), variances, rtol=1e-8)


def test_rates_are_the_eigenvalues_of_the_jacobian(waiting):
    x, mixture = waiting
    eigenvalues = np.sort(np.linalg.eigvals(inference.em_jacobian(mixture, x)).real)
    shares = inference.standard_errors(mixture, x).shares
    np.testing.assert_allclose(np.sort(1 - shares), eigenvalues, atol=1e-10)
    fractions = inference.missing_information(mixture, x)
    for part in ("weights", "means", "covariances"):
        assert np.all((fractions[part] > 0) & (fractions[part] <= eigenvalues[-1]))


@pytest.mark.parametrize(
    "options", [{"fixed": ("weights",)}, {"prior": jm.Prior(weight_concentration=90.0)}]
)
def test_rates_know_what_holds_the_weights(options, waiting):
    x, start = waiting
    start = eqx.tree_at(lambda one: one.log_weights, start, jnp.log(jnp.array([0.5, 0.5])))
    mixture = jm.fit(x, start, stop=jm.Stop(tol=1e-18), **options).mixture
    jacobian = inference.em_jacobian(mixture, x, **options)
    rate = np.max(np.linalg.eigvals(jacobian).real)
    assert inference.em_rate(mixture, x, **options) == pytest.approx(rate, abs=1e-9)


def test_products_alone_say_what_matrices_say(deaths, monkeypatch):
    x, mixture, options = deaths
    dense = inference.standard_errors(mixture, x, **options)
    rate = inference.em_rate(mixture, x, **options)
    left = inference.newton_decrement(mixture, x, **options)
    monkeypatch.setattr(whitening, "DENSE", 0)
    monkeypatch.setattr(inference.uncertainty, "DENSE", 0)
    products = inference.standard_errors(mixture, x, **options)
    np.testing.assert_allclose(products.weights, dense.weights, rtol=1e-8)
    np.testing.assert_allclose(products.rates, dense.rates, rtol=1e-8)
    assert inference.em_rate(mixture, x, **options) == pytest.approx(rate, abs=1e-10)
    assert inference.newton_decrement(mixture, x, **options) == pytest.approx(left, abs=1e-12)


def test_the_newton_decrement_is_what_is_left_to_gain(waiting):
    x, mixture = waiting
    start = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")
    near = jm.fit(x, start, stop=jm.Stop(max_steps=6))
    best = float(jm.log_likelihood(mixture, x))
    left = best - float(near.log_likelihood)
    assert inference.newton_decrement(near.mixture, x) == pytest.approx(left, rel=1e-2)
    equal = jm.gaussian_mixture([0.5, 0.5], [[x.mean()]] * 2, [[x.var()]], family="tied")
    assert inference.newton_decrement(equal, x) == np.inf


def test_singular_information_is_reported_and_not_inverted(waiting):
    x = waiting[0]
    twice = jm.gaussian_mixture([0.4, 0.6], [[x.mean()]] * 2, [[x.var()]], family="tied")
    with pytest.warns(UserWarning, match="no maximum|singular"):
        errors = inference.standard_errors(twice, x)
    assert errors.singular
    assert np.all(np.isinf(errors.weights))
    assert np.all(np.isinf(errors.means))


def test_gaussians_far_apart_have_textbook_errors():
    labels = np.arange(len(X)) % 4 // 3
    x = X + 100.0 * labels[:, None]
    errors = inference.standard_errors(jm.maximum_likelihood(x, labels), x)
    assert not errors.singular
    np.testing.assert_allclose(errors.weights, np.sqrt(0.25 * 0.75 / len(x)), rtol=1e-9)
    for component in range(2):
        own = x[labels == component]
        covariance, correlation = np.cov(own.T, bias=True), np.corrcoef(own.T)[0, 1]
        variances = np.diag(covariance)
        np.testing.assert_allclose(errors.means[component] ** 2, variances / len(own), rtol=1e-9)
        wishart = (np.outer(variances, variances) + covariance**2) / len(own)
        np.testing.assert_allclose(errors.covariances[component] ** 2, wishart, rtol=1e-9)
        expected = (1 - correlation**2) / np.sqrt(len(own))
        correlations = errors.correlations[component]
        np.testing.assert_allclose(correlations[0, 1], expected, rtol=1e-9)
        np.testing.assert_allclose(correlations[0, 0], 0.0, atol=1e-9)


def test_fixed_parts_have_no_error(waiting):
    x, mixture = waiting
    errors = inference.standard_errors(mixture, x, fixed=("weights",))
    np.testing.assert_array_equal(errors.weights, 0.0)
    assert np.all(errors.means < inference.standard_errors(mixture, x).means)


def test_rates_away_from_an_optimum_come_with_a_warning(waiting):
    x = waiting[0]
    with pytest.warns(UserWarning, match="rates belong to an optimum"):
        inference.em_rate(jm.initialize(x, 2, family="tied"), x)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m, x: inference.information(m, x, "fisher"), "kind of information"),
        (lambda m, x: inference.standard_errors(m, x, "robust"), "kind of standard errors"),
        (lambda m, x: inference.standard_errors(jm.poisson_mixture([1.0], [0.0]), [0.0, 0.0]),
         "boundary"),
        (lambda m, x: inference.predict_steps(m, m.take([0]), x), "family and size"),
        (lambda m, x: inference.predict_steps(m, m, x, tol=-1.0), "at least 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_said(call, error, waiting):
    x, mixture = waiting
    with pytest.raises(ValueError, match=error):
        call(mixture, x)
