"""What traces of runs say of methods: costs to reach targets, and the shares of runs that do.

Plain NumPy on plain arrays. A cost is anything that only grows along a run, such as passes over the
data or seconds; inf where the target was never reached. Shares are step functions that rise at the
costs returned with them, 0 before the first, and failures stay in their denominators. What chance
leaves open is in intervals.py.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxmix.race.refusals import as_costs, as_numbers, check_lengths, refuse


def cost_to_reach(costs: Any, gaps: Any, targets: Any) -> Float[np.ndarray, " m"]:
    r"""The cost at the first point of a trace that meets the target, $\min\{c_i: g_i \le t\}$.

    The first such point counts, even where a method that is not monotone leaves the target again.

    Args:
        costs: [t] along one run, >= 0, never decreasing.
        gaps: [t] to the reference, in nats; what is not finite reaches nothing, because it is the
            mark of an objective that failed.
        targets: [m] gaps to reach, in any order.

    Returns:
        A cost for each target, inf where the run never reached it.

    Raises:
        ValueError: for costs and gaps of different lengths, costs that decrease, are negative or
            NaN, and targets that are not finite.

    Examples:
        >>> from jaxmix.race.profiles import cost_to_reach
        >>> cost_to_reach([0, 1, 2, 4], [9.0, 0.5, 0.7, 0.01], [1.0, 0.1, 0.001]).tolist()
        [1.0, 4.0, inf]

    Source: Hansen, Auger, Brockhoff, Tušar & Tušar (2016), COCO: Performance Assessment,
    arXiv:1605.03560: the runtime of a run to a target.
    """
    costs, gaps = _trace(costs, gaps, "gaps")
    targets = as_numbers(targets, "targets", "m")
    refuse(~np.isfinite(targets), targets, "targets", "finite numbers")
    best = np.minimum.accumulate(np.where(np.isfinite(gaps), gaps, np.inf))
    return np.append(costs, np.inf)[np.searchsorted(-best, -targets)]


def carried(costs: Any, values: Any, grid: Any) -> Float[np.ndarray, " g"]:
    r"""The value in force at each cost: that of the last point at or before it, a step function.

    Values hold beyond the end of the trace. For a run that failed, end the trace with the value inf
    at the cost of the failure, so that its last good value is not carried on.

    Args:
        costs: [t] along one run, >= 0, never decreasing; of points of one cost the last counts.
        values: [t] of any kind, NaN included.
        grid: [g] costs to read at, in any order.

    Returns:
        A value for each cost of the grid, NaN before the first point.

    Raises:
        ValueError: for costs and values of different lengths, costs that decrease, are negative or
            NaN, and a grid with NaN.

    Examples:
        >>> from jaxmix.race.profiles import carried
        >>> carried([1, 2, 4], [9.0, 0.5, 0.1], [0, 1, 3, 100]).tolist()
        [nan, 9.0, 0.5, 0.1]

    Source: the definition; nothing is interpolated, because no method was seen between two points.
    """
    costs, values = _trace(costs, values, "values")
    grid = as_numbers(grid, "grid", "g")
    refuse(np.isnan(grid), grid, "grid", "numbers")
    return np.append(np.nan, values)[np.searchsorted(costs, grid, side="right")]


def runtime_distribution(
    costs_to_reach: Any,
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    r"""The empirical distribution $F(c) = \#\{(r, t): c_{rt} \le c\} / \#\{(r, t)\}$ of runtimes.

    Runs r, of one problem or of many, and targets t are counted together. No restarts are
    simulated: where runs fail, F ends below 1.

    Args:
        costs_to_reach: of any shape, such as [runs targets]; >= 0, inf for failures.

    Returns:
        Different finite costs in increasing order, and F at each; both empty if all failed.

    Raises:
        ValueError: for costs that are negative or NaN.

    Examples:
        >>> from jaxmix.race.profiles import runtime_distribution
        >>> costs, shares = runtime_distribution([[2, 5], [2, float("inf")]])
        >>> costs.tolist(), shares.tolist()
        ([2.0, 5.0], [0.5, 0.75])

    Source: Hansen, Auger, Brockhoff, Tušar & Tušar (2016), COCO: Performance Assessment,
    arXiv:1605.03560, the section on empirical distribution functions.
    """
    every = as_costs(np.ravel(costs_to_reach), "costs_to_reach", "pairs")
    costs, shares = _distributions(every[None])
    return costs, shares[0]


def expected_running_time(to_reach: Any, spent: Any) -> float:
    r"""Expected cost of restarting until success, $\sum_r \min(c_r, b_r) / \#\{r: c_r < \infty\}$.

    A run r that reaches the target counts with its cost $c_r$, any other with all that it spent,
    $b_r$.

    Args:
        to_reach: [runs] cost to reach one target, inf for failures.
        spent: [runs] whole cost of each run.

    Returns:
        The expected cost in the units given; inf if no run succeeded.

    Raises:
        ValueError: for lengths that differ, costs that are negative or NaN, and runs that spent
            less than they took to reach the target.

    Examples:
        >>> from jaxmix.race.profiles import expected_running_time
        >>> expected_running_time([10, float("inf"), 20], [30, 30, 30])
        30.0

    Source: Hansen, Auger, Ros, Finck & Pošík (2010), GECCO companion, pages 1689-1696; Auger &
    Hansen (2005), Congress on Evolutionary Computation, pages 1777-1784.
    """
    to_reach, spent = as_costs(to_reach, "to_reach", "runs"), as_costs(spent, "spent", "runs")
    check_lengths(to_reach, spent, "to_reach", "spent")
    reached = np.isfinite(to_reach)
    refuse(reached & (to_reach > spent), to_reach, "to_reach", "at most what the run spent")
    total = np.where(reached, to_reach, spent).sum()
    return float(total / reached.sum()) if reached.any() else math.inf


def performance_profile(
    costs: Any,
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, "methods q"]]:
    r"""For each method s, the share of problems that it solves within a factor of the best method.

    $\rho_s(\tau) = \#\{p: r_{ps} \le \tau\} / n_p$ with ratios $r_{ps} = c_{ps} / \min_s c_{ps}$.
    Where the best cost is 0, methods that share it have ratio 1, and no factor helps the others.
    Profiles compare each method with the best of those present, and do not rank the rest: leaving
    a method out may change their order.

    Args:
        costs: [methods problems] >= 0, inf for failures. Problems that nobody solves count too.

    Returns:
        Different finite ratios in increasing order, from 1, and each method's share at them; no
        ratios if all failed.

    Raises:
        ValueError: for another shape, and costs that are negative or NaN.

    Examples:
        >>> from jaxmix.race.profiles import performance_profile
        >>> ratios, shares = performance_profile([[1, 6], [2, 3]])
        >>> ratios.tolist(), shares.tolist()
        ([1.0, 2.0], [[0.5, 1.0], [0.5, 1.0]])

    Source: Dolan & Moré (2002), Mathematical Programming 91, section 2; on leaving methods out,
    Gould & Scott (2016), ACM Transactions on Mathematical Software 43.
    """
    costs = as_costs(costs, "costs", "methods problems")
    best = costs.min(axis=0, initial=np.inf)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where(costs == best, 1.0, costs / best)
    return _distributions(np.where(np.isfinite(costs), ratios, np.inf))


def data_profile(
    costs: Any, num_parameters: Any
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, "methods q"]]:
    r"""For each method s, the share of problems that it solves on a budget for their size.

    $d_s(\kappa) = \#\{j: c_{sj} / (p_j + 1) \le \kappa\} / n$ over n problems j with $p_j$
    parameters. Unlike a performance profile's, a method's shares do not depend on the others.

    Args:
        costs: [methods problems] >= 0, inf for failures. Problems that nobody solves count too.
        num_parameters: [problems] free parameters, at least 1. With costs in passes a budget of 1
            is what one gradient by differences takes.

    Returns:
        Different finite budgets in increasing order, in units of $p_j + 1$, and each method's share
        at them; no budgets if all failed.

    Raises:
        ValueError: for shapes that disagree, costs that are negative or NaN, and fewer than 1
            parameter.

    Examples:
        >>> from jaxmix.race.profiles import data_profile
        >>> budgets, shares = data_profile([[4, 30], [8, float("inf")]], [3, 9])
        >>> budgets.tolist(), shares.tolist()
        ([1.0, 2.0, 3.0], [[0.5, 0.5, 1.0], [0.0, 0.5, 0.5]])

    Source: Moré & Wild (2009), SIAM Journal on Optimization 20, section 2.
    """
    costs = as_costs(costs, "costs", "methods problems")
    num_parameters = as_numbers(num_parameters, "num_parameters", "problems")
    check_lengths(costs.T, num_parameters, "columns of costs", "num_parameters")
    bad = ~(np.isfinite(num_parameters) & (num_parameters >= 1))
    refuse(bad, num_parameters, "num_parameters", "at least 1")
    return _distributions(costs / (num_parameters + 1))


def _distributions(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different finite values in order, and the share of each row's entries up to each of them."""
    at = np.unique(values[np.isfinite(values)])
    counts = [np.searchsorted(np.sort(row), at, side="right") for row in values]
    return at, np.reshape(counts, (len(values), len(at))) / max(values.shape[1], 1)


def _trace(costs: Any, values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    costs, values = as_costs(costs, "costs", "t"), as_numbers(values, name, "t")
    check_lengths(costs, values, "costs", name)
    falls = np.append(False, costs[1:] < costs[:-1])
    refuse(falls, costs, "costs", "costs that never decrease")
    return costs, values
