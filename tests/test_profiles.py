"""Statistics of comparisons by hand, by SciPy, by every resample there is, and by invariants."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import lsq_linear
from scipy.stats import binomtest, bootstrap

from jaxmix.race.intervals import cost_model, median_band, wilson_interval
from jaxmix.race.profiles import (
    carried,
    cost_to_reach,
    data_profile,
    expected_running_time,
    performance_profile,
    runtime_distribution,
)

INF, NAN = np.inf, np.nan
quickly = settings(max_examples=25, deadline=None)
COSTS = st.one_of(st.sampled_from([0.0, 1.0, 2.0, INF]), st.floats(1e-3, 1e3))
TABLES = arrays(float, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5), elements=COSTS)


def assert_step(step, at, shares):
    np.testing.assert_array_equal(step[0], at)
    np.testing.assert_array_equal(step[1], shares)


def test_cost_to_reach_takes_the_first_point_at_or_below_the_target():
    costs, gaps = [0, 1, 2, 3, 4], [8.0, 2.0, 5.0, NAN, 1.0]
    # 8 at once; 5 and 2 after one pass, which 5 at two passes does not undo; 1 at the end; never .9
    reached = cost_to_reach(costs, gaps, [9.0, 8.0, 5.0, 2.0, 1.5, 1.0, 0.9])
    np.testing.assert_array_equal(reached, [0, 0, 1, 1, 4, 4, INF])


def test_of_points_at_one_cost_the_first_reaches_and_the_last_is_carried():
    np.testing.assert_array_equal(cost_to_reach([0, 2, 2], [5.0, 3.0, 1.0], [1.0, 3.0]), [2, 2])
    np.testing.assert_array_equal(carried([0, 2, 2], [5.0, 3.0, 1.0], [1, 2]), [5, 1])


@pytest.mark.parametrize("failed", [NAN, INF, -INF])
def test_an_objective_that_is_not_finite_reaches_nothing(failed):
    np.testing.assert_array_equal(
        cost_to_reach([1, 2], [failed, 0.5], [1e9, 0.5, 0.1]), [2, 2, INF]
    )
    np.testing.assert_array_equal(cost_to_reach([1], [failed], [1e9]), [INF])


def test_a_step_function_holds_between_and_beyond_its_points():
    values = carried([1, 2, 4], [9.0, NAN, 3.0], [99, 4, 3.9, 2, 1.5, 1, 0, -1])
    np.testing.assert_array_equal(values, [3, 3, NAN, NAN, 9, 9, NAN, NAN])
    # a run that failed after 4: its last value goes no further
    np.testing.assert_array_equal(carried([1, 4, 4], [9.0, 3.0, INF], [3, 4, 5]), [9, INF, INF])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8))
@quickly
def test_a_target_is_reached_at_the_first_cost_whose_lowest_carried_gap_meets_it(points):
    costs = sorted(cost for cost, _ in points)
    gaps = np.minimum.accumulate([float(gap) for _, gap in points])
    for target in (-1, 0, 3, 8, 10):
        reached = cost_to_reach(costs, gaps, [target])[0]
        meets = carried(costs, gaps, np.arange(10)) <= target
        assert reached == (np.argmax(meets) if meets.any() else INF)


def test_a_runtime_distribution_counts_failures_below():
    # 6 pairs of run and target: one at 1, two at 3, one at 7, two failed
    step = runtime_distribution([[3, 7], [1, INF], [3, INF]])
    assert_step(step, [1, 3, 7], [1 / 6, 3 / 6, 4 / 6])
    assert_step(runtime_distribution([INF, INF]), [], [])
    assert_step(runtime_distribution([]), [], [])
    assert_step(runtime_distribution(2.0), [2], [1])
    assert_step(runtime_distribution([0, 0]), [0], [1])


def test_expected_running_time_by_hand():
    # 10 + 50 + 20 spent until success or the end, for two successes
    assert expected_running_time([10, INF, 20], [30, 50, 20]) == 80 / 2
    assert expected_running_time([4], [9]) == 4
    assert expected_running_time([0, 0], [0, 3]) == 0
    assert expected_running_time([INF, INF], [3, 4]) == INF
    assert expected_running_time([], []) == INF
    assert expected_running_time([1, INF], [INF, INF]) == INF


def test_expected_running_time_is_that_of_restarting():
    """In rounds of a run drawn at random until one succeeds, by simulation."""
    reach, spent = np.array([3.0, INF, 8.0, INF]), np.array([9.0, 5.0, 8.0, 2.0])
    rng = np.random.default_rng(0)
    runs = rng.integers(4, size=40_000)
    until = np.cumsum(np.isfinite(reach[runs])[::-1])[::-1] > 0  # drop the unfinished last round
    simulated = np.minimum(reach, spent)[runs][until].sum() / np.isfinite(reach[runs]).sum()
    assert expected_running_time(reach, spent) == (3 + 5 + 8 + 2) / 2
    assert simulated == pytest.approx(9, rel=0.02)


def test_a_performance_profile_by_hand():
    costs = [
        # best:  2    3    none  0
        [2.0, 9.0, INF, 0.0],  # ratios 1, 3, inf, 1
        [4.0, 3.0, INF, 5.0],  # ratios 2, 1, inf, inf
        [INF, 6.0, INF, 0.0],  # ratios inf, 2, inf, 1
    ]
    shares = [[2 / 4, 2 / 4, 3 / 4], [1 / 4, 2 / 4, 2 / 4], [1 / 4, 2 / 4, 2 / 4]]
    assert_step(performance_profile(costs), [1, 2, 3], shares)


@pytest.mark.parametrize("methods", [0, 1, 2])
@pytest.mark.parametrize("problems", [0, 1, 3])
def test_profiles_without_a_success_have_no_steps(methods, problems):
    failed = np.full((methods, problems), INF)
    assert_step(performance_profile(failed), [], np.empty((methods, 0)))
    assert_step(data_profile(failed, np.ones(problems)), [], np.empty((methods, 0)))


def test_one_method_is_the_best_wherever_it_succeeds():
    assert_step(performance_profile([[0.0, 5.0, INF, 1e300]]), [1], [[3 / 4]])


def test_a_data_profile_by_hand():
    costs = [[8.0, 0.0, INF], [16.0, 10.0, INF]]
    # units p + 1 = 4, 5, 2: budgets 2, 0, inf and 4, 2, inf
    shares = [[1 / 3, 2 / 3, 2 / 3], [0, 1 / 3, 2 / 3]]
    assert_step(data_profile(costs, [3, 4, 1]), [0, 2, 4], shares)


@given(TABLES)
@quickly
def test_shares_are_distributions(costs):
    problems = costs.shape[1]
    solved = np.isfinite(costs).sum(1) / max(problems, 1)
    for at, shares in (performance_profile(costs), data_profile(costs, np.arange(problems) + 1)):
        assert (np.diff(at) > 0).all()
        assert ((shares >= 0) & (shares <= 1)).all()
        assert (np.diff(shares, axis=1) >= 0).all()
        assert (shares[:, -1:] <= solved[:, None]).all()
    at, shares = runtime_distribution(costs)
    if len(at):
        assert at[0] == costs.min()
        assert shares[-1] == np.isfinite(costs).sum() / costs.size


@given(TABLES, st.data())
@quickly
def test_profiles_know_no_units_and_no_order(costs, data):
    (at, shares), (methods, problems) = performance_profile(costs), costs.shape
    units = data.draw(arrays(float, problems, elements=st.sampled_from([0.25, 1.0, 8.0, 2.0**40])))
    assert_step(performance_profile(costs * units), at, shares)
    order = data.draw(st.permutations(range(methods)))
    assert_step(performance_profile(costs[order]), at, shares[order])
    assert_step(performance_profile(costs[:, ::-1]), at, shares)
    sizes = np.arange(problems) + 1
    at, shares = data_profile(costs, sizes)
    assert_step(data_profile(costs[order][:, ::-1], sizes[::-1]), at, shares[order])
    assert_step(data_profile(costs * 8, sizes), at * 8, shares)


@given(TABLES, st.sampled_from([1.0, 1.5, 2.0, 10.0]))
@quickly
def test_performance_profiles_are_their_definition(costs, tau):
    """c <= tau min c for finite c: no division, so that 0 needs no convention."""
    at, shares = performance_profile(costs)
    step = np.searchsorted(at, tau, side="right")
    best = costs.min(axis=0, initial=INF)
    meant = (np.isfinite(costs) & (costs <= tau * best)).sum(1) / max(costs.shape[1], 1)
    np.testing.assert_array_equal(shares[:, step - 1] if step else np.zeros(len(costs)), meant)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("trials", [1, 2, 7, 1000])
def test_wilson_intervals_are_those_of_scipy(trials, level):
    for successes in {0, 1, trials // 3, trials - 1, trials}:
        theirs = binomtest(successes, trials).proportion_ci(level, method="wilson")
        ours = wilson_interval(np.int64(successes), np.int64(trials), level)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
        assert 0 <= ours[0] < ours[1] <= 1
        # successes and failures change places
        mirrored = wilson_interval(trials - successes, trials, level)
        np.testing.assert_allclose(mirrored, (1 - ours[1], 1 - ours[0]), atol=1e-14)


def test_wilson_intervals_by_hand_and_at_their_ends():
    # z of .6826894921370859 is 1: (2 + .5 -+ sqrt(2 2/4 + .25)) / 5 with 2 of 4
    half = np.sqrt(1.25) / 5
    np.testing.assert_allclose(wilson_interval(2, 4, 0.6826894921370859), (0.5 - half, 0.5 + half))
    assert wilson_interval(0, 0) == (0, 1)
    for level in (0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        for trials in (1, 2, 3, 10, 30, 10**9):
            assert wilson_interval(0, trials, level)[0] == 0
            assert wilson_interval(trials, trials, level)[1] == 1
    assert wilson_interval(1, 2, 1 - 2**-53)[0] < 0.01


def exact_band(runs, level):
    """Ends at which the distribution over all n^n resamples passes the tails."""
    every = list(itertools.product(runs, repeat=len(runs)))
    medians = np.sort(np.median(every, axis=1))
    tail = (1 - level) / 2 * len(medians)
    return medians[int(np.floor(tail))], medians[int(np.ceil(len(medians) - tail)) - 1]


@pytest.mark.parametrize(
    ("runs", "level", "ends"),
    [
        # P(median <= smallest) = P(Bin(5, 1/5) >= 3) = .058, P(median <= second) = .317
        ([5.0, 1.0, 4.0, 2.0, 3.0], 0.8, (2, 4)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], 0.95, (1, 5)),
        ([5.0, 1.0, INF, 2.0, 3.0], 0.95, (1, INF)),
        ([5.0, 1.0, INF, NAN, 3.0], 0.8, (3, INF)),
        # of 256 resamples 13 have median 1 (three or four 1s), 30 more 1.5; a tail is 25.6
        ([1.0, 2.0, 4.0, 8.0], 0.8, (1.5, 6.0)),
        ([1.0, 2.0, 4.0, INF], 0.8, (1.5, INF)),
        ([7.0, 7.0, 7.0], 0.95, (7, 7)),
        ([7.0], 0.95, (7, 7)),
        ([INF], 0.5, (INF, INF)),
        ([NAN, INF], 0.5, (INF, INF)),
    ],
)
def test_median_bands_are_those_of_all_resamples(runs, level, ends):
    column = np.nan_to_num(np.array(runs), nan=INF, posinf=INF)
    assert exact_band(column, level) == ends
    median, low, high = median_band(np.array(runs)[:, None], level)
    assert (low[0], high[0]) == ends
    assert median[0] == np.median(column)


def test_a_median_band_is_that_of_scipy():
    values = np.random.default_rng(0).lognormal(size=(25, 3))
    theirs = bootstrap(
        (values,), np.median, n_resamples=9999, method="percentile", confidence_level=0.9, rng=1
    ).confidence_interval
    median, low, high = median_band(values, level=0.9, num_resamples=9999)
    np.testing.assert_array_equal(median, np.median(values, axis=0))
    # each median is a run; P(median <= 8th) = .030 and P(median <= 9th) = .075 stand off .05
    np.testing.assert_allclose((low, high), (theirs.low, theirs.high), rtol=1e-12)


def test_the_ends_are_the_ranks_that_are_meant():
    """Of 199 at level .9 the 10th from each end, although 200 (1 - .9) / 2 < 10 in floats."""
    values = np.random.default_rng(4).normal(size=(40, 1))
    drawn = np.random.default_rng(7).integers(40, size=(199, 40))
    medians = np.sort(np.median(values[drawn, 0], axis=1))
    assert len(set(medians[[8, 9, 10, 188, 189, 190]])) == 6
    _, low, high = median_band(values, 0.9, 199, seed=7)
    assert (low[0], high[0]) == (medians[9], medians[189])


def test_one_seed_gives_one_band_whatever_stands_beside():
    values = np.random.default_rng(1).normal(size=(12, 4))
    bands = np.array(median_band(values, seed=5))
    np.testing.assert_array_equal(median_band(values, seed=5), bands)
    np.testing.assert_array_equal(median_band(values[:, 2:3], seed=5), bands[:, 2:3])
    assert (np.array(median_band(values, num_resamples=20, seed=6)) != bands).any()
    assert (bands[1] <= bands[2]).all()
    assert [len(part) for part in median_band(np.empty((3, 0)))] == [0, 0, 0]


def test_a_cost_model_by_hand():
    # means 2 and 5; slope ((-2)(-3) + 2 3) / (4 + 0 + 4) = 1.5; residuals 0 of 2, 5, 8
    np.testing.assert_allclose(cost_model([0, 2, 4], [2, 5, 8]), (2, 1.5, 0), atol=1e-12)
    # slope 12/8 again from 2, 6, 8 around 16/3: a = 16/3 - 3; residuals -1/3, 2/3, -1/3
    line = (7 / 3, 1.5, np.sqrt((1 + 4 + 1) / 9 / 3))
    np.testing.assert_allclose(cost_model([0, 2, 4], [2, 6, 8]), line, rtol=1e-12)
    # the best line has a = -1: through the origin, b = (1 0 + 2 2) / (1 + 4); residuals -.8, .4
    np.testing.assert_allclose(cost_model([1, 2], [0, 2]), (0, 0.8, np.sqrt(0.4)), atol=1e-12)
    # falling: the mean, residuals 1 and -1
    np.testing.assert_allclose(cost_model([1, 2], [3, 1]), (2, 0, 1), atol=1e-12)
    assert cost_model([1, 2], [0, 0]) == (0, 0, 0)


@given(
    arrays(float, 6, elements=st.integers(0, 1000).map(float), unique=True),
    arrays(float, 6, elements=st.floats(0, 10)),
    st.sampled_from([1e-6, 1.0, 1e6]),
)
@quickly
def test_a_cost_model_is_the_bounded_least_squares_of_scipy_in_any_units(passes, seconds, unit):
    a, b, spread = cost_model(passes * 1000, seconds * unit)
    columns = np.stack([np.ones(6), passes / passes.max()], axis=1)
    best = lsq_linear(columns, seconds, bounds=(0, np.inf), method="bvls")
    assert a >= 0
    assert b >= 0
    assert spread == pytest.approx(unit * np.sqrt(2 * best.cost / 6), abs=1e-7 * unit)
    residuals = seconds * unit - a - b * 1000 * passes
    assert spread == pytest.approx(np.sqrt(np.mean(residuals**2)), abs=1e-7 * unit)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cost_to_reach([1, 2], [1.0], [1.0]), "as many costs as gaps, got 2 and 1"),
        (lambda: cost_to_reach([2, 1], [1.0, 1.0], [1.0]), r"never decrease, got costs\[1\] = 1"),
        (lambda: cost_to_reach([-1], [1.0], [1.0]), r"costs >= 0, got costs\[0\] = -1"),
        (lambda: cost_to_reach([NAN], [1.0], [1.0]), r"costs >= 0, got costs\[0\] = nan"),
        (lambda: cost_to_reach([1], [1.0], 1.0), r"targets of shape \[m\], got \[\]"),
        (lambda: cost_to_reach([1], [1.0], [INF]), r"finite numbers, got targets\[0\] = inf"),
        (lambda: carried([1], [1.0, 2.0], [1]), "as many costs as values, got 1 and 2"),
        (lambda: carried([3, 2], [1.0, 2.0], [1]), "never decrease"),
        (lambda: carried([3], [1.0], [NAN]), r"numbers, got grid\[0\] = nan"),
        (lambda: runtime_distribution([1, NAN]), r"costs_to_reach\[1\] = nan"),
        (lambda: runtime_distribution([[-1]]), "costs >= 0"),
        (lambda: expected_running_time([1], [1, 2]), "as many to_reach as spent, got 1 and 2"),
        (lambda: expected_running_time([5], [4]), r"at most what the run spent, got to_reach\[0\]"),
        (lambda: expected_running_time([INF], [NAN]), r"spent\[0\] = nan"),
        (lambda: performance_profile([1.0]), r"costs of shape \[methods problems\], got \[1\]"),
        (lambda: performance_profile([[1.0, -2.0]]), r"costs\[0, 1\] = -2"),
        (
            lambda: data_profile([[1.0, 2.0]], [1]),
            "columns of costs as num_parameters, got 2 and 1",
        ),
        (lambda: data_profile([[1.0]], [0]), r"at least 1, got num_parameters\[0\] = 0"),
        (lambda: wilson_interval(3, 2), "got 3 and 2"),
        (lambda: wilson_interval(-1, 2), "successes >= 0, got -1"),
        (lambda: wilson_interval(0, 0, 1.0), "level must be between 0 and 1"),
        (lambda: median_band([[1.0]], 0.0), "level must be between 0 and 1"),
        (lambda: median_band([1.0]), r"values of shape \[runs g\], got \[1\]"),
        (lambda: median_band(np.empty((0, 3))), "at least one run, got none"),
        (lambda: median_band([[-INF]]), "gaps, not their logarithms"),
        (lambda: median_band([[1.0]], num_resamples=0), "num_resamples >= 1, got 0"),
        (lambda: median_band([[1.0]], seed=-1), "seed >= 0, got -1"),
        (lambda: cost_model([1, 1], [1.0, 2.0]), r"two different numbers of passes, got \[1.0\]"),
        (lambda: cost_model([], []), r"two different numbers of passes, got \[\]"),
        (lambda: cost_model([1, 2], [1.0]), "as many passes as seconds, got 2 and 1"),
        (lambda: cost_model([1, 2], [1.0, -1.0]), r"seconds\[1\] = -1"),
        (lambda: cost_model([1, INF], [1.0, 1.0]), r"finite numbers, got passes\[1\] = inf"),
    ],
)
def test_bad_numbers_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_counts_are_whole_numbers():
    with pytest.raises(TypeError):
        wilson_interval(1.0, 2)
    with pytest.raises(TypeError):
        median_band([[1.0]], seed=0.5)
