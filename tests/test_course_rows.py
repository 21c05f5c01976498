"""The course, row by row: one test a row, and every line of notes/course.md runs."""

import math
import re
from pathlib import Path

import numpy as np
import optax
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB

import jaxmix as jm
from jaxmix.autodiff import applications, costs, differences, graph, source, studies, symbolic
from jaxmix.autodiff.pictures import draw_modes
from jaxmix.dual import (
    Dual,
    cos,
    derivative,
    exp,
    gradient,
    hessian,
    jacobian,
    log,
    sin,
    sqrt,
    tanh,
    taylor,
)

FAITHFUL, IRIS = jm.data.load("faithful").x, jm.data.load("iris")
GAPS = np.where(np.random.default_rng(0).random((60, 4)) < 0.2, np.nan, IRIS.x[::2][:60])
NOTE = (Path(__file__).parents[1] / "notes/course.md").read_text()
LINES = dict(re.findall(r"^(\d+)\. .*?^   `(.*?)`$", NOTE, re.MULTILINE | re.DOTALL))


def lecture(x1, x2):
    return x1 * x2 + sin(x1)


def test_there_is_a_line_for_every_row():
    assert list(LINES) == [str(row) for row in range(1, 26)]


@pytest.mark.parametrize("row", LINES)
def test_every_line_runs(row, capsys):
    names = {"np": np, "jm": jm, "optax": optax, "lecture": lecture, "Dual": Dual}
    names |= {
        "gaps": GAPS,
        "faithful": FAITHFUL,
        "iris": IRIS,
        "z": jm.data.standardize(FAITHFUL)[0],
    }
    eval(LINES[row], names | {"cos": cos, "exp": exp, "sin": sin, "sqrt": sqrt})


def test_row_1_how_to_get_a_derivative():
    study = differences.error_study(lambda x: x**3, 1.0)
    least = min((row.forward, row.h) for row in study.rows)
    assert f"{least[0]:.3e} at {least[1]:.0e}" == "3.972e-09 at 1e-08"
    least = min((row.central, math.log10(row.h)) for row in study.rows)
    assert f"{least[0]:.3e} at {least[1]:.1f}" == "4.980e-12 at -5.5"
    assert study.dual == study.complex_step == 0.0
    sizes = [row[2] for row in symbolic.swell(most=5).rows]
    assert sizes[-1] > 30 * sizes[0]
    errors = [row[3] for row in studies.with_noise().rows]
    assert errors[0] > 1 > 100 * errors[2]


def test_row_2_dual_numbers():
    x = Dual(2.0, [1.0])
    numbers = [x + x, x * x, -x, 1 / x, 3 * x**2 - x, sin(x), cos(x), exp(x), log(x), sqrt(x)]
    slopes = [2, 4, -1, -0.25, 11, math.cos(2), -math.sin(2), math.exp(2), 0.5, 8**-0.5]
    np.testing.assert_allclose([number.partials[0] for number in numbers], slopes, rtol=1e-14)


def test_row_3_several_components():
    assert str(Dual(2.0, [1.0, 0.0]) * Dual(3.0, [0.0, 1.0])) == "6 + 3 d1 + 2 d2"
    np.testing.assert_allclose(gradient(lecture)(2.0, 3.0), [3 + math.cos(2), 2], rtol=1e-15)


def test_row_4_the_chain_rule_as_a_table():
    traced = graph.trace(lecture, 2.0, 3.0)
    assert [row[1] for row in traced.table().rows][2:] == ["w1 * w2", "sin(w1)", "w3 + w4"]
    assert traced.lines[4].parents == (2, 3)
    paths_from_x1 = traced.lines[2].slopes[0], traced.lines[3].slopes[0]
    assert sum(paths_from_x1) == pytest.approx(traced.gradient[0], rel=1e-15)


def test_row_5_three_realizations():
    text = source.transform(lecture).source
    assert text.splitlines()[:3] == [
        "def dlecture(x1, x2, dx1, dx2):",
        "    w3 = x1 * x2",
        "    dw3 = dx1 * x2 + x1 * dx2",
    ]
    table = costs.realizations(lecture, 2.0, 3.0, repeats=1)
    assert {"forward source", "reverse source", "dual numbers", "graph", "jax.grad"} == {
        row[0] for row in table.rows
    }
    assert "| JAX |" in (Path(__file__).parents[1] / "notes/autodiff.md").read_text()


def test_row_6_forward_and_reverse_sweeps():
    traced = graph.trace(lecture, 2.0, 3.0)
    assert traced.forward([1.0, 0.0])[-1] == traced.reverse()[0]
    assert traced.forward([0.0, 1.0])[-1] == traced.reverse()[1]


def test_row_7_modes_orders_and_memory(tmp_path):
    def f(x):
        return np.ones((3, 2)) @ sin(x) * x[0]

    figure = draw_modes(jacobian(f)(np.array([0.5, 1.0])))
    figure.savefig(tmp_path / "modes.png")
    assert [panel.get_title().split()[0] for panel in figure.axes] == ["forward", "reverse"]
    onward, back, best = studies.chain_orders([20, 20, 1, 20, 30])
    assert best.multiplications < min(onward.multiplications, back.multiplications)
    assert costs.sweeps([(50, 1)], repeats=1).rows[0][3] > 0
    memory = costs.reverse_memory((16, 256)).rows
    assert memory[1][1] > 10 * memory[0][1]
    assert memory[1][3] < 4 * memory[0][3]


def test_row_8_higher_derivatives():
    assert taylor(lambda x: x**4, 2.0, 4).tolist() == [16, 32, 24, 8, 1]
    assert derivative(derivative(lambda x: x**4))(2.0) == 48
    assert hessian(lambda x: x[0] ** 2 * x[1])([1.0, 2.0]).tolist() == [[4, 2], [2, 0]]
    rows = studies.through_a_solver(lambda x, a: (x + a / x) / 2, 2.0, 1.0, sqrt, 6).rows
    assert rows[-1][4] < 1e-14


def test_row_9_what_it_is_for():
    assert applications.newton(lambda x: x * x - 2, 1.0).x == pytest.approx(math.sqrt(2))
    assert applications.minimize(lambda x: (x - 3) ** 2 + tanh(x), 0.0).converged
    t = np.linspace(0, 2, 9)
    fit = applications.least_squares(lambda p: p[0] * exp(-p[1] * t) - 3 * np.exp(-1.5 * t), [1, 1])
    np.testing.assert_allclose(fit.x, [3, 1.5])
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert applications.train_network(x, np.array([0, 1, 1, 0])).losses[-1] < 1e-3
    times = np.linspace(0, 1, 11)
    y = applications.implicit_euler(lambda t, y: -1e6 * (y - math.cos(t)), 1.0, times)
    np.testing.assert_allclose(y, np.cos(times), atol=1e-5)


def test_row_10_labels_known():
    mixture = jm.maximum_likelihood(IRIS.x, IRIS.labels)
    for k, name in enumerate(np.unique(IRIS.labels)):
        rows = IRIS.x[IRIS.labels == name]
        np.testing.assert_allclose(mixture.means[k], rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(mixture.covariances[k], np.cov(rows.T, ddof=0), rtol=1e-10)
    one = jm.maximum_likelihood(FAITHFUL, np.zeros(len(FAITHFUL)))
    np.testing.assert_allclose(one.covariances[0], np.cov(FAITHFUL.T, ddof=0), rtol=1e-10)


def test_row_10_labels_known_make_a_classifier():
    codes = np.unique(IRIS.labels, return_inverse=True)[1]
    known = {
        "diag": GaussianNB(var_smoothing=0.0),
        "tied": LinearDiscriminantAnalysis(solver="lsqr"),
    }
    for family, classifier in known.items():
        ours = jm.maximum_likelihood(IRIS.x, IRIS.labels, family).responsibilities(IRIS.x)
        theirs = classifier.fit(IRIS.x, codes).predict_proba(IRIS.x)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)
    classes = [IRIS.x[codes == k] for k in range(3)]
    densities = [
        multivariate_normal(c.mean(0), np.cov(c.T, ddof=0)).logpdf(IRIS.x) for c in classes
    ]
    quadratic = jm.maximum_likelihood(IRIS.x, IRIS.labels, "full").predict(IRIS.x)
    np.testing.assert_array_equal(quadratic, np.argmax(densities, axis=0))


def test_row_11_one_gaussian_against_two():
    one, two = (jm.fit(FAITHFUL, jm.initialize(FAITHFUL, k)) for k in (1, 2))
    normal = multivariate_normal(FAITHFUL.mean(axis=0), np.cov(FAITHFUL.T, ddof=0))
    assert one.log_likelihood == pytest.approx(normal.logpdf(FAITHFUL).sum(), rel=1e-12)
    assert two.bic < one.bic - 100


def test_row_12_covariance_structures():
    codes = np.unique(IRIS.labels, return_inverse=True)[1]
    within = [np.cov(IRIS.x[codes == k].T, ddof=0) for k in range(3)]
    expected = {
        "full": within,
        "tied": np.mean(within, axis=0),
        "diag": np.diagonal(within, axis1=1, axis2=2),
        "spherical": np.trace(within, axis1=1, axis2=2) / 4,
    }
    for family, values in expected.items():
        fitted = jm.maximum_likelihood(IRIS.x, IRIS.labels, family).covariances
        np.testing.assert_allclose(fitted, values, rtol=1e-9)


def test_rows_13_and_14_gradients_and_kinds_of_em():
    z = jm.data.standardize(FAITHFUL)[0]
    start = jm.initialize(z, 2)
    by_em, by_gradient = (
        jm.fit(z, start, method) for method in (None, jm.GradientAscent(optax.lbfgs))
    )
    assert by_gradient.log_likelihood == pytest.approx(float(by_em.log_likelihood), abs=1e-6)
    equal = jm.fit(z, start, fixed="weights")
    np.testing.assert_allclose(equal.mixture.weights, [0.5, 0.5])
    assert equal.log_likelihood < by_em.log_likelihood


def test_row_15_stable_sums_and_distances():
    x = np.array([[1000.0, 1000.0], [1.0, 2.0]])
    np.testing.assert_allclose(jm.softmax(x), [[0.5, 0.5], [0.2689, 0.7311]], atol=1e-4)
    np.testing.assert_allclose(jm.logsumexp(x), [1000.6931, 2.3133], atol=1e-4)
    np.testing.assert_allclose(jm.logsumexp(x), logsumexp(x, axis=1), rtol=1e-15)


def test_row_16_k_means():
    points = [[0, 2], [0, 0], [1, 0], [5, 0], [5, 2]]
    found = jm.kmeans(points, 2, centers=[[0, 0], [5, 0]])
    np.testing.assert_allclose(found.centers, [[1 / 3, 2 / 3], [5, 1]], rtol=1e-15)
    assert np.all(np.diff(found.history) <= 0)


def test_row_17_different_starts_give_different_optima():
    runs = jm.fit_restarts(FAITHFUL, 3, num_starts=8, seed=0, start="random_from_data")
    values = [float(run.log_likelihood) for run in runs.results]
    assert max(values) - min(values) > 0.1


def test_row_18_samples_of_the_course():
    table, truth = jm.data.three_clusters(n=4000)
    shares = np.bincount(table.labels) / 4000
    np.testing.assert_allclose(shares, truth.weights, atol=0.03)
    mixture = jm.gaussian_mixture([0.25, 0.75], [[0.0], [9.0]], [1.0, 1.0], family="spherical")
    x, labels = mixture.sample(4000, seed=1)
    assert np.mean(labels) == pytest.approx(0.75, abs=0.03)
    assert np.mean(np.asarray(x)[np.asarray(labels) == 1]) == pytest.approx(9.0, abs=0.1)


def test_row_19_a_photograph_in_few_colors():
    photograph = jm.data.photograph()[::8, ::8]
    few, soft = (jm.teaching.quantize(photograph, 3, by) for by in ("kmeans", "mixture"))
    assert len(few.palette) == len(soft.palette) == 3
    assert few.mean_squared_error < soft.mean_squared_error
    np.testing.assert_allclose(few.mean, photograph.mean(axis=(0, 1)), rtol=1e-12)


def test_row_20_pictures():
    mixture = jm.gaussian_mixture([0.4, 0.6], [[2.0, 55.0], [4.0, 80.0]], [[0.1, 36.0]] * 2, "diag")
    responsibilities = mixture.responsibilities(FAITHFUL)
    panel = jm.plot.scatter(FAITHFUL, responsibilities=responsibilities)
    jm.plot.components(mixture, panel=panel)
    outlines = [ellipse.get_edgecolor() for ellipse in panel.patches]
    assert len({tuple(color[:3]) for color in outlines}) == 2
    lengths = sorted((ellipse.width, ellipse.height) for ellipse in panel.patches[:2])
    np.testing.assert_allclose(lengths[0], [2 * 6.0, 2 * 0.1**0.5], rtol=1e-9)


def test_row_21_the_estimator():
    given = {"weights_init": [0.5, 0.5], "means_init": [[2.0, 55.0], [4.0, 80.0]]}
    settings = given | {"precisions_init": np.full((2, 2), 0.1), "covariance_type": "diag"}
    ours, theirs = (
        kind(2, **settings, max_iter=50).fit(FAITHFUL)
        for kind in (jm.sklearn.GaussianMixture, GaussianMixture)
    )
    np.testing.assert_allclose(ours.means_, theirs.means_, rtol=1e-6)
    np.testing.assert_array_equal(ours.predict(FAITHFUL), theirs.predict(FAITHFUL))
    assert (ours.n_iter_, ours.converged_) == (theirs.n_iter_, theirs.converged_)


def test_row_22_spherical_mixtures_with_soft_counts():
    stop = jm.Stop("relative", tol=1e-6)
    result = jm.fit(FAITHFUL, jm.initialize(FAITHFUL, 2, "spherical"), stop=stop)
    changes = np.abs(np.diff(result.history))
    assert changes[-1] <= 1e-6 * abs(result.history[-1]) < changes[-2]
    counts = np.sum(result.mixture.responsibilities(FAITHFUL), axis=0)
    assert counts.sum() == pytest.approx(272)


def test_row_23_matrix_completion():
    """A few tastes, most ratings missing: BIC tells how many, gaps close as by the truth."""
    rng = np.random.default_rng(0)
    tastes = jm.gaussian_mixture([0.5, 0.3, 0.2], rng.normal(3, 1, (3, 12)), 0.25, "spherical")
    complete = np.asarray(tastes.sample(400, seed=0)[0])
    gaps = rng.random(complete.shape) < 0.6
    gaps[np.arange(400), rng.integers(12, size=400)] = False
    ratings = np.where(gaps, np.nan, complete)
    fits = [
        jm.fit(ratings, jm.initialize(ratings, k, "spherical", missing=True), missing=True)
        for k in (2, 3)
    ]
    assert fits[1].bic < fits[0].bic - 100

    def error(values):
        return np.sqrt(np.mean((np.asarray(values) - complete)[gaps] ** 2))

    assert error(fits[1].mixture.complete(ratings)) < 1.03 * error(tastes.complete(ratings))
    assert error(tastes.complete(ratings)) < 0.75 * error(
        np.nanmean(ratings, axis=0) + 0 * complete
    )


def test_row_24_scores_of_a_histogram():
    different = np.random.default_rng(0).beta(2, 5, 100)
    scores = jm.density.scores
    assert scores.plain(different, 1e-6) < scores.plain(different, 1e-3) < 0
    assert scores.leave_one_out(different, 1e-6) > scores.leave_one_out(different, 0.1)
    eruptions = FAITHFUL[:, 0] / 10
    assert scores.leave_one_out(eruptions, 1e-6) < scores.leave_one_out(eruptions, 1e-3) < 0


def test_row_25_linear_smoothers():
    x, y = FAITHFUL.T
    for estimate in (
        jm.density.kernel_regression(x, y, bandwidth=0.3),
        jm.density.least_squares(x, y, basis=3),
    ):
        at = np.array([2.0, 3.5, 10.0])
        np.testing.assert_allclose(estimate.smoother(at) @ y, estimate.predict(at), rtol=1e-10)
