"""The one pass: its numbers, its derivative rule to second order, and how blocks do not matter."""

from functools import cache, partial

import helpers
import jax
import jax.numpy as jnp
import jaxtyping
import mpmath
import numpy as np
import pytest
import scipy.linalg
from helpers import FAMILIES, FRACTIONS, X
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree
from jax.scipy.special import logsumexp
from jax.scipy.stats import multivariate_normal

import jaxmix as jm
from jaxmix import linalg
from jaxmix.blocks import GROUPS, in_blocks, layout
from jaxmix.clustering import squared_distances
from jaxmix.families.full import Full
from jaxmix.numerics import excess, logarithm
from jaxmix.problem import build_problem
from jaxmix.sources import InMemory, in_memory, survey

every_family = pytest.mark.parametrize("family", FAMILIES)
ROWS, WEIGHTS = jnp.asarray(X[::8]), jnp.asarray(FRACTIONS[::8])


def mixture_of(family):
    return helpers.random_mixture(7, family, center=X.mean(axis=0))


def through_the_rule(family, coordinates, x, weights):
    return jm.log_likelihood(mixture_of(family).constrain(coordinates), x, weights)


@partial(jax.jit, static_argnums=0)
def textbook(family, coordinates, x, weights):
    """The same function in JAX's own densities, for plain autodiff."""
    mixture = mixture_of(family).constrain(coordinates)
    densities = jax.vmap(multivariate_normal.logpdf, in_axes=(None, 0, 0), out_axes=1)(
        x, mixture.means, mixture.family.matrices
    )
    return weights @ logsumexp(jnp.log(mixture.weights) + densities, axis=1)


def arguments(family):
    return mixture_of(family).unconstrain(), ROWS, WEIGHTS


def assert_close(one, other, relative=1e-10):
    """Equal leaf by leaf, relative to the largest entry of each leaf."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=relative * float(jnp.max(jnp.abs(b))))


@every_family
def test_the_value_is_the_textbook_log_likelihood(family):
    value = through_the_rule(family, *arguments(family))
    np.testing.assert_allclose(value, textbook(family, *arguments(family)), rtol=1e-12)
    oracle = helpers.objective(
        np.asarray(ROWS), mixture_of(family), sample_weights=np.asarray(WEIGHTS)
    )
    np.testing.assert_allclose(value, oracle, rtol=1e-12)


@cache
def gradient_by_the_rule(family):
    gradient = jax.grad(partial(through_the_rule, family), argnums=(0, 1, 2))
    return jax.jit(gradient)(*arguments(family))


@every_family
def test_gradients_in_parameters_data_and_weights_are_the_textbook_ones(family):
    plain = jax.jit(jax.grad(partial(textbook, family), argnums=(0, 1, 2)))(*arguments(family))
    assert_close(gradient_by_the_rule(family), plain)


@every_family
def test_gradients_equal_finite_differences_of_scipy(family):
    mixture = mixture_of(family)
    point, rebuild = ravel_pytree(arguments(family))

    def value(flat):
        coordinates, rows, weights = rebuild(flat)
        return helpers.objective(
            np.asarray(rows), mixture.constrain(coordinates), sample_weights=np.asarray(weights)
        )

    gradient = ravel_pytree(gradient_by_the_rule(family))[0]
    for direction in np.random.default_rng(0).normal(size=(5, len(point))):
        up, down = (value(point + h * direction) for h in (1e-5, -1e-5))
        np.testing.assert_allclose(direction @ gradient, (up - down) / 2e-5, rtol=1e-6)


@pytest.mark.parametrize("family", ["tied"])
def test_second_derivatives_through_the_rule_are_plain_ones(family):
    """Those between parameters, data and weights included; products in both orders of modes."""
    point, rebuild = ravel_pytree(arguments(family))
    direction = jnp.asarray(np.random.default_rng(1).normal(size=len(point)))

    def rule(vector):
        return through_the_rule(family, *rebuild(vector))

    def along(vector):
        return jax.jvp(rule, (vector,), (direction,))[1]

    plain = jax.jit(jax.hessian(lambda vector: textbook(family, *rebuild(vector))))(point)
    forward_over_reverse = jax.jit(jax.hessian(rule))(point)
    slope, reverse_over_forward = jax.jit(jax.value_and_grad(along))(point)
    assert_close(forward_over_reverse, plain)
    assert_close(reverse_over_forward, plain @ direction)
    np.testing.assert_allclose(
        slope, ravel_pytree(gradient_by_the_rule(family))[0] @ direction, rtol=1e-10
    )


@pytest.mark.parametrize("family", ["full", "spherical"])
def test_curvature_in_parameters_alone_is_the_plain_one(family):
    """Here data and weights stand still, and the rule has nothing to add for them."""
    coordinates, x, weights = arguments(family)
    direction = jax.tree.map(jnp.cos, coordinates)

    @partial(jax.jit, static_argnums=0)
    def curvature(function):
        gradient = jax.grad(lambda moved: function(family, moved, x, weights))
        return jax.jvp(gradient, (coordinates,), (direction,))[1]

    assert_close(curvature(through_the_rule), curvature(textbook))


@every_family
def test_the_statistics_give_the_gradient_of_the_penalized_objective(family):
    data = helpers.problem_of("penalized")
    mixture = data.enter(mixture_of(family))

    def plain(coordinates):
        return data.objective(mixture.constrain(coordinates), "autodiff")

    expected = jax.jit(jax.grad(plain))(mixture.unconstrain())
    for source in ("fisher", "autodiff"):
        statistics = data.evaluate(mixture, source).statistics
        assert_close(data.gradient(mixture, statistics), expected)


@pytest.mark.parametrize("family", ["full", "spherical"])
def test_the_penalized_objective_moves_with_the_data(family):
    """The prior's mean is the data's own where none is given, so that it moves with them."""
    prior = jm.Prior(mean_strength=2.0)
    mixture = mixture_of(family)

    def value(x, weights):
        problem = build_problem(x, weights, prior)
        return problem.objective(problem.enter(mixture))

    here = jnp.asarray(X), jnp.asarray(FRACTIONS)
    move = jnp.cos(here[0]), jnp.sin(here[1])
    slope = jax.jit(lambda *point: jax.jvp(value, point, move)[1])(*here)
    up, down = (jax.jit(value)(*(a + h * b for a, b in zip(here, move))) for h in (1e-5, -1e-5))
    np.testing.assert_allclose(slope, (up - down) / 2e-5, rtol=1e-7)


@every_family
@pytest.mark.parametrize("hard", [False, True])
def test_blocks_of_different_size_agree(family, hard):
    mixture = mixture_of(family)
    whole, cut = (
        data.evaluate(data.enter(mixture))
        for data in (helpers.problem_of("penalized", hard, rows=rows) for rows in (None, 7))
    )
    assert_close(cut, whole, relative=1e-12)


@every_family
def test_vmap_over_mixtures_equals_a_loop(family):
    data = helpers.problem_of("penalized")
    mixtures = [data.enter(helpers.random_mixture(s, family, center=X[0])) for s in range(3)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *mixtures)
    together = jax.jit(jax.vmap(data.evaluate))(batch)
    for j, mixture in enumerate(mixtures):
        alone = jax.tree.map(lambda leaf, j=j: leaf[j], together)
        assert_close(alone, data.evaluate(mixture), relative=1e-12)


@pytest.mark.parametrize(
    ("n", "d", "rows"), [(1, 1, None), (64, 2, None), (65, 2, None), (7, 3, 7), (100, 1, 9)]
)
def test_blocks_hold_every_row_once_and_padding_weighs_nothing(n, d, rows):
    x = np.arange(n * d, dtype=float).reshape(n, d)
    blocks = in_blocks(jnp.asarray(x), rows=rows)
    flat = np.swapaxes(blocks.x, 1, 2).reshape(-1, d)
    np.testing.assert_array_equal(flat[:n], x)
    np.testing.assert_array_equal(np.ravel(blocks.sample_weights), np.arange(len(flat)) < n)
    assert float(blocks.total) == n


@given(n=st.integers(1, 10**9), d=st.integers(1, 64), itemsize=st.sampled_from([4, 8]))
def test_rows_are_cut_alike_whatever_their_number(n, d, itemsize):
    rows, blocks, group = layout(n, d, itemsize)
    assert blocks % group == 0
    assert blocks // group <= GROUPS
    assert n <= rows * blocks < max(n * 1.25, n + 64) + (n > rows) * rows
    if n > 10_000:
        assert rows == layout(10_000, d, itemsize).rows
        assert 128 <= rows <= 8192


def test_data_of_many_lengths_have_few_cuts():
    assert len({layout(n, 2, 8)[:2] for n in range(1, 8192)}) <= 32
    assert len({layout(n, 2, 8)[:2] for n in range(10**6, 2 * 10**6, 1000)}) <= 32


@pytest.mark.parametrize("blocks", [1, 2, 63, 64, 65, 130])
def test_groups_add_up_every_block_in_its_order(blocks):
    data = in_blocks(jnp.arange(3.0 * blocks)[:, None], rows=3)
    sums = data.sums(lambda scale, x, w: scale * jnp.array([x[0] @ w, w @ w]), 2.0)
    expected = 2 * np.array([np.arange(3.0 * blocks).sum(), 3 * blocks])
    np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize(
    ("n", "center", "rows", "weighted"),
    [(1, 0.0, 16, False), (17, 1e5, 16, True), (400, 1e5, 2, True), (400, 0.0, 64, False)],
)
def test_the_host_cuts_and_surveys_as_jax_does(n, center, rows, weighted):
    rng = np.random.default_rng(n)
    x = center + rng.normal(size=(n, 2))
    weights = rng.integers(1, 3, n).astype(float) if weighted else None
    source, cut = InMemory(x, weights, ("a", "b")), layout(n, 2, 8, rows)
    seen = survey(source, cut, missing=False)
    counts = np.ones(n) if weights is None else weights
    np.testing.assert_allclose(seen.mean, np.average(x, axis=0, weights=counts), rtol=1e-13)
    scatter = np.cov(x.T, fweights=counts, ddof=0) if n > 1 else np.zeros((2, 2))
    np.testing.assert_allclose(seen.covariance, scatter, rtol=1e-10, atol=1e-10)
    assert (seen.rows, seen.total) == (n, counts.sum())
    ours, same = (
        in_memory(source, cut, seen.mean),
        jax.jit(in_blocks, static_argnums=2)(x - seen.mean, weights, rows),
    )
    np.testing.assert_array_equal(ours.x, same.x)
    np.testing.assert_array_equal(ours.sample_weights, same.sample_weights)


@settings(deadline=None)
@given(magnitude=st.floats(-150, 150), negative=st.booleans())
def test_excess_keeps_its_digits_at_every_magnitude(magnitude, negative):
    u = -min(10.0**magnitude, 1 - 1e-12) if negative else 10.0**magnitude
    with mpmath.workdps(400):
        exact = mpmath.mpf(u) - mpmath.log1p(mpmath.mpf(u))
    np.testing.assert_allclose(float(excess(jnp.asarray(u))), float(exact), rtol=1e-13)


@pytest.mark.parametrize("u", [0.25, -0.25, 0.2499999, -0.2499999, 0.2500001, -0.2500001, 0.0])
def test_excess_keeps_its_digits_where_its_two_forms_meet(u):
    with mpmath.workdps(50):
        exact = mpmath.mpf(u) - mpmath.log1p(mpmath.mpf(u))
    np.testing.assert_allclose(float(excess(jnp.asarray(u))), float(exact), rtol=1e-14)
    slope = jax.grad(excess)(jnp.asarray(u))
    np.testing.assert_allclose(slope, u / (1 + u), rtol=1e-13)


@settings(deadline=None)
@given(exponent=st.floats(-150, 150))
def test_logarithms_of_many_numbers_have_all_their_digits(exponent):
    x = 10.0**exponent
    of = logarithm, jax.grad(logarithm), jax.grad(jax.grad(logarithm))
    with mpmath.workdps(50):
        exact = float(mpmath.log(mpmath.mpf(x))), 1 / x, -1 / x**2
    for ours, wanted, least in zip(of, exact, (2e-16, 0, 0), strict=True):
        np.testing.assert_allclose(float(ours(jnp.asarray(x))), wanted, rtol=4e-16, atol=least)


@pytest.mark.parametrize("x", [1.0, 1 + 1e-15, 1 - 1e-7, 1.4142135623730951, 2.0, np.nan, np.inf])
def test_logarithms_near_zero_and_of_no_number(x):
    with mpmath.workdps(50):
        exact = float(mpmath.log(mpmath.mpf(x)))
    ours = float(logarithm(jnp.asarray(x)))
    np.testing.assert_allclose(ours, exact, rtol=4e-16, atol=0)


@pytest.mark.parametrize("family", ["full", "tied"])
def test_matrices_factored_one_after_another_are_those_of_one_call(monkeypatch, family):
    mixture = mixture_of(family)

    def curvature(mixture):
        value = jax.grad(lambda one: jm.log_likelihood(one, ROWS))
        return jax.jvp(value, (mixture,), (mixture,))

    together = curvature(mixture)
    monkeypatch.setattr(linalg, "FACTORED_AT_ONCE", 1)
    assert "scan" in str(jax.make_jaxpr(mixture.family.log_prob)(ROWS)) or family == "tied"
    assert_close(curvature(mixture), together, relative=1e-12)


def test_no_call_factors_so_many_matrices_that_two_would_wait_for_each_other():
    """Sixteen matrices of 64 columns in one call, and another such call beside it, never end."""
    factors = jnp.broadcast_to(jnp.eye(64), (16, 64, 64))
    text = str(jax.make_jaxpr(lambda factors: Full(factors).quadratic(16))(factors))
    assert "triangular_solve" in text
    assert "f64[16,64,64] = triangular_solve" not in text


def test_wrong_shapes_are_refused():
    with pytest.raises(jaxtyping.TypeCheckError):
        squared_distances(jnp.zeros((4, 2)), jnp.zeros((3, 5)))


def test_blocks_are_long_where_many_cores_share_one(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for d, itemsize in ((2, 8), (16, 4), (64, 8)):
        rows = layout(10**8, d, itemsize).rows
        features = rows * (d + 1) * (d + 2) // 2 * itemsize
        assert rows == 2**20 or 2**27 < features <= 2**28
    assert layout(272, 2, 8).rows == 320


@pytest.mark.parametrize(("d", "m"), [(1, 3), (8, 8), (9, 9), (16, 5), (33, 130)])
def test_solutions_by_halves_are_those_of_scipy(d, m):
    rng = np.random.default_rng(d)
    factor, right = np.tril(rng.normal(size=(d, d))) + 4 * np.eye(d), rng.normal(size=(d, m))
    expected = scipy.linalg.solve_triangular(factor, right, lower=True)
    solved = linalg.solve_lower(jnp.asarray(factor), jnp.asarray(right))
    np.testing.assert_allclose(solved, expected, rtol=1e-12, atol=1e-13)
