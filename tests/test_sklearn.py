"""The estimator is scikit-learn's: its checks pass, and its fits, messages and errors come out."""

import pickle
import sys
import warnings
from importlib import import_module

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from helpers import FAMILIES
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import BayesianGaussianMixture
from sklearn.mixture import GaussianMixture as Oracle
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import jaxmix as jm

Ours = jm.sklearn.GaussianMixture


def draw_data() -> np.ndarray:
    """Two clusters, one of them tilted, as in scikit-learn's example on model selection."""
    rng = np.random.default_rng(0)
    tilted = rng.normal(size=(500, 2)) @ np.array([[0.0, -0.1], [1.7, 0.4]])
    return np.concatenate([tilted, 0.7 * rng.normal(size=(500, 2)) + np.array([-4.0, 1.0])])


X = draw_data()
WEIGHTS, MEANS = [0.3, 0.7], [[-2.0, 1.0], [1.0, 0.0]]
PRECISIONS = {
    "full": [[[1.0, 0.2], [0.2, 2.0]], [[0.5, 0.0], [0.0, 1.0]]],
    "tied": [[1.0, 0.2], [0.2, 2.0]],
    "diag": [[1.0, 2.0], [0.5, 1.0]],
    "spherical": [1.0, 0.5],
}
ARRAYS = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")

every_family = pytest.mark.parametrize("family", FAMILIES)


def given(family):
    inits = {"weights_init": WEIGHTS, "means_init": MEANS, "precisions_init": PRECISIONS[family]}
    return {"n_components": 2, "covariance_type": family, **inits}


def fitted(kind, x=X, sample_weight=None, **settings):
    """A fit whose limit on iterations may be the point."""
    arguments = {} if sample_weight is None else {"sample_weight": sample_weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind(**settings).fit(x, **arguments)


def assert_same_fit(ours, theirs, rtol=1e-8):
    for name in (*ARRAYS, "lower_bounds_"):
        # Of a start with variances of 1e-6 the lower bound itself is large.
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=rtol, atol=1e-10, err_msg=name
        )
    np.testing.assert_allclose(ours.lower_bound_, theirs.lower_bound_, rtol=rtol)
    assert (ours.n_iter_, ours.converged_) == (theirs.n_iter_, theirs.converged_)


@pytest.mark.filterwarnings("default")
@parametrize_with_checks([Ours()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@every_family
@pytest.mark.parametrize("reg_covar", [1e-6, 0.5])
def test_from_a_given_start_everything_equals_scikit_learns(family, reg_covar):
    settings = {**given(family), "reg_covar": reg_covar, "tol": 1e-5, "random_state": 0}
    ours, theirs = fitted(Ours, **settings), fitted(Oracle, **settings)
    assert_same_fit(ours, theirs)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-8)
    for name in ("score", "bic", "aic"):
        assert getattr(ours, name)(X) == pytest.approx(getattr(theirs, name)(X), rel=1e-9)
    for one, other in zip(ours.sample(9), theirs.sample(9), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@every_family
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "random_from_data"])
def test_the_same_random_state_gives_scikit_learns_fit(family, init_params):
    settings = {"n_components": 2, "covariance_type": family, "init_params": init_params}
    for more in ({"random_state": 1}, {"random_state": 2}, {"means_init": MEANS}):
        settings = {**settings, "random_state": 3, **more}
        # A start with one huge covariance for all lies near a saddle, which amplifies rounding.
        assert_same_fit(fitted(Ours, **settings), fitted(Oracle, **settings), rtol=1e-5)


def test_the_best_of_several_starts_is_scikit_learns():
    once, twice = (fitted(Ours, n_components=3, random_state=2, n_init=n) for n in (1, 2))
    assert_same_fit(twice, fitted(Oracle, n_components=3, random_state=2, n_init=2))
    assert twice.lower_bound_ > once.lower_bound_ + 1e-4


@pytest.mark.parametrize("max_iter", [0, 1, 3])
def test_iterations_count_as_scikit_learns(max_iter):
    settings = {"n_components": 2, "random_state": 0, "max_iter": max_iter, "tol": 1e-9}
    ours, theirs = fitted(Ours, **settings), fitted(Oracle, **settings)
    assert_same_fit(ours, theirs)
    assert ours.n_iter_ == max_iter


def test_no_convergence_is_a_warning():
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        assert not Ours(2, max_iter=1, random_state=0).fit(X).converged_
    assert not fitted(Ours, **given("full"), tol=0.0, max_iter=5).converged_


def test_a_warm_start_goes_on_as_scikit_learns():
    settings = {**given("full"), "warm_start": True, "max_iter": 2, "tol": 1e-5}
    ours, theirs = Ours(**settings), Oracle(**settings)
    for _ in range(12):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            assert_same_fit(ours.fit(X), theirs.fit(X))
    assert ours.converged_
    assert ours.n_iter_ == 1


def test_messages_are_scikit_learns(capsys):
    said = []
    for kind in (Ours, Oracle):
        settings = {"random_state": 0, "tol": 1e-6, "n_init": 2}
        fitted(kind, n_components=2, verbose=1, verbose_interval=3, **settings)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "  Iteration 3\n" in said[0]


@every_family
def test_sample_weights_are_repeated_rows(family):
    x, counts = X[200:800], np.random.default_rng(1).integers(0, 4, 600)
    settings = {**given(family), "tol": 1e-6}
    weighted = fitted(Ours, x, counts, **settings)
    repeated = fitted(Ours, np.repeat(x, counts, axis=0), **settings)
    assert_same_fit(weighted, repeated, rtol=1e-12)


def test_sample_weights_reach_the_start():
    counts = np.r_[np.zeros(250), np.full(50, 3.0), np.ones(700)]
    present = np.repeat(X, counts.astype(int), axis=0)
    for init_params in ("kmeans", "k-means++", "random_from_data"):
        settings = {"n_components": 2, "init_params": init_params, "random_state": 5}
        weighted = fitted(Ours, X, counts, tol=1e-9, max_iter=500, **settings)
        repeated = fitted(Ours, present, tol=1e-9, max_iter=500, **settings)
        assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, rel=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attributes_have_the_precision_of_the_data(dtype):
    settings = given("full")
    with jax.enable_x64(False):
        ours = fitted(Ours, X.astype(dtype), **settings)
        assert not jax.config.jax_enable_x64
    theirs = fitted(Oracle, X.astype(dtype), **settings)
    exact = fitted(Ours, X.astype(dtype).astype(np.float64), **settings)
    for name in ARRAYS:
        value = getattr(ours, name)
        assert type(value) is np.ndarray
        assert value.flags.writeable
        np.testing.assert_array_equal(value, getattr(exact, name).astype(dtype))
        np.testing.assert_allclose(value, getattr(theirs, name), rtol=2e-3, atol=1e-5)
    assert fitted(Oracle, X.astype(dtype), n_components=2).means_.dtype == dtype


def test_pipelines_clones_and_pickles():
    pipeline = make_pipeline(StandardScaler(), Ours(2, random_state=0))
    labels = pipeline.fit(X).predict(X)
    z = StandardScaler().fit_transform(X)
    np.testing.assert_array_equal(labels, Oracle(2, random_state=0).fit_predict(z))
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.score_samples(X), pipeline.score_samples(X))
    ready = Ours(2, solver=jm.GradientAscent(optax.adam, learning_rate=0.1))
    assert clone(ready).get_params()["solver"] == ready.solver


def test_names_of_columns_are_kept():
    frame = pd.DataFrame(X, columns=["east", "north"])
    estimator = Ours(2, random_state=0).fit(frame)
    assert estimator.feature_names_in_.tolist() == ["east", "north"]
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(frame.rename(columns={"east": "west"}))


MISTAKES = {
    "no components": ({"n_components": 0}, X),
    "more components than rows": ({"n_components": 5}, X[:4]),
    "an unknown family": ({"covariance_type": "fulll"}, X),
    "an unknown start": ({"init_params": "kmeans++"}, X),
    "a negative tolerance": ({"tol": -1.0}, X),
    "a negative ridge": ({"reg_covar": -1.0}, X),
    "a limit in words": ({"max_iter": "ten"}, X),
    "one row": ({}, X[:1]),
    "a vector": ({}, X[:, 0]),
    "NaN": ({}, np.where(X > 5, X, np.nan)),
    "text": ({}, [["a", "b"], ["c", "d"]]),
    "weights that sum to 2": ({"n_components": 2, "weights_init": [1.0, 1.0]}, X),
    "negative weights": ({"n_components": 2, "weights_init": [-0.5, 1.5]}, X),
    "too many weights": ({"n_components": 2, "weights_init": [0.2, 0.3, 0.5]}, X),
    "means of another shape": ({"n_components": 2, "means_init": [[1.0, 2.0]]}, X),
    "precisions of another shape": ({"n_components": 2, "precisions_init": [1.0, 2.0]}, X),
    "an asymmetric precision": ({"precisions_init": [[[1.0, 0.5], [0.0, 1.0]]]}, X),
    "an indefinite precision": ({"precisions_init": [[[1.0, 2.0], [2.0, 1.0]]]}, X),
    "a negative precision": ({"precisions_init": [[-1.0, 1.0]], "covariance_type": "diag"}, X),
    "collapsed components": ({"n_components": 2, "reg_covar": 0.0}, np.repeat(X[:2], 500, axis=0)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_raise_what_scikit_learn_raises(mistake):
    settings, x = MISTAKES[mistake]
    with pytest.raises((ValueError, TypeError)) as theirs:
        Oracle(**settings).fit(x)
    with pytest.raises(theirs.type):
        Ours(**settings).fit(x)


def test_a_fit_goes_on_only_with_the_settings_that_it_had():
    estimator = Ours(2, covariance_type="diag", random_state=0, max_iter=3, tol=1.0).fit(X)
    for change in ({"covariance_type": "tied"}, {"n_components": 3}):
        other = pickle.loads(pickle.dumps(estimator)).set_params(**change)
        with pytest.raises(
            ValueError, match="fitted with n_components=2 and covariance_type='diag'"
        ):
            other.partial_fit(X)
        with pytest.raises(ValueError, match="fit anew, without warm_start"):
            other.set_params(warm_start=True).fit(X)


@pytest.mark.parametrize("offset", [0.0, 7.0])
def test_more_components_than_different_rows_are_fitted_as_scikit_learn_does(offset):
    x = np.repeat([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]], 5, axis=0) + offset
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        ours, theirs = (kind(4, random_state=1).fit(x) for kind in (Ours, Oracle))
    assert_same_fit(ours, theirs)


def test_questions_to_an_unfitted_estimator():
    for ask in (Ours().predict, Ours().score_samples, Ours().bic):
        with pytest.raises(NotFittedError):
            ask(X)


def test_mistakes_that_scikit_learn_cannot_make():
    for solver, message in (("adan", "did you mean 'adam'"), ("em, adam", "names 2 methods")):
        with pytest.raises(ValueError, match=message):
            Ours(solver=solver).fit(X)
    with pytest.raises(ValueError, match="expected 1000 sample_weights"):
        Ours().fit(X, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="only n_samples=1 of positive sample_weight"):
        Ours(2).fit(X, sample_weight=np.arange(1000) == 0)
    with pytest.raises(ValueError, match="sums to 1, less than the 2 components"):
        Ours(2, solver="lbfgs").fit(X, sample_weight=np.full(1000, 1e-3))


def test_other_solvers_reach_the_same_maximum():
    settings, adam = {**given("full"), "tol": 1e-10, "max_iter": 900}, "adam(learning_rate=0.1)"
    by_em, by_adam = (Ours(**settings, solver=solver).fit(X) for solver in ("em", adam))
    np.testing.assert_allclose(by_adam.means_, by_em.means_, atol=1e-3)
    np.testing.assert_allclose(by_adam.covariances_, by_em.covariances_, atol=1e-3)
    assert len(by_adam.lower_bounds_) == by_adam.n_iter_
    # The mean log-likelihood; the objective has the ridge's penalty too.
    assert by_adam.lower_bound_ == pytest.approx(by_adam.score(X), rel=1e-10)
    assert 0 < by_adam.lower_bound_ - by_adam.lower_bounds_[-1] < 1e-3
    with pytest.raises(ValueError, match="collapsed"):
        Ours(2, solver=adam, random_state=0).fit(np.repeat(X[:2], 500, axis=0))


def covariances_of(family, statistics, ridge):
    """M-step of the covariances from counts, sums and second moments, in NumPy."""
    counts, sums, seconds = statistics
    means = sums / counts[:, None]
    scatter = seconds - np.einsum("k,ki,kj->kij", counts, means, means)
    own = scatter / counts[:, None, None] + ridge * np.eye(2)
    diagonals = np.diagonal(own, axis1=1, axis2=2)
    tied = scatter.sum(0) / counts.sum() + ridge * np.eye(2)
    return {"full": own, "tied": tied, "diag": diagonals, "spherical": diagonals.mean(1)}[family]


def statistics_of(x, weights, means, matrices):
    joint = [
        np.log(weight) + multivariate_normal(mean, matrix).logpdf(x).reshape(len(x))
        for weight, mean, matrix in zip(weights, means, matrices)
    ]
    shares = softmax(np.stack(joint, axis=1), axis=1) / len(x)
    return [shares.sum(0), shares.T @ x, np.einsum("nk,ni,nj->kij", shares, x, x)]


@every_family
def test_partial_fits_are_stepwise_em(family):
    ridge, rng = 0.1, np.random.default_rng(2)
    precisions = np.array(PRECISIONS[family])
    matrices = {
        "full": lambda values: values,
        "tied": lambda values: np.array([values, values]),
        "diag": lambda values: np.array([np.diag(row) for row in values]),
        "spherical": lambda values: np.array([value * np.eye(2) for value in values]),
    }[family]
    weights, means, sigma = np.array(WEIGHTS), np.array(MEANS), np.linalg.inv(matrices(precisions))
    estimator, running = Ours(**given(family), reg_covar=ridge), None
    for t, size in enumerate((600, 1000, 1, 600)):
        batch = X[rng.choice(len(X), size, replace=False)]
        seen = statistics_of(batch, weights, means, sigma)
        rate = 1.0 if running is None else (t - 1 + 2) ** -0.6
        old = seen if running is None else running
        running = [(1 - rate) * a + rate * b for a, b in zip(old, seen)]
        values = covariances_of(family, running, ridge)
        weights, means, sigma = running[0], running[1] / running[0][:, None], matrices(values)
        estimator.partial_fit(batch)
        np.testing.assert_allclose(estimator.weights_, weights, rtol=1e-10)
        np.testing.assert_allclose(estimator.means_, means, rtol=1e-10)
        np.testing.assert_allclose(estimator.covariances_, values, rtol=1e-9)
    assert estimator.n_iter_ == 4


def test_without_scikit_learn_it_says_how_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.utils.validation", None)
    monkeypatch.delitem(sys.modules, "jaxmix.sklearn")
    with pytest.raises(ImportError, match=r"pip install scikit-learn"):
        import_module("jaxmix.sklearn")


@every_family
def test_fitted_estimators_become_mixtures_and_back(family):
    theirs = fitted(Oracle, n_components=2, covariance_type=family, random_state=0, max_iter=3)
    mixture = jm.sklearn.from_sklearn(theirs)
    rows = X[:50]
    np.testing.assert_allclose(mixture.log_prob(rows), theirs.score_samples(rows), rtol=1e-10)
    again = pickle.loads(pickle.dumps(jm.sklearn.to_sklearn(mixture)))
    assert type(again) is Oracle
    np.testing.assert_allclose(again.score_samples(rows), theirs.score_samples(rows), rtol=1e-10)
    np.testing.assert_allclose(again.predict_proba(rows), theirs.predict_proba(rows), atol=1e-10)
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(again, name), getattr(theirs, name), rtol=1e-9)
    draws = [one.set_params(random_state=1).sample(20)[0] for one in (again, theirs)]
    np.testing.assert_allclose(*draws, rtol=1e-9)


def test_estimators_in_float32_become_mixtures_in_float32():
    k = 64
    theirs = Oracle(k, covariance_type="spherical", max_iter=0, random_state=0)
    theirs = fitted(Oracle, X.astype(np.float32), **theirs.get_params())
    mixture = jm.sklearn.from_sklearn(theirs)
    assert mixture.means.dtype == np.float32
    np.testing.assert_allclose(mixture.weights, theirs.weights_, rtol=1e-5)
    assert jm.sklearn.to_sklearn(mixture).sample(100)[0].shape == (100, 2)


def test_what_does_not_convert():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        jm.sklearn.from_sklearn(Ours(2))
    with pytest.raises(TypeError, match="got BayesianGaussianMixture"):
        jm.sklearn.from_sklearn(BayesianGaussianMixture())
