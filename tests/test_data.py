"""Tables, readers, generators and standardization, against published numbers and SciPy."""

import io
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.stats
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from jaxmix import data
from jaxmix.data.generate import _streams


def gaussian_log_likelihood(x):
    """Log-likelihood of one Gaussian at its maximum, by SciPy."""
    covariance = np.cov(x, rowvar=False, bias=True)
    return scipy.stats.multivariate_normal(x.mean(axis=0), covariance).logpdf(x).sum()


def test_faithful_has_the_published_bic():
    table = data.load("faithful")
    assert table.columns == ("eruptions", "waiting")
    assert table.labels is None
    assert table.sample_weights is None
    # Published for one full Gaussian, as 2 log-likelihood - 5 log n.
    bic = 2 * gaussian_log_likelihood(table.x) - 5 * np.log(272)
    assert bic == pytest.approx(-2607.6, abs=0.05)


def test_galaxies_have_the_published_likelihood():
    table = data.load("galaxies")
    assert table.x[77, 0] == 26.690
    assert gaussian_log_likelihood(table.x) == pytest.approx(-240.337891, abs=5e-7)


def test_iris_is_the_iris_of_scikit_learn():
    table, theirs = data.load("iris"), load_iris()
    np.testing.assert_array_equal(table.x, theirs.data)
    np.testing.assert_array_equal(table.labels, theirs.target_names[theirs.target])


def test_hasselblad_has_the_published_likelihood():
    table = data.load("hasselblad")
    weight, first, second = 0.3598853969849, 1.2560951012244, 2.6634043566325
    deaths = table.x[:, 0]
    density = weight * scipy.stats.poisson.pmf(deaths, first)
    density += (1 - weight) * scipy.stats.poisson.pmf(deaths, second)
    minus_log_likelihood = -(table.sample_weights @ np.log(density))
    assert minus_log_likelihood == pytest.approx(1989.945859883, abs=5e-9)


def test_linkage_has_the_published_score_root():
    counts = data.load("linkage").sample_weights
    t = (15 + np.sqrt(53809)) / 394
    score = counts[0] / (2 + t) - (counts[1] + counts[2]) / (1 - t) + counts[3] / t
    assert counts.sum() == 197
    assert score == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("name", data.names())
def test_bundled_tables_fit_together(name):
    table = data.load(name)
    n, d = table.x.shape
    assert table.name == name
    assert table.x.dtype == np.float64
    assert len(table.columns) == d
    assert table.source
    assert all(extra is None or len(extra) == n for extra in (table.labels, table.sample_weights))
    assert repr(table).startswith(f"Table {name!r}: {n} x {d} (")
    assert "\n" not in repr(table)


def test_unknown_table_gets_a_suggestion():
    with pytest.raises(ValueError, match="unknown data set 'fathful'; did you mean 'faithful'"):
        data.load("fathful")


READABLE = {
    "comma": b"a,b\n1,2.5\n-3,4e1\n",
    "tab": b"a\tb\n1\t2.5\n-3\t40\n",
    "semicolon": b"a;b\n1;2.5\n-3;40\n",
    "mark and carriage returns": b"\xef\xbb\xbfa,b\r\n1,2.5\r\n-3,40\r\n",
    "carriage returns": b"a,b\r1,2.5\r-3,40\r",
    "blank lines": b"\na,b\n1,2.5\n\n-3,40\n\n  \n",
    "no last newline": b"a,b\n1,2.5\n-3,40",
    "quotes and blanks": b'"a", b\n"1", 2.5\n -3 ,"40"\n',
}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE)
def test_csv_dialects_hold_the_same_table(tmp_path, content):
    (tmp_path / "some.csv").write_bytes(content)
    table, left_out = data.read(tmp_path / "some.csv")
    np.testing.assert_array_equal(table.x, [[1.0, 2.5], [-3.0, 40.0]])
    assert (table.name, table.columns, left_out) == ("some", ("a", "b"), ())


def test_quoted_separators_belong_to_the_cell(tmp_path):
    (tmp_path / "some.csv").write_text('"length, cm";"kind; of"\n1;"u;v"\n2;"w"\n')
    table, left_out = data.read(tmp_path / "some.csv")
    assert (table.columns, left_out) == (("length, cm",), ("kind; of",))


def test_numbers_in_the_first_line_are_data(tmp_path):
    (tmp_path / "some.CSV").write_text("1,2\n3,4\n")
    table, _ = data.read(str(tmp_path / "some.CSV"))
    np.testing.assert_array_equal(table.x, [[1.0, 2.0], [3.0, 4.0]])
    assert table.columns == ("x1", "x2")


def test_columns_and_labels_are_chosen_by_name(tmp_path):
    (tmp_path / "some.csv").write_text("a,kind,b,note,c\n1,u,2,p,3\n4,v,5,q,6\n")
    everything, left_out = data.read(tmp_path / "some.csv", labels="kind")
    assert (everything.columns, left_out) == (("a", "b", "c"), ("note",))
    chosen, left_out = data.read(tmp_path / "some.csv", columns=["c", "a"], labels="kind")
    np.testing.assert_array_equal(chosen.x, [[3.0, 1.0], [6.0, 4.0]])
    assert (chosen.columns, chosen.labels.tolist(), left_out) == (("c", "a"), ["u", "v"], ())


def test_labels_may_be_numbers_and_problems_elsewhere_do_not_matter(tmp_path):
    (tmp_path / "some.csv").write_text("a,class,b,\n1,0,x,7\n2,1,3,\n")
    table, _ = data.read(tmp_path / "some.csv", columns=["a"], labels="class")
    assert table.labels.tolist() == ["0", "1"]


BAD_CSV = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "header only": (b"a,b\n", "header but no rows"),
    "binary": (b"\x89PNG\x00\x01", "not a UTF-8 text file"),
    "other encoding": ("größe\n1\n".encode("latin-1"), "not a UTF-8 text file"),
    "ragged": (b"a,b\n1,2\n\n3\n", "line 4 has 1 cells, but line 1 has 2"),
    "open quote": (b'a,b\n1,"2\n', "check quotes"),
    "one name twice": (b"a,a\n1,2\n", "two columns named 'a'"),
    "no name": (b'"",a\n1,2\n', "column has no name"),
    "data instead of a header": (b"5.1,setosa\n4.9,setosa\n", "line 1 mixes names and numbers"),
    "mixed": (b"a,b\n1,2\n1,two\n", "'b' mixes numbers and text: line 3 has 'two', line 2 has '2'"),
    "underscore": (b"a\n1\n1_000\n", "mixes numbers and text"),
    "decimal comma": (b"a;b\n1,5;2\n2,5;3\n", "line 2, column 'a': '1,5' is a number with a comma"),
    "empty cell": (b"a,b\n1,2\n,3\n", "line 3, column 'a': the cell is empty"),
    "empty cell, one column": (b'a\n1\n""\n3\n', "line 3, column 'a': the cell is empty"),
    "too long a name": (b"a" * 200_000 + b"\n1\n", "line 1: field larger than field limit"),
    "empty column": (b"a,b\n1,\n2,\n", "line 2, column 'b': the cell is empty"),
    "nan": (b"a\n1\nNaN\n", "line 3, column 'a': 'NaN' is not a finite number"),
    "infinity": (b"a\n-inf\n", "line 2, column 'a': '-inf' is not a finite number"),
    "overflow": (b"a\n1e400\n", "not a finite number"),
    "large integer": (b"a\n9007199254740993\n", r"line 2, column 'a': .*above 2\*\*53"),
    "text only": (b"a,b\nu,v\n", "'a', 'b' holds text; expected at least one column of numbers"),
}


def test_missing_entries_are_read_where_they_are_allowed(tmp_path):
    (tmp_path / "gaps.csv").write_text("a,kind,b,w\n1,NA,NaN,2\n,y,n/a,0\nna,,-4,1.5\n")
    table, left_out = data.read(tmp_path / "gaps.csv", sample_weights="w", missing=True)
    np.testing.assert_array_equal(table.x, [[1, np.nan], [np.nan, np.nan], [np.nan, -4]])
    np.testing.assert_array_equal(table.sample_weights, [2, 0, 1.5])
    assert (table.columns, left_out) == (("a", "b"), ("kind",))
    np.save(tmp_path / "gaps.npy", table.x)
    again, _ = data.read(tmp_path / "gaps.npy", columns=["x2"], missing=True)
    np.testing.assert_array_equal(again.x, table.x[:, 1:])


@pytest.mark.parametrize(
    ("text", "choice", "said"),
    [
        ("a,b\n1,2\n,4\n", {}, "line 3, column 'a': the cell is empty.*missing=True"),
        ("a,b\n1,2\nNA,4\n", {}, "line 3 has 'NA'.*missing=True"),
        ("a,b\n1,2\nnan,4\n", {}, "'nan' is not a finite number.*missing=True"),
        ("a,b\n1,2\ninf,4\n", {"missing": True}, "'inf' is not a finite number.*other columns"),
        ("a,b\n1,2\nx,4\n", {"missing": True}, "line 3 has 'x'.*other columns"),
        ("a,b\n1,2\n3,NA\n", {"missing": True, "sample_weights": "b"}, "line 3 has 'NA'"),
        ("a,b\n1,x\n3,y\n", {"sample_weights": "b"}, "'b' holds text; expected counts"),
        ("a,b\n1,2\n", {"sample_weights": "c"}, "unknown column 'c'"),
        ("a,b\n1,2\n", {"sample_weights": "b", "labels": "b"}, "both labels and sample weights"),
        ("a,b\n1,2\n", {"sample_weights": "b", "columns": ["b"]}, "data and sample weights"),
    ],
)
def test_missing_entries_and_weights_are_refused_elsewhere(text, choice, said, tmp_path):
    (tmp_path / "gaps.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        data.read(tmp_path / "gaps.csv", **choice)


@pytest.mark.parametrize(("content", "message"), BAD_CSV.values(), ids=BAD_CSV)
def test_bad_csv_is_refused(tmp_path, content, message):
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        data.read(tmp_path / "bad.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ({"columns": ["wieght"]}, ValueError, "unknown column 'wieght'; did you mean 'weight'"),
        ({"labels": "knd"}, ValueError, "unknown column 'knd'; did you mean 'kind'"),
        ({"columns": ["kind"]}, ValueError, "'kind' holds text"),
        ({"columns": ["weight", "weight"]}, ValueError, "chosen twice"),
        ({"columns": ["weight"], "labels": "weight"}, ValueError, "both data and labels"),
        ({"columns": []}, ValueError, "no columns are left"),
        ({"columns": "weight"}, TypeError, "list of column names"),
        ({"labels": "note"}, ValueError, "line 3, column 'note': the label is missing"),
    ],
)
def test_bad_choices_are_refused(tmp_path, choice, error, message):
    (tmp_path / "some.csv").write_text("kind,weight,note\nu,1,p\nv,2,\n")
    with pytest.raises(error, match=message):
        data.read(tmp_path / "some.csv", **choice)


def test_bad_files_are_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "some.tsv").write_text("a\n1\n")
    with pytest.raises(ValueError, match="No such file"):
        data.read(tmp_path / "missing.csv")
    with pytest.raises(ValueError, match="Is a directory"):
        data.read(tmp_path / "folder.csv")
    with pytest.raises(ValueError, match=r"unknown file type '.tsv'; did you mean '.csv'"):
        data.read(tmp_path / "some.tsv")


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "some.csv").write_text("a\n1\n")
    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(ValueError, match="Permission denied"):
        data.read(tmp_path / "some.csv")


def test_npy_holds_named_columns_and_labels(tmp_path):
    np.save(tmp_path / "some.npy", np.array([[1, 2, 0], [3, 4, 1]], np.float32))
    table, left_out = data.read(tmp_path / "some.npy", labels="x3")
    np.testing.assert_array_equal(table.x, [[1, 2], [3, 4]])
    assert table.x.dtype == np.float32
    assert (table.columns, table.labels.tolist(), left_out) == (("x1", "x2"), [0.0, 1.0], ())


def test_npy_labels_are_known(tmp_path):
    np.save(tmp_path / "some.npy", np.array([[1, 2], [3, np.nan]]))
    with pytest.raises(ValueError, match="the label of row 1 is missing"):
        data.read(tmp_path / "some.npy", labels="x2", missing=True)


def test_npy_with_objects_runs_nothing(tmp_path):
    np.save(tmp_path / "bad.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"not a complete .npy file of numbers \(Object arrays"):
        data.read(tmp_path / "bad.npy")


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.array([1.0, np.nan]), ValueError, r"bad.npy\[1, 0\].*nan"),
        (np.array([2**60]), ValueError, r"above 2\*\*53"),
        (np.array(["a", "b"]), ValueError, "text 'a'"),
        (np.zeros((2, 2, 2)), ValueError, "3 dimensions"),
        (np.zeros(2, complex), TypeError, "complex128"),
    ],
)
def test_npy_entries_are_checked(tmp_path, array, error, message):
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(error, match=message):
        data.read(tmp_path / "bad.npy")


def test_truncated_npy_is_refused_at_every_length(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.arange(4.0))
    for length in range(len(buffer.getvalue())):
        (tmp_path / "bad.npy").write_bytes(buffer.getvalue()[:length])
        with pytest.raises(ValueError, match="not a complete"):
            data.read(tmp_path / "bad.npy")


def test_parquet_is_read_as_pandas_reads_it(tmp_path):
    frame = pd.DataFrame(
        {"a": [1.5, None, 3.0], "kind": ["u", "v", "w"], "b": [1, 2, 3], "w": [True, False, True]},
        index=[7, 8, 9],
    )
    frame.to_parquet(tmp_path / "some.parquet")
    table, left_out = data.read(tmp_path / "some.parquet", None, "kind", "w", missing=True)
    np.testing.assert_array_equal(table.x, frame[["a", "b"]].to_numpy())
    np.testing.assert_array_equal(table.sample_weights, [1, 0, 1])
    assert (table.columns, table.labels.tolist(), left_out) == (("a", "b"), ["u", "v", "w"], ())
    _, left_out = data.read(tmp_path / "some.parquet", missing=True)
    assert left_out == ("kind",)
    frame.assign(kind=["u", None, "w"]).to_parquet(tmp_path / "some.parquet")
    with pytest.raises(ValueError, match="label of row 1 is missing"):
        data.read(tmp_path / "some.parquet", labels="kind", missing=True)


@pytest.mark.parametrize(
    "column",
    [pa.array([1.5, 2.5]).cast(pa.decimal128(5, 2)), pa.array([1.5, 2.5]).dictionary_encode()],
)
def test_parquet_of_other_numbers(tmp_path, column):
    pq.write_table(pa.table({"a": column}), tmp_path / "some.parquet")
    np.testing.assert_array_equal(data.read(tmp_path / "some.parquet")[0].x, [[1.5], [2.5]])


def test_parquet_of_what_are_no_numbers_is_refused(tmp_path):
    days = pa.array([1, 2]).cast(pa.timestamp("s"))
    pq.write_table(pa.table({"day": days}), tmp_path / "some.parquet")
    with pytest.raises(TypeError, match=r"'day'\) has dtype datetime64"):
        data.read(tmp_path / "some.parquet")


def test_without_pyarrow_parquet_asks_for_it(tmp_path, monkeypatch):
    pq.write_table(pa.table({"a": [1.0]}), tmp_path / "some.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r"need pyarrow; pip install jaxmix\[parquet\]"):
        data.read(tmp_path / "some.parquet")


CELLS = st.sampled_from(["1", "-2.5", "a", "", '"', "nan", " ", "1,5", "9" * 20, "1_0"])


@settings(max_examples=200)
@example(suffix=".npy", content=b"\x93NUMPY\x01\x00\x20\x00" + b"[" * 32)
@given(
    suffix=st.sampled_from([".csv", ".npy", ".parquet"]),
    content=st.binary(max_size=60)
    | st.lists(CELLS, max_size=12).map(lambda cells: "\n,;".join(cells).encode())
    | st.binary(max_size=40).map(lambda tail: b"\x93NUMPY\x01\x00\x20\x00" + tail),
)
def test_any_bytes_give_a_table_or_a_clear_error(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(content)
    try:
        table, _ = data.read(path)
    except (ValueError, TypeError) as error:
        message = str(error)
        x = None
    else:
        x = table.x
        message = ""
    assert "\n" not in message
    assert x is None or np.isfinite(x).all()


def realized(truth, family):
    """Separation, and the eccentricity of each component, from full covariances alone."""
    k, d = truth.means.shape
    covariances = full_covariances(truth, family)
    sizes = [np.sqrt(np.trace(covariance) / d) for covariance in covariances]
    separation = min(
        np.linalg.norm(truth.means[i] - truth.means[j]) / max(sizes[i], sizes[j])
        for i in range(k)
        for j in range(i)
    )
    variances = np.linalg.eigvalsh(covariances)
    return separation, np.sqrt(variances[:, -1] / variances[:, 0]), sizes


def full_covariances(truth, family):
    k, d = truth.means.shape
    expand = {
        "full": lambda c: c,
        "tied": lambda c: np.stack([c] * k),
        "diag": lambda c: np.stack([np.diag(row) for row in c]),
        "spherical": lambda c: np.stack([value * np.eye(d) for value in c]),
    }
    return expand[family](truth.covariances)


@settings(max_examples=40)
@given(
    family=st.sampled_from(["full", "tied", "diag", "spherical"]),
    k=st.integers(2, 8),
    d=st.integers(1, 6),
    separation=st.floats(0, 100),
    eccentricity=st.floats(1, 100),
    seed=st.integers(0, 2**64),
)
def test_separation_and_eccentricity_are_exact(family, k, d, separation, eccentricity, seed):
    if d == 1 or family == "spherical":
        eccentricity = 1.0
    _, truth = data.mixture_sample(1, k, d, separation, eccentricity, family, seed=seed)
    realized_separation, eccentricities, sizes = realized(truth, family)
    assert realized_separation == pytest.approx(separation, rel=1e-9)
    np.testing.assert_allclose(eccentricities, eccentricity, rtol=1e-9)
    assert max(sizes) <= 2.0000001 * min(sizes)


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
def test_samples_have_the_moments_of_the_truth(family):
    eccentricity = 1.0 if family == "spherical" else 3.0
    weights = [0.5, 0.3, 0.2]
    table, truth = data.mixture_sample(60_000, 3, 2, 4.0, eccentricity, family, weights, seed=3)
    np.testing.assert_allclose(np.bincount(table.labels) / 60_000, weights, atol=0.01)
    for component, covariance in enumerate(full_covariances(truth, family)):
        rows = table.x[table.labels == component]
        whitened = np.linalg.solve(
            np.linalg.cholesky(covariance), (rows - truth.means[component]).T
        )
        # Bounds of five standard errors at 12,000 rows.
        np.testing.assert_allclose(whitened.mean(axis=1), 0, atol=0.05)
        np.testing.assert_allclose(np.cov(whitened), np.eye(2), atol=0.07)


def test_a_smaller_sample_begins_a_larger_one():
    small, small_truth = data.mixture_sample(100, 4, 3, 2.0, 5.0, seed=7)
    large, large_truth = data.mixture_sample(1000, 4, 3, 2.0, 5.0, seed=7)
    np.testing.assert_array_equal(small.x, large.x[:100])
    np.testing.assert_array_equal(small.labels, large.labels[:100])
    for ours, theirs in zip(small_truth, large_truth):
        np.testing.assert_array_equal(ours, theirs)


def test_seeds_give_other_data_than_each_other_and_than_a_plain_generator():
    samples = [data.three_clusters(50, seed=seed)[0].x for seed in range(3)]
    assert len({sample.tobytes() for sample in samples}) == 3
    _, truth = data.three_clusters(50)
    noise = np.random.default_rng(0).standard_normal((50, 2))
    labels = data.three_clusters(50)[0].labels
    factors = np.linalg.cholesky(truth.covariances)[labels]
    from_plain = truth.means[labels] + np.einsum("nij,nj->ni", factors, noise)
    assert not np.isclose(from_plain, samples[0]).any()


def test_truth_labels_and_noise_share_no_random_numbers():
    streams = [np.random.default_rng(stream).random(100) for stream in _streams(0)]
    assert len(np.unique(streams)) == 300


def test_one_component_lies_at_the_origin():
    _, truth = data.mixture_sample(10, 1, 2, 5.0)
    np.testing.assert_array_equal(truth.means, [[0.0, 0.0]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n": 0}, ValueError, "expected n >= 1, got 0"),
        ({"k": 0}, ValueError, "expected k >= 1, got 0"),
        ({"d": 2.0}, TypeError, "whole number for d|parameter d"),
        ({"seed": -1}, ValueError, "expected seed >= 0"),
        ({"separation": -1.0}, ValueError, "separation >= 0, got -1"),
        ({"separation": np.nan}, ValueError, "separation >= 0, got nan"),
        ({"eccentricity": 0.5}, ValueError, "eccentricity <= 1e.06, got 0.5"),
        ({"eccentricity": 2.0, "family": "spherical"}, ValueError, "spherical components"),
        ({"eccentricity": 2.0, "d": 1}, ValueError, "one column"),
        ({"family": "fulll"}, ValueError, "unknown family 'fulll'; did you mean 'full'"),
        ({"weights": [0.5, 0.4]}, ValueError, "sum 1, got sum 0.9"),
        ({"weights": [1.5, -0.5]}, ValueError, "2 positive weights"),
        ({"weights": [1.0]}, ValueError, "2 positive weights"),
    ],
)
def test_impossible_mixtures_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        data.mixture_sample(**{"n": 10, "k": 2, "d": 2, "separation": 1.0, **change})


def test_three_clusters_are_the_course_set():
    table, truth = data.three_clusters(40_000, seed=1)
    assert data.three_clusters()[0].x.shape == (100, 2)
    whole_mean = truth.weights @ truth.means
    np.testing.assert_allclose(whole_mean, [1.75, 1.75])
    np.testing.assert_allclose(table.x.mean(axis=0), whole_mean, atol=0.06)
    tilted = table.x[table.labels == 1]
    np.testing.assert_allclose(np.cov(tilted.T), [[0.92, 0.38], [0.38, 0.91]], atol=0.05)


def test_comparison_set_misleads_k_means_as_in_the_course():
    table, truth = data.comparison_set()
    clusters = KMeans(3, init=truth.means, n_init=1).fit_predict(table.x)
    assert adjusted_rand_score(table.labels, clusters) == pytest.approx(0.56, abs=0.03)


def test_standardize_keeps_digits_far_from_the_origin():
    deviations = np.random.default_rng(0).standard_normal((1000, 2))
    x = 1e6 + deviations
    z, center, scale = data.standardize(x)
    exact = x - 1e6
    np.testing.assert_allclose(center - 1e6, exact.mean(axis=0), atol=2e-10)
    np.testing.assert_allclose(scale, exact.std(axis=0), rtol=1e-13)
    np.testing.assert_allclose(z, (exact - exact.mean(axis=0)) / exact.std(axis=0), atol=1e-13)


@settings(max_examples=50)
@given(
    unit=st.sampled_from([1e-200, 1e-3, 1.0, 1e200]),
    shift=st.floats(-1e3, 1e3),
    one_scale=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_standardized_columns_have_mean_0_and_variance_1(unit, shift, one_scale, seed):
    x = unit * (shift + np.random.default_rng(seed).standard_normal((20, 3)) * [1, 2, 5])
    z, center, scale = data.standardize(x, one_scale)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    variances = z.var(axis=0)
    np.testing.assert_allclose(variances.mean() if one_scale else variances, 1, rtol=1e-12)
    assert (len(set(scale)) == 1) == one_scale
    np.testing.assert_allclose(z * scale + center, x, rtol=1e-12, atol=1e-12 * unit)


def test_standardize_leaves_constant_columns_alone():
    x = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    z, center, scale = data.standardize(x)
    assert not z[:, 0].any()
    assert (center[0], scale[0]) == (0.1, 1.0)
    _, _, common = data.standardize(x, one_scale=True)
    np.testing.assert_allclose(common, np.sqrt([2.0, 2.0]))
    np.testing.assert_array_equal(data.standardize([[3.0], [3.0]], one_scale=True)[2], [1.0])


def test_standardize_keeps_single_precision():
    z, center, scale = data.standardize(np.array([[1], [3]], np.float32))
    assert (z.dtype, center.dtype, scale.dtype) == (np.float32, np.float64, np.float64)
