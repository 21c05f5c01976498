"""The mixture examples of scikit-learn's documentation run with our class and end as with its own.

Each example is a function of the estimator's class and gives the arrays that its page shows; data,
settings and calls are the page's, with a `random_state` where the page has none.
"""

import warnings

import numpy as np
import pytest
from helpers import FAMILIES
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Oracle
from sklearn.model_selection import GridSearchCV

import jaxmix as jm

Ours = jm.sklearn.GaussianMixture


def docstring(kind):
    """`GaussianMixture`'s own example: six points, two columns of them."""
    x = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    estimator = kind(n_components=2, random_state=0).fit(x)
    np.testing.assert_allclose(estimator.means_, [[10.0, 2.0], [1.0, 2.0]])
    return estimator.means_, estimator.predict([[0, 0], [12, 3]])


def two_clusters(size, matrix, scale, center):
    rng = np.random.RandomState(0)
    tilted = rng.randn(size, 2) @ np.array(matrix)
    return np.concatenate([tilted, scale * rng.randn(size, 2) + np.array(center)])


def ellipsoids(kind):
    """plot_gmm: five components for two clusters."""
    x = two_clusters(500, [[0.0, -0.1], [1.7, 0.4]], 0.7, [-6, 3])
    estimator = kind(n_components=5, covariance_type="full", random_state=0).fit(x)
    return estimator.predict(x), estimator.means_, estimator.covariances_


def density(kind):
    """plot_gmm_pdf: the negative log-likelihood on a grid."""
    x = two_clusters(300, [[0.0, -0.7], [3.5, 0.7]], 1.0, [20, 20])
    estimator = kind(n_components=2, covariance_type="full", random_state=0).fit(x)
    grid = np.meshgrid(np.linspace(-20.0, 30.0), np.linspace(-20.0, 40.0))
    return (-estimator.score_samples(np.array([axis.ravel() for axis in grid]).T),)


def covariances(kind):
    """plot_gmm_covariances: four components of a hundred points in every structure."""
    rng = np.random.RandomState(4)
    shapes = [np.eye(2), np.diag([1, 5]), [[3, 1], [1, 3]], np.eye(2)]
    labels = rng.choice(4, size=100, p=[0.3, 0.3, 0.3, 0.1])
    x = np.empty((100, 2))
    for label, mean in enumerate([(0, 0), (-2, 2), (-3, -2), (5, 0)]):
        mine = labels == label
        x[mine] = rng.multivariate_normal(mean, shapes[label], mine.sum())
    settings = {"n_components": 4, "max_iter": 20, "random_state": 0}
    estimators = [kind(covariance_type=family, **settings).fit(x) for family in FAMILIES]
    return [array for each in estimators for array in (each.predict(x), each.covariances_)]


def initialization(kind):
    """plot_gmm_init: the means that each start gives, after no iteration, and where they lead."""
    x, _ = make_blobs(n_samples=4000, centers=4, cluster_std=0.60, random_state=0)
    x, settings = x[:, ::-1], {"n_components": 4, "tol": 1e-9}
    arrays = []
    for start in ("kmeans", "random_from_data", "k-means++", "random"):
        rng = np.random.RandomState(1234)
        means = kind(init_params=start, max_iter=0, random_state=rng, **settings).fit(x).means_
        fit = kind(means_init=means, max_iter=2000, random_state=rng, **settings).fit(x)
        arrays += [means, fit.n_iter_, fit.predict(x)]
    return arrays


def sine_curve(kind):
    """plot_gmm_sin: ten components for a hundred points along a curve."""
    rng, x = np.random.RandomState(0), np.zeros((100, 2))
    for i, angle in enumerate(np.arange(100) * 4 * np.pi / 100 - 6):
        x[i] = angle + rng.normal(0, 0.1), 3 * (np.sin(angle) + rng.normal(0, 0.2))
    estimator = kind(n_components=10, covariance_type="full", random_state=0).fit(x)
    return estimator.predict(x), estimator.means_, estimator.covariances_


def selection(kind):
    """plot_gmm_selection: a grid search by BIC, here for one and two components, not six."""
    x = two_clusters(500, [[0.0, -0.1], [1.7, 0.4]], 0.7, [-4, 1])
    grid = {"n_components": [1, 2], "covariance_type": ["spherical", "tied", "diag", "full"]}
    search = GridSearchCV(
        kind(random_state=0), grid, scoring=lambda estimator, rows: -estimator.bic(rows)
    ).fit(x)
    assert search.best_params_ == {"n_components": 2, "covariance_type": "full"}
    return search.cv_results_["mean_test_score"], search.predict(x)


EXAMPLES = (
    docstring,
    ellipsoids,
    density,
    covariances,
    initialization,
    sine_curve,
    selection,
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_the_example_ends_as_with_scikit_learns_class(example):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours, theirs = example(Ours), example(Oracle)
    assert len(ours) == len(theirs)
    for mine, its in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6, atol=1e-8)
