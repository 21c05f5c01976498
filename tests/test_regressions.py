"""Wrong results that once came without a word, each with the smallest case that showed it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix as jm

X = np.random.default_rng(0).normal(size=(60, 2)) + np.where(np.arange(60) < 30, 4.0, 0.0)[:, None]


@pytest.fixture(scope="module")
def start():
    return jm.gaussian_mixture([0.5, 0.5], [[0.0, 0.0], [4.0, 4.0]], 1.0, family="diag")


def test_batched_results_count_the_parameters_of_one(start):
    starts = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), start)
    batch = jax.jit(jax.vmap(lambda one: jm.fit(X, one, stop=jm.Stop(max_steps=3))))(starts)
    alone = jm.fit(X, start, stop=jm.Stop(max_steps=3))
    assert batch.num_parameters == alone.num_parameters == 9
    np.testing.assert_allclose(batch.bic, np.full(3, alone.bic))
    batch.raise_if_failed()
    assert str(batch) == "FitResult of 3 fits (batched)"
    assert "3 fits" in batch._repr_html_()


def test_another_number_of_columns_is_refused_also_under_jit(start):
    wide = np.zeros((5, 3))
    with pytest.raises(ValueError, match="columns"):
        jm.log_likelihood(start, wide)
    with pytest.raises(ValueError, match="columns"):
        jax.jit(lambda x: jm.fit(x, start).objective)(wide)


def test_names_and_numbers_are_checked_also_under_jit(start):
    with pytest.raises(ValueError, match="did you mean 'means'"):
        jax.jit(lambda x: jm.fit(x, start, fixed=("mean",)).objective)(X)
    with pytest.raises(ValueError, match="ridge"):
        jax.jit(lambda x: jm.fit(x, start, ridge=-0.1).objective)(X)


def test_whole_numbers_under_jit_keep_fractional_weights():
    mixture = jm.gaussian_mixture([1.0], [[0.0]], [1.0], family="spherical")
    weights = jnp.array([0.5, 1.5])
    traced = jax.jit(lambda x: jm.log_likelihood(mixture, x, weights))(jnp.array([[1], [2]]))
    expected = weights @ mixture.log_prob([[1.0], [2.0]])
    assert float(traced) == pytest.approx(float(expected), abs=1e-12)


def test_resume_refuses_data_and_penalties_that_differ_a_little(start):
    stop = jm.Stop(max_steps=2)
    result = jm.fit(X, start, stop=stop)
    moved = X.copy()
    moved[0] += 1e-3
    with pytest.raises(ValueError, match="resume"):
        jm.fit(moved, start, stop=stop, resume=result)
    with pytest.raises(ValueError, match="resume"):
        jm.fit(X, start, stop=stop, resume=result, ridge=1e-6)


def test_covariances_without_a_factor_are_refused():
    rank_two = np.random.default_rng(1).normal(size=(4, 2))
    with pytest.raises(ValueError, match="positive definite"):
        jm.gaussian_mixture([1.0], [np.zeros(4)], [rank_two @ rank_two.T])


def test_clusters_without_a_covariance_are_refused_everywhere():
    labels = np.arange(60) % 2
    labels[7] = 2
    with pytest.raises(ValueError, match="too few"):
        jm.maximum_likelihood(X, labels)
    with pytest.raises(ValueError, match="too few"):
        jm.initialize(X, 3, start=labels)
    with pytest.raises(ValueError, match="range of floats"):
        jm.initialize(X * 1e170, 2)


def test_a_collapsed_start_is_not_converged():
    x = np.append(np.random.default_rng(0).normal(size=50), 30.0)
    start = jm.gaussian_mixture(
        [50 / 51, 1 / 51], [[x[:50].mean()], [30.0]], [x[:50].var() + 1e-3, 1e-3], "spherical"
    )
    assert jm.fit(x, start, ridge=1e-3).outcome == jm.Outcome.DEGENERATE


def test_components_too_far_apart_for_the_features_are_not_converged():
    x = np.concatenate([X[30:] - 1e8, X[30:] + 1e8])
    means = [[-1e8, -1e8], [1e8, 1e8]]
    start = jm.gaussian_mixture([0.5, 0.5], means, 1.0, family="spherical")
    result = jm.fit(x, start, fixed=("covariances",), stop=jm.Stop(max_steps=5))
    assert result.outcome == jm.Outcome.DEGENERATE


def test_settings_of_another_type_are_refused():
    with pytest.raises(TypeError, match="hard"):
        jm.EM(hard="False")
    with pytest.raises(ValueError, match="mean_strength"):
        jm.fit(X, jm.initialize(X, 2), prior=jm.Prior(mean=np.zeros(2)))


def test_standardizing_counts_rows_by_their_weights():
    x, weights = X[:6], np.array([1.0, 2.0, 3.0, 1.0, 1.0, 2.0])
    repeated = jm.data.standardize(np.repeat(x, weights.astype(int), axis=0))
    weighted = jm.data.standardize(x, sample_weights=weights)
    np.testing.assert_allclose(weighted[1], repeated[1], rtol=1e-13)
    np.testing.assert_allclose(weighted[2], repeated[2], rtol=1e-13)


def test_a_collapse_within_one_step_is_degenerate():
    """Rows on a grid, where an EM step leaves a component on one column of it."""
    index = np.arange(30)
    x = np.stack([index % 3, index % 2], axis=1).astype(float)
    result = jm.fit(x, jm.initialize(x, 3, "full", "kmeans"))
    assert result.outcome.name == "DEGENERATE"
    assert np.all(np.isfinite(result.mixture.covariances))
