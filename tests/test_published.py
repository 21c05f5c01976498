"""Published fits come out again, to the digits printed, from starts that know nothing of them.

The figures were recomputed in float64 by independent code; tables that print
2 log-likelihood - p ln n have the opposite sign of jaxmix's BIC.
"""

from pathlib import Path

import numpy as np
import optax
import pytest

import jaxmix as jm

WAITING_TRACE = [
    -1051.089641420,
    -1034.173864376,
    -1034.013938990,
    -1034.002762891,
    -1034.001845098,
    -1034.001767560,
    -1034.001760971,
    -1034.001760410,
    -1034.001760362,
    -1034.001760358,
]

METHODS = {
    "EM": jm.EM(),
    "L-BFGS": jm.GradientAscent(optax.lbfgs),
    "Adam": jm.GradientAscent(optax.adam, learning_rate=0.05),
    "momentum": jm.GradientAscent(optax.sgd, learning_rate=0.1, momentum=0.9),
}

FITS = {
    "Old Faithful, tied": ("faithful", 3, "tied", -1126.31593, -2314.2957),
    "galaxies": ("galaxies", 3, "full", -203.179228, -441.6122),
    "iris": ("iris", 2, "full", -214.354704, -574.0178),
}

PUBLISHED_WEIGHTS = {"faithful": [0.168609, 0.356378, 0.475013]}


def test_waiting_times_take_nine_iterations_with_the_published_trace():
    waiting = jm.data.load("faithful").x[:, 1]
    start = jm.gaussian_mixture([0.5, 0.5], [55.0, 80.0], 25.0, family="tied")
    result = jm.fit(waiting, start, stop=jm.Stop("total", tol=1e-8))
    assert result.num_steps == 9
    np.testing.assert_allclose(result.history, WAITING_TRACE, rtol=0, atol=1e-9)
    assert result.mixture.weights[0] == pytest.approx(0.3608498, abs=5e-8)
    np.testing.assert_allclose(result.mixture.means[:, 0], [54.61364, 80.09031], atol=5e-6)
    assert np.sqrt(result.mixture.covariances[0, 0]) == pytest.approx(5.869089, abs=5e-7)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_old_faithful_is_reached_from_all_of_twenty_starts(method):
    z, center, scale = jm.data.standardize(jm.data.load("faithful").x)
    fits = [
        jm.fit(z, jm.initialize(z, 2, seed=seed), method, stop=jm.Stop(max_steps=5000))
        for seed in range(20)
    ]
    in_user_units = np.array([fit.log_likelihood for fit in fits]) - len(z) * np.log(scale).sum()
    assert np.sum(np.abs(in_user_units - -1130.26396) < 1e-5) == 20
    assert {fit.outcome.name for fit in fits} == {"CONVERGED"}
    for fit in fits:
        mixture = fit.mixture.affine(scale, center)
        mixture = mixture.take(np.argsort(mixture.weights))
        assert mixture.weights[0] == pytest.approx(0.355873, abs=5e-6)
        published = [[2.036388, 54.478517], [4.289662, 79.968115]]
        np.testing.assert_allclose(mixture.means / scale, published / scale, atol=5e-5)


@pytest.mark.parametrize(("name", "k", "family", "log_likelihood", "bic"), FITS.values(), ids=FITS)
def test_best_fit_is_the_published_one(name, k, family, log_likelihood, bic):
    x = jm.data.load(name).x
    stop = jm.Stop(tol=1e-12)
    fits = [jm.fit(x, jm.initialize(x, k, family, seed=seed), stop=stop) for seed in range(3)]
    best = max(fits, key=lambda fit: float(fit.log_likelihood))
    assert best.outcome.name == "CONVERGED"
    assert best.log_likelihood == pytest.approx(log_likelihood, abs=5e-6)
    assert -best.bic == pytest.approx(bic, abs=1e-4)
    if name in PUBLISHED_WEIGHTS:
        weights = np.sort(best.mixture.weights)
        np.testing.assert_allclose(weights, PUBLISHED_WEIGHTS[name], atol=5e-6)


def test_iris_from_its_species():
    iris = jm.data.load("iris")
    result = jm.fit(iris.x, jm.maximum_likelihood(iris.x, iris.labels))
    assert result.log_likelihood == pytest.approx(-180.185477, abs=5e-7)
    assert -result.bic == pytest.approx(-580.8389, abs=5e-5)
    species = np.unique(iris.labels, return_inverse=True)[1]
    assert np.sum(np.asarray(result.mixture.predict(iris.x)) != species) == 5


HASSELBLAD_MLE = [0.3598853969849, 1.2560951012244, 2.6634043566325]
"""The first weight and the two rates, by 50-digit arithmetic; -LL is 1989.945859883."""


def poisson_fit(rule, tol, p=0.3, rates=(1.0, 2.5)):
    table = jm.data.load("hasselblad")
    start = jm.poisson_mixture([p, 1 - p], rates)
    stop = jm.Stop(rule, tol, max_steps=10_000)
    return jm.fit(table.x, start, stop=stop, sample_weights=table.sample_weights)


def poisson_parameters(result):
    return np.array([result.mixture.weights[0], *result.mixture.rates[:, 0]])


@pytest.mark.parametrize(("p", "rates", "steps"), [(0.4, (1, 2), 2061), (0.3, (1, 2.5), 2335)])
def test_hasselblads_counts_take_the_published_number_of_steps(p, rates, steps):
    result = poisson_fit("parameters", 1e-8, p, rates)
    assert int(result.num_steps) == steps
    error = np.abs(poisson_parameters(result) - HASSELBLAD_MLE).max()
    assert 1e-6 < error < 1e-5


def test_hasselblads_maximum_to_ten_digits():
    result = poisson_fit("parameters", 1e-13)
    np.testing.assert_allclose(poisson_parameters(result), HASSELBLAD_MLE, atol=1e-10)
    assert result.log_likelihood == pytest.approx(-1989.945859883, abs=1e-9)


def test_a_small_change_certifies_little_and_a_small_gap_more():
    """Nats still to gain are about the gap over 1 - rate, with EM's rate of .9957 here."""
    by_change, by_gap = (poisson_fit(rule, 1e-8, 0.4, (1.0, 2.0)) for rule in ("relative", "gap"))
    errors = [np.abs(poisson_parameters(r) - HASSELBLAD_MLE).max() for r in (by_change, by_gap)]
    assert int(by_change.num_steps) == 130
    assert errors[0] > 0.013
    assert errors[1] < errors[0] / 4
    left = -1989.945859883 - float(by_gap.log_likelihood)
    assert left == pytest.approx(float(by_gap.gap) / (1 - 0.995666223), rel=0.1)


def test_map_em_and_lbfgs_reach_one_penalized_optimum(monkeypatch):
    """One of the ten problems of experiments/benchmarks/penalized.py, which has the others."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "experiments/benchmarks")
    import penalized

    report = penalized.compared(penalized.loaded("faithful", 2))
    assert len(report["optima"]) == 1
    for start in report["starts"]:
        assert start["outcomes"] == ["CONVERGED", "CONVERGED"]
        assert abs(start["lbfgs less em"]) <= 1e-6
