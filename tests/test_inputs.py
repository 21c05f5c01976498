"""What counts as data, and what every refusal says."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jaxmix.inputs import as_count, as_matrix, as_sample_weights
from jaxmix.suggestions import suggest, unknown

ROWS = [[1, 2], [3, 4]]
FRAME = {"a": [1, 3], "b": [2, 4]}

SAME_DATA = {
    "lists": (ROWS, ("x1", "x2")),
    "tuple of arrays": ((np.array([1.0, 2.0]), np.array([3.0, 4.0])), ("x1", "x2")),
    "int8": (np.array(ROWS, np.int8), ("x1", "x2")),
    "big endian": (np.array(ROWS, ">f8"), ("x1", "x2")),
    "pandas": (pd.DataFrame(FRAME), ("a", "b")),
    "pandas nullable": (pd.DataFrame(FRAME).astype({"a": "Int64", "b": "Float64"}), ("a", "b")),
    "pandas mixed": (pd.DataFrame(FRAME).astype({"b": "float32"}), ("a", "b")),
    "pandas unnamed": (pd.DataFrame(ROWS), ("0", "1")),
    "polars": (pl.DataFrame(FRAME), ("a", "b")),
    "polars mixed": (pl.DataFrame(FRAME, schema={"a": pl.UInt8, "b": pl.Float32}), ("a", "b")),
}

ONE_COLUMN = {
    "list": ([0, 1, 1], ("x1",)),
    "booleans": ([False, True, True], ("x1",)),
    "pandas": (pd.Series([0, 1, 1], name="y"), ("y",)),
    "pandas unnamed": (pd.Series([0, 1, 1]), ("x1",)),
    "pandas boolean": (pd.Series([False, True, True], dtype="boolean", name="y"), ("y",)),
    "polars": (pl.Series("y", [0, 1, 1]), ("y",)),
    "polars unnamed": (pl.Series([False, True, True]), ("x1",)),
}

REFUSED = {
    "nan": ([[1.0, 2.0], [3.0, np.nan]], ValueError, r"x\[1, 1\].*row 1.*'x2'.* is nan.*missing"),
    "infinity": ([[1.0], [-np.inf]], ValueError, r"x\[1, 0\].* is -inf; expected finite"),
    "first of two": ([[np.inf, 1.0], [np.nan, 1.0]], ValueError, r"x\[0, 0\]"),
    "text": ([[1, 2], [3, "four"]], ValueError, r"x\[1, 1\].*text 'four'"),
    "numerals": (np.array([["1", "2"]]), ValueError, r"x\[0, 0\].*text '1'"),
    "text in pandas": (pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}), ValueError, r"'b'.*text 'u'"),
    "text in polars": (pl.DataFrame({"a": [1, 2], "b": ["u", "v"]}), ValueError, r"'b'.*text 'u'"),
    "pandas NA": (pd.DataFrame({"a": [1, None]}, dtype="Int64"), ValueError, r"x\[1, 0\].*missing"),
    "pandas boolean NA": (pd.Series([True, None], dtype="boolean"), ValueError, r"x\[1, 0\].*miss"),
    "polars null": (pl.DataFrame({"a": [1, None]}), ValueError, r"x\[1, 0\].*missing"),
    "polars boolean null": (pl.Series([None, True]), ValueError, r"x\[0, 0\].*missing"),
    "None": ([[1.0, None]], ValueError, r"x\[0, 1\].*missing"),
    "objects": (np.array([1, 2], dtype=object), TypeError, "object dtype"),
    "dates": (pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])}), TypeError, "'t'.*datetime64"),
    "complex": ([1j, 2.0], TypeError, "complex128"),
    "structured": (np.zeros(2, [("a", float)]), TypeError, "real numbers"),
    "large": (np.array([1, 2**53 + 1]), ValueError, r"x\[1, 0\].*above 2\*\*53"),
    "large negative": (np.array([-(2**63)]), ValueError, r"above 2\*\*53"),
    "large beside floats": ([[0.5, 2**53 + 1]], ValueError, r"x\[0, 1\].*above 2\*\*53"),
    "huge": ([2**70], ValueError, r"above 2\*\*53"),
    "large in a frame": (
        pl.DataFrame({"a": [0.5], "b": [2**60]}),
        ValueError,
        r"x\[0, 1\].*'b'.*above 2\*\*53",
    ),
    "no rows": ([], ValueError, "no rows"),
    "no rows in a frame": (pl.DataFrame({"a": []}), ValueError, "no rows"),
    "no columns": (np.zeros((3, 0)), ValueError, "no columns"),
    "no columns in a frame": (pd.DataFrame(index=range(3)), ValueError, "no columns"),
    "three dimensions": (np.zeros((2, 2, 2)), ValueError, "got 3 dimensions"),
    "ragged": ([[1, 2], [3]], ValueError, "row 0 has 2 entries and row 1 has 1"),
    "ragged with a number": ([[1, 2], 3], ValueError, "row 1 has no"),
    "masked": (np.ma.masked_equal([1, 2], 2), TypeError, "masked"),
    "sparse": (scipy.sparse.eye_array(2), TypeError, "sparse.*todense"),
    "number": (3.0, TypeError, "got float"),
    "dictionary": (FRAME, TypeError, "got dict"),
    "nothing": (None, TypeError, "got NoneType"),
    "file name": ("faithful.csv", TypeError, "got str"),
    "lazy frame": (pl.LazyFrame(FRAME), TypeError, "got LazyFrame"),
    "one name twice": (pd.DataFrame(ROWS, columns=["a", "a"]), ValueError, "two columns named 'a'"),
    "arrays in a column": (
        pl.DataFrame({"a": [[1, 2]]}, schema={"a": pl.Array(pl.Int64, 2)}),
        TypeError,
        "'a' of x holds arrays",
    ),
}


@pytest.mark.parametrize(("given_data", "names"), SAME_DATA.values(), ids=SAME_DATA)
def test_containers_hold_the_same_matrix(given_data, names):
    matrix, columns = as_matrix(given_data)
    assert matrix.dtype == np.float64
    assert matrix.dtype.isnative
    np.testing.assert_array_equal(matrix, [[1.0, 2.0], [3.0, 4.0]])
    assert columns == names


@pytest.mark.parametrize(("given_data", "names"), ONE_COLUMN.values(), ids=ONE_COLUMN)
def test_a_vector_is_one_column(given_data, names):
    matrix, columns = as_matrix(given_data)
    np.testing.assert_array_equal(matrix, [[0.0], [1.0], [1.0]])
    assert columns == names


@pytest.mark.parametrize(
    "given_data",
    [
        np.ones((2, 2), np.float32),
        np.ones((2, 2), np.float16),
        jnp.ones((2, 2), jnp.bfloat16),
        jnp.ones((2, 2), jnp.float32),
        pd.DataFrame(np.ones((2, 2), np.float32)),
        pl.DataFrame(np.ones((2, 2), np.float32)),
    ],
)
def test_single_precision_stays(given_data):
    matrix, _ = as_matrix(given_data)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.ones((2, 2)))


def test_largest_exact_integer_is_accepted():
    matrix, _ = as_matrix([[2**53, -(2**53)]])
    assert [int(entry) for entry in matrix[0]] == [2**53, -(2**53)]


@pytest.mark.parametrize(("given_data", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals_say_where_and_what(given_data, error, message):
    with pytest.raises(error, match=message) as caught:
        as_matrix(given_data)
    assert "\n" not in str(caught.value)


def test_refusals_use_the_name_given():
    with pytest.raises(ValueError, match=r"^responsibilities\[0, 0\]"):
        as_matrix([np.nan], name="responsibilities")


@given(arrays(np.float64, array_shapes(max_dims=2), elements=st.floats(-1e300, 1e300)))
def test_finite_arrays_pass_unchanged(x):
    matrix, columns = as_matrix(x)
    np.testing.assert_array_equal(matrix, x.reshape(len(x), -1))
    assert len(columns) == matrix.shape[1]
    np.testing.assert_array_equal(as_matrix(x.tolist())[0], matrix)
    assert as_matrix(matrix)[0] is matrix


@pytest.mark.parametrize(
    "weights", [[1, 0, 2.5], np.array([1, 0, 2.5], np.float32), pl.Series([1.0, 0, 2.5])]
)
def test_sample_weights_are_float64(weights):
    checked = as_sample_weights(weights, 3)
    assert checked.dtype == np.float64
    assert checked.tolist() == [1.0, 0.0, 2.5]


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, -2, 1], ValueError, r"sample_weights\[1\] is -2; expected .* >= 0"),
        ([1, np.nan, 1], ValueError, "sample_weights.*nan"),
        ([1, np.inf, 1], ValueError, "sample_weights.*inf"),
        ([0, 0, 0], ValueError, "all sample_weights are zero"),
        ([1, 2], ValueError, "expected 3 sample_weights"),
        (np.ones((3, 2)), ValueError, "expected 3 sample_weights"),
        (2.0, TypeError, "sample_weights.*got float"),
    ],
)
def test_bad_sample_weights_are_refused(weights, error, message):
    with pytest.raises(error, match=message):
        as_sample_weights(weights, 3)


def test_counts_are_integers_of_any_library():
    counts = [as_count(value, "k") for value in (2, np.int8(2), jnp.int32(2))]
    assert counts == [2, 2, 2]
    assert all(type(count) is int for count in counts)
    assert as_count(0, "seed", least=0) == 0


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "expected k >= 1, got 0"),
        (2.0, TypeError, r"whole number for k, got 2.0 \(float\)"),
        ("2", TypeError, "whole number for k, got '2'"),
        (True, TypeError, "whole number for k, got True"),
        (None, TypeError, "whole number for k, got None"),
    ],
)
def test_bad_counts_are_refused(value, error, message):
    with pytest.raises(error, match=message):
        as_count(value, "k")


def test_unknown_names_get_a_suggestion_only_where_one_is_close():
    families = ("full", "tied", "diag", "spherical")
    assert suggest("Sphercal", families) == "did you mean 'spherical'?"
    assert suggest("zzz", families) == ""
    assert str(unknown("family", "zzz", families)) == (
        "unknown family 'zzz'. Known: full, tied, diag, spherical"
    )
    assert str(unknown("family", 3, families)).startswith("unknown family 3. Known")


def test_inputs_and_data_import_no_jax():
    code = "import sys, jaxmix.inputs, jaxmix.data; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
