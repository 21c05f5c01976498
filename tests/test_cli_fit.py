"""`jaxmix fit` and `jaxmix complete`: what they write, against SciPy and textbook formulas.

All fits have one shape, so that two programs are compiled: with and without missing entries.
"""

import csv
import json

import numpy as np
import pytest
from helpers import joint
from scipy.special import logsumexp
from scipy.stats import norm

import jaxmix as jm
from jaxmix.cli.main import main
from jaxmix.cli.ridge import default_ridge
from jaxmix.data.filling import filled

RNG = np.random.default_rng(0)
KIND = np.where(np.arange(30) < 12, "short", "long")
X = RNG.normal(np.where(KIND[:, None] == "short", [2.0, 54.0], [4.3, 80.0]), [0.3, 6.0])
COUNTS = np.arange(30) % 3 + 0.5
GAPS = RNG.random((30, 2)) < 0.2
GAPS[GAPS.all(axis=1), 1] = False
OPTIONS = ["--k", "2", "--family", "diag", "--starts", "2"]


def cells(path, delimiter=","):
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{a!r},{b!r},{kind},{n}" for (a, b), kind, n in zip(X.tolist(), KIND, COUNTS)]
    (tmp_path / "eruptions.csv").write_text("\n".join(["time,wait,kind,n", *rows]))
    marks = iter(["", "NA", "nan", "N/A", "Null"] * 12)
    texts = [
        f"{'' if j % 7 else 'NA'};{row[0]};a; {row[1]};{j}"
        for j, row in enumerate(np.where(GAPS, [[next(marks)] * 2 for _ in X], X.astype(str)))
    ]
    (tmp_path / "gaps.csv").write_text("\n".join(["note;time;kind;wait;id", *texts]))
    return tmp_path


def test_a_fit_is_printed_and_written(folder, capsys):
    roles = ["--labels", "kind", "--sample-weights", "n", "--out", "out", "--standard-errors"]
    assert main(["fit", "eruptions.csv", *OPTIONS, *roles]) == 0
    said = capsys.readouterr().out
    out = folder / "out"
    names = ["assignments.csv", "components.csv", "mixture.npz", "result.json", "summary.txt"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert said.startswith((out / "summary.txt").read_text())
    assert "mean wait" in said
    assert "a millionth of the smallest column variance (--ridge 0 for none)" in said

    mixture, record = (
        jm.load_mixture(out / "mixture.npz"),
        json.loads((out / "result.json").read_text()),
    )
    assert record["schema"] == 1
    logits = joint(X, mixture)
    log_likelihood = COUNTS @ logsumexp(logits, axis=1)
    assert record["log_likelihood"] == pytest.approx(log_likelihood, rel=1e-10)
    assert f"log-likelihood  {log_likelihood:.6f}" in said
    assert record["bic"] == pytest.approx(9 * np.log(COUNTS.sum()) - 2 * log_likelihood, rel=1e-10)
    assert record["ridge"] == pytest.approx(1e-6 * np.cov(X.T, aweights=COUNTS, bias=True)[0, 0])
    assert (record["data"]["columns"], record["data"]["n"]) == (["time", "wait"], COUNTS.sum())
    assert (record["outcome"], record["failed"], len(record["starts"])) == ("CONVERGED", 0, 2)
    assert f"0 failed, {record['reached']} reached the best" in said
    np.testing.assert_array_equal(record["parts"]["means"], mixture.means)

    header, *rows = cells(out / "assignments.csv")
    assert header == ["row", "component", "probability", "kind"]
    shares = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    np.testing.assert_array_equal([int(row[1]) for row in rows], shares.argmax(axis=1))
    np.testing.assert_allclose([float(row[2]) for row in rows], shares.max(axis=1), rtol=1e-10)
    assert [row[3] for row in rows] == KIND.tolist()
    assert record["classes"]["adjusted_rand_index"] == 1
    assert "adjusted Rand index 1.000 with kind" in said
    errors = jm.inference.standard_errors(mixture, X, ridge=record["ridge"], sample_weights=COUNTS)
    for name, error in (
        ("weights[1]", errors.weights[1]),
        ("means[0, time]", errors.means[0, 0]),
        ("covariances[1, wait]", errors.covariances[1, 1]),
    ):
        line = next(line for line in said.splitlines() if name in line)
        assert float(line.split()[-1]) == pytest.approx(float(error), rel=5e-3)
    header, *rows = cells(out / "components.csv")
    assert header == ["component", "weight", "mean time", "mean wait", "sd time", "sd wait"]
    np.testing.assert_array_equal([float(row[3]) for row in rows], mixture.means[:, 1])


def test_starts_that_keep_checkpoints_are_not_fitted_twice(folder, capsys):
    call = ["fit", "eruptions.csv", *OPTIONS, "--columns", "time,wait"]
    assert main([*call, "--out", "lanes"]) == 0
    for out in ("first", "second"):
        assert main([*call, "--checkpoint", "kept.npz", "--out", out]) == 0
        assert sorted(path.name for path in folder.glob("kept*")) == ["kept-0.npz", "kept-1.npz"]
    names = ("lanes", "first", "second")
    records = [json.loads((folder / out / "result.json").read_text()) for out in names]
    assert records[1] == records[2]
    for lane, one in zip(records[0]["starts"], records[1]["starts"], strict=True):
        assert (lane["outcome"], lane["num_steps"]) == (one["outcome"], one["num_steps"])
        assert lane["objective"] == pytest.approx(one["objective"], rel=1e-12)
    assert main([*call, "--k", "3", "--checkpoint", "kept.npz"]) == 2
    assert "cannot go on from kept-0.npz: its mixture is" in capsys.readouterr().err


def test_gaps_are_fitted_and_filled(folder, capsys):
    columns = ["--columns", "time,wait"]
    assert main(["fit", "gaps.csv", *OPTIONS, *columns, "--missing", "--out", "out"]) == 0
    assert main(["complete", "gaps.csv", *OPTIONS, *columns, "--out", "one.csv"]) == 0
    loaded = ["--mixture", "out/mixture.npz"]
    assert main(["complete", "gaps.csv", *loaded, *columns, "--out", "two.csv"]) == 0
    said = capsys.readouterr().out
    counts = f"time {GAPS[:, 0].sum()}, wait {GAPS[:, 1].sum()}"
    assert f"{GAPS.sum()} entries filled in, in {GAPS.sum()} of 30 rows: {counts}" in said
    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()

    mixture = jm.load_mixture(folder / "out" / "mixture.npz")
    weights, means, sds = (
        np.asarray(part) for part in (mixture.weights, mixture.means, mixture.covariances**0.5)
    )
    densities = np.stack([norm(m, s).logpdf(X) for m, s in zip(means, sds)], axis=1)
    logits = np.log(weights) + np.sum(np.where(GAPS[:, None], 0, densities), axis=2)
    shares = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    before, after = (cells(folder / name, ";") for name in ("gaps.csv", "one.csv"))
    assert (before[0], len(after)) == (after[0], 31)
    for row, (old, new) in enumerate(zip(before[1:], after[1:])):
        assert [old[j].strip() for j in (0, 2, 4)] == [new[j] for j in (0, 2, 4)]
        for j, place in enumerate((1, 3)):
            expected = shares[row] @ means[:, j] if GAPS[row, j] else X[row, j]
            assert float(new[place]) == pytest.approx(expected, rel=1e-10)
    _, *rows = cells(folder / "out" / "assignments.csv")
    np.testing.assert_allclose([float(row[2]) for row in rows], shares.max(axis=1), rtol=1e-9)


def test_numpy_files_are_filled(tmp_path):
    np.save(tmp_path / "x.npy", np.where(GAPS, np.nan, X).astype("float32"))
    content = filled(tmp_path / "x.npy", ["x2"], np.full((30, 1), 7.0))
    (tmp_path / "y.npy").write_bytes(content)
    result = np.load(tmp_path / "y.npy")
    assert result.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(result[:, 0]), GAPS[:, 0])
    np.testing.assert_array_equal(result[:, 1], np.where(GAPS[:, 1], 7, X[:, 1].astype("float32")))


def test_a_table_without_a_header_stays_without(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,nan\n")
    content = filled(tmp_path / "x.csv", ["x2"], np.array([[5.0], [6.5]]))
    assert content == b"1,2\n3,6.5\n"


WEIGHTS = np.array([1.0, 2.0, 0.0, 1.0])
RIDGES = {
    "plain": (np.array([[0.0, 1], [2, 5], [4, 0]]), None, 8 / 3),
    "constant": (np.array([[0.1, 1], [0.1, 5], [0.1, 3]]), None, 8 / 3),
    "all constant": (np.array([[0.1], [0.1], [0.1]]), None, 0.0),
    "missing": (np.array([[0.0, 1], [2, np.nan], [4, 3]]), None, 1.0),
    "observed once": (np.array([[0.0, 1], [2, np.nan], [4, np.nan]]), None, 8 / 3),
    "weighted": (np.array([[0.0], [2], [9], [4]]), WEIGHTS, 2.0),
    "constant where weighted": (np.array([[1.0, 0], [1, 2], [9, 9], [1, 4]]), WEIGHTS, 2.0),
    "far from zero": (np.array([[1e9], [1e9 + 2], [1e9 + 4]]), None, 8 / 3),
}


@pytest.mark.parametrize(("x", "weights", "variance"), RIDGES.values(), ids=RIDGES)
def test_the_ridge_is_a_millionth_of_the_smallest_variance(x, weights, variance):
    assert default_ridge(x, weights) == pytest.approx(1e-6 * variance, rel=1e-12)


def test_constant_columns_are_fitted_unless_the_ridge_is_switched_off(folder, capsys):
    rows = [f"{a},7" for a in X[:, 0]]
    (folder / "constant.csv").write_text("\n".join(["a,b", *rows]))
    assert main(["fit", "constant.csv", *OPTIONS]) == 0
    ridge = 1e-6 * np.var(X[:, 0])
    assert f"{ridge:.3g}, a millionth" in capsys.readouterr().out
    assert main(["fit", "constant.csv", *OPTIONS, "--ridge", "0"]) == 2
    assert "column 'b' is constant" in capsys.readouterr().err


def test_starts_that_all_fail_are_one_line(folder, capsys):
    rows = ["1,2" if a > 3 else "3,5" for a in X[:, 0]]
    (folder / "points.csv").write_text("\n".join(["a,b", *rows]))
    assert main(["fit", "points.csv", *OPTIONS, "--ridge", "0"]) == 2
    said = capsys.readouterr()
    assert said.err == (
        "jaxmix: all 2 starts ended DEGENERATE or NONFINITE; use fewer components, another start, "
        "a larger ridge or a prior, or a smaller learning rate\n"
    )
    assert not (folder / "jaxmix-fit").exists()


def test_other_errors_of_the_run_are_not_hidden(monkeypatch):
    def broken(self):
        raise RuntimeError("a bug")

    monkeypatch.setattr("jaxmix.cli.fit.Fit.run", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["fit"])


MISTAKES = {
    "missing file": (["fit", "none.csv"], "none.csv"),
    "unknown table": (["fit", "faithfull"], "did you mean 'faithful'"),
    "unknown column": (["fit", "eruptions.csv", "--columns", "tim"], "did you mean 'time'"),
    "unknown weights": (["fit", "eruptions.csv", "--sample-weights", "m"], "unknown column 'm'"),
    "weights of text": (["fit", "eruptions.csv", "--sample-weights", "kind"], "counts or weights"),
    "weights of a table": (["fit", "iris", "--sample-weights", "n"], "column of a file"),
    "gaps": (["fit", "gaps.csv", "--columns", "time,wait"], "--missing"),
    "k of zero": (["fit", "eruptions.csv", "--k", "0"], "at least 1"),
    "k above n": (["fit", "eruptions.csv", "--k", "31"], "30 observations"),
    "unknown family": (["fit", "eruptions.csv", "--family", "fulll"], "did you mean 'full'"),
    "unknown method": (["fit", "eruptions.csv", "--method", "adm"], "did you mean 'adam'"),
    "two methods": (["fit", "eruptions.csv", "--method", "em, adam"], "jaxmix compare"),
    "no starts": (["fit", "eruptions.csv", "--starts", "0"], "starts >= 1"),
    "unknown stop": (["fit", "eruptions.csv", "--stop", "gaps"], "did you mean 'gap'"),
    "negative tolerance": (["fit", "eruptions.csv", "--tol", "-1"], "tol"),
    "negative ridge": (["fit", "eruptions.csv", "--ridge", "-1"], "ridge"),
    "squares above floats": (["fit", "large.csv"], "leave the range of floats; see data.stand"),
    "squares below floats": (["fit", "small.csv"], "leave the range of floats; see data.stand"),
    "a ridge of text": (["fit", "eruptions.csv", "--ridge", "small"], "small"),
    "no file": (["complete"], "FILE"),
    "a table": (["complete", "faithful"], ".csv or .npy file"),
    "neither": (["complete", "gaps.csv"], "--k to fit a mixture"),
    "both": (["complete", "gaps.csv", "--k", "2", "--mixture", "m.npz"], "takes no --k"),
    "loaded with weights": (
        ["complete", "gaps.csv", "--sample-weights", "id", "--mixture", "m.npz"],
        "takes no --sample-weights",
    ),
    "another ending": (["complete", "gaps.csv", "--k", "2", "--out", "x.txt"], "end in .csv"),
    "no mixture": (["complete", "gaps.csv", "--mixture", "gaps.csv"], "not a complete file"),
    "no such mixture": (["complete", "gaps.csv", "--mixture", "m.npz"], "cannot read m.npz"),
    "other columns": (["complete", "gaps.csv", "--mixture", "two.npz"], "has 2 columns"),
    "an empty row": (["complete", "empty.csv", "--mixture", "two.npz"], "row 1 of x"),
    "no folder": (
        ["complete", "full.csv", "--mixture", "two.npz", "--out", "full.csv/a.csv"],
        "cannot write",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(mistake, folder, capsys):
    (folder / "empty.csv").write_text("a,b\n1,2\n,\n")
    (folder / "full.csv").write_text("a,b\n1,2\n1,\n")
    (folder / "large.csv").write_text("a\n1e160\n2e160\n4e160\n")
    (folder / "small.csv").write_text("a\n1e-170\n2e-170\n4e-170\n")
    jm.gaussian_mixture([1.0], [[0.0, 0.0]], 1.0, "diag").save(folder / "two.npz")
    arguments, words = MISTAKES[mistake]
    assert main(arguments) == 2
    said = capsys.readouterr()
    complaints = [line for line in said.err.splitlines() if line.startswith("jaxmix:")]
    assert len(complaints) == 1
    assert said.err.endswith(complaints[0] + "\n")
    assert words in complaints[0]
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not (folder / "jaxmix-fit").exists()
    assert not (folder / "completed.csv").exists()
