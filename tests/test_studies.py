"""The lecture's small studies: known orders, agreement by degree, solvers, noise."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxmix import dual
from jaxmix.autodiff import studies
from jaxmix.autodiff.symbolic import swell


def every_order(first, last, sizes):
    """Multiplications of every way to put parentheses."""
    if last == first + 1:
        return [0]
    return [
        a + b + sizes[first] * sizes[k] * sizes[last]
        for k in range(first + 1, last)
        for a, b in product(every_order(first, k, sizes), every_order(k, last, sizes))
    ]


@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_the_best_order_is_the_best_of_all(sizes):
    forward, reverse, best = studies.chain_orders(sizes)
    costs = every_order(0, len(sizes) - 1, sizes)
    assert best.multiplications == min(costs)
    assert {forward.multiplications, reverse.multiplications} <= set(costs)


def test_between_the_modes_an_order_may_be_better_than_both():
    forward, reverse, best = studies.chain_orders([20, 20, 1, 20, 30])
    assert best.multiplications < min(forward.multiplications, reverse.multiplications)
    to_one = studies.chain_orders([100, 50, 20, 1])
    assert to_one[1].multiplications == to_one[2].multiplications < to_one[0].multiplications
    from_one = studies.chain_orders([1, 20, 50, 100])
    assert from_one[0].multiplications == from_one[2].multiplications
    assert studies.chain_orders([3, 2])[2].product == "J1"
    with pytest.raises(ValueError, match="inputs and outputs"):
        studies.chain_orders([3])


def test_a_series_and_nesting_agree_at_every_degree():
    table = studies.degrees(lambda x: dual.exp(dual.sin(x)) * x, 0.7, most=5, repeats=1)
    assert [row[0] for row in table.rows] == [1, 2, 3, 4, 5]
    assert all(row[3] < 1e-11 for row in table.rows)


def test_the_derivative_of_a_solver_converges_after_its_result():
    def heron(x, a):
        return (x + a / x) / 2

    rows = studies.through_a_solver(heron, 2.0, 1.0, dual.sqrt, 8).rows
    errors, slopes = (np.array([row[j] for row in rows]) for j in (2, 4))
    assert rows[0][3] == 0
    assert max(errors[-1], slopes[-1]) < 1e-15
    # Heron's iteration forgets: the error of the slope is some multiple of that of x before.
    assert all(slopes[1:5] <= 2 * errors[:4])
    first = {
        name: next(i for i, e in enumerate(x) if e < 1e-12)
        for name, x in {"x": errors, "slope": slopes}.items()
    }
    assert first["x"] <= first["slope"]


def test_a_slow_solver_lags():
    rows = studies.through_a_solver(lambda x, a: dual.cos(x) * a, 0.8, 0.5, _fixed_point, 60).rows
    assert rows[-1][2] < 1e-9
    assert rows[-1][4] < 1e-7
    assert rows[30][4] > rows[30][2]


def _fixed_point(a):
    x = 0.5
    for _ in range(400):
        x = dual.cos(x) * a
    return x


def test_differences_see_the_trend_where_autodiff_sees_the_noise():
    rows = {(row[0], row[1]): row[3] for row in studies.with_noise().rows}
    assert rows["x^3 with noise", "dual numbers"] > 1
    assert rows["x^3 in steps", "dual numbers"] == 3.0
    for program in ("x^3 with noise", "x^3 in steps"):
        assert rows[program, "forward differences"] < 1e-2
        assert rows[program, "central differences"] < 1e-3


@pytest.mark.parametrize("amplitude", [0.0, -1e-6, float("inf"), float("nan")])
def test_noise_has_an_amplitude(amplitude):
    with pytest.raises(ValueError, match="amplitude must be positive"):
        studies.with_noise(amplitude)


def test_expressions_swell_where_programs_do_not():
    rows = swell(most=6).rows
    expressions, derivatives = ([row[j] for row in rows] for j in (1, 2))
    assert all(after > 2 * before for before, after in pairwise(expressions))
    assert all(after > 2.5 * before for before, after in pairwise(derivatives))
    assert [row[3:] for row in rows] == [(3 * t, 6 * t) for t in range(1, 7)]
