"""Histograms, kernels and least squares: by hand, by leaving out for real, by other libraries."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import gaussian_kde

import jaxmix as jm
from jaxmix.density import bandwidths

FAITHFUL = jm.data.load("faithful").x
RNG = np.random.default_rng(0)
UNIT = RNG.beta(2.0, 5.0, 60)
COLUMNS = {"eruptions": FAITHFUL[:, 0], "waiting": FAITHFUL[:, 1]}
plain, leave_one_out = jm.density.scores.plain, jm.density.scores.leave_one_out


def integral(estimate):
    return float(np.sum(np.asarray(estimate.heights) * np.diff(np.asarray(estimate.edges))))


def left_out_score(x, width, interval=(0.0, 1.0)):
    """J(h) from its definition: a new histogram, by NumPy, for every point left out."""
    edges = np.asarray(jm.density.histogram(x, width, interval).edges)
    whole = np.histogram(x, edges, density=True)[0]
    own = np.minimum(np.searchsorted(edges, x, side="right"), len(edges) - 1) - 1
    others = [np.histogram(np.delete(x, i), edges, density=True)[0][own[i]] for i in range(len(x))]
    return float(whole**2 @ np.diff(edges) - 2 * np.mean(others))


def test_a_histogram_by_hand():
    estimate = jm.density.histogram([0.1, 0.2, 0.8], width=0.5)
    np.testing.assert_allclose(estimate.heights, [4 / 3, 2 / 3], rtol=1e-15)
    # squares 4/3 2/3 + 2/3 1/3 = 10/9; left out: 1 at .1 and .2, 0 at .8, so 10/9 - 4/3
    assert leave_one_out([0.1, 0.2, 0.8], 0.5) == pytest.approx(-2 / 9, rel=1e-14)
    assert plain([0.1, 0.2, 0.8], 0.5) == pytest.approx(-10 / 9, rel=1e-14)
    assert float(estimate.loo_score) == pytest.approx(-2 / 9, rel=1e-14)


def test_a_narrower_last_bin_by_hand():
    estimate = jm.density.histogram([0.1, 0.5, 0.9, 0.95], width=0.4)
    np.testing.assert_allclose(estimate.edges, [0.0, 0.4, 0.8, 1.0])
    np.testing.assert_allclose(estimate.heights, [0.625, 0.625, 2.5])
    # square .4/1.6^2 twice and 2.5^2 .2, i.e. 1.5625; left out: 1/(3 .2) at .9 and .95
    assert leave_one_out([0.1, 0.5, 0.9, 0.95], 0.4) == pytest.approx(1.5625 - 5 / 3, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bins", [1, 3, 7, 10, 49])
def test_every_edge_belongs_to_one_bin(bins, dtype):
    edges = (np.arange(bins + 1) / bins).astype(dtype)
    estimate = jm.density.histogram(edges, width=1 / bins)
    assert estimate.heights.dtype == dtype
    np.testing.assert_array_equal(estimate.edges, edges)
    np.testing.assert_array_equal(estimate.bin_of_row, [*range(bins), bins - 1])


def test_a_histogram_is_zero_outside_and_compiles():
    estimate = jm.density.histogram(UNIT, width=0.3)
    inside = jax.jit(lambda x: estimate.predict(x))(jnp.array([-0.1, 0.0, 1.0, 1.1]))
    np.testing.assert_array_equal(inside, [0.0, estimate.heights[0], estimate.heights[-1], 0.0])
    assert not np.any(estimate.smoother([-0.1, 1.1]))


@settings(max_examples=40, deadline=None)
@given(
    x=st.lists(st.floats(0.0, 1.0), min_size=12, max_size=12),
    width=st.sampled_from([1.0, 0.7, 1 / 3, 0.25, 0.1, 0.017]),
)
def test_a_histogram_integrates_to_one_whatever_the_width(x, width):
    estimate = jm.density.histogram(x, width)
    assert integral(estimate) == pytest.approx(1.0, abs=1e-9)
    assert np.sum(np.bincount(estimate.bin_of_row)) == len(x)
    np.testing.assert_allclose(estimate.smoother(x).sum(axis=1), estimate.predict(x), rtol=1e-12)


@pytest.mark.parametrize("width", [1.0, 0.5, 0.3, 0.17, 0.01])
def test_the_score_of_a_histogram_is_what_leaving_out_gives(width):
    for x in (UNIT, np.round(UNIT, 1)):
        assert leave_one_out(x, width) == pytest.approx(left_out_score(x, width), rel=1e-9)


def test_equal_bins_have_the_textbook_score():
    counts, _ = np.histogram(UNIT, 8, (0.0, 1.0))
    n, h = len(UNIT), 1 / 8
    expected = 2 / ((n - 1) * h) - (n + 1) / ((n - 1) * h) * np.sum((counts / n) ** 2)
    assert leave_one_out(UNIT, h) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("x", [UNIT, np.round(UNIT, 2)], ids=["all differ", "repeats"])
def test_the_plain_score_falls_without_bound_on_any_data(x):
    scores = [plain(x, 10.0**-k) for k in range(1, 10)]
    assert np.all(np.diff(scores) < 0)
    assert all(
        score <= -(10.0**k) / len(x) * (1 - 1e-12) for k, score in enumerate(scores, start=1)
    )


def test_the_leave_one_out_score_rises_without_bound_when_all_values_differ():
    scores = [leave_one_out(UNIT, 10.0**-k) for k in range(5, 12)]
    n = len(UNIT)
    assert len(np.unique(UNIT)) == n
    np.testing.assert_allclose(scores, [10.0**k / n for k in range(5, 12)], rtol=1e-9)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_leave_one_out_score_falls_without_bound_on_old_faithful(column):
    x = COLUMNS[column]
    n, (values, counts) = len(x), np.unique(x, return_counts=True)
    repeated = np.sum((counts / n) ** 2)
    assert repeated > 2 / (n + 1)
    gap = np.diff(values).min()
    widths = gap * 10.0 ** -np.arange(1, 6)
    limit = (2 - (n + 1) * repeated) / ((n - 1) * widths)
    scores = [leave_one_out(x, width, None) for width in widths]
    np.testing.assert_allclose(scores, limit, rtol=1e-9)
    assert scores[-1] < -100


@pytest.mark.parametrize("column", COLUMNS)
def test_a_width_owed_to_the_datas_resolution_is_said_to_be(column):
    x = COLUMNS[column]
    gap = np.diff(np.unique(x)).min()
    with pytest.warns(UserWarning, match="without bound.*below the data's resolution"):
        estimate = jm.density.histogram(x, interval=None)
    assert gap * (1 - 1e-9) <= estimate.width < 2 * gap
    assert integral(estimate) == pytest.approx(1.0)


def test_a_width_is_chosen_where_values_are_closer_than_edges_can_be():
    x = np.append(np.linspace(0.0, 1.0, 30, dtype=np.float32), np.float32(1 - 2.0**-24))
    assert np.diff(np.unique(x)).min() < 1e-7
    assert integral(jm.density.histogram(x)) == pytest.approx(1.0, rel=1e-6)


def test_the_width_chosen_has_the_lowest_score():
    estimate = jm.density.histogram(UNIT)
    scores = [leave_one_out(UNIT, 1 / bins) for bins in range(1, 201)]
    assert estimate.width == pytest.approx(1 / (1 + np.argmin(scores)))
    assert float(estimate.loo_score) == pytest.approx(min(scores))
    assert 3 < len(estimate.heights) < 30


Z = jm.data.standardize(FAITHFUL)[0]
WHITE = (FAITHFUL - FAITHFUL.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(FAITHFUL.T))).T
TIMES, WAVE = UNIT, np.sin(8 * UNIT) + 0.3 * RNG.normal(size=len(UNIT))
KERNELS = {
    "density": lambda x, h=None: jm.density.kernel_density(x, h),
    "regression": lambda x, h=None: jm.density.kernel_regression(x, WAVE, h),
}


def scores_on(estimator, x, bandwidths):
    return np.array([float(estimator(x, h).loo_score) for h in bandwidths])


@pytest.mark.parametrize("rows", [WHITE[:, :1], WHITE], ids=["one column", "two columns"])
@pytest.mark.parametrize("bandwidth", [0.05, 0.4, 3.0])
def test_a_kernel_density_is_scipys(rows, bandwidth):
    points = rows[::9] + 0.1
    estimate = jm.density.kernel_density(rows, bandwidth)
    reference = gaussian_kde(rows.T, bw_method=bandwidth)(points.T)
    np.testing.assert_allclose(estimate.predict(points), reference, rtol=1e-9)


def test_a_kernel_density_integrates_to_one_and_its_logarithm_reaches_far():
    estimate = jm.density.kernel_density(UNIT, 0.05)
    grid = np.linspace(-1.0, 2.0, 3001)
    assert np.trapezoid(estimate.predict(grid), grid) == pytest.approx(1.0, abs=1e-9)
    assert float(estimate.predict([100.0])[0]) == 0.0
    far = -((100.0 - UNIT.max()) ** 2) / (2 * 0.05**2)
    assert float(estimate.log_prob([100.0])[0]) == pytest.approx(far, rel=1e-4)


@pytest.mark.parametrize("bandwidth", [0.01, 0.1, 1.0])
def test_the_score_of_a_kernel_density_is_what_leaving_out_gives(bandwidth):
    left_out = [
        jm.density.kernel_density(np.delete(UNIT, i), bandwidth).log_prob(UNIT[i : i + 1])[0]
        for i in range(len(UNIT))
    ]
    score = jm.density.kernel_density(UNIT, bandwidth).loo_score
    assert float(score) == pytest.approx(-np.mean(left_out), rel=1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_bandwidth_is_the_minimum_of_a_fine_grid(kernel):
    estimator = KERNELS[kernel]
    found = estimator(UNIT).bandwidth
    coarse = np.geomspace(1e-3, 3.0, 100)
    near = coarse[np.argmin(scores_on(estimator, UNIT, coarse))]
    fine = near * 1.1 ** np.linspace(-1, 1, 201)
    best = fine[np.argmin(scores_on(estimator, UNIT, fine))]
    assert found == pytest.approx(best, rel=1.1 ** (1 / 100) - 1)
    at_found, at_best = scores_on(estimator, UNIT, [found, best])
    assert at_found <= at_best + 1e-12


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_scores_derivative_in_the_bandwidth_is_zero_where_it_is_chosen(kernel):
    def score(h):
        return KERNELS[kernel](UNIT, h).loo_score

    chosen = KERNELS[kernel](UNIT).bandwidth
    h = 0.7 * chosen
    difference = (score(float(h) + 1e-6) - score(float(h) - 1e-6)) / 2e-6
    assert float(jax.grad(score)(h)) == pytest.approx(float(difference), rel=1e-6)
    assert abs(jax.grad(score)(chosen)) < 1e-6 * abs(jax.grad(score)(h))


def test_the_lower_of_two_valleys_is_found():
    clusters = np.concatenate([RNG.normal(0, 0.01, 40), RNG.normal(100, 10, 40)])
    wavy = np.concatenate([np.sin(500 * clusters[:40]), clusters[40:] / 20])
    bandwidths = np.geomspace(1e-4, 300, 300)

    def estimator(x, h=None):
        return jm.density.kernel_regression(x, wavy, h)

    scores = scores_on(estimator, clusters, bandwidths)
    valleys = (scores[1:-1] < scores[:-2]) & (scores[1:-1] < scores[2:])
    assert valleys.sum() > 1
    assert float(estimator(clusters).loo_score) <= scores.min() * (1 + 1e-9)


def test_a_bandwidth_owed_to_twins_is_said_to_be():
    twins = np.repeat(np.round(UNIT, 2), 2)
    with pytest.warns(UserWarning, match="smallest bandwidth tried, 0.01, which the data's resol"):
        estimate = jm.density.kernel_density(twins)
    assert estimate.bandwidth == pytest.approx(0.01)
    scores = scores_on(KERNELS["density"], twins, 10.0 ** -np.arange(3, 9))
    # where only twins are near, the score falls by log 10 a decade, without bound
    np.testing.assert_allclose(np.diff(scores), -np.log(10), rtol=1e-6)


def test_some_repeats_leave_the_likelihood_a_minimum():
    estimate = jm.density.kernel_density(FAITHFUL[:, 1])
    assert 2.0 < estimate.bandwidth < 2.5


@pytest.mark.parametrize("bandwidth", [0.02, 0.2, 2.0])
def test_the_score_of_a_kernel_regression_is_what_leaving_out_gives(bandwidth):
    estimate = jm.density.kernel_regression(TIMES, WAVE, bandwidth)
    left_out = [
        jm.density.kernel_regression(np.delete(TIMES, i), np.delete(WAVE, i), bandwidth).predict(
            TIMES[i : i + 1]
        )[0]
        for i in range(len(TIMES))
    ]
    assert float(estimate.loo_score) == pytest.approx(np.mean((WAVE - left_out) ** 2), rel=1e-10)
    own = np.diagonal(np.asarray(estimate.smoother(TIMES)))
    residuals = (WAVE - np.asarray(estimate.predict(TIMES))) / (1 - own)
    assert float(estimate.loo_score) == pytest.approx(np.mean(residuals**2), rel=1e-9)


def test_far_points_and_tiny_bandwidths_give_the_nearest_value():
    estimate = jm.density.kernel_regression([0.0, 1.0, 2.0], [5.0, 6.0, 7.0], 1e-3)
    np.testing.assert_array_equal(estimate.predict([-1e6, 0.9, 1e9]), [5.0, 6.0, 7.0])
    assert float(estimate.loo_score) == pytest.approx(2 / 3)
    # a value between two as near is their mean
    np.testing.assert_allclose(estimate.smoother([0.5]), [[0.5, 0.5, 0.0]])


def test_a_regression_without_structure_is_nearly_the_mean():
    noise = np.random.default_rng(3).normal(size=len(UNIT))
    estimate = jm.density.kernel_regression(UNIT, noise)
    assert np.ptp(np.asarray(estimate.predict(UNIT))) < 0.3 * noise.std()


@settings(max_examples=25, deadline=None)
@given(
    x=arrays(float, (12, 2), elements=st.floats(-1e3, 1e3)),
    bandwidth=st.floats(1e-3, 1e3),
)
def test_a_regressions_weights_sum_to_one_anywhere(x, bandwidth):
    estimate = jm.density.kernel_regression(x, np.arange(12.0), bandwidth)
    points = np.concatenate([x, 1e3 * x])
    np.testing.assert_allclose(estimate.smoother(points).sum(axis=1), 1.0, rtol=1e-12)
    assert np.all(np.isfinite(estimate.predict(points)))


@pytest.mark.parametrize("degree", [0, 1, 3, 10])
def test_least_squares_are_numpys(degree):
    fit = jm.density.least_squares(TIMES, WAVE, degree)
    points = np.linspace(TIMES.min(), TIMES.max(), 50)
    reference = np.polyval(np.polyfit(TIMES, WAVE, degree), points)
    np.testing.assert_allclose(fit.predict(points), reference, rtol=1e-7, atol=1e-8)


def test_a_users_functions_span_the_same_fit_as_a_degree():
    degree = jm.density.least_squares(TIMES, WAVE, 2)
    own = jm.density.least_squares(TIMES, WAVE, [lambda x: 1.0, lambda x: x, lambda x: x**2])
    np.testing.assert_allclose(own.predict(TIMES), degree.predict(TIMES), atol=1e-11)
    np.testing.assert_allclose(own.coefficients, np.polyfit(TIMES, WAVE, 2)[::-1], rtol=1e-9)
    assert float(own.loo_score) == pytest.approx(float(degree.loo_score), rel=1e-10)


def test_a_users_functions_see_every_column():
    y = Z[:, 0] * Z[:, 1]
    fit = jm.density.least_squares(Z, y, [lambda x: x[:, 0] * x[:, 1], lambda x: x[:, 0]])
    np.testing.assert_allclose(fit.coefficients, [1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("degree", [0, 1, 5])
def test_the_score_of_least_squares_is_what_leaving_out_gives(degree):
    left_out = [
        jm.density.least_squares(np.delete(TIMES, i), np.delete(WAVE, i), degree).predict(
            TIMES[i : i + 1]
        )[0]
        for i in range(len(TIMES))
    ]
    score = jm.density.least_squares(TIMES, WAVE, degree).loo_score
    assert float(score) == pytest.approx(np.mean((WAVE - left_out) ** 2), rel=1e-9)


def test_a_row_that_alone_determines_a_coefficient_has_an_infinite_score():
    fit = jm.density.least_squares(TIMES, WAVE, [jnp.ones_like, lambda x: x == TIMES[3]])
    assert fit.loo_score == np.inf
    assert np.all(np.isfinite(fit.predict(TIMES)))


SMOOTHERS = {
    "histogram": lambda x, y: (jm.density.histogram(x, 0.13), np.ones_like(y)),
    "kernel density": lambda x, y: (jm.density.kernel_density(x, 0.1), np.ones_like(y)),
    "kernel regression": lambda x, y: (jm.density.kernel_regression(x, y, 0.1), y),
    "least squares": lambda x, y: (jm.density.least_squares(x, y, 4), y),
}


@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_every_estimate_is_linear_in_the_values(smoother):
    estimate, y = SMOOTHERS[smoother](TIMES, WAVE)
    points = np.linspace(0, 1, 333)
    weights = np.asarray(estimate.smoother(points))
    assert weights.shape == (333, len(TIMES))
    np.testing.assert_allclose(weights @ y, estimate.predict(points), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_every_estimate_compiles_and_keeps_float32(smoother):
    double, _ = SMOOTHERS[smoother](TIMES.astype(np.float32).astype(float), WAVE)
    single, _ = SMOOTHERS[smoother](TIMES.astype(np.float32), WAVE.astype(np.float32))
    points = np.linspace(0.05, 0.6, 40).astype(np.float32)
    predicted = jax.jit(lambda estimate, x: estimate.predict(x))(single, points)
    assert predicted.dtype == single.smoother(points).dtype == single.loo_score.dtype == np.float32
    np.testing.assert_allclose(predicted, double.predict(points), rtol=2e-4, atol=2e-4)
    assert float(single.loo_score) == pytest.approx(float(double.loo_score), rel=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_bandwidth_is_the_same_in_float32(kernel):
    single = KERNELS[kernel](UNIT.astype(np.float32)).bandwidth
    assert single.dtype == np.float32
    assert float(single) == pytest.approx(float(KERNELS[kernel](UNIT).bandwidth), rel=1e-3)


ERRORS = {
    "outside": (lambda: jm.density.histogram([0.5, 1.2]), ValueError, r"x\[1\] is 1.2.*None"),
    "wide": (lambda: jm.density.histogram(UNIT, 2.0), ValueError, "at most the interval's length"),
    "zero width": (lambda: plain(UNIT, 0.0), ValueError, "width must be positive"),
    "width of text": (
        lambda: jm.density.histogram(UNIT, "a"),
        TypeError,
        "width must be a positive number",
    ),
    "tiny width": (lambda: plain(UNIT, 1e-17), ValueError, "float64 resolves"),
    "many bins": (lambda: jm.density.histogram(UNIT, 1e-9), ValueError, "give width >= 1e-07"),
    "interval": (lambda: plain(UNIT, 0.1, (1.0, 0.0)), ValueError, "low < high"),
    "interval of one": (
        lambda: jm.density.histogram(UNIT, 0.1, 1.0),
        TypeError,
        r"\(low, high\) or None",
    ),
    "no range": (lambda: plain([1.0, 1.0], 0.1, None), ValueError, "no range"),
    "one value": (lambda: jm.density.histogram([0.5, 0.5]), ValueError, "give width="),
    "two columns": (lambda: jm.density.histogram(FAITHFUL), ValueError, "one column, got 2"),
    "bandwidth": (lambda: jm.density.kernel_density(UNIT, -1), ValueError, "must be positive"),
    "bandwidth of text": (lambda: jm.density.kernel_density(UNIT, "a"), TypeError, "bandwidth"),
    "equal rows": (
        lambda: jm.density.kernel_density([[1.0, 2.0]] * 3),
        ValueError,
        "are equal: no bandwidth",
    ),
    "columns": (
        lambda: jm.density.kernel_density(FAITHFUL, 1.0).predict(UNIT),
        ValueError,
        "has 2 columns, x has 1",
    ),
    "values": (lambda: jm.density.kernel_regression(UNIT, [1.0]), ValueError, "expected 60 values"),
    "NaN value": (
        lambda: jm.density.kernel_regression([1.0, 2.0], [1.0, np.nan]),
        ValueError,
        r"y\[1, 0\].*nan",
    ),
    "degree": (lambda: jm.density.least_squares(UNIT, WAVE, 1.5), TypeError, "whole number"),
    "degree of columns": (
        lambda: jm.density.least_squares(FAITHFUL, FAITHFUL[:, 0], 2),
        ValueError,
        "list of functions",
    ),
    "no functions": (lambda: jm.density.least_squares(UNIT, WAVE, []), TypeError, "list of func"),
    "dependent": (
        lambda: jm.density.least_squares(UNIT, WAVE, [jnp.ones_like, lambda x: 2.0]),
        ValueError,
        "2 basis functions are linearly dependent on these 60 rows",
    ),
    "high degree": (
        lambda: jm.density.least_squares([0.0, 1.0], [0.0, 1.0], 2),
        ValueError,
        "3 basis functions",
    ),
    "NaN function": (
        lambda: jm.density.least_squares(-UNIT, WAVE, [jnp.log]),
        ValueError,
        "NaN or infinite",
    ),
    "shape of a function": (
        lambda: jm.density.least_squares(FAITHFUL, FAITHFUL[:, 0], [lambda x: x]),
        ValueError,
        r"one value a row, \[272\], got \(272, 2\)",
    ),
    "one row": (lambda: jm.density.histogram([0.5]), ValueError, "at least 2 rows"),
}


@pytest.mark.parametrize(("call", "error", "message"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_estimated_is_refused(call, error, message):
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(error, match=message):
            call()
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_a_grid_of_some_rows_leads_to_the_bandwidth_of_all(monkeypatch):
    known = jm.density.kernel_density(UNIT)
    monkeypatch.setattr(bandwidths, "GRID_ROWS", len(UNIT) * 2 // 3)
    found = jm.density.kernel_density(UNIT)
    assert found.bandwidth == pytest.approx(float(known.bandwidth), rel=1e-5)


@pytest.mark.parametrize("unit", [1e-160, 1e160])
def test_bandwidths_have_the_unit_of_the_data(unit):
    known, found = (jm.density.kernel_density(scale * UNIT) for scale in (1.0, unit))
    assert found.bandwidth / unit == pytest.approx(float(known.bandwidth), rel=1e-6)
    regressions = (jm.density.kernel_regression(UNIT, s * UNIT**2) for s in (1.0, unit))
    assert len({round(float(fit.bandwidth), 12) for fit in regressions}) == 1


def test_equal_scores_go_to_the_largest_bandwidth():
    flat = jm.density.kernel_regression(UNIT, np.ones_like(UNIT))
    assert flat.bandwidth > np.ptp(UNIT)
