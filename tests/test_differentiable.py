"""Differentiable fits: implicit against unrolled and against refits, memory, what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix as jm

CENTERS = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 1.0], [0.0, 4.0, -1.0]])
LABELS = np.arange(90) % 3
X = CENTERS[LABELS] + np.random.default_rng(0).normal(size=(90, 3)) + 10.0
START = jm.gaussian_mixture([0.3, 0.3, 0.4], CENTERS + 10.0, 1.0, family="full")
PRIOR = jm.Prior(
    covariance_scale=0.5, covariance_strength=2.0, mean_strength=0.5, weight_concentration=1.5
)
GIVEN = (X, np.random.default_rng(1).uniform(0.5, 1.5, 90), PRIOR, 0.05, START, 1.0, 1.0)
COUNTS = np.concatenate([np.arange(6.0), 7.0 + np.arange(6.0)])
POISSON = jm.poisson_mixture([0.3, 0.7], [2.0, 9.0])


def summary(mixture, share=1.0):
    """A number to which every parameter adds its part, those beside the means this share of it."""
    others = jnp.sum(mixture.covariances**2) + mixture.weights[0]
    return jnp.sum(jnp.sin(mixture.means)) + share * others


def loss(x, sample_weights, prior, ridge, start, unit, share, mode, max_steps):
    tol = 1e-26 if mode == "implicit" else 1e-16
    options = {"sample_weights": sample_weights, "prior": prior, "ridge": ridge, "tol": tol}
    fit = jm.differentiable_fit(x, start, mode, max_steps=max_steps, **options)
    return summary(fit.affine(1 / unit, jnp.zeros(3)), share)


def gradient(mode, max_steps):
    slopes = jax.jit(jax.grad(lambda *given: loss(*given, mode, max_steps), argnums=(0, 1, 2, 3)))
    return slopes.lower(*GIVEN).compile()


@pytest.fixture(scope="module")
def implicit():
    return gradient("implicit", 3000)


def relative(found, expected):
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    return [np.linalg.norm(np.ravel(a - b)) / np.linalg.norm(np.ravel(b)) for a, b in pairs]


def test_implicit_is_unrolled_once_converged(implicit):
    unrolled = gradient("unrolled", 300)(*GIVEN)
    assert max(relative(implicit(*GIVEN), unrolled)) <= 1e-12


def test_implicit_knows_no_units(implicit):
    x, weights, prior, ridge, start, *_ = GIVEN
    scale = prior.covariance_scale * 1e60
    prior = eqx.tree_at(lambda one: one.covariance_scale, prior, scale)
    given = (1e30 * x, weights, prior, 1e60 * ridge, start.affine(1e30, np.zeros(3)), 1e30)
    expected = implicit(*GIVEN[:-1], 0.0)[1]
    np.testing.assert_allclose(implicit(*given, 0.0)[1], expected, rtol=1e-9)


def test_one_step_is_an_approximation(implicit):
    errors = relative(gradient("one_step", 3000)(*GIVEN), implicit(*GIVEN))
    assert 0.01 < max(errors) < 2


def test_memory_does_not_grow_with_the_steps():
    def memory(mode, max_steps):
        slope = jax.grad(
            lambda x: jm.differentiable_fit(x, POISSON, mode, max_steps=max_steps).rates[0, 0]
        )
        return jax.jit(slope).lower(COUNTS).compile().memory_analysis().temp_size_in_bytes

    few, many = (memory("implicit", steps) for steps in (30, 3000))
    assert many == pytest.approx(few, rel=0.05)
    assert memory("unrolled", 3000) > 2 * many


def test_implicit_is_the_difference_of_refits(implicit):
    slopes = implicit(*GIVEN)
    x, weights, prior, ridge, *_ = GIVEN

    def refit(x, weights, ridge):
        options = {"sample_weights": weights, "prior": prior, "ridge": ridge}
        return float(summary(jm.fit(x, START, stop=jm.Stop(tol=1e-24), **options).mixture))

    def difference(function, step=1e-4):
        return (function(step) - function(-step)) / (2 * step)

    entry, row = np.zeros_like(x), np.zeros_like(weights)
    entry[5, 1] = row[7] = 1.0
    assert slopes[0][5, 1] == pytest.approx(
        difference(lambda h: refit(x + h * entry, weights, ridge)), rel=1e-6
    )
    assert slopes[1][7] == pytest.approx(
        difference(lambda h: refit(x, weights + h * row, ridge)), rel=1e-6
    )
    assert slopes[3] == pytest.approx(difference(lambda h: refit(x, weights, ridge + h)), rel=1e-6)


def test_only_fixed_parts_of_the_start_have_a_derivative():
    def rate(start, mode):
        fit = jm.differentiable_fit(COUNTS, start, mode, max_steps=400, fixed=("weights",))
        return fit.rates[0, 0]

    slope = jax.jit(jax.grad(rate), static_argnums=1)
    implicit, unrolled = (slope(POISSON, mode) for mode in ("implicit", "unrolled"))
    np.testing.assert_allclose(implicit.log_weights, unrolled.log_weights, rtol=1e-11)
    assert np.all(np.abs(implicit.log_weights) > 1e-3)
    assert not np.any(jax.tree.leaves(implicit.family)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "implict"}, "did you mean 'implicit'"),
        ({"max_steps": 0}, "max_steps"),
        ({"fixed": ("means",)}, "part to fix"),
        ({"ridge": -1.0}, "ridge"),
    ],
)
def test_what_no_fit_can_use_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jm.differentiable_fit(COUNTS, POISSON, **options)


def test_a_start_on_the_boundary_or_of_other_columns_is_refused():
    with pytest.raises(ValueError, match="boundary"):
        jm.differentiable_fit(COUNTS, jm.poisson_mixture([0.5, 0.5], [0.0, 9.0]))
    with pytest.raises(ValueError, match="columns"):
        jax.grad(lambda x: jm.differentiable_fit(x, POISSON).weights[0])(jnp.ones((5, 2)))
    with pytest.raises(ValueError, match="expected 12 sample_weights"):
        jax.grad(lambda w: jm.differentiable_fit(COUNTS, POISSON, sample_weights=w).weights[0])(
            jnp.ones(3)
        )


def test_a_collapse_is_nan():
    empty = jm.poisson_mixture([0.3, 0.7], [1e4, 5.0])
    assert np.all(np.isnan(jm.differentiable_fit(COUNTS, empty, max_steps=30).rates))
