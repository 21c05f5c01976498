"""Marginals, conditionals and moments against SciPy, textbook formulas and least squares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES, covariance_matrices, random_mixture
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import jaxmix as jm

CENTER = [5.0, 0.0, -5.0]
IRIS = jm.data.load("iris").x
COLUMNS, REST = (2, 0), [1]


def log_density(x, weights, means, matrices):
    """Textbook: the log-density of one row under a mixture of these parts."""
    terms = [
        np.log(weight) + multivariate_normal(mean, matrix).logpdf(x)
        for weight, mean, matrix in zip(weights, means, matrices, strict=True)
    ]
    return logsumexp(terms)


def parts(mixture):
    return np.asarray(mixture.weights), np.asarray(mixture.means), covariance_matrices(mixture)


@pytest.mark.parametrize("family", FAMILIES)
def test_marginals_leave_columns_out(family):
    mixture = random_mixture(0, family, k=2, d=3, center=CENTER)
    chosen, (weights, means, matrices) = list(COLUMNS), parts(mixture)
    of_two = mixture.marginal([-1, 0])
    assert of_two.family.name == family
    expected = weights, means[:, chosen], matrices[:, chosen][:, :, chosen]
    for part, textbook in zip(parts(of_two), expected, strict=True):
        np.testing.assert_allclose(part, textbook, rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_conditionals_are_joint_over_marginal(family):
    mixture = random_mixture(3, family, k=2, d=3, center=CENTER)
    chosen, (weights, means, matrices) = list(COLUMNS), parts(mixture)
    row = np.random.default_rng(2).normal(CENTER, 2.0)
    given = mixture.condition(COLUMNS, row[chosen])
    assert given.family.name == family
    assert given.covariances.shape == given.family.structure.expected_shape(2, 1)
    marginal = weights, means[:, chosen], matrices[:, chosen][:, :, chosen]
    ratio = log_density(row, weights, means, matrices) - log_density(row[chosen], *marginal)
    assert log_density(row[REST], *parts(given)) == pytest.approx(ratio, rel=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_conditional_moments_are_the_textbooks(family):
    mixture = random_mixture(4, family, k=2, d=3, center=CENTER)
    known = np.random.default_rng(5).normal([-5.0, 5.0], 2.0, size=(4, 2))
    chosen, logits, centers, spreads = list(COLUMNS), [], [], []
    for weight, mean, matrix in zip(*parts(mixture), strict=True):
        within, across = matrix[np.ix_(chosen, chosen)], matrix[np.ix_(REST, chosen)]
        slopes = across @ np.linalg.inv(within)
        logits.append(np.log(weight) + multivariate_normal(mean[chosen], within).logpdf(known))
        centers.append(mean[REST] + (known - mean[chosen]) @ slopes.T)
        spreads.append(matrix[np.ix_(REST, REST)] - slopes @ across.T)
    posterior, centers = np.exp(logits - logsumexp(logits, axis=0)), np.array(centers)
    expected = np.einsum("km,kmr->mr", posterior, centers)
    between = np.einsum("kmi,kmj->kmij", centers - expected, centers - expected)
    spread = np.einsum("km,kmij->mij", posterior, np.array(spreads)[:, None] + between)
    stacked = mixture.condition(COLUMNS, known)
    np.testing.assert_allclose(stacked.weights.T, posterior, rtol=1e-9)
    np.testing.assert_allclose(stacked.means.swapaxes(0, 1), centers, rtol=1e-9)
    np.testing.assert_allclose(stacked.mean, expected, rtol=1e-9)
    np.testing.assert_allclose(stacked.covariance, spread, rtol=1e-9)
    if family in ("full", "diag"):
        gaps = np.column_stack([known[:, 1], np.full(4, np.nan), known[:, 0]])
        np.testing.assert_allclose(mixture.complete(gaps)[:, REST], expected, rtol=1e-9)


def test_the_mean_given_columns_of_one_component_is_least_squares():
    mixture = jm.gaussian_mixture([1.0], [IRIS.mean(axis=0)], [np.cov(IRIS.T, bias=True)])
    design = np.column_stack([np.ones(len(IRIS)), IRIS[:, [0, 3]]])
    fitted = design @ np.linalg.lstsq(design, IRIS[:, [1, 2]], rcond=None)[0]
    np.testing.assert_allclose(mixture.condition([0, 3], IRIS[:, [0, 3]]).mean, fitted, rtol=1e-9)


def test_moments_of_the_whole_are_those_of_all_classes_together():
    classes = [IRIS[:40], IRIS[40:90], IRIS[90:]]
    mixture = jm.gaussian_mixture(
        [len(rows) / len(IRIS) for rows in classes],
        [rows.mean(axis=0) for rows in classes],
        [np.cov(rows.T, bias=True) for rows in classes],
    )
    np.testing.assert_allclose(mixture.mean, IRIS.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mixture.covariance, np.cov(IRIS.T, bias=True), rtol=1e-10)


def test_conditionals_differentiate_and_map():
    mixture = random_mixture(6, "full", k=2, d=3)

    def predicted(values):
        return mixture.condition(COLUMNS, values).mean[0]

    at, step = jnp.array([0.3, -0.2]), 1e-5
    differences = [
        (predicted(at + step * unit) - predicted(at - step * unit)) / (2 * step)
        for unit in np.eye(2)
    ]
    np.testing.assert_allclose(jax.jit(jax.grad(predicted))(at), differences, rtol=1e-7)
    rows = jnp.stack([at, -at])
    mapped = jax.vmap(predicted)(rows)
    np.testing.assert_allclose(mapped, mixture.condition(COLUMNS, rows).mean[:, 0], rtol=1e-12)


def test_conditionals_differentiate_in_the_parameters():
    mixture, at, step = random_mixture(6, "full", k=2, d=3), jnp.array([0.3, -0.2]), 1e-5

    def spread(root):
        structure = jm.families.STRUCTURES["full"](root * mixture.family.structure.factors)
        family = jm.families.Gaussian(mixture.means, structure)
        return jnp.sum(jm.Mixture(mixture.log_weights, family).condition(COLUMNS, at).covariance)

    slope = (spread(1 + step) - spread(1 - step)) / (2 * step)
    assert jax.grad(spread)(1.0) == pytest.approx(float(slope), rel=1e-7)


def test_digits_survive_columns_that_nearly_determine_each_other():
    noise = 1e-6
    root = np.array([[1.0, 0.0], [1.0, noise]])
    structure = jm.families.Gaussian(
        jnp.zeros((1, 2)), jm.families.STRUCTURES["full"](jnp.asarray(root)[None])
    )
    given = jm.Mixture(jnp.zeros(1), structure).condition([0], [3.0])
    assert given.covariances[0, 0, 0] == pytest.approx(noise**2, rel=1e-9)
    assert given.mean[0] == pytest.approx(3.0, rel=1e-12)


def test_uncertainty_of_the_component():
    means = [[0.0, 0.0], [4.0, 0.0]]
    mixture = jm.gaussian_mixture([0.5, 0.5], means, 1.0, "spherical")
    rows = [[2.0, 9.0], [1.0, 3.0], [-1e6, 0.0]]
    shares = np.asarray(mixture.responsibilities(rows))
    known = -np.sum(shares[:2] * np.log(shares[:2]), axis=1)
    assert shares[2, 1] == 0
    entropies = mixture.posterior_entropy(rows)
    np.testing.assert_allclose(entropies, [*known, 0.0], rtol=1e-10)
    assert entropies[0] == pytest.approx(np.log(2))
    slopes = jax.jit(jax.grad(lambda x: jnp.sum(mixture.posterior_entropy(x))))(jnp.array(rows))
    np.testing.assert_allclose(slopes[jnp.array([0, 2])], 0.0, atol=1e-12)
    assert slopes[1, 0] > 0
    only = jm.Mixture(jnp.array([-jnp.inf, 0.0]), mixture.family)
    np.testing.assert_array_equal(only.posterior_entropy(rows), 0.0)


FAR = [1e200, 0.0, 0.0]

MISTAKES = {
    "none": (lambda m: m.marginal([]), ValueError, "at least one"),
    "twice": (lambda m: m.marginal([0, -3]), ValueError, "once"),
    "out of range": (lambda m: m.marginal([3]), ValueError, "columns 0 to 2"),
    "far negative": (lambda m: m.condition([-4], [1.0]), ValueError, "columns 0 to 2"),
    "no list": (lambda m: m.marginal(0), TypeError, "list of column numbers"),
    "a name": (lambda m: m.marginal("waiting"), TypeError, "list of column numbers"),
    "names": (lambda m: m.marginal(["waiting"]), TypeError, "whole numbers"),
    "a mask": (lambda m: m.marginal([True, False, True]), TypeError, "whole numbers"),
    "a fraction": (lambda m: m.marginal([0.5]), TypeError, "whole numbers"),
    "nothing remains": (lambda m: m.condition([0, 1, 2], [0.0] * 3), ValueError, "none remains"),
    "too few values": (lambda m: m.condition([0, 1], [0.0]), ValueError, r"rows \[m 2\]"),
    "a column for a row": (lambda m: m.condition([0], [0.0, 1.0]), ValueError, r"rows \[m 1\]"),
    "a number": (lambda m: m.condition([0], 0.0), ValueError, r"one row \[1\]"),
    "NaN": (lambda m: m.condition([0], [np.nan]), ValueError, "values"),
    "text": (lambda m: m.condition([0], ["a"]), ValueError, "values"),
    "given the impossible": (lambda m: m.condition([0], [1e200]), ValueError, "probability 0"),
    "labels of no component": (lambda m: m.predict([FAR]), ValueError, "probability 0"),
    "shares of nothing": (lambda m: m.responsibilities([FAR]), ValueError, "probability 0"),
    "entropy of nothing": (lambda m: m.posterior_entropy([FAR]), ValueError, "probability 0"),
    "no way to complete": (
        lambda m: m.complete([[1e200, np.nan, 0.0]]),
        ValueError,
        r"row \[1e\+200",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_asked(mistake):
    ask, error, said = MISTAKES[mistake]
    with pytest.raises(error, match=said):
        ask(random_mixture(0, "diag", k=2, d=3))
