"""Selection and census: published optima, criteria by their formulas, failures as rows."""

import numpy as np
import pytest
from helpers import COUNTS, X, joint
from scipy.special import logsumexp
from scipy.stats import norm

import jaxmix as jm
from jaxmix import selection
from jaxmix.cli.main import main
from jaxmix.matching import divergence

FAITHFUL = jm.data.load("faithful").x
THREE_PLACES = np.repeat([[0.0, 0.0], [1.0, 3.0], [4.0, 1.0]], [27, 27, 26], axis=0)
"""As many rows as X has, and as many starts and one family in all tests: few programs."""


def test_four_galaxy_components_reach_the_best_known_log_likelihood():
    found = jm.select(jm.data.load("galaxies").x, 4, num_starts=20, families="full")
    assert found.best.log_likelihood == pytest.approx(-197.453764, abs=5e-6)
    assert found.cells[0].count(jm.Outcome.DEGENERATE) == 0


def entropy(logits, sample_weights):
    logs = logits - logsumexp(logits, axis=1, keepdims=True)
    return -sample_weights @ np.sum(np.exp(logs) * logs, axis=1)


def test_criteria_are_their_formulas_with_n_the_sum_of_the_weights():
    found = jm.select(X, [1, 2], "diag", 3, start="kmeans++", sample_weights=COUNTS, ridge=0.05)
    single, pair = found.cells
    assert single.entropy == pytest.approx(0.0, abs=1e-12)
    logits = joint(X, pair.result.mixture)
    likelihood, p, n = COUNTS @ logsumexp(logits, axis=1), 9, COUNTS.sum()
    bic = p * np.log(n) - 2 * likelihood
    assert pair.log_likelihood == pytest.approx(likelihood, rel=1e-12)
    assert (pair.num_parameters, pair.result.total) == (p, n)
    assert pair.bic == pytest.approx(bic, rel=1e-12)
    assert pair.aic == pytest.approx(2 * p - 2 * likelihood, rel=1e-12)
    assert pair.icl == pytest.approx(bic + 2 * entropy(logits, COUNTS), rel=1e-12)
    assert pair.smallest_count == pytest.approx(n * np.min(pair.result.mixture.weights))
    for criterion in ("bic", "aic", "icl"):
        values = [getattr(cell, criterion) for cell in found.cells]
        assert found.by(criterion).mixture.num_components == 1 + np.argmin(values)


def test_entropy_is_of_what_is_observed():
    x = np.where(np.random.default_rng(5).uniform(size=X.shape) < 0.2, np.nan, X)
    x = x[~np.isnan(x).all(axis=1)]
    (cell,) = jm.select(x, 2, "diag", 2, start="kmeans++", missing=True).cells
    mixture = cell.result.mixture
    deviations = np.sqrt(np.asarray(mixture.covariances))
    densities = norm.logpdf(x[:, None], np.asarray(mixture.means), deviations)
    logits = np.log(mixture.weights) + np.nansum(densities, axis=2)
    assert cell.log_likelihood == pytest.approx(logsumexp(logits, axis=1).sum(), rel=1e-12)
    assert cell.entropy == pytest.approx(entropy(logits, np.ones(len(x))), rel=1e-9)


def test_a_cell_whose_starts_all_fail_is_a_row_that_says_so():
    found = jm.select(THREE_PLACES, [1, 3], ["diag"], 3, start="kmeans++")
    assert found.best.mixture.num_components == 1
    row = dict(zip(found.table.columns, found.table.rows[1]))
    assert (row["degenerate"], row["reached"], row["outcome"]) == (3, 0, "every start failed")
    assert found.table.formatted()[1][2] == "-"
    assert "every start failed" in str(found)
    assert found.draw("icl").lines[-1].get_label().endswith("diag, k = 1")
    nothing = jm.Selection(found.cells[1:], "bic")
    assert "every start failed" in str(nothing)
    with pytest.raises(jm.FitFailed, match="every start of every cell"):
        _ = nothing.best


MISTAKES = {
    "k above n": (((1, 273),), {}, "k=273 components, but only 272 observations"),
    "no k": (((),), {}, "ks is empty"),
    "k twice": (((2, 2),), {}, "ks names one twice"),
    "an unknown criterion": ((), {"criterion": "bci"}, "did you mean 'bic'"),
    "an unknown family": ((2, ["full", "diagonal"]), {}, "unknown family 'diagonal'"),
    "an unknown start": ((2,), {"start": "short"}, "unknown start 'short'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_before_anything_is_fitted(mistake):
    arguments, options, words = MISTAKES[mistake]
    with pytest.raises(ValueError, match=words):
        jm.select(FAITHFUL, *arguments, **options)


@pytest.mark.parametrize("given", [2.0, "12", None, np.array(2)])
def test_neither_one_nor_several(given):
    # Here the type checker of the tests would speak first, which users do not have.
    with pytest.raises(TypeError, match="ks must be a number or a list of such, got"):
        selection._several("ks", given, int, "a number")


def test_products_of_one_name_are_told_apart_by_their_columns():
    families = [{"diag": [0], "full": [1, 2]}, {"diag": [1, 2], "full": [0]}, "diag"]
    names = ["diag x full", "diag x full", "diag"]
    told_apart = ["diag(0) x full(1, 2)", "diag(1, 2) x full(0)", "diag"]
    assert selection._told_apart(families, names) == told_apart
    assert selection._told_apart(families[1:], names[1:]) == names[1:]


OPTIMA = {
    ("full", 2): [-1130.26396],
}
"""Optima of Old Faithful that at least one k-means++ start in ten reaches."""


@pytest.mark.parametrize(("family", "k"), OPTIMA)
def test_a_census_finds_the_optima_and_counts_every_start_once(family, k):
    found = jm.census(FAITHFUL, k, 80, family=family)
    assert found.num_degenerate + found.num_nonfinite + found.num_unfinished == 0
    assert sorted(start for one in found.optima for start in one.starts) == list(range(80))
    assert sum(one.share for one in found.optima) == pytest.approx(1.0)
    likelihoods = np.array([one.log_likelihood for one in found.optima])
    assert np.all(np.diff(likelihoods) < 0)
    for expected in OPTIMA[family, k]:
        (place,) = np.flatnonzero(np.abs(likelihoods - expected) < 1e-5)
        logits = joint(FAITHFUL, found.optima[place].mixture)
        assert logsumexp(logits, axis=1).sum() == pytest.approx(likelihoods[place], rel=1e-12)
    assert found.optima[0].log_likelihood == pytest.approx(OPTIMA[family, k][0], abs=1e-5)
    assert len(found.table.rows) == len(found.optima)


def test_mixtures_that_differ_are_two_optima_even_at_one_objective():
    noise = np.random.default_rng(0).normal(size=(12, 1))
    x = np.concatenate([noise + 10, noise - 10, -noise + 10, -noise - 10, noise, -noise])
    found = jm.census(x, 2, 20, family="spherical")
    first, second = found.optima[:2]
    assert first.objective == pytest.approx(second.objective, abs=1e-6)
    assert divergence(first.mixture, second.mixture) > 1
    mirrored = first.mixture.affine(-1.0, 0.0).take([1, 0])
    assert divergence(mirrored, second.mixture) == pytest.approx(0.0, abs=1e-6)


def test_a_census_counts_failures_apart():
    failed = jm.census(THREE_PLACES, 3, 3, family="diag")
    assert (failed.num_degenerate, failed.optima, failed.num_starts) == (3, (), 3)
    assert "DEGENERATE 3" in str(failed)
    unfinished = jm.census(X, 2, 3, family="diag", stop=jm.Stop(max_steps=1))
    assert (unfinished.num_unfinished, unfinished.optima) == (3, ())


CLI_MISTAKES = {
    "a range that is none": (["--ks", "2-"], "ranges and numbers such as 1-4,6"),
    "a range upside down": (["--ks", "4-2"], "smaller number first"),
    "no k": (["--ks", ","], "--ks names none"),
    "k zero": (["--ks", "0-2"], "at least 1"),
    "no family": (["--families", ","], "--families names none"),
    "an unknown family": (["--families", "full,fulll"], "did you mean 'full'"),
    "an unknown criterion": (["--criterion", "bci"], "did you mean 'bic'"),
    "an unknown start": (["--start", "kmean"], "did you mean 'kmeans'"),
    "no starts": (["--starts", "0"], "num_starts"),
    "a negative ridge": (["--ridge", "-1"], "ridge"),
    "weights of a bundled table": (["--sample-weights", "n"], "brings its own"),
    "an unknown table": (["faithfull"], "did you mean 'faithful'"),
    "an unknown ending": (["--out", "table.v2"], "its name must end in .txt"),
}


@pytest.mark.parametrize("mistake", CLI_MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(mistake, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, words = CLI_MISTAKES[mistake]
    assert main(["select", *arguments]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_table_and_writes_a_folder(capsys, tmp_path):
    rows = [f"{a:.17g},{b:.17g},{c:g}" for (a, b), c in zip(X, COUNTS)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,times", *rows]))
    arguments = ["--ks", "1,2", "--families", "diag", "--starts", "3", "--start", "kmeans++"]
    arguments += ["--sample-weights", "times"]
    file, folder = str(tmp_path / "table.csv"), tmp_path / "found"
    assert main(["select", file, *arguments, "--out", str(folder)]) == 0
    printed = capsys.readouterr().out
    ridge = 1e-6 * min(np.average((X - np.average(X, 0, COUNTS)) ** 2, 0, COUNTS))
    assert f"ridge {ridge:.6g} (a millionth of the smallest column variance)" in printed
    assert f"observations    {COUNTS.sum():g}" in printed
    assert "mean a" in printed
    written = {path.name for path in folder.iterdir()}
    assert written == {
        "table.csv",
        "table.txt",
        "table.md",
        "table.tex",
        "selection.png",
        "mixture.npz",
    }
    assert jm.load_mixture(folder / "mixture.npz").num_components in (1, 2)
    lines = (folder / "table.csv").read_text().splitlines()
    assert lines[0].startswith("family,k,log-likelihood")
    assert len(lines) == 3
    assert main(["select", file, *arguments, "--out", str(tmp_path / "a.md")]) == 0
    assert (tmp_path / "a.md").read_text() == (folder / "table.md").read_text()
