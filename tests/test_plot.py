"""Pictures for teaching, checked by the numbers in them against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FAMILIES
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.special import logsumexp
from scipy.stats import chi2, multivariate_normal, norm

import jaxmix as jm
from jaxmix.plot.mixtures import log_density
from jaxmix.report.drawing import color_of

WEIGHTS = np.array([0.5, 0.2, 0.3])
COLUMNS = {1: (0, 1), 2: (0, 1), 4: (3, 1)}


def example(family, d):
    """A mixture of three components, and each one's covariance as a matrix."""
    rng = np.random.default_rng(d)
    factors = rng.normal(size=(3, d, d)) + 2 * np.eye(d)
    full = factors @ np.swapaxes(factors, 1, 2)
    variances = rng.uniform(0.5, 2.0, size=(3, d))
    covariances, matrices = {
        "full": (full, full),
        "tied": (full[0], np.stack([full[0]] * 3)),
        "diag": (variances, np.stack([np.diag(row) for row in variances])),
        "spherical": (variances[:, 0], variances[:, :1, None] * np.eye(d)),
    }[family]
    means = 4.0 * rng.normal(size=(3, d))
    return jm.gaussian_mixture(WEIGHTS, means, covariances, family=family), means, matrices


def densities(points, means, matrices):
    """Weighted log-densities [n k]."""
    logs = [multivariate_normal(m, c).logpdf(points) for m, c in zip(means, matrices)]
    return np.log(WEIGHTS) + np.stack(logs, axis=-1)


def new_panel():
    return Figure().subplots()


@pytest.fixture(scope="module")
def fits():
    x = np.random.default_rng(0).normal(size=(60, 2)) + 3.0 * (np.arange(60) % 2)[:, None]
    start = jm.initialize(x, 2)
    return {"EM": jm.fit(x, start), "hard EM": jm.fit(x, start, method=jm.EM(hard=True))}


@pytest.mark.parametrize("d", [2, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_ellipses_have_the_roots_of_the_eigenvalues_as_semi_axes(family, d):
    mixture, means, matrices = example(family, d)
    chosen = list(COLUMNS[d])
    panel = jm.plot.components(mixture, COLUMNS[d])
    for index in range(3):
        roots = np.sqrt(np.linalg.eigvalsh(matrices[index][np.ix_(chosen, chosen)]))
        for deviations, outline in zip((1, 2), panel.patches[2 * index :]):
            semi_axes = np.array([outline.height, outline.width]) / 2
            np.testing.assert_allclose(semi_axes, deviations * roots)
            np.testing.assert_allclose(outline.center, means[index, chosen])
        cross, *axes = panel.lines[3 * index : 3 * index + 3]
        np.testing.assert_allclose(np.ravel(cross.get_xydata()), means[index, chosen])
        lengths = [np.linalg.norm(np.diff(line.get_xydata(), axis=0)) for line in axes]
        np.testing.assert_allclose(lengths, roots[::-1])


@pytest.mark.parametrize("d", [2, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_principal_axes_end_on_the_ellipse_at_right_angles(family, d):
    mixture, _, matrices = example(family, d)
    block = matrices[0][np.ix_(COLUMNS[d], COLUMNS[d])]
    panel = jm.plot.components(mixture, COLUMNS[d])
    steps = [np.diff(line.get_xydata(), axis=0)[0] for line in panel.lines[1:3]]
    on_ellipse = [step @ np.linalg.solve(block, step) for step in steps]
    np.testing.assert_allclose(on_ellipse, 1.0)
    assert steps[0] @ steps[1] == pytest.approx(0.0, abs=1e-9)


def test_shading_is_proportional_to_the_weight():
    panel = jm.plot.components(example("full", 2)[0])
    opacity = np.array([outline.get_facecolor()[3] for outline in panel.patches[::2]])
    np.testing.assert_allclose(opacity / opacity[0], WEIGHTS / WEIGHTS[0])


@pytest.mark.parametrize(("d", "columns"), [(1, (0, 1)), (1, (0,)), (4, (2,))])
@pytest.mark.parametrize("family", FAMILIES)
def test_curves_in_one_column_are_weighted_densities_and_their_sum(family, d, columns):
    mixture, means, matrices = example(family, d)
    c = columns[0]
    panel = jm.plot.components(mixture, columns)
    total, *curves = [line for line in panel.lines if len(line.get_xdata()) > 1]
    oracle = densities(total.get_xdata(), means[:, c], matrices[:, c, c])
    np.testing.assert_allclose(total.get_ydata(), np.exp(logsumexp(oracle, axis=1)), atol=1e-14)
    for index, curve in enumerate(curves):
        np.testing.assert_allclose(curve.get_ydata(), np.exp(oracle[:, index]), atol=1e-14)
        assert curve.get_color() == color_of(index)
    whole = jm.plot.density(mixture, columns).lines[0]
    np.testing.assert_allclose(whole.get_ydata(), total.get_ydata(), atol=1e-14)
    assert np.trapezoid(whole.get_ydata(), whole.get_xdata()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("d", [2, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_contours_are_of_the_marginal_log_density(family, d):
    mixture, means, matrices = example(family, d)
    chosen = list(COLUMNS[d])
    blocks = matrices[:, chosen][:, :, chosen]
    panel = jm.plot.density(mixture, COLUMNS[d])
    contours = panel.collections[0]
    assert np.diff(contours.levels) == pytest.approx(1.0)
    band = contours.get_paths()[4].vertices
    heights = logsumexp(densities(band, means[:, chosen], blocks), axis=1)
    inside = np.all((band > band.min(axis=0)) & (band < band.max(axis=0)), axis=1)
    distance = np.abs(heights[:, None] - contours.levels[4:6]).min(axis=1)
    assert np.median(distance[inside]) < 0.02
    peak = logsumexp(densities(means[:, chosen], means[:, chosen], blocks), axis=1).max()
    assert contours.levels[-1] == pytest.approx(peak, abs=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_log_density_on_a_grid_equals_scipys(family):
    mixture, means, matrices = example(family, 2)
    grids = [np.linspace(-5, 5, 11), np.linspace(-4, 6, 7)]
    points = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1)
    oracle = logsumexp(densities(points, means, matrices), axis=-1)
    np.testing.assert_allclose(log_density(mixture, grids), oracle, rtol=1e-10)


def test_a_narrow_component_is_not_missed():
    mixture = jm.gaussian_mixture([0.5, 0.5], [[0.0], [100.0]], [1e-6, 1.0], family="spherical")
    peak = 0.5 / np.sqrt(2 * np.pi * 1e-6)
    assert jm.plot.density(mixture).lines[0].get_ydata().max() == pytest.approx(peak)


def test_a_component_has_one_color_in_all_panels():
    in_two, in_one = example("full", 2)[0], example("diag", 1)[0]
    x, labels = np.arange(6.0).reshape(3, 2), [2, 0, 1]
    colors = [to_rgb(color_of(index)) for index in range(3)]
    by_label = jm.plot.scatter(x, labels).collections[0].get_facecolor()[:, :3]
    by_share = jm.plot.scatter(x, responsibilities=np.eye(3)[labels])
    ticks = jm.plot.scatter(x[:, 0], labels).collections[0].get_color()[:, :3]
    outlines = jm.plot.components(in_two).patches[::2]
    curves = jm.plot.components(in_one).lines[1::2]
    names = jm.plot.confusion(labels, labels).get_xticklabels()
    np.testing.assert_allclose(by_label, np.array(colors)[labels])
    np.testing.assert_allclose(by_share.collections[0].get_facecolor()[:, :3], by_label)
    np.testing.assert_allclose(ticks, by_label)
    assert [to_rgb(outline.get_edgecolor()[:3]) for outline in outlines] == colors
    assert [to_rgb(curve.get_color()) for curve in curves] == colors
    assert [to_rgb(name.get_color()) for name in names] == colors


def test_points_between_components_have_the_average_color():
    shares = np.array([[0.25, 0.75]])
    point = jm.plot.scatter([[0.0, 0.0]], responsibilities=shares).collections[0]
    expected = shares @ [to_rgb(color_of(0)), to_rgb(color_of(1))]
    np.testing.assert_allclose(point.get_facecolor()[:, :3], expected)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_points_lie_where_the_data_are(d):
    x = np.random.default_rng(1).normal(size=(20, d))
    drawn = jm.plot.scatter(x, columns=COLUMNS[d]).collections[0]
    if d == 1:
        at = [segment[0, 0] for segment in drawn.get_segments()]
        np.testing.assert_allclose(at, x[:, 0])
    else:
        np.testing.assert_allclose(drawn.get_offsets(), x[:, list(COLUMNS[d])])


def test_classes_by_name_have_a_legend_in_sorted_order():
    panel = jm.plot.scatter([[0.0, 0.0]] * 3, ["b $", "a", "b $"])
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", r"b \$"]


def test_density_fills_what_a_panel_with_data_shows():
    mixture = example("full", 2)[0]
    panel = jm.plot.scatter(np.random.default_rng(2).normal(size=(30, 2)))
    limits = panel.get_xlim(), panel.get_ylim()
    assert jm.plot.density(mixture, panel=panel) is panel
    assert (panel.get_xlim(), panel.get_ylim()) == limits


def test_trace_is_the_objective_per_observation(fits):
    (line,) = jm.plot.trace(fits["EM"]).lines
    np.testing.assert_allclose(line.get_ydata(), np.asarray(fits["EM"].history) / 60)
    assert line.get_ydata()[-1] == pytest.approx(float(fits["EM"].objective) / 60)
    panel = jm.plot.trace(fits)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == list(fits)


def test_bounds_touch_the_log_likelihood():
    values, touching = np.linspace(-2.0, 2.0, 401), np.array([1.5, 0.5])
    slopes = -2 * touching[:, None] * (values - touching[:, None])
    lower = -(touching[:, None] ** 2) + slopes - 3 * (values - touching[:, None]) ** 2
    panel = jm.plot.bounds(values, -(values**2), lower, touching)
    marks = np.asarray(panel.collections[0].get_offsets())
    np.testing.assert_allclose(marks, np.stack([touching, -(touching**2)], axis=1), atol=1e-12)
    assert panel.get_ylim() == pytest.approx((-4.2, 0.2))


def test_selection_marks_the_lowest_of_all_and_skips_failures():
    panel = jm.plot.selection([1, 2, 3], {"full": [5.0, np.nan, 3.0], "diag": [4.0, 2.0, np.inf]})
    ring = panel.lines[-1]
    assert (*ring.get_xdata(), *ring.get_ydata(), ring.get_label()) == (
        2,
        0,
        "BIC 2.0: diag, k = 2",
    )
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), [3.0, np.nan, 1.0])
    failed = jm.plot.selection([1], {"full": [np.nan]})
    assert len(failed.lines) == 1


def test_confusion_counts_classes_by_component():
    panel = jm.plot.confusion([5, 7, 7, 7], [1, 0, 2, 2], names=["five", "seven"])
    assert [text.get_text() for text in panel.texts] == ["0", "1", "0", "1", "0", "2"]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["five", "seven"]


def test_every_function_draws_on_the_axes_it_is_given(fits):
    mixture, values = example("tied", 2)[0], np.array([0.0, 1.0])
    drawings = {
        jm.plot.confidence: known(),
        jm.plot.scatter: (np.zeros((2, 2)),),
        jm.plot.components: (mixture,),
        jm.plot.density: (mixture,),
        jm.plot.trace: (fits,),
        jm.plot.bounds: (values, values, values[None], [0.5]),
        jm.plot.selection: ([1, 2], {"full": values}),
        jm.plot.confusion: ([0, 1], [0, 1]),
    }
    assert {function.__name__ for function in drawings} == set(jm.plot.__all__)
    for function, arguments in drawings.items():
        panel = new_panel()
        assert function(*arguments, panel=panel) is panel
        assert panel.has_data()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((0, 2), "expected columns among 0 to 1, got 2"),
        ((0, -1), "expected columns among 0 to 1, got -1"),
        ((0, 1, 2), "expected one or two columns, got 3"),
        ((), "expected one or two columns, got 0"),
        ((1, 1), "expected two different columns, got 1 twice"),
    ],
)
def test_columns_that_cannot_be_drawn_are_refused(columns, message):
    mixture = example("full", 2)[0]
    for draw in (jm.plot.components, jm.plot.density):
        with pytest.raises(ValueError, match=message):
            draw(mixture, columns)
    with pytest.raises(ValueError, match=message):
        jm.plot.scatter(np.zeros((3, 2)), columns=columns)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0, 1]}, r"expected 3 labels, one an observation, got shape \(2,\)"),
        ({"labels": [0] * 3, "responsibilities": np.ones((3, 1))}, "got both"),
        ({"responsibilities": np.ones((2, 1))}, "expected 3 rows of responsibilities"),
        ({"responsibilities": np.ones((3, 2))}, "rows sum to 1"),
    ],
)
def test_colors_that_do_not_fit_the_data_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        jm.plot.scatter(np.zeros((3, 2)), **arguments)


def test_several_mixtures_or_fits_in_one_are_refused(fits):
    stacked = jax.tree.map(lambda leaf: np.stack([leaf] * 2), example("full", 2)[0])
    with pytest.raises(ValueError, match="expected one mixture, got several in one"):
        jm.plot.components(stacked)
    with pytest.raises(ValueError, match="expected at least one FitResult"):
        jm.plot.trace({})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lower_bounds": [[0.0, 0.0]]}, r"expected lower_bounds of shape \(1, 3\)"),
        ({"values": [0.0, 2.0, 1.0]}, "in increasing order"),
        ({"touching": [3.0]}, "expected iterates between 0 and 2"),
    ],
)
def test_bounds_of_other_shapes_are_refused(change, message):
    right = {"values": [0.0, 1.0, 2.0], "log_likelihood": [0.0] * 3, "lower_bounds": [[0.0] * 3]}
    with pytest.raises(ValueError, match=message):
        jm.plot.bounds(**right | {"touching": [1.0]} | change)


def test_scores_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="expected 2 values of full"):
        jm.plot.selection([1, 2], {"full": [1.0]})
    with pytest.raises(ValueError, match="at least one family"):
        jm.plot.selection([1, 2], {})
    with pytest.raises(ValueError, match="expected 2 predicted components"):
        jm.plot.confusion([0, 1], [0])
    with pytest.raises(ValueError, match=r"Mixture\.predict"):
        jm.plot.confusion([0, 1], [0, -1])
    with pytest.raises(ValueError, match="expected 2 names"):
        jm.plot.confusion([0, 1], [0, 1], names=["one"])


def known(infinite=False):
    """A mixture of three components in two columns, and errors of its 3 covariances, 6 means and 3
    weights, in this order."""
    roots = np.random.default_rng(0).normal(size=(12, 12))
    covariance = jnp.asarray(0.01 * roots @ roots.T)
    errors = jnp.sqrt(jnp.diagonal(covariance))
    means = jnp.full((3, 2), jnp.inf) if infinite else errors[3:9].reshape(3, 2)
    parts = {"weights": errors[9:], "means": means, "covariances": errors[:3]}
    shares = jnp.full(1, 0.5)
    return example("spherical", 2)[0], jm.inference.StandardErrors(
        parts, covariance, shares, "observed"
    )


def test_regions_of_confidence_have_chi_square_quantiles():
    mixture, errors = known()
    panel = jm.plot.confidence(mixture, errors, level=0.9, columns=(1, 0))
    for index, region in enumerate(panel.patches):
        places = 3 + 2 * index + np.array([1, 0])
        covariance = np.asarray(errors.covariance)[np.ix_(places, places)]
        roots = np.sqrt(chi2.ppf(0.9, 2) * np.linalg.eigvalsh(covariance))
        np.testing.assert_allclose([region.height / 2, region.width / 2], roots, rtol=1e-10)
        np.testing.assert_allclose(region.center, mixture.means[index, ::-1])
        turn = np.deg2rad(region.angle)
        along = np.array([np.cos(turn), np.sin(turn)])
        np.testing.assert_allclose(covariance @ along, along * roots[1] ** 2 / chi2.ppf(0.9, 2))
    for index, line in enumerate(jm.plot.confidence(mixture, errors, columns=(1,)).lines):
        center, error = mixture.means[index, 1], errors.means[index, 1]
        np.testing.assert_allclose(line.get_xdata(), center + error * norm.ppf([0.025, 0.975]))


def test_no_region_of_confidence_is_drawn_where_there_is_none():
    mixture, errors = known()
    with pytest.raises(ValueError, match="do not pin down the mean of component 0"):
        jm.plot.confidence(*known(infinite=True))
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        jm.plot.confidence(mixture, errors, level=1.0)
    with pytest.raises(ValueError, match="errors belong to one mixture"):
        jm.plot.confidence(mixture.take([0]), errors)
    with pytest.raises(TypeError, match="expected errors from jaxmix"):
        jm.plot.confidence(mixture, mixture)
