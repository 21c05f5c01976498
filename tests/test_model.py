"""Mixtures against SciPy's densities, a textbook EM in NumPy, and brute force."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.metrics import adjusted_rand_score

import jaxmix as jm
from jaxmix.matching import distance

FAITHFUL = jm.data.load("faithful")
X = FAITHFUL.x
SPD = np.array([[[0.07, 0.4], [0.4, 34.0]], [[0.2, -0.9], [-0.9, 36.0]]])
COVARIANCES = {
    "full": SPD,
    "tied": SPD[0],
    "diag": np.array([[0.07, 34.0], [0.2, 36.0]]),
    "spherical": np.array([4.0, 9.0]),
}
FREE = {"full": 1 + 4 + 6, "tied": 1 + 4 + 3, "diag": 1 + 4 + 4, "spherical": 1 + 4 + 2}
WEIGHTS, MEANS = np.array([0.36, 0.64]), np.array([[2.0, 54.0], [4.3, 80.0]])
POINTS = np.array([[2.1, 55.0], [4.0, 79.0], [3.0, 66.0]])


def mixture_of(family):
    return jm.gaussian_mixture(WEIGHTS, MEANS, COVARIANCES[family], family)


def as_matrices(family, covariances, k=2, d=2):
    if family == "tied":
        return np.broadcast_to(covariances, (k, d, d))
    if family == "diag":
        return np.stack([np.diag(row) for row in np.asarray(covariances)])
    if family == "spherical":
        return np.asarray(covariances)[:, None, None] * np.eye(d)
    return np.asarray(covariances)


def textbook_joint(x, weights, means, matrices):
    return np.stack(
        [
            np.log(weight) + multivariate_normal(mean, matrix).logpdf(x)
            for weight, mean, matrix in zip(weights, means, matrices, strict=True)
        ],
        axis=1,
    )


def textbook_m_step(x, r, family):
    counts = r.sum(axis=0)
    means = r.T @ x / counts[:, None]
    deviations = x[:, None] - means
    full = np.einsum("nk,nki,nkj->kij", r, deviations, deviations) / counts[:, None, None]
    covariances = {
        "full": full,
        "tied": np.einsum("k,kij->ij", counts, full) / len(x),
        "diag": np.diagonal(full, axis1=1, axis2=2),
        "spherical": np.trace(full, axis1=1, axis2=2) / x.shape[1],
    }[family]
    return counts / len(x), means, covariances


def assert_parts(mixture, weights, means, covariances):
    np.testing.assert_allclose(mixture.weights, weights, rtol=1e-9)
    np.testing.assert_allclose(mixture.means, means, rtol=1e-9)
    np.testing.assert_allclose(mixture.covariances, covariances, rtol=1e-9)


@pytest.mark.parametrize("family", COVARIANCES)
def test_densities_equal_scipy(family):
    mixture = mixture_of(family)
    assert_parts(mixture, WEIGHTS, MEANS, COVARIANCES[family])
    joint = textbook_joint(X, WEIGHTS, MEANS, as_matrices(family, COVARIANCES[family]))
    marginal = logsumexp(joint, axis=1)
    np.testing.assert_allclose(mixture.log_prob(X), marginal, rtol=1e-12)
    posterior = np.exp(joint - marginal[:, None])
    np.testing.assert_allclose(mixture.responsibilities(X), posterior, rtol=1e-9, atol=1e-300)
    np.testing.assert_array_equal(mixture.predict(X), joint.argmax(axis=1))
    assert jm.log_likelihood(mixture, X) == pytest.approx(marginal.sum(), rel=1e-12)
    counts = np.arange(len(X)) % 3
    assert jm.log_likelihood(mixture, X, counts) == pytest.approx(counts @ marginal, rel=1e-12)
    assert mixture.num_parameters == FREE[family]


@pytest.mark.parametrize("family", COVARIANCES)
def test_em_steps_equal_the_textbook(family):
    mixture = mixture_of(family)
    joint = textbook_joint(X, WEIGHTS, MEANS, as_matrices(family, COVARIANCES[family]))
    marginal = logsumexp(joint, axis=1)
    r = np.exp(joint - marginal[:, None])
    responsibilities, log_likelihood = jm.e_step(X, mixture)
    np.testing.assert_allclose(responsibilities, r, rtol=1e-9, atol=1e-300)
    assert log_likelihood == pytest.approx(marginal.sum(), rel=1e-12)

    expected = textbook_m_step(X, r, family)
    assert_parts(jm.m_step(X, r, family), *expected)
    assert_parts(jm.em_step(X, mixture), *expected)

    random = np.random.default_rng(0).dirichlet([1.0, 1.0], len(X))
    q = np.sum(random * joint)
    assert jm.expected_log_likelihood(X, mixture, random) == pytest.approx(q, rel=1e-12)
    bound = q - np.sum(random * np.log(random))
    assert jm.lower_bound(X, mixture, random) == pytest.approx(bound, rel=1e-12)
    assert bound < marginal.sum()


@pytest.mark.parametrize("family", COVARIANCES)
def test_known_labels_give_the_moments_of_the_classes(family):
    names = np.where(X[:, 1] > 68, "long", "ahead")
    mixture = jm.maximum_likelihood(X, names, family)
    members = np.stack([names == "ahead", names == "long"], axis=1).astype(float)
    assert_parts(mixture, *textbook_m_step(X, members, family))


def test_sample_weights_of_labeled_data_count_rows():
    labels, counts = np.arange(len(X)) % 2, np.arange(len(X)) % 3
    weighted = jm.maximum_likelihood(X, labels, sample_weights=counts)
    repeated = jm.maximum_likelihood(np.repeat(X, counts, axis=0), np.repeat(labels, counts))
    assert_parts(weighted, repeated.weights, repeated.means, repeated.covariances)


def test_steps_leave_their_arguments_alone():
    x, r = X.copy(), np.random.default_rng(1).dirichlet([1.0, 1.0], len(X))
    kept, mixture = r.copy(), mixture_of("full")
    jm.m_step(x, r)
    jm.e_step(x, mixture)
    jm.fit(x, mixture, stop=jm.Stop(max_steps=3))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(r, kept)
    assert_parts(mixture, WEIGHTS, MEANS, COVARIANCES["full"])


def test_far_points_have_responsibilities():
    mixture = mixture_of("full")
    far = np.array([[1e6, 1e6], [-1e6, 3.0]])
    r = np.asarray(mixture.responsibilities(far))
    np.testing.assert_allclose(r.sum(axis=1), 1.0)
    assert np.all(np.isfinite(mixture.log_prob(far)))


def test_samples_have_the_mixtures_moments():
    mixture = mixture_of("full")
    x, labels = mixture.sample(20_000, seed=3)
    np.testing.assert_array_equal(x, mixture.sample(20_000, seed=3)[0])
    assert not np.array_equal(x, mixture.sample(20_000, seed=4)[0])
    x, labels = np.asarray(x), np.asarray(labels)
    for c in range(2):
        rows = x[labels == c]
        n, sd = len(rows), np.sqrt(np.diag(SPD[c]))
        assert n / 20_000 == pytest.approx(WEIGHTS[c], abs=5 * np.sqrt(0.25 / 20_000))
        np.testing.assert_allclose(rows.mean(axis=0) / sd, MEANS[c] / sd, atol=5 / np.sqrt(n))
        spread = np.cov(rows.T) / np.outer(sd, sd)
        np.testing.assert_allclose(spread, SPD[c] / np.outer(sd, sd), atol=8 / np.sqrt(n))


@pytest.mark.parametrize("family", COVARIANCES)
def test_samples_follow_their_family(family):
    mixture = mixture_of(family)
    x, labels = (np.asarray(part) for part in mixture.sample(20_000, seed=0))
    for c, matrix in enumerate(as_matrices(family, COVARIANCES[family])):
        z = np.linalg.solve(np.linalg.cholesky(matrix), (x[labels == c] - MEANS[c]).T)
        np.testing.assert_allclose(np.cov(z), np.eye(2), atol=8 / np.sqrt(z.shape[1]))


@pytest.mark.parametrize("family", COVARIANCES)
def test_affine_maps_change_the_density_by_the_jacobian(family):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    scale = {"full": turn @ np.diag([2.0, 0.1]), "tied": np.array([[1.0, 0.5], [0.0, 3.0]])}
    scale |= {"diag": np.array([2.0, 0.1]), "spherical": 3.0 * turn}
    by, shift = scale[family], np.array([5.0, -7.0])
    matrix = np.diag(by) if by.ndim == 1 else by
    moved = mixture_of(family).affine(by, shift).log_prob(POINTS @ matrix.T + shift)
    jacobian = np.log(abs(np.linalg.det(matrix)))
    np.testing.assert_allclose(moved, mixture_of(family).log_prob(POINTS) - jacobian, rtol=1e-10)


def test_take_reorders_and_renormalizes():
    mixture = mixture_of("full")
    swapped = mixture.take([1, 0])
    np.testing.assert_array_equal(swapped.means, MEANS[::-1])
    np.testing.assert_allclose(swapped.log_prob(POINTS), mixture.log_prob(POINTS), rtol=1e-12)
    only = mixture.take([1])
    np.testing.assert_allclose(
        only.log_prob(POINTS), multivariate_normal(MEANS[1], SPD[1]).logpdf(POINTS), rtol=1e-12
    )


def test_stable_functions_at_the_courses_numbers():
    table = np.array([[1000.0, 1000.0], [1.0, 2.0]])
    kept = table.copy()
    np.testing.assert_allclose(jm.softmax(table), [[0.5, 0.5], [0.2689, 0.7311]], atol=1e-4)
    sums = jm.logsumexp(table)
    assert sums.shape == (2,)
    np.testing.assert_allclose(sums, [1000.6931, 2.3133], atol=1e-4)
    np.testing.assert_array_equal(table, kept)
    x = np.array([[1.62434536, -0.61175641], [-0.52817175, -1.07296862]])
    y = np.array([[0.86540763, -2.3015387], [1.74481176, -0.7612069], [0.3190391, -0.24937038]])
    np.testing.assert_allclose(
        jm.pairwise_distances(x, y),
        [[1.85239052, 0.19195729, 1.35467638], [1.85780729, 2.29426447, 1.18155842]],
        atol=1e-7,
    )


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_are_data(frame):
    table = frame({"eruptions": X[:, 0], "waiting": X[:, 1]})
    mixture = mixture_of("full")
    np.testing.assert_array_equal(mixture.log_prob(table), mixture.log_prob(X))
    result = jm.fit(table, mixture, stop=jm.Stop(max_steps=3))
    assert result.columns == ("eruptions", "waiting")
    np.testing.assert_array_equal(
        result.history, jm.fit(X, mixture, stop=jm.Stop(max_steps=3)).history
    )


def jeffreys(p, a, q, b):
    """Divergence of two weighted Gaussians in both directions, by its textbook form."""
    (m, s), (o, t) = a, b

    def divergence(m, s, o, t):
        inverse = np.linalg.inv(t)
        trace = np.trace(inverse @ s) + (o - m) @ inverse @ (o - m) - len(m)
        return (trace + np.log(np.linalg.det(t) / np.linalg.det(s))) / 2

    return divergence(m, s, o, t) + divergence(o, t, m, s) + (p - q) * np.log(p / q)


@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_best_of_all_permutations(seed):
    rng = np.random.default_rng(seed)

    def draw():
        roots = rng.normal(size=(4, 2, 2))
        covariances = roots @ np.swapaxes(roots, 1, 2) + 0.3 * np.eye(2)
        return jm.gaussian_mixture(
            rng.dirichlet(np.full(4, 5.0)), rng.normal(size=(4, 2)), covariances
        )

    mixture, reference = draw(), draw()
    parts = [
        [(w, (m, s)) for w, m, s in zip(*map(np.asarray, (o.weights, o.means, o.covariances)))]
        for o in (reference, mixture)
    ]

    def cost(order):
        return sum(jeffreys(*parts[0][i], *parts[1][j]) for i, j in enumerate(order))

    best = min(itertools.permutations(range(4)), key=cost)
    np.testing.assert_array_equal(jm.match(mixture, reference), best)


def test_distance_is_the_largest_difference_in_column_units():
    reference = mixture_of("full")
    scale = np.array([2.0, 10.0])
    assert distance(reference.take([1, 0]), reference, scale) == pytest.approx(0.0, abs=1e-12)
    moved = jm.gaussian_mixture(WEIGHTS, MEANS + np.array([[0.0, 0.0], [0.0, 3.0]]), SPD)
    assert distance(moved.take([1, 0]), reference, scale) == pytest.approx(0.3)
    wider = jm.gaussian_mixture(WEIGHTS, MEANS, SPD + np.diag([0.0, 50.0]))
    assert distance(wider, reference, scale) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(4))
def test_rand_index_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 3, 50), rng.integers(0, 4, 50)
    assert jm.scores.adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b))
    names = np.array(["u", "v", "w"])[a]
    assert jm.scores.adjusted_rand_index(names, a) == 1.0
    assert jm.scores.adjusted_rand_index(np.zeros(50), a) == pytest.approx(0.0)
