"""One likelihood, five ways to its gradient: they agree, and the table says what they cost."""

import numpy as np
import pytest
from scipy.stats import norm

from jaxmix.autodiff.likelihood import by_hand, compare_gradients, mixture_at, problem, ways

AGREEMENT = {
    "formula by hand": 0.0,
    "dual numbers": 1e-12,
    "jax.grad": 1e-12,
    "Fisher's rule": 1e-9,
    "central differences": 1e-5,
}


@pytest.mark.parametrize(("count", "n"), [(2, 20), (5, 300), (50, 300), (500, 100)])
def test_five_ways_to_the_same_gradient(count, n):
    x, theta = problem(count, n, seed=0)
    value, gradient = by_hand(theta, x)
    mixture = mixture_at(theta)
    scales = np.sqrt(np.asarray(mixture.covariances))
    densities = norm.pdf(x[:, None], np.asarray(mixture.means)[:, 0], scales)
    assert value == pytest.approx(np.log(densities @ np.asarray(mixture.weights)).sum(), rel=1e-12)
    for way in ways(x, count):
        got, slopes = way.value_and_gradient(theta)
        assert got == pytest.approx(value, rel=1e-11)
        difference = np.max(np.abs(slopes - gradient)) / np.max(np.abs(gradient))
        assert difference <= AGREEMENT[way.name]


def test_the_table():
    table = compare_gradients((5,), n=50)
    assert [row[1] for row in table.rows] == list(AGREEMENT)
    assert [row[-1] for row in table.rows] == [1, 2, 1, 1, 11]
    assert all(row[5] > 0 for row in table.rows)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_number_of_parameters_that_no_mixture_has(count):
    with pytest.raises(ValueError, match="3k - 1"):
        compare_gradients((count,))
