"""What `jaxmix demo` shows of mixtures and EM, against textbooks and known outcomes."""

import inspect

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import jaxmix as jm
from jaxmix import data
from jaxmix.cli.demo import Demo
from jaxmix.cli.main import main
from jaxmix.starts import initialize
from jaxmix.teaching import bounds, clusters, figures, means_only, mixtures
from jaxmix.teaching.demonstrations import SUBJECTS, demonstrate

WAITING = data.load("faithful").x[:, 1]


def table_of(x):
    columns = tuple(f"column {j}" for j in range(x.shape[1]))
    return data.Table("mine", x, columns, None, None, "")


def textbook(x, means, sigma):
    """log(1/2 N(x; mean 1) + 1/2 N(x; mean 2)) of every row and its two parts, by SciPy."""
    parts = norm.logpdf(x[:, None], means, sigma) - np.log(2)
    return logsumexp(parts, axis=1), parts


def test_the_means_follow_the_textbooks_steps():
    learned = means_only.learn_means(WAITING, 6.0, 3)
    means = np.quantile(WAITING, [0.25, 0.75])
    for step in range(4):
        total, parts = textbook(WAITING, means, 6.0)
        np.testing.assert_allclose(learned.means[step], means, rtol=1e-13)
        assert learned.log_likelihood[step] == pytest.approx(total.sum(), rel=1e-13)
        r = np.exp(parts - total[:, None])
        means = WAITING @ r / r.sum(axis=0)


def test_responsibilities_by_iteration():
    table = demonstrate("em-means").parts[0]
    x = data.load("faithful").x[:, 0]
    for row in table.rows:
        means = np.array(row[1:3])
        shown = np.quantile(x, means_only.SHOWN, method="nearest")
        total, parts = textbook(shown, means, 1.0)
        np.testing.assert_allclose(row[3:], np.exp(parts[:, 0] - total), rtol=1e-12)


def test_equal_quartiles_are_refused():
    with pytest.raises(ValueError, match="both quartiles"):
        means_only.learn_means(np.array([1.0, 2.0, 2.0, 2.0, 2.0]), 1.0, 3)


def test_two_values_have_no_deviation_within():
    with pytest.raises(ValueError, match="two different values"):
        means_only.deviation_within(np.array([1.0, 2.0, 2.0, 1.0]))


def test_an_em_step_is_a_gradient_step():
    rows = demonstrate("em-is-gradient").parts[0].rows
    assert [row[:2] for row in rows] == [(t, k) for t in (1, 2, 3, 4) for k in (1, 2)]
    for row in rows:
        assert row[-1] <= 1e-12
        assert row[3] * row[8] == pytest.approx(row[6], rel=1e-12)
    sigma = float(jm.kmeans(WAITING, 2).loss) ** 0.5
    means = np.array([rows[0][2], rows[1][2]])
    by_differences = [
        (
            textbook(WAITING, means + move, sigma)[0] - textbook(WAITING, means - move, sigma)[0]
        ).sum()
        / 2e-4
        for move in np.eye(2) * 1e-4
    ]
    np.testing.assert_allclose([rows[0][4], rows[1][4]], by_differences, rtol=1e-7)


def test_bounds_touch_and_stay_below():
    sigma = 6.0
    curves = bounds.one_mean(WAITING, sigma)
    other = np.quantile(WAITING, 0.75)
    for step, mean in enumerate(curves.touching):
        mixture = means_only.mixture_at(np.array([mean, other]), sigma)
        responsibilities = jm.e_step(WAITING, mixture)[0]
        for index in range(0, len(curves.grid), 50):
            there = means_only.mixture_at(np.array([curves.grid[index], other]), sigma)
            exact = jm.lower_bound(WAITING, there, responsibilities)
            assert curves.lower_bounds[step, index] == pytest.approx(float(exact), rel=1e-12)
    assert np.all(curves.lower_bounds <= curves.log_likelihood + 1e-9)
    assert np.all(curves.tops >= curves.lower_bounds.max(axis=1))
    assert np.all((curves.reached[:-1] <= curves.tops) & (curves.tops <= curves.reached[1:]))
    value = textbook(WAITING, np.array([curves.grid[7], other]), sigma)[0].sum()
    assert curves.log_likelihood[7] == pytest.approx(value, rel=1e-13)


def test_soft_em_becomes_k_means():
    rows = demonstrate("hard").parts[0].rows
    away, undecided = (np.array([row[j] for row in rows]) for j in (3, 4))
    assert np.all(np.diff(away) < 0)
    assert np.all(np.diff(undecided) < 0)
    assert away[-1] < 1e-6


@pytest.mark.parametrize("seed", [0, 1])
def test_three_starts_on_the_comparison_set(seed):
    table, _ = data.comparison_set(seed=seed)
    by_kmeans, careful, careless = clusters.starts(table).parts[0].rows
    assert by_kmeans[-1] <= 0.60
    assert careful[-1] >= 0.94
    assert careless[-1] < 0.60
    assert careful[3] - careless[3] > 1000


def test_hard_assignments_mislead():
    rows = demonstrate("kmeans-or-mixture").parts[0].rows
    assert [row[0] for row in rows] == list(clusters.MISLEADING)
    for _, _, _, by_kmeans, by_mixture, outcome in rows:
        assert by_mixture < 0.7 * by_kmeans
        assert outcome == "CONVERGED"
    assert rows[1][2] > rows[1][1] + 0.3
    assert rows[2][2] > rows[2][1] + 0.3


def test_k_means_or_a_mixture_needs_known_classes():
    with pytest.raises(ValueError, match="no known classes"):
        demonstrate("kmeans-or-mixture", data.load("faithful"))


def test_em_step_by_step():
    table = demonstrate("em").parts[0]
    steps = [row[0] for row in table.rows[::2]]
    assert steps[:7] == [0, 1, 2, 3, 4, 5, 6]
    start = initialize(data.load("faithful").x, 2, "full", "random_from_data", seed=0)
    once = jm.em_step(data.load("faithful").x, start)
    np.testing.assert_allclose(table.rows[2][4:], np.asarray(once.means)[0], rtol=1e-10)
    assert table.rows[-1][1] == pytest.approx(-1130.26396, abs=1e-5)


def test_axes_of_every_covariance_structure():
    rows = mixtures.covariances(data.load("faithful")).parts[0].rows
    assert [row[0] for row in rows[::2]] == ["full", "tied", "diag", "spherical"]
    fitted = jm.fit(
        data.load("faithful").x, initialize(data.load("faithful").x, 2, "full", "kmeans")
    ).mixture
    expected = np.sqrt(np.linalg.eigvalsh(np.asarray(fitted.covariances)[0])[::-1])
    np.testing.assert_allclose(rows[0][6:], expected, rtol=1e-10)
    assert rows[6][6] == pytest.approx(rows[6][7])


@pytest.mark.parametrize("subject", ["bound", "starts"])
def test_pictures_of_the_lecture(subject, tmp_path):
    demonstrate(subject).write(tmp_path / "shown.png")
    assert (tmp_path / "shown.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("d", [1, 2, 4])
def test_panels_of_mixtures_and_clusters(d):
    x = np.random.default_rng(0).normal(size=(30, d))
    mixture = jm.gaussian_mixture([0.4, 0.6], np.zeros((2, d)), np.ones(2), family="spherical")
    table = table_of(x)
    figure = figures.draw_mixtures(table, {f"step {step}": mixture for step in range(5)})
    assert [panel.get_title() for panel in figure.axes][:5] == [f"step {t}" for t in range(5)]
    assert figure.axes[0].get_xlabel() == "column 0"
    labels = np.arange(30) % 2
    figure = figures.draw_clusters({"a $set": (table, {"one": labels, "two": labels})})
    assert [panel.get_title() for panel in figure.axes] == [r"a \$set: one", r"a \$set: two"]


def test_curves_of_one_column_fit_into_their_panels():
    x = np.linspace(-2.0, 2.0, 30)[:, None]
    wide, narrow = (
        jm.gaussian_mixture([1.0], [[0.0]], [variance], family="spherical")
        for variance in (1.0, 0.01)
    )
    for panel in figures.draw_mixtures(table_of(x), {"wide": wide, "narrow": narrow}).axes:
        assert panel.get_ylim()[0] == 0
        assert panel.get_ylim()[1] > norm.pdf(0, 0, 0.1)
        assert panel.get_xlim() == pytest.approx((-2.2, 2.2))


def test_a_deviation_too_small_for_the_column_is_said_to_be():
    with pytest.raises(ValueError, match=r"deviation of 1 is too small.*standardize"):
        means_only.learn_means(WAITING * 1e4, 1.0, 3)


def test_the_command_names_every_subject():
    documented = inspect.getsource(Demo)
    assert all(subject in documented for subject in SUBJECTS)


def test_a_demonstration_on_a_users_table(tmp_path, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("a,b\n" + "\n".join(f"{value},1" for value in WAITING[:40]))
    assert main(["demo", "em-means", "--data", str(file), "--columns", "a"]) == 0
    assert "Column a: equal weights" in capsys.readouterr().out
