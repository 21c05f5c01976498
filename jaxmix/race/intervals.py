"""What chance and noise leave open in a comparison: shares, medians over runs, the cost of a pass.

Plain NumPy and SciPy on plain arrays; the shares and costs themselves come from profiles.py.
"""

import math
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls
from scipy.special import ndtri

from jaxmix.inputs import as_count, as_level
from jaxmix.race.refusals import as_costs, as_numbers, check_lengths, refuse


def wilson_interval(
    successes: SupportsIndex, trials: SupportsIndex, level: float = 0.95
) -> tuple[float, float]:
    r"""A confidence interval for a share: all shares that the score test does not reject.

    With s successes in n trials and the normal quantile z of $(1 + \text{level}) / 2$, its ends are
    $\left(s + z^2/2 \pm z \sqrt{s (n - s) / n + z^2/4}\right) / (n + z^2)$.

    Args:
        successes: how many runs reached the target.
        trials: how many runs there were; they must be independent.
        level: the nominal coverage. Unlike $\hat p \pm z \sqrt{\hat p (1 - \hat p)/n}$, the
            interval keeps near to it in few runs, and has a length where all or none succeed.

    Returns:
        Low and high end within [0, 1]; (0, 1) without a trial.

    Raises:
        ValueError: for negative counts, more successes than trials, a level not in (0, 1).
        TypeError: for counts that are no whole numbers.

    Examples:
        >>> from jaxmix.race.intervals import wilson_interval
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)

    Source: Wilson (1927), Journal of the American Statistical Association 22, pages 209-212; on its
    coverage, Brown, Cai & DasGupta (2001), Statistical Science 16.
    """
    s, n = as_count(successes, "successes", least=0), as_count(trials, "trials", least=0)
    if s > n:
        raise ValueError(f"expected at most as many successes as trials, got {s} and {n}")
    z = -float(ndtri((1 - as_level(level)) / 2))
    if n == 0:
        return 0.0, 1.0

    def low(count: int) -> float:
        half = z * math.sqrt(s * (n - s) / n + z * z / 4)
        return (count + z * z / 2 - half) / (n + z * z)

    # The high end is the low one of failures: so 0 and 1 are exact where they are the ends.
    return low(s), 1 - low(n - s)


def median_band(
    values: Any, level: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> tuple[Float[np.ndarray, " g"], Float[np.ndarray, " g"], Float[np.ndarray, " g"]]:
    r"""The median over runs at each cost, with its percentile interval from resampled runs.

    Of B medians of resampled runs in increasing order, the ends are number k and B + 1 - k with
    $k = \lfloor (B + 1)(1 - \text{level})/2 \rfloor$, at least 1. They are never interpolated, so
    that infinite medians have a place. Runs are resampled whole: one resample for all costs.

    Args:
        values: [runs g], lower is better, such as gaps from `carried`; inf is the worst and stands
            for a failed run. NaN, no value, counts as inf too: to leave such runs out would judge a
            method by the runs that went well. A median that falls on inf is inf.
        level: the nominal coverage, at each cost by itself. Few runs cover less than that, and the
            band of a single run has no width, because resampling shows only what runs have shown.
        num_resamples: B; 1000 leave 25 medians outside each end of 0.95.
        seed: an integer >= 0; the same seed gives the same bits.

    Returns:
        The median, the low and the high end, each [g].

    Raises:
        ValueError: without a run, for another shape, -inf, a level not in (0, 1), or fewer than
            one resample.

    Examples:
        >>> from jaxmix.race.intervals import median_band
        >>> gaps = [[3.0, 0.1], [4.0, 0.2], [5.0, float("inf")], [6.0, 0.3], [7.0, 0.4]]
        >>> [ends.tolist() for ends in median_band(gaps, level=0.8)]
        [[5.0, 0.3], [4.0, 0.2], [6.0, 0.4]]

    Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 13.3; ranks as in
    its section 12.5.
    """
    values = as_numbers(values, "values", "runs g")
    refuse(np.isneginf(values), values, "values", "gaps, not their logarithms")
    num_runs, num_resamples = len(values), as_count(num_resamples, "num_resamples")
    if num_runs == 0:
        raise ValueError("expected values of at least one run, got none")
    # (1 - 0.9) / 2 of 200 is 9.999999999999998 in floats.
    rank = max(1, math.floor(round((num_resamples + 1) * (1 - as_level(level)) / 2, 9)))
    generator = np.random.default_rng(as_count(seed, "seed", least=0))
    drawn = generator.integers(num_runs, size=(num_resamples, num_runs))
    columns = np.where(np.isnan(values), np.inf, values).T
    # np.median takes five times as long.
    middle = [(num_runs - 1) // 2, num_runs // 2]
    medians = [np.sort(column[drawn], axis=1)[:, middle].mean(axis=1) for column in columns]
    ranked = np.sort(np.reshape(medians, (-1, num_resamples)), axis=1)
    low, high = ranked[:, [rank - 1, -rank]].T
    return np.median(columns, axis=1), low, high


def cost_model(passes: Any, seconds: Any) -> tuple[float, float, float]:
    r"""What a pass takes: seconds = a + b passes by least squares with $a, b \ge 0$.

    Args:
        passes: [m] over the data, at least two different numbers.
        seconds: [m] that they took. Residuals are in seconds, not in shares of them, because a
            trace may begin at 0 seconds; long runs therefore weigh most.

    Returns:
        a in seconds, b in seconds a pass, and the root mean square residual in seconds.

    Raises:
        ValueError: for lengths that differ, numbers that are negative or not finite, and fewer
            than two different numbers of passes.

    Examples:
        >>> from jaxmix.race.intervals import cost_model
        >>> [round(number, 12) for number in cost_model([0, 10, 20], [1.0, 3.0, 5.0])]
        [1.0, 0.2, 0.0]

    Source: Lawson & Hanson (1974), Solving Least Squares Problems, chapter 23.
    """
    passes, seconds = as_costs(passes, "passes", "m"), as_costs(seconds, "seconds", "m")
    check_lengths(passes, seconds, "passes", "seconds")
    for name, numbers in (("passes", passes), ("seconds", seconds)):
        refuse(np.isinf(numbers), numbers, name, "finite numbers")
    if len(different := np.unique(passes)) < 2:
        raise ValueError(
            f"expected at least two different numbers of passes, got {different.tolist()}; "
            "a line needs two points"
        )
    most, longest = passes.max(), seconds.max() or 1.0
    columns = np.stack([np.ones_like(passes), passes / most], axis=1)
    (a, b), residual = nnls(columns, seconds / longest)
    spread = residual * longest / math.sqrt(len(passes))
    return float(a * longest), float(b * longest / most), float(spread)
