"""Statistics of comparisons by hand, by simulation and by invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jaxmix.race.profiles import (
    carried,
    cost_to_reach,
    data_profile,
    expected_running_time,
    performance_profile,
    runtime_distribution,
)

INF, NAN = np.inf, np.nan
quickly = settings(max_examples=40, deadline=None)
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
    for target in range(-1, 11):
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
    ],
)
def test_bad_numbers_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
