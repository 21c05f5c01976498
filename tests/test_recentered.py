"""Components far from the data's center: the digits that are promised, whoever asks for them."""

from dataclasses import replace
from functools import cache, partial

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import jaxmix as jm
from jaxmix.loop import ROUGH
from jaxmix.methods import EM
from jaxmix.posing import check_problem
from jaxmix.precision import cast
from jaxmix.problem import build_problem, with_empty_at_origin

N, K, D = 150, 3, 2
PROMISED = {"float64": (1e-10, 1e-8, 1e-8), "float32": (1e-4, 1e-3, 1e-3)}
"""Nats a row; gradient and covariances, relative."""

CASES = [
    ("float64", 1e5, 1.0, "full"),
    ("float64", 1e5, 0.1, "full"),
    ("float64", 1e5, 0.01, "full"),
    ("float64", 1e5, 0.001, "full"),
    ("float64", 1e5, 0.001, "tied"),
    ("float64", 1e5, 0.001, "diag"),
    ("float64", 1e5, 0.001, "spherical"),
    ("float32", 1e5, 1.0, "full"),
    ("float32", 0.0, 0.1, "full"),
    ("float32", 0.0, 0.01, "full"),
    ("float32", 0.0, 0.001, "full"),
    ("float32", 0.0, 0.001, "tied"),
    ("float32", 0.0, 0.001, "diag"),
    ("float32", 0.0, 0.001, "spherical"),
]


def setting(dtype, mean, size, family):
    """Rows of components of this size, with centers a unit apart, and a mixture near by."""
    rng = np.random.default_rng(4)
    centers = rng.normal(size=(K, D))
    labels = rng.integers(K, size=N)
    x = (mean + centers[labels] + size * rng.normal(size=(N, D))).astype(dtype)
    factors = size * (np.eye(D) + 0.2 * np.tril(rng.normal(size=(K, D, D))))
    matrices = factors @ np.swapaxes(factors, 1, 2)
    covariances = {
        "full": matrices,
        "tied": matrices[0],
        "diag": np.diagonal(matrices, axis1=1, axis2=2),
        "spherical": matrices[:, 0, 0],
    }[family]
    means = mean + centers + 0.2 * size * rng.normal(size=(K, D))
    mixture = jm.gaussian_mixture([0.3, 0.3, 0.4], means, covariances, family=family)
    return x, cast(mixture, dtype)


def solved(factors, offsets):
    """L^-1 v by forward substitution, in the precision of the arguments."""
    out = np.zeros_like(offsets)
    for i in range(D):
        known = sum(factors[:, i, j] * out[..., j] for j in range(i))
        out[..., i] = (offsets[..., i] - known) / factors[:, i, i]
    return out


def exact(x, mixture):
    """Log-likelihood, its gradient in the means, and the EM step's covariances, in long double."""
    matrices = np.asarray(mixture.family.matrices, np.longdouble)
    factors = np.zeros_like(matrices)
    factors[:, 0, 0] = np.sqrt(matrices[:, 0, 0])
    factors[:, 1, 0] = matrices[:, 1, 0] / factors[:, 0, 0]
    factors[:, 1, 1] = np.sqrt(matrices[:, 1, 1] - factors[:, 1, 0] ** 2)
    x, means = np.asarray(x, np.longdouble), np.asarray(mixture.means, np.longdouble)
    offsets = x[:, None] - means
    z = solved(factors, offsets)
    determinants = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)
    joint = np.log(np.asarray(mixture.weights, np.longdouble)) - determinants
    joint = joint - D * np.log(2 * np.longdouble(np.pi)) / 2 - (z**2).sum(2) / 2
    highest = joint.max(1, keepdims=True)
    log_densities = highest[:, 0] + np.log(np.exp(joint - highest).sum(1))
    shares = np.exp(joint - log_densities[:, None])
    pulls = np.linalg.solve(matrices.astype(float), np.eye(D)).astype(np.longdouble)
    for _ in range(3):  # Newton's iteration for inverses, in long double.
        pulls = pulls @ (2 * np.eye(D) - matrices @ pulls)
    gradient = np.einsum("nk,kij,nkj->ki", shares, pulls, offsets)
    counts = shares.sum(0)
    centers = (shares.T @ x) / counts[:, None]
    spread = x[:, None] - centers
    scatters = np.einsum("nk,nki,nkj->kij", shares, spread, spread)
    return log_densities.sum(), gradient, scatters, counts


def structured(family, scatters, counts):
    """The M-step's covariances of a family, as k matrices."""
    if family == "tied":
        return np.broadcast_to(scatters.sum(0) / counts.sum(), scatters.shape)
    matrices = scatters / counts[:, None, None]
    if family == "diag":
        return matrices * np.eye(D)
    if family == "spherical":
        return np.trace(matrices, axis1=1, axis2=2)[:, None, None] / D * np.eye(D)
    return matrices


@pytest.mark.parametrize(("dtype", "mean", "size", "family"), CASES)
def test_digits_against_triangular_solves_in_higher_precision(dtype, mean, size, family):
    x, mixture = setting(dtype, mean, size, family)
    value, gradient, scatters, counts = exact(x, mixture)
    nats, slopes, variances = PROMISED[dtype]
    found, pulled = value_and_gradient(mixture, x)
    assert abs(float(found) - float(value)) / N < nats
    np.testing.assert_allclose(pulled, gradient.astype(float), atol=slopes * np.abs(gradient).max())
    moved = em_step(x, mixture).family.matrices
    wanted = structured(family, scatters, counts)
    own = np.diagonal(wanted, axis1=1, axis2=2).min()
    np.testing.assert_allclose(moved, wanted.astype(float), rtol=0, atol=variances * own)


@jax.jit
def value_and_gradient(mixture, x):
    """In a compiled program, which takes the form that the mixture needs when it runs."""
    value, gradient = jax.value_and_grad(jm.log_likelihood)(mixture, x)
    return value, gradient.family.means


em_step = jax.jit(jm.em_step)


@cache
def far_apart():
    """A wide component, and two that are a thousandth of it."""
    rng = np.random.default_rng(0)
    parts = (
        rng.normal(size=(100, 2)),
        [1.5, -1.0] + 1e-3 * rng.normal(size=(60, 2)),
        [-3.0, 2.0] + 3e-4 * rng.normal(size=(40, 2)),
    )
    x = np.concatenate(parts)
    return x, jm.initialize(x, 3, seed=1)


METHODS = [
    (jm.EM(), 0),
    (jm.SQUAREM(), 0),
    (jm.GradientAscent(optax.adam, learning_rate=0.02), 4),
]
"""Each with the steps of EM that it starts after; gradients alone would take thousands."""


@pytest.mark.parametrize(("method", "before"), METHODS)
def test_fits_recenter_where_rounding_shows_and_say_so(method, before, tmp_path):
    x, start = far_apart()
    start = jm.fit(x, start, stop=jm.Stop(max_steps=before)).mixture
    stop = jm.Stop(max_steps=60)
    result = jm.fit(x, start, method, stop=stop, record="all")
    assert result.form == "recentered"
    textbook = helpers.objective(x, result.mixture)
    assert abs(float(result.log_likelihood) - textbook) < 1e-10 * len(x)
    parts = jm.fit(x, start, method, stop=jm.Stop(max_steps=4))
    for limit in (5, 6, 60):
        parts = jm.fit(x, start, method, stop=jm.Stop(max_steps=limit), resume=parts)
    for limit in (4, 5, 6, 60):
        kept = jm.fit(
            x, start, method, stop=jm.Stop(max_steps=limit), checkpoint=tmp_path / "run.npz"
        )
    for again in (parts, kept):
        for one, other in zip(jax.tree.leaves(again.mixture), jax.tree.leaves(result.mixture)):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(again.history, result.history)


def test_a_recentered_fit_pays_one_pass_and_finds_the_clusters():
    x, start = far_apart()
    result = jm.fit(x, start)
    assert result.outcome.name == "CONVERGED"
    assert int(result.cost.passes) == int(result.num_steps) + 1
    deviations = np.sqrt(np.asarray(result.mixture.covariances)[:, 0, 0])
    wanted = [x[60 + 100 :, 0].std(), x[100:160, 0].std(), x[:100, 0].std()]
    np.testing.assert_allclose(np.sort(deviations), wanted, rtol=1e-4)


def test_restarts_end_where_single_fits_do():
    x, _ = far_apart()
    runs = jm.fit_restarts(x, 3, num_starts=3)
    for seed, run in enumerate(runs.results):
        alone = jm.fit(x, jm.initialize(x, 3, seed=seed))
        assert (run.form, run.num_steps) == (alone.form, alone.num_steps)
        np.testing.assert_allclose(run.objective, alone.objective, rtol=1e-12)
        np.testing.assert_allclose(run.history, alone.history, rtol=1e-6)


def test_ordinary_data_are_read_by_features():
    x = jm.data.load("faithful").x
    start = jm.initialize(x, 2, seed=0)
    result = jm.fit(x, start, stop=jm.Stop(max_steps=3))
    assert result.form == "features"
    assert int(result.state.code) != ROUGH


def settings(family):
    prior = jm.Prior(0.3, 2.0, mean=np.full(2, 0.5), mean_strength=1.5, weight_concentration=1.2)
    return {
        "full": {"prior": prior, "ridge": 0.01},
        "diag": {"prior": prior, "fixed": ("means",)},
        "spherical": {"hard": True},
        "mixed": {"prior": jm.Prior(mean_strength=1.5)},
    }[family]


@pytest.mark.parametrize("family", ["full", "diag", "spherical", "mixed"])
def test_both_forms_say_the_same_where_nothing_is_lost(family):
    rng = np.random.default_rng(3)
    x = np.column_stack([rng.poisson(3.0, size=64), rng.normal(size=64)]).astype(float)
    kinds = {"diag": [1], "poisson": [0]} if family == "mixed" else family
    mixture = jm.initialize(x, 2, family=kinds, seed=0)
    options = settings(family)
    problem = build_problem(jnp.asarray(x), centered=mixture.family.centered, **options)
    inside = problem.enter(mixture)
    free = inside.coordinates(problem.fixed)

    @partial(jax.jit, static_argnums=0)
    def everything(recentered):
        posed = problem.in_form("recentered") if recentered else problem
        evaluation = posed.evaluate(inside)
        slope = posed.gradient(inside, evaluation.statistics)

        def objective(coordinates):
            return posed.objective(inside.constrain(coordinates))

        along = jax.jvp(jax.grad(objective), (free,), (free,))
        hidden = posed.objective(inside, "autodiff")
        return evaluation.objective, evaluation.em_step, evaluation.gap, slope, along, hidden

    fast, sure = (ravel_pytree(everything(flag))[0] for flag in (False, True))
    np.testing.assert_allclose(sure, fast, rtol=1e-9, atol=1e-9)


def test_scikit_learns_reading_is_recentered_too():
    x, start = far_apart()
    model = jm.sklearn.GaussianMixture(
        3,
        reg_covar=0.0,
        tol=1e-10,
        weights_init=np.asarray(start.weights),
        means_init=np.asarray(start.means),
        precisions_init=np.linalg.inv(np.asarray(start.covariances)),
        max_iter=50,
    ).fit(x)
    np.testing.assert_allclose(model.score(x), model.lower_bound_, rtol=0, atol=1e-9)


def test_an_empty_component_of_that_reading_is_at_the_users_origin_in_both_forms():
    x, start = far_apart()
    problem, _ = check_problem(x, start, EM(), None, 0.0, (), None)
    widened = replace(problem, widened=True)
    inside = widened.enter(start)
    evaluation = widened.evaluate(inside)
    empty = evaluation.statistics.at[0].set(0.0)
    plain = with_empty_at_origin(empty, inside.family, widened.center, None)
    near = widened.in_form("recentered").view(inside)
    seen = with_empty_at_origin(empty, inside.family, widened.center, near.origins)
    penalty = widened.penalty
    one = inside.maximize(plain, penalty).means[0]
    other = near.back(near.mixture.maximize(seen, near.penalty)).means[0]
    np.testing.assert_allclose(one, -np.asarray(widened.center), atol=1e-12)
    np.testing.assert_allclose(other, one, atol=1e-12)
