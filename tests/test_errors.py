"""What no fit can use is refused with a message that says so, and no failure is silent."""

import re

import jaxtyping
import numpy as np
import optax
import pytest

import jaxmix as jm

X = jm.data.standardize(jm.data.load("faithful").x)[0]
START = jm.initialize(X, 2, seed=0)
N = len(X)


def with_entry(value):
    x = X.tolist()
    x[3][1] = value
    return x


def one(weights=(1.0,), means=((0.0, 0.0),), covariances=1.0, family="full"):
    return jm.gaussian_mixture(weights, means, covariances, family)


DATA = {
    "NaN": (with_entry(np.nan), ValueError, r"x\[3, 1\].* is nan"),
    "infinity": (with_entry(np.inf), ValueError, r"x\[3, 1\].* is inf"),
    "text": (with_entry("many"), ValueError, r"x\[3, 1\].*text 'many'"),
    "an integer above 2**53": (with_entry(2**53 + 1), ValueError, r"x\[3, 1\].*2\*\*53"),
    "rows of unequal length": ([[1.0, 2.0], [3.0]], ValueError, "row 1 has 1"),
    "no rows": (np.zeros((0, 2)), ValueError, "no rows"),
    "no data": (None, TypeError, "expected rows of numbers"),
}

ENTRIES = {
    "fit": lambda x: jm.fit(x, START),
    "initialize": lambda x: jm.initialize(x, 2),
    "fit_restarts": lambda x: jm.fit_restarts(x, 2),
    "kmeans": lambda x: jm.kmeans(x, 2),
    "log_likelihood": lambda x: jm.log_likelihood(START, x),
    "predict": START.predict,
    "m_step": lambda x: jm.m_step(x, np.full((N, 2), 0.5)),
    "maximum_likelihood": lambda x: jm.maximum_likelihood(x, np.arange(N) % 2),
}

COUNTS = {
    "k > n": (N + 1, ValueError, f"k={N + 1} components, but only {N} observations"),
    "k = 0": (0, ValueError, "k must be at least 1, got 0"),
    "k < 0": (-1, ValueError, "k must be at least 1, got -1"),
    "text": ("2", TypeError, "k must be a whole number, got '2'"),
    "a fraction": (2.5, TypeError, "k must be a whole number, got 2.5"),
    "a truth value": (True, TypeError, "k must be a whole number, got True"),
    "nothing": (None, TypeError, "k must be a whole number, got None"),
}

COUNTED = {
    "initialize": lambda k: jm.initialize(X, k),
    "fit_restarts": lambda k: jm.fit_restarts(X, k),
    "kmeans": lambda k: jm.kmeans(X, k),
}

SEMIDEFINITE, ASYMMETRIC = [[[1.0, 1.0], [1.0, 1.0]]], [[[1.0, 0.2], [0.1, 1.0]]]

REFUSED = {
    # mixtures from plain arrays
    "zero weight": (lambda: one([0.0, 1.0], [0.0, 1.0]), ValueError, "positive, got 0"),
    "negative weight": (lambda: one([-0.5, 1.5], [0.0, 1.0]), ValueError, "positive, got -0.5"),
    "weights' sum": (lambda: one([0.5, 0.6], [0.0, 1.0]), ValueError, "sum to 1, got 1.1"),
    "weights of text": (lambda: one(["a"]), TypeError, "weights must be numbers"),
    "no weights": (lambda: one([]), ValueError, "weights must be"),
    "too many means": (lambda: one([1.0], [[0.0], [1.0]]), ValueError, r"means must be \[1 d\]"),
    "NaN mean": (lambda: one(means=[[np.nan, 0.0]]), ValueError, "means must be finite"),
    "semidefinite": (lambda: one(covariances=SEMIDEFINITE), ValueError, "positive definite"),
    "asymmetric": (lambda: one(covariances=ASYMMETRIC), ValueError, "symmetric"),
    "zero variance": (
        lambda: one(covariances=[[1.0, 0.0]], family="diag"),
        ValueError,
        "positive definite, got least eigenvalue 0",
    ),
    "covariances' shape": (
        lambda: one(covariances=[[1.0, 0.0], [0.0, 1.0]]),
        ValueError,
        r"shape \(1, 2, 2\), got \(2, 2\)",
    ),
    # names
    "family": (lambda: one(family="sphericle"), ValueError, "did you mean 'spherical'?"),
    "start's name": (lambda: jm.initialize(X, 2, start="kmean"), ValueError, "mean 'kmeans'?"),
    "restarts' start": (lambda: jm.fit_restarts(X, 2, start="kmean"), ValueError, "'kmeans'?"),
    "rule": (lambda: jm.Stop("gapp"), ValueError, "did you mean 'gap'?"),
    "gradient": (lambda: jm.GradientAscent(gradient="fischer"), ValueError, "mean 'fisher'?"),
    "setting": (
        lambda: jm.GradientAscent(optax.adam, learning_rat=0.1),
        ValueError,
        "setting of adam 'learning_rat'; did you mean 'learning_rate'?",
    ),
    "setting beside a ready optimizer": (
        lambda: jm.GradientAscent(optax.adam(0.1), learning_rate=0.1),
        TypeError,
        "takes no settings, got learning_rate",
    ),
    # starts
    "no start": (lambda: jm.fit(X, None), TypeError, "start must be a Mixture, got NoneType"),
    "start's dimension": (
        lambda: jm.fit(X[:, :1], START),
        ValueError,
        "start has 2 columns, the data have 1",
    ),
    "NaN start": (lambda: jm.fit(X, START.affine(np.nan, 0.0)), ValueError, "NaN or infinity"),
    "start of too many": (lambda: jm.fit(X[:1], START), ValueError, "k=2 components, but only 1"),
    "labels": (
        lambda: jm.initialize(X, 2, start=np.arange(N)),
        ValueError,
        "labels must be 0 to 1, got 0 to 271",
    ),
    "responsibilities": (
        lambda: jm.initialize(X, 2, start=np.ones((N, 2))),
        ValueError,
        "rows that sum to 1",
    ),
    "NaN responsibilities": (
        lambda: jm.initialize(X, 2, start=np.full((N, 2), np.nan)),
        ValueError,
        "rows that sum to 1",
    ),
    "seed": (lambda: jm.initialize(X, 2, seed=1.5), TypeError, "whole number for seed, got 1.5"),
    "negative seed": (lambda: START.sample(3, seed=-1), ValueError, "seed >= 0, got -1"),
    "number of starts": (
        lambda: jm.fit_restarts(X, 2, num_starts=0),
        ValueError,
        "num_starts >= 1, got 0",
    ),
    "centers": (
        lambda: jm.kmeans(X, 2, centers=[[1.0, 2.0]]),
        ValueError,
        r"centers must be \[2 2\]",
    ),
    # sample weights
    "negative sample weight": (
        lambda: jm.fit(X, START, sample_weights=-np.ones(N)),
        ValueError,
        r"sample_weights\[0\] is -1",
    ),
    "negative sample weight in the likelihood": (
        lambda: jm.log_likelihood(START, X, -np.ones(N)),
        ValueError,
        r"sample_weights\[0\] is -1",
    ),
    "too few sample weights": (
        lambda: jm.initialize(X, 2, sample_weights=np.ones(3)),
        ValueError,
        f"expected {N} sample_weights",
    ),
    "all sample weights zero": (
        lambda: jm.fit(X, START, sample_weights=np.zeros(N)),
        ValueError,
        "all sample_weights are zero",
    ),
    # methods and stopping
    "class for a method": (lambda: jm.fit(X, START, jm.EM), TypeError, r"write EM\(\)"),
    "class of gradient ascent": (
        lambda: jm.fit(X, START, jm.GradientAscent),
        TypeError,
        r"write GradientAscent\(\)",
    ),
    "name for a method": (lambda: jm.fit(X, START, "em"), TypeError, "such as EM"),
    "number for a stop": (lambda: jm.fit(X, START, stop=0), TypeError, "must be a jaxmix.Stop"),
    "zero tolerance": (lambda: jm.Stop(tol=0.0), ValueError, "tol must be positive, got 0"),
    "NaN tolerance": (lambda: jm.Stop(tol=np.nan), ValueError, "tol must be positive, got nan"),
    "tolerance of text": (lambda: jm.Stop(tol="small"), TypeError, "tol must be a number"),
    "no tolerance": (lambda: jm.Stop(tol=None), TypeError, "tol must be a number, got None"),
    "negative limit": (lambda: jm.Stop(max_steps=-1), ValueError, "at least 0, got -1"),
    "half a step": (lambda: jm.Stop(max_steps=1.5), ValueError, "whole number"),
    "endless": (lambda: jm.Stop(max_steps=np.inf), ValueError, "whole number"),
    # parts and penalties
    "fixed": (lambda: jm.fit(X, START, fixed="weight"), ValueError, "mean 'weights'?"),
    "fixed number": (lambda: jm.fit(X, START, fixed=("weights", 3)), ValueError, "to fix 3"),
    "everything fixed": (
        lambda: jm.fit(X, START, fixed=("weights", "means", "covariances")),
        ValueError,
        "nothing is left to fit",
    ),
    "prior": (lambda: jm.fit(X, START, prior=1.0), TypeError, "must be a jaxmix.Prior or None"),
    "negative ridge": (lambda: jm.fit(X, START, ridge=-1.0), ValueError, "at least 0, got -1"),
    "NaN ridge": (lambda: jm.fit(X, START, ridge=np.nan), ValueError, "ridge must be finite"),
    "ridge of text": (lambda: jm.fit(X, START, ridge="a"), TypeError, "ridge must be numbers"),
    "ridge a column": (lambda: jm.fit(X, START, ridge=[1.0, 1.0]), ValueError, "ridge must be"),
    # runs
    "resume": (lambda: jm.fit(X, START, resume=START), TypeError, "FitResult, got Mixture"),
    "record": (lambda: jm.fit(X, START, record="al"), ValueError, "record must be"),
    "record before the start": (lambda: jm.fit(X, START, record=[-1]), ValueError, ">= 0, got -1"),
    "record half a step": (lambda: jm.fit(X, START, record=[1.5]), TypeError, "got 1.5"),
    # mixtures in use
    "columns": (lambda: START.predict(X[:, :1]), ValueError, "mixture has 2 columns, x has 1"),
    "component": (lambda: START.take([0, 2]), ValueError, "expected components 0 to 1"),
    "size of a sample": (lambda: START.sample(-1), ValueError, "expected n >= 0, got -1"),
    "number of labels": (lambda: jm.maximum_likelihood(X, [0, 1]), ValueError, "labels must be"),
    "mixtures to match": (lambda: jm.match(START, START.take([0])), ValueError, "one shape"),
    "size of a batch": (lambda: jm.OnlineEM(0), ValueError, "batch_size >= 1, got 0"),
    "part of a row": (lambda: jm.OnlineEM(2.5), TypeError, "whole number for batch_size, got 2.5"),
    "exponent": (lambda: jm.OnlineEM(exponent=1.5), ValueError, r"in \[0, 1\], got 1.5"),
    "exponent in words": (lambda: jm.OnlineEM(exponent="1"), TypeError, "must be a number"),
    "average": (lambda: jm.OnlineEM(average=1), TypeError, "True or False, got 1"),
    "seed of batches": (lambda: jm.OnlineEM(seed=2**31), ValueError, r"below 2\*\*31"),
    "number of batches": (lambda: jm.IncrementalEM(0), ValueError, "num_batches >= 1, got 0"),
    "line search in batches": (
        lambda: jm.StochasticGradient(optax.lbfgs),
        ValueError,
        "lbfgs searches along lines",
    ),
    "ready line search in batches": (
        lambda: jm.StochasticGradient(optax.lbfgs()),
        ValueError,
        "use jaxmix.GradientAscent",
    ),
    "optimizer in words": (
        lambda: jm.StochasticGradient("adam"),
        TypeError,
        "an optax factory such as optax.adam, got 'adam'",
    ),
    "squares above floats": (
        lambda: jm.fit_restarts(X * 1e160, 2),
        ValueError,
        "squares of the data leave the range of floats; see data.standardize",
    ),
    "setting in batches": (
        lambda: jm.StochasticGradient(batchsize=3),
        ValueError,
        "unknown setting of adam 'batchsize'",
    ),
    "labelings": (
        lambda: jm.scores.adjusted_rand_index([0], [0, 1]),
        ValueError,
        "one length, got 1 and 2",
    ),
}

PRIORS = {
    "negative strength": ({"covariance_strength": -1.0}, ValueError, "at least 0, got -1"),
    "concentration": ({"weight_concentration": 0.5}, ValueError, "at least 1, got 0.5"),
    "mean's length": ({"mean": [1.0, 2.0, 3.0]}, ValueError, "must have 2 entries"),
    "NaN mean": ({"mean": [np.nan, 0.0]}, ValueError, "mean must be finite"),
    "mean of text": ({"mean": ["a", "b"]}, TypeError, "mean must be numbers"),
    "scale's shape": ({"covariance_scale": [1.0, 2.0, 3.0]}, ValueError, r"number, \[2\] or"),
    "negative scale": ({"covariance_scale": -1.0}, ValueError, "positive semidefinite"),
    "infinite scale": ({"covariance_scale": np.inf}, ValueError, "must be finite"),
    "asymmetric scale": (
        {"covariance_scale": [[1.0, 0.5], [0.0, 1.0]]},
        ValueError,
        "must be symmetric",
    ),
}


@pytest.fixture(autouse=True)
def _as_users_see_it():
    """Without the types that the tests check at each call, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize(("x", "error", "message"), DATA.values(), ids=DATA)
def test_bad_data_are_refused_at_every_entry(entry, x, error, message):
    with pytest.raises(error, match=message):
        entry(x)


@pytest.mark.parametrize("entry", COUNTED.values(), ids=COUNTED)
@pytest.mark.parametrize(("k", "error", "message"), COUNTS.values(), ids=COUNTS)
def test_bad_numbers_of_components_are_refused(entry, k, error, message):
    with pytest.raises(error, match=re.escape(message)):
        entry(k)


@pytest.mark.parametrize(("call", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(("settings", "error", "message"), PRIORS.values(), ids=PRIORS)
def test_bad_priors_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        jm.fit(X, START, prior=jm.Prior(**settings))


FAMILIES = ("full", "tied", "diag", "spherical")
CONSTANT = X * [1.0, 0.0]
DEPENDENT = X[:, :1] * [1.0, 2.0] + [0.0, 1.0]
REPEATED = np.where(np.arange(N)[:, None] < 60, X[0], X)
GROUPS = (np.arange(N) >= 60).astype(int)


@pytest.mark.parametrize("family", ["full", "tied", "diag"])
def test_a_constant_column_is_named_and_fits_with_a_ridge(family):
    start = jm.initialize(CONSTANT, 2, family)
    with pytest.raises(ValueError, match=r"column 'x2' is constant.*ridge > 0"):
        jm.fit(CONSTANT, start)
    result = jm.fit(CONSTANT, start, ridge=0.01).raise_if_failed()
    assert result.outcome.name == "CONVERGED"
    matrices = np.asarray(result.mixture.family.matrices)
    np.testing.assert_allclose(matrices[:, 1, 1], 0.01, rtol=1e-9)


@pytest.mark.parametrize("family", ["full", "tied"])
def test_dependent_columns_are_refused_and_fit_with_a_ridge(family):
    start = jm.initialize(DEPENDENT, 2, family)
    with pytest.raises(ValueError, match="linearly dependent"):
        jm.fit(DEPENDENT, start)
    assert jm.fit(DEPENDENT, start, ridge=0.01).outcome.name == "CONVERGED"


def test_equal_rows_are_refused_even_by_spherical_components():
    rows = np.ones((N, 2))
    with pytest.raises(ValueError, match="all rows are equal"):
        jm.fit(rows, jm.initialize(rows, 2, "spherical"))


@pytest.mark.parametrize("family", ["full", "diag", "spherical"])
def test_a_component_on_repeated_points_is_degenerate(family):
    with pytest.raises(ValueError, match="too few different rows"):
        jm.initialize(REPEATED, 2, family, start=GROUPS)
    means = [REPEATED[c == GROUPS].mean(axis=0) for c in range(2)]
    variances = np.array([1e-4, 1.0])
    covariances = {
        "full": variances[:, None, None] * np.eye(2),
        "diag": np.stack([variances, variances], axis=1),
        "spherical": variances,
    }[family]
    near = jm.gaussian_mixture([0.5, 0.5], means, covariances, family=family)
    result = jm.fit(REPEATED, near)
    assert result.outcome.name == "DEGENERATE"
    with pytest.raises(jm.FitFailed, match=r"DEGENERATE.*collapsed.*a larger ridge or a prior"):
        result.raise_if_failed()


def test_repeated_points_fit_with_a_ridge():
    result = jm.fit(REPEATED, jm.initialize(REPEATED, 2, "full"), ridge=0.01)
    assert result.raise_if_failed().outcome.name == "CONVERGED"


@pytest.mark.parametrize("method", [jm.EM(), jm.EM(hard=True), jm.GradientAscent(optax.adam)])
@pytest.mark.parametrize("ridge", [0.0, 1e-6])
def test_a_component_that_shrinks_onto_a_point_is_degenerate(method, ridge):
    start = jm.gaussian_mixture([0.01, 0.99], [X[0], [0.0, 0.0]], [1e-8, 1.0], "spherical")
    result = jm.fit(X, start, method, ridge=ridge)
    assert result.outcome.name == "DEGENERATE"
    assert bool(result.mixture.is_finite)
    assert np.isfinite(result.log_likelihood)
    assert result.log_likelihood == pytest.approx(float(jm.log_likelihood(result.mixture, X)))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_component_without_observations_is_degenerate_and_not_merely_nonfinite(family):
    start = jm.gaussian_mixture([0.5, 0.5], [[1e3, 1e3], [0.0, 0.0]], 1.0, family)
    result = jm.fit(X, start)
    assert result.outcome.name == "DEGENERATE"
    assert bool(result.mixture.is_finite)


def test_a_diverging_run_is_nonfinite_and_keeps_its_last_finite_mixture():
    result = jm.fit(X, START, jm.GradientAscent(optax.sgd, learning_rate=1e6, momentum=None))
    assert result.outcome.name in ("NONFINITE", "DEGENERATE")
    assert bool(result.mixture.is_finite)
    with pytest.raises(jm.FitFailed, match=result.outcome.name):
        result.raise_if_failed()


def test_reaching_the_limit_is_no_failure():
    result = jm.fit(X, START, stop=jm.Stop(max_steps=2))
    assert result.raise_if_failed() is result
    assert result.outcome.name == "MAX_STEPS"


def test_a_result_resumes_only_its_own_problem():
    short = jm.fit(X, START, stop=jm.Stop(max_steps=2))
    with pytest.raises(ValueError, match="data or the penalties are not those"):
        jm.fit(X + np.linspace(0.0, 1.0, N)[:, None], START, resume=short)
    with pytest.raises(ValueError, match="the result comes from EM"):
        jm.fit(X, START, jm.GradientAscent(optax.adam), resume=short)
