"""Starts, k-means and restarts: exact where they are formulas, reproducible where drawn."""

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import jaxmix as jm
from jaxmix import lane_programs, starts
from jaxmix.streams import stream

X = jm.data.standardize(jm.data.load("faithful").x)[0]
N = len(X)
FAMILIES = ("full", "tied", "diag", "spherical")
DRAWN = ("kmeans++", "kmeans", "random_from_data", "random_normal")
STARTS = [("full", start) for start in (*DRAWN, "short_runs", "subsample")]
STARTS += [(family, start) for family in FAMILIES[1:] for start in ("kmeans", "random_normal")]
"""Families differ in how they hold clusters and points, not in which points are drawn."""
SHAPES = {"full": (3, 2, 2), "tied": (2, 2), "diag": (3, 2), "spherical": (3,)}


def leaves(mixture):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(mixture)])


@pytest.mark.parametrize(("family", "start"), STARTS)
def test_drawn_starts_are_usable_and_belong_to_their_seed(family, start):
    mixture = jm.initialize(X, 3, family, start, seed=1)
    assert mixture.means.shape == (3, 2)
    assert mixture.covariances.shape == SHAPES[family]
    assert np.linalg.eigvalsh(np.asarray(mixture.family.matrices)).min() > 1e-4
    assert np.all(np.asarray(mixture.weights) > 0)
    assert float(mixture.weights.sum()) == pytest.approx(1.0)
    again = jm.initialize(X, 3, family, start, seed=1)
    np.testing.assert_array_equal(leaves(mixture), leaves(again))
    others = [leaves(jm.initialize(X, 3, family, start, seed=seed)) for seed in range(2, 6)]
    assert any(not np.array_equal(leaves(mixture), other) for other in others)


def test_random_points_are_different_observations_with_the_samples_covariance():
    mixture = jm.initialize(X, 3, "full", "random_from_data", seed=0)
    rows = [
        np.flatnonzero(np.all(np.isclose(X, mean, atol=1e-12), axis=1)) for mean in mixture.means
    ]
    assert all(len(row) for row in rows)
    assert len({int(row[0]) for row in rows}) == 3
    np.testing.assert_allclose(mixture.weights, 1 / 3)
    for covariance in mixture.covariances:
        np.testing.assert_allclose(covariance, np.cov(X.T, bias=True), rtol=1e-9)


def test_a_clustered_start_has_the_clusters_moments():
    mixture = jm.initialize(X, 2, "full", "kmeans", seed=0)
    clusters = KMeans(2, n_init=5, random_state=0).fit(X).labels_
    reference = jm.maximum_likelihood(X, clusters)
    mixture = mixture.take(jm.match(mixture, reference))
    np.testing.assert_allclose(leaves(mixture), leaves(reference), atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_and_responsibilities_are_taken_exactly(family):
    labels = np.arange(N) % 3
    from_labels = jm.initialize(X, 3, family, start=labels)
    np.testing.assert_allclose(
        leaves(from_labels), leaves(jm.maximum_likelihood(X, labels, family)), atol=1e-9
    )
    r = np.random.default_rng(0).dirichlet(np.ones(3), N)
    from_responsibilities = jm.initialize(X, 3, family, start=r)
    np.testing.assert_allclose(
        leaves(from_responsibilities), leaves(jm.m_step(X, r, family)), atol=1e-9
    )


@pytest.mark.parametrize("start", ["kmeans++", "random_from_data", "subsample", "short_runs"])
def test_rows_of_weight_zero_are_never_drawn(start):
    counts = (np.arange(N) < 4).astype(float)
    kept = X[:4]
    for seed in range(20):
        means = np.asarray(jm.initialize(X, 4, "full", start, seed, counts).means)
        nearest = np.abs(means[:, None] - kept).max(axis=2)
        assert nearest.min(axis=1).max() < 1e-12
        assert sorted(nearest.argmin(axis=1)) == [0, 1, 2, 3]


def test_k_counts_only_rows_with_weight():
    with pytest.raises(ValueError, match="k=3 components, but only 2 observations"):
        jm.initialize(X, 3, sample_weights=(np.arange(N) < 2) * 5.0)


def test_kmeans_worked_example():
    points = [[0.0, 2.0], [0.0, 0.0], [1.0, 0.0], [5.0, 0.0], [5.0, 2.0]]
    result = jm.kmeans(points, 2, centers=[[0.0, 0.0], [5.0, 0.0]])
    np.testing.assert_allclose(result.centers, [[1 / 3, 2 / 3], [5.0, 1.0]], rtol=1e-12)
    assert result.labels.tolist() == [0, 0, 0, 1, 1]
    assert result.loss == pytest.approx((2 / 3 + 8 / 3 + 2) / 5)
    assert result.outcome.name == "CONVERGED"


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**31), spread=st.floats(0.0, 3.0))
def test_lloyds_loss_never_increases_and_equals_scikit_learns(seed, spread):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 2)) + spread * rng.integers(0, 3, (60, 1))
    centers = x[rng.choice(60, 3, replace=False)]
    result = jm.kmeans(x, 3, centers=centers)
    history = np.asarray(result.history)
    assert len(history) == int(result.num_steps) + 1
    assert np.all(np.diff(history) <= 1e-12 * history[0])
    reference = KMeans(3, init=centers, n_init=1, tol=0.0, max_iter=100).fit(x)
    assert result.loss == pytest.approx(reference.inertia_ / 60, rel=1e-9)
    np.testing.assert_allclose(result.centers, reference.cluster_centers_, atol=1e-9)


def test_an_empty_cluster_keeps_its_center():
    x = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    result = jm.kmeans(x, 2, centers=[[0.0, 0.0], [50.0, 50.0]])
    np.testing.assert_allclose(result.centers, [[1 / 3, 1 / 3], [50.0, 50.0]])


def test_restarts_are_fits_from_consecutive_seeds():
    runs = jm.fit_restarts(X, 2, num_starts=4, seed=5)
    loop = [jm.fit(X, jm.initialize(X, 2, seed=5 + j)) for j in range(4)]
    for run, fit in zip(runs.results, loop, strict=True):
        assert run.outcome == fit.outcome
        assert run.num_steps == fit.num_steps
        np.testing.assert_allclose(run.history, fit.history, rtol=1e-9)
        np.testing.assert_allclose(leaves(run.mixture), leaves(fit.mixture), rtol=1e-9, atol=1e-9)
    assert runs.num_degenerate == 0
    assert runs.best.objective == max(float(run.objective) for run in runs.results)


def test_restarts_take_turns_in_few_lanes(monkeypatch):
    fits = jm.fit_restarts(X, 2, family="diag", num_starts=11)
    monkeypatch.setattr(lane_programs, "LANES", 8)
    monkeypatch.setattr(lane_programs, "ROUND", 5)
    monkeypatch.setattr(lane_programs, "SHORT", 0)
    for run, fit in zip(
        jm.fit_restarts(X, 2, family="diag", num_starts=11).results, fits.results, strict=True
    ):
        assert (run.outcome, run.num_steps) == (fit.outcome, fit.num_steps)
        np.testing.assert_allclose(run.history, fit.history, rtol=1e-12)
        np.testing.assert_allclose(leaves(run.mixture), leaves(fit.mixture), atol=1e-9)


def test_short_runs_end_where_the_best_of_twenty_fits_of_five_steps_ends():
    keys = jax.random.split(stream(3, "start"), 20)
    blank = jm.initialize(X, 2).family
    seeds = [starts.compiled_draw(key, X, np.ones(N), blank, "kmeans++") for key in keys]
    fits = [jm.fit(X, seed, stop=jm.Stop(max_steps=5)) for seed in seeds]
    best = max(fits, key=lambda fit: float(fit.objective)).mixture
    start = jm.initialize(X, 2, start="short_runs", seed=3)
    np.testing.assert_allclose(leaves(start), leaves(best), atol=1e-9)


def test_a_subsample_keeps_the_frequency_weights_of_its_rows():
    few = X[:40]
    counts = np.where(np.arange(40) == 7, 1e9, 1.0)
    for seed in range(5):
        means = np.asarray(
            jm.initialize(few, 2, start="subsample", seed=seed, sample_weights=counts).means
        )
        assert np.abs(means - few[7]).max(axis=1).min() < 1e-6


def test_degenerate_starts_are_counted_and_never_best():
    pairs = np.repeat([[0.0, 0.0], [1.0, 3.0], [4.0, 1.0]], 10, axis=0)
    runs = jm.fit_restarts(pairs, 3, num_starts=3)
    assert runs.num_degenerate == 3
    assert runs.usable == ()
    with pytest.raises(jm.FitFailed, match="all 3 starts ended DEGENERATE"):
        _ = runs.best


def test_a_cluster_without_rows_begins_at_its_seed():
    # Beside the second column the first is nothing in floats: three different rows, five clusters.
    x = np.random.default_rng(0).integers(3, size=(60, 2)) * np.array([10.0, 1e17])
    start = jm.initialize(x, 5, "diag", "kmeans")
    assert start.weights.sum() == pytest.approx(1)
    assert np.all(np.isfinite(start.means))
    assert np.all(start.covariances > 0)
    rows = {tuple(row) for row in x.tolist()}
    assert any(tuple(mean) in rows for mean in start.means.tolist())


@pytest.mark.parametrize("ridge", [1e-3, 1e-2])
def test_gradients_find_the_ridge_of_a_constant_column(ridge):
    x = np.random.default_rng(0).normal(size=(90, 2)) * np.array([0.0, 1.0])
    start = jm.initialize(x, 2, "diag")
    by_em, by_gradient = (
        jm.fit(x, start, method, ridge=ridge)
        for method in (jm.EM(), jm.GradientAscent(optax.lbfgs))
    )
    assert by_em.outcome == by_gradient.outcome == jm.Outcome.CONVERGED
    assert float(by_gradient.objective) == pytest.approx(float(by_em.objective), abs=1e-6)
    np.testing.assert_allclose(by_em.mixture.covariances[:, 0], ridge, rtol=1e-6)
