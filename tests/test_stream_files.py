"""Files larger than memory: any range of rows, text read once, reading ahead."""

import os
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxmix import data
from jaxmix.data.reading_ahead import ReadAhead
from jaxmix.data.roles import Roles
from jaxmix.data.text_rows import text_rows

N, D = 37, 3
X = np.random.default_rng(0).normal(size=(N, D)) * [1e-7, 1.0, 1e9]
NAMES = ("x1", "x2", "x3")


def write_npy(path, x):
    np.save(path, x)


def write_by_column(path, x):
    np.save(path, np.asfortranarray(x))


def write_csv(path, x):
    pd.DataFrame(x, columns=NAMES).to_csv(path, index=False)


def write_parquet(path, x):
    pq.write_table(pa.table(dict(zip(NAMES, x.T))), path, row_group_size=5)


WRITERS = {
    "C order": ("npy", write_npy),
    "Fortran order": ("npy", write_by_column),
    "csv": ("csv", write_csv),
    "parquet": ("parquet", write_parquet),
}

RANGES = st.lists(st.tuples(st.integers(0, N), st.integers(0, N)).map(sorted), max_size=5)


@pytest.mark.parametrize(("suffix", "write"), WRITERS.values(), ids=WRITERS)
@settings(max_examples=20)
@given(splits=st.sets(st.integers(1, N - 1), max_size=4), ranges=RANGES)
def test_any_range_of_any_split_is_a_slice(tmp_path_factory, suffix, write, splits, ranges):
    folder = tmp_path_factory.mktemp("split")
    for part, rows in enumerate(np.split(X, sorted(splits))):
        write(folder / f"part{part}.{suffix}", rows)
    with data.stream(folder, columns=["x3", "x1"], sample_weights="x2") as stream:
        assert (stream.shape, len(stream), stream.columns) == ((N, 2), N, ("x3", "x1"))
        for start, stop in ranges:
            rows = stream.rows(start, stop)
            np.testing.assert_array_equal(rows, X[start:stop, [2, 0]])
            assert rows.flags.c_contiguous
            if (X[start:stop, 1] >= 0).all():
                np.testing.assert_array_equal(stream.weights(start, stop), X[start:stop, 1])
            else:
                with pytest.raises(ValueError, match=r"sample_weights of .*\] is -"):
                    stream.weights(start, stop)


def test_a_stream_describes_itself(tmp_path):
    write_npy(tmp_path / "some.npy", X)
    stream = data.stream(tmp_path / "some.npy", sample_weights="x2")
    assert repr(stream) == "Stream 'some': 37 x 2 (x1, x3), sample_weights"
    assert data.stream(tmp_path / "some.npy").weights(0, N) is None


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [("f4", "f4"), ("f2", "f4"), (">f8", "f8"), ("i2", "f8"), ("?", "f8"), ("u8", "f8")],
)
@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_precision_is_that_of_the_file(tmp_path, stored, dtype, suffix):
    x = np.array([[0], [1], [1]], stored)
    if suffix == "npy":
        np.save(tmp_path / "some.npy", x)
    else:
        pq.write_table(
            pa.table({"x1": x[:, 0].astype(x.dtype.newbyteorder("="))}), tmp_path / "some.parquet"
        )
    stream = data.stream(tmp_path / f"some.{suffix}")
    rows = stream.rows(1, 3)
    assert stream.dtype == rows.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(rows, [[1], [1]])
    table, _ = data.read(tmp_path / f"some.{suffix}")
    assert table.x.dtype == np.dtype(dtype)


def test_a_vector_is_one_column(tmp_path):
    np.save(tmp_path / "some.npy", np.arange(4.0))
    np.testing.assert_array_equal(data.stream(tmp_path / "some.npy").rows(1, 3), [[1.0], [2.0]])


CELLS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["1", " -2.5 ", "1e-320", "007", '"3"', "9007199254740992", "9e300", "+.5", "0.1e1"]
)
ROWS = st.lists(st.tuples(CELLS, st.sampled_from(["u", '"v;w"', '"x\ny"', ""]), CELLS), min_size=3)


@settings(max_examples=60)
@given(rows=ROWS, size=st.integers(1, 80), end=st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_text_part_by_part_is_what_read_reads(tmp_path_factory, rows, size, end):
    path = tmp_path_factory.getbasetemp() / "parts.csv"
    rows = [("1", "u", "2"), *rows]
    path.write_bytes((end.join(["a;kind;b", *map(";".join, rows)]) + end).encode())
    table, left_out = data.read(path)
    blocks, columns, texts = text_rows(path, [path], Roles(None, None, None, False), size)
    np.testing.assert_array_equal(blocks.rows(0, blocks.length, columns), table.x)
    assert (columns, texts) == (table.columns, left_out)


def test_plain_text_is_read_at_once_to_the_same_numbers(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 2)) * 10.0 ** rng.integers(-300, 15, (2000, 2))
    path = tmp_path / "some.csv"
    pd.DataFrame(x, columns=["a", "b"]).assign(kind="u").to_csv(path, index=False)
    blocks, columns, _ = text_rows(path, [path], Roles(None, None, None, False), 1000)
    np.testing.assert_array_equal(blocks.rows(0, 2000, columns), x)


GOOD = "a,b\n1,2\n"
LATE = {
    "text": ("5,6\n7,two\n", "'b' mixes numbers and text: line 204 has 'two', line"),
    "only text": ('5,"two"\n6,"NA"', "'b' mixes .*: line 203 has 'two', line"),
    "empty": ("5,\n", "line 203, column 'b': the cell is empty"),
    "nan": ("5,nan\n", "line 203, column 'b': 'nan' is not a finite number"),
    "ragged": ("5,6,7\n", "line 203 has 3 cells, but line 1 has 2"),
    "open quote": ('5,"6\n', "line 203.*check quotes"),
    "comma": ("5,'1\n", 'line 203 has "\'1"'),
    "large": ("5,9007199254740993\n", r"line 203, column 'b': .* above 2\*\*53"),
    "binary": ("5,\0\n", "not a UTF-8 text file"),
}


@pytest.mark.parametrize(("tail", "message"), LATE.values(), ids=LATE)
def test_text_that_goes_wrong_late_is_refused_by_its_line(tmp_path, tail, message):
    path = tmp_path / "late.csv"
    path.write_text(GOOD + "3,4\n" * 200 + tail)
    for size in (100, 2**20):
        with pytest.raises(ValueError, match=message) as caught:
            text_rows(path, [path], Roles(None, None, None, False), size)
        assert "\n" not in str(caught.value)


def test_a_temporary_file_goes_with_its_stream(tmp_path):
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    path = tmp_path / "some.csv"
    path.write_text(GOOD)
    before = open_files()
    stream = data.stream(path)
    assert open_files() == before + 1
    del stream
    assert open_files() == before
    with data.stream(path) as stream:
        pass
    assert open_files() == before
    with pytest.raises(ValueError, match="stream 'some' is closed"):
        stream.rows(0, 1)
    path.write_text(GOOD + "3,x\n")
    with pytest.raises(ValueError, match="mixes numbers"):
        data.stream(path)
    assert open_files() == before


def table_of(**columns):
    return lambda path: pq.write_table(pa.table(columns), path)


def text(content):
    return lambda path: path.write_bytes(content)


def array(values):
    return lambda path: np.save(path, values)


BAD = {
    "no file": ({}, {}, "No such file"),
    "empty folder": ({".hidden.npy": array([1.0])}, {}, "found none"),
    "mixed types": ({"a.npy": array([1.0]), "b.csv": text(b"1\n")}, {}, "found .csv, .npy"),
    "unknown type": ({"a.txt": text(b"1\n")}, {}, "expected files of one of .npy, .csv, .parquet"),
    "empty csv": ({"a.csv": text(b"")}, {}, "a.csv is empty"),
    "header only": ({"a.csv": text(b"1\n"), "b.csv": text(b"x1\n")}, {}, "b.csv has a header but"),
    "empty npy": ({"a.npy": array(np.zeros((0, 2)))}, {}, "a.npy has no rows"),
    "cut npy": ({"a.npy": text(b"\x93NUMPY\x01\x00")}, {}, "a.npy is not a complete .npy file"),
    "deep npy": ({"a.npy": array(np.zeros((2, 2, 2)))}, {}, r"3 dimensions \(2, 2, 2\)"),
    "text npy": ({"a.npy": array(["u"])}, {}, "text 'u'"),
    "widths": (
        {"a.npy": array(np.ones((2, 1))), "b.npy": array(np.ones((2, 2)))},
        {},
        "a.npy has the columns x1, but b.npy has x1, x2",
    ),
    "precisions": (
        {"a.npy": array(np.ones(2)), "b.npy": array(np.ones(2, np.float32))},
        {},
        "a.npy holds float64, but b.npy float32",
    ),
    "names": (
        {"a.csv": text(b"u,v\n1,2\n"), "b.csv": text(b"u,w\n1,2\n")},
        {},
        "a.csv has the columns u, v, but b.csv has u, w",
    ),
    "text later": (
        {"a.csv": text(b"u\n1\n"), "b.csv": text(b"u\nx\n")},
        {},
        "b.csv: column 'u' mixes numbers and text: line 2 has 'x', line 2 of .*a.csv has '1'",
    ),
    "text weights": ({"a.csv": text(b"u,v\n1,x\n")}, {"sample_weights": "v"}, "'v' holds text"),
    "unknown column": ({"a.csv": text(b"u\n1\n")}, {"columns": ["v"]}, "unknown column 'v'"),
    "both": (
        {"a.npy": array([1.0])},
        {"columns": ["x1"], "sample_weights": "x1"},
        "data and sample weights",
    ),
    "empty parquet": ({"a.parquet": table_of(u=pa.array([], "f8"))}, {}, "a.parquet has no rows"),
    "damaged": ({"a.parquet": text(b"PAR1PAR1")}, {}, "a.parquet is not a complete .parquet file"),
    "text parquet": ({"a.parquet": table_of(u=["x"])}, {}, "'u' holds text"),
    "text chosen": ({"a.parquet": table_of(u=["x"], v=[1])}, {"columns": ["u"]}, "'u' holds text"),
}


@pytest.mark.parametrize(("files", "choice", "message"), BAD.values(), ids=BAD)
def test_what_is_no_stream_is_refused(tmp_path, files, choice, message):
    for name, write in files.items():
        write(tmp_path / name)
    path = tmp_path if files else tmp_path / "none.npy"
    with pytest.raises(ValueError, match=message) as caught:
        data.stream(path, **choice)
    assert "\n" not in str(caught.value)


BAD_ENTRIES = {
    "nan": ([1.0, 2.0, np.nan], r"\[2, 0\] \(row 2 counting from 0, column 'x1'\) is nan"),
    "infinity": ([1.0, -np.inf, 3.0], r"\[1, 0\].* is -inf; expected finite"),
    "large": ([1, 2**53 + 1, 3], r"\[1, 0\].*above 2\*\*53"),
    "large beside null": ([None, 2**53 + 1, 3], r"\[1, 0\].*above 2\*\*53"),
    "null": ([1.0, None, 3.0], r"\[1, 0\].* is nan"),
}


@pytest.mark.parametrize(("values", "message"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_entries_are_checked_where_they_are_read(tmp_path, values, message):
    writers = {"parquet": lambda column: table_of(x1=column)}
    if None not in values:
        writers["npy"] = array
    for suffix, write in writers.items():
        folder = tmp_path / suffix
        folder.mkdir()
        write([0.0, 0.0])(folder / f"a.{suffix}")
        write(values)(folder / f"b.{suffix}")
        stream = data.stream(folder)
        np.testing.assert_array_equal(stream.rows(0, 2), [[0.0], [0.0]])
        with pytest.raises(ValueError, match=rf"b.{suffix}{message}"):
            stream.rows(1, 5)


@pytest.mark.parametrize("wrong", [(2, 1), (0, 38), (-1, 2)])
def test_ranges_lie_within_the_data(tmp_path, wrong):
    write_npy(tmp_path / "some.npy", X)
    with pytest.raises(ValueError, match="expected start"):
        data.stream(tmp_path / "some.npy").rows(*wrong)


@pytest.mark.parametrize("change", ["shrinks", "replaced", "removed"])
def test_a_file_that_changes_is_noticed(tmp_path, change):
    file = tmp_path / "some.npy"
    write_npy(file, X)
    stream = data.stream(file)
    stream.rows(0, N)
    file.rename(tmp_path / "kept.npy")
    if change != "removed":
        write_npy(file, X[:5] if change == "shrinks" else 2 * X)
    with pytest.raises(ValueError, match="has changed since it was opened"):
        stream.rows(0, N)


MEMORY = """
import sys
from pathlib import Path
from jaxmix import data

def most():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024

stream = data.stream(sys.argv[1])
before, n = most(), len(stream)
for start in range(0, n, n // 30):
    stream.rows(start, min(start + n // 30, n))
print(most() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_a_pass_over_a_large_file_takes_little_memory(tmp_path):
    path, n = tmp_path / "large.npy", 4_000_000
    about = {"descr": "<f8", "fortran_order": False, "shape": (n, 10)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, about)
        file.truncate(file.tell() + n * 80)  # zeros that take no place on the disk
    command = [sys.executable, "-c", MEMORY, str(path)]
    megabytes = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert megabytes < 60  # of 305


def test_the_next_part_is_read_ahead():
    seen, begun = [], threading.Semaphore(0)

    def read(part):
        seen.append((part, threading.current_thread() is threading.main_thread()))
        begun.release()
        return 10 * part

    with ReadAhead(read) as ahead:
        assert ahead.read(0, 1) == 0
        assert begun.acquire(timeout=60)
        for part, following in ((1, 7), (7, 0), (0, 1)):
            assert begun.acquire(timeout=60)  # though nobody has asked for this part
            assert ahead.read(part, following) == 10 * part
        assert ahead.read(2, 0) == 20
    assert [part for part, _ in seen][:4] == [0, 1, 7, 0]
    assert not any(in_main for _, in_main in seen)
    assert not any(thread.name.startswith("reading ahead") for thread in threading.enumerate())
    with pytest.raises(ValueError, match="closed"):
        ahead.read(0, 1)


def test_an_error_comes_up_where_its_part_is_wanted():
    def read(part):
        if part == 1:
            raise ValueError("row 2 is nan")
        return part

    with ReadAhead(read) as ahead:
        assert ahead.read(0, 1) == 0
        assert ahead.read(2, 0) == 2
        assert ahead.read(0, 1) == 0
        for _ in range(2):
            with pytest.raises(ValueError, match="row 2 is nan"):
                ahead.read(1, 2)
        assert ahead.read(2, 0) == 2


def test_unclosed_reading_ahead_lets_the_interpreter_end():
    code = """
from jaxmix.data.reading_ahead import ReadAhead
ahead = ReadAhead(abs)
print(ahead.read(0, 1))
"""
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, timeout=60, text=True).stdout == "0\n"
