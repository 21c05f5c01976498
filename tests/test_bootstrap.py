"""Bootstrap against fits one by one, NumPy's quantiles and other errors; what coverage was kept."""

import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix as jm
from jaxmix.inference import resampling
from jaxmix.lane_programs import take
from jaxmix.streams import stream

ROOT = Path(__file__).parents[1]
KINDS = ("observed", "sandwich", "opg")


@pytest.fixture(scope="module")
def waiting():
    return jm.data.load("faithful").x[:, 1]


@pytest.fixture(scope="module")
def fit(waiting):
    start = jm.gaussian_mixture([0.4, 0.6], [[55.0], [80.0]], [[[30.0]], [[30.0]]])
    return jm.fit(waiting, start, stop=jm.Stop(tol=1e-12))


@pytest.fixture(scope="module")
def refits(waiting, fit):
    return jm.inference.bootstrap(fit.mixture, waiting, seed=5)


def test_refits_are_fits_to_resampled_rows(waiting, fit, refits):
    keys = jax.random.split(stream(5, "bootstrap"), 200)
    n = len(waiting)
    for index in (0, 1, 199):
        drawn = np.asarray(jax.random.randint(keys[index], (n,), 0, n))
        counts = np.bincount(drawn, minlength=n)
        one = jm.fit(waiting, fit.mixture, sample_weights=counts).mixture
        for part in ("weights", "means", "covariances"):
            found = getattr(refits.mixtures, part)[index]
            np.testing.assert_allclose(found, getattr(one, part), rtol=1e-6)


def test_the_summary_takes_errors_of_refits(fit, refits):
    screen = fit.summary(refits)
    assert "parameters with standard errors (bootstrap, 200 refits)" in screen
    assert f"{float(refits.means[0, 0]):.3g}" in screen


def test_errors_and_intervals_are_those_of_the_refits(refits):
    means = np.asarray(refits.mixtures.means)
    np.testing.assert_allclose(refits.means, means.std(axis=0, ddof=1), rtol=1e-12)
    expected = [np.cov(means[:, k].T).reshape(1, 1) for k in range(2)]
    np.testing.assert_allclose(refits.mean_covariances, expected, rtol=1e-10)
    weights = np.quantile(np.asarray(refits.mixtures.weights), [0.05, 0.95], axis=0)
    low, high = refits.interval(0.9)
    np.testing.assert_allclose([low.weights, high.weights], weights, rtol=1e-12)
    with pytest.raises(ValueError, match=r"level must be between 0 and 1, such as 0\.95, got 95"):
        refits.interval(95)


def test_errors_are_those_of_the_information_within_their_monte_carlo_error(waiting, fit, refits):
    errors = jm.inference.standard_errors(fit.mixture, waiting)
    assert refits.num_failed == 0
    for part in ("weights", "means", "covariances"):
        ratio = np.asarray(getattr(refits, part)) / np.asarray(getattr(errors, part))
        # Monte Carlo errors are 5%, of heavy-tailed replicates more; 272 rows are no large sample.
        assert np.max(np.abs(np.log(ratio))) < 0.25, part


def test_a_weight_is_as_many_rows():
    weights = jnp.array([2, 0, 3, 1])
    keys = jax.random.split(stream(0, "bootstrap"), 3)
    for key in keys:
        whole = resampling.resample(key, jnp.arange(1, 7), 6)
        found = resampling.resample(key, jnp.cumsum(weights), 6)
        expected = np.bincount(np.repeat(np.arange(4), weights), weights=whole, minlength=4)
        assert found.tolist() == expected.tolist()


def test_refits_that_fail_are_counted_and_left_out(waiting, fit):
    program = resampling._program(True)
    programs = program._cache_size()
    x = waiting.copy()
    x[3:] = np.linspace(-1.0, 1.0, len(x) - 3)
    x[:3] = 20.0 + np.arange(3)
    few = jm.gaussian_mixture([0.01, 0.99], [[21.0], [0.0]], [[[0.7]], [[0.3]]])
    mixture = jm.fit(x, few).mixture
    with pytest.warns(UserWarning, match=r"refits ended DEGENERATE or NONFINITE and are left out"):
        refits = jm.inference.bootstrap(mixture, x)
    # With counts of three rows close to Poisson: too few different ones in a good tenth or more.
    assert 10 < refits.num_failed < 100
    assert len(refits.mixtures.means) + refits.num_failed == len(refits.codes) == 200
    assert np.all(np.isfinite(refits.means))
    with pytest.warns(UserWarning, match="limit on steps"):
        jm.inference.bootstrap(fit.mixture, waiting, stop=jm.Stop(max_steps=1))
    assert program._cache_size() == max(programs, 1), "other data and limits compile nothing"
    with pytest.raises(jm.FitFailed, match="199 of 200 refits"):
        resampling._report(np.where(np.arange(200) == 0, 1, 4))


def test_only_whole_observations_are_drawn(waiting, fit):
    with pytest.raises(ValueError, match=r"sample_weights\[0\] is 0\.5; a resample draws whole"):
        jm.inference.bootstrap(fit.mixture, waiting, sample_weights=np.full(len(waiting), 0.5))
    with pytest.raises(ValueError, match=r"sample_weights sum to 2\.72e\+09, expected at most 1e"):
        jm.inference.bootstrap(fit.mixture, waiting, sample_weights=np.full(len(waiting), 1e7))
    with pytest.raises(ValueError, match="num_resamples"):
        jm.inference.bootstrap(fit.mixture, waiting, num_resamples=1)


def test_components_have_the_order_of_the_mixture(waiting):
    # From here three refits in four lead to the optimum whose components are nearer the other way.
    start = jm.gaussian_mixture([0.5, 0.5], [[71.0], [70.0]], [[[300.0]], [[100.0]]])
    mixtures = jm.inference.bootstrap(start, waiting).mixtures
    orders = [jm.match(take(mixtures, row), start).tolist() for row in range(20)]
    assert orders == [[0, 1]] * 20


def test_intervals_cover_where_the_note_says_so_and_fail_where_it_says_so():
    kept = json.loads((ROOT / "experiments/results/coverage.json").read_text())
    cells = {(cell["n"], cell["separation"]): cell for cell in kept["cells"]}
    assert all(cell["data sets"] == 1000 for cell in cells.values())
    shares = {
        key: np.array([list(cell["coverage"][kind]["plain"].values()) for kind in KINDS])
        for key, cell in cells.items()
    }
    assert shares[1000, 3].shape == (3, 5)
    assert np.all((shares[1000, 3] >= 0.93) & (shares[1000, 3] <= 0.97))
    assert shares[300, 3].min() < 0.93
    assert shares[1000, 2].max() < 0.93
    assert shares[300, 2].max() < shares[1000, 2].max()
    script = runpy.run_path(str(ROOT / "experiments/notes/standard_errors.py"))
    note = (ROOT / "notes/standard-errors.md").read_text()
    assert "\n".join(script["coverage_lines"]()) in note
