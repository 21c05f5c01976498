"""Where a user's arguments become arrays: the one place that checks x, sample weights and names.

Arrays, lists and data frames of any library come out as one float matrix with column names.
Everything a mixture cannot be fitted to is refused here, with a message that says what to do.
"""

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

LARGEST_EXACT_INTEGER = 2**53
"""Largest integer up to which float64 holds every integer."""

OUT_OF_RANGE = "squares of the data leave the range of floats; see data.standardize"
"""What to say of data whose variances are 0 or infinite and should not be."""

_STORED_AS_FLOAT32 = ("float32", "float16", "bfloat16")
_MISSING_TYPES = ("NoneType", "NAType", "NaTType")


def as_incomplete(x: Any, name: str = "x") -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn data with missing entries into a matrix with NaN in their places, and column names.

    Args:
        x: as `as_matrix` takes it; missing entries are NaN, None or a data frame's own.
        name: what error messages call the argument.

    Returns:
        The matrix [n d] and its d column names.

    Raises:
        ValueError, TypeError: as `as_matrix`; and where nothing is observed in a row.

    Example:
        >>> as_incomplete([[1.0, None], [3.0, 4.0]])[0].tolist()
        [[1.0, nan], [3.0, 4.0]]
    """
    values, columns = as_matrix(x, name, missing=True)
    observed = ~np.isnan(values)
    if not observed.any(axis=1).all():
        row = int(np.argmin(observed.any(axis=1)))
        raise ValueError(f"row {row} of {name} has no observed entry; leave such rows out")
    return values, columns


def check_observed(values: np.ndarray, columns: tuple[str, ...]) -> None:
    """Raise unless every column of x has an observed entry in these rows, those that count."""
    observed = ~np.isnan(values).all(axis=0)
    if not observed.all():
        column = columns[int(np.argmin(observed))]
        raise ValueError(f"column {column!r} of x has no observed entry; leave it out")


def check_possible(log_prob: Any, x: Any, under: str) -> None:
    """Raise for a row of log-probability -inf or NaN, of whose component nothing can be said.

    Args:
        log_prob: of the rows, [n] in nats.
        x: the rows [n d].
        under: which mixture calls them impossible, and what to do.
    """
    impossible = ~(np.asarray(log_prob) > -np.inf)
    if impossible.any():
        row = np.asarray(x)[int(np.argmax(impossible))].tolist()
        raise ValueError(f"the row {row} has probability 0 under {under}")


def as_matrix(x: Any, name: str = "x", missing: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn a user's data into a matrix of finite floats and its column names.

    Booleans count as 0 and 1. float32 stays float32 (float16 and bfloat16 become float32);
    everything else becomes float64. An array that is already right is not copied.

    Args:
        x: [n d] or [n] (one column): a NumPy or JAX array, nested lists, or a pandas or polars
            frame or series, whose column names are kept; other columns are named x1 to xd.
        name: what error messages call the argument.
        missing: whether missing entries become NaN instead of an error.

    Returns:
        The matrix [n d] and its d column names.

    Raises:
        ValueError: if an entry is NaN, infinite, missing, text or an integer above 2**53, if
            rows differ in length, if there are no rows, no columns or more than two dimensions,
            or if two columns have one name.
        TypeError: if x is masked, sparse, complex, of object dtype, or not an array at all.

    Example:
        >>> matrix, columns = as_matrix([[1, 2], [3, 4]])
        >>> matrix.shape, matrix.dtype.name, columns
        ((2, 2), 'float64', ('x1', 'x2'))
    """
    _refuse_masked_or_sparse(x, name)
    if hasattr(x, "to_numpy") and hasattr(x, "columns"):
        parts, columns = _frame_columns(x, name)
    else:
        entries = _entries(x, name)
        parts, columns = [entries], _column_names(x, entries.shape[1])
    if not columns:
        check_shape((0, 0), name)
    return as_floats(parts, tuple(enumerate(columns)), name, missing), columns


def as_floats(
    parts: Sequence[np.ndarray],
    columns: Sequence[tuple[int, str]],
    name: str = "x",
    missing: bool = False,
    first_row: int = 0,
) -> np.ndarray:
    """Turn some rows of columns, as they are stored, into finite floats.

    Args:
        parts: arrays [m c], side by side the d columns; as many as there are dtypes, or one.
        columns: d pairs of a column's place in the whole data and its name, for messages.
        name: what error messages call the data.
        missing: whether NaN may stay.
        first_row: where these rows begin in the whole data, for messages.

    Returns:
        The rows [m d]; float32 where all is stored so, as in `as_matrix`.

    Raises:
        ValueError, TypeError: for entries that `as_matrix` refuses.

    Example:
        >>> as_floats([np.array([[1], [2]])], [(0, "age")])
        array([[1.],
               [2.]])
    """
    floats, begin = [], 0
    for part in parts:
        entry_name = partial(_entry_name, name, columns[begin : begin + part.shape[1]], first_row)
        floats.append(_floats(part, entry_name, missing))
        begin += part.shape[1]
    return floats[0] if len(floats) == 1 else np.concatenate(floats, axis=1)


def check_shape(shape: Sequence[int], name: str) -> None:
    """Raise unless this is the shape of at least one row of at least one column, [n d] or [n]."""
    if not shape:
        raise TypeError(f"expected rows of numbers for {name}, got a single number")
    if len(shape) > 2:
        raise ValueError(
            f"expected {name} of shape [n d] or [n], got {len(shape)} dimensions "
            f"{tuple(shape)}; reshape it to one row an observation"
        )
    if 0 in shape:
        what = "columns" if shape[-1] == 0 and len(shape) == 2 else "rows"
        raise ValueError(f"{name} has no {what}; expected at least one row and one column")


def as_sample_weights(sample_weights: Any, n: int) -> np.ndarray:
    """Check frequency weights, one for each of n rows.

    Args:
        sample_weights: [n], how often each row was seen; fractions are allowed.
        n: number of rows of the data.

    Returns:
        The weights, float64 [n].

    Raises:
        ValueError: if a weight is negative or not finite, if all are zero, or if there are not n.
        TypeError: if they are not an array of numbers.

    Example:
        >>> as_sample_weights([1, 0, 2], n=3)
        array([1., 0., 2.])
    """
    matrix, _ = as_matrix(sample_weights, "sample_weights")
    if matrix.shape != (n, 1):
        raise ValueError(
            f"expected {n} sample_weights, one a row of x, got shape {np.shape(sample_weights)}"
        )
    weights = matrix[:, 0].astype(np.float64)
    refuse_negative(weights)
    if not weights.any():
        raise ValueError("all sample_weights are zero; give at least one row a positive weight")
    return weights


def refuse_negative(weights: np.ndarray, name: str = "sample_weights", first_row: int = 0) -> None:
    """Raise where one of these sample weights, which begin at `first_row`, is negative."""
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise ValueError(
            f"{name}[{row + first_row}] is {weights[row]:g}; expected counts or weights >= 0"
        )


def as_level(value: Any) -> float:
    """Check a confidence level, strictly between 0 and 1; raises ValueError for anything else.

    Example:
        >>> as_level(0.9)
        0.9
    """
    if not (isinstance(value, float | np.floating) and 0 < value < 1):
        raise ValueError(f"level must be between 0 and 1, such as 0.95, got {value!r}")
    return float(value)


def as_count(value: Any, name: str, least: int = 1) -> int:
    """Check a whole number such as k, n or a seed.

    Args:
        value: an integer of any library.
        name: what error messages call the argument.
        least: the smallest value allowed; 1 because sizes are counted.

    Returns:
        The value as a Python integer.

    Raises:
        TypeError: if the value is not an integer (2.0 and "2" are not).
        ValueError: if it is below `least`.

    Example:
        >>> as_count(3, "k")
        3
    """
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(
            f"expected a whole number for {name}, got {value!r} ({type(value).__name__})"
        ) from None
    if isinstance(value, bool):
        raise TypeError(f"expected a whole number for {name}, got {value!r}")
    if count < least:
        raise ValueError(f"expected {name} >= {least}, got {count}")
    return count


def _refuse_masked_or_sparse(x: Any, name: str) -> None:
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"expected a plain array for {name}, got a masked array; "
            f"use only its complete rows, or {name}.data if no entry is masked"
        )
    if hasattr(x, "todense"):
        raise TypeError(
            f"expected a dense array for {name}, got the sparse {type(x).__name__}; "
            f"convert it with {name}.todense()"
        )


def _frame_columns(frame: Any, name: str) -> tuple[list[np.ndarray], tuple[str, ...]]:
    columns = tuple(str(column) for column in frame.columns)
    for column in columns:
        if columns.count(column) > 1:
            raise ValueError(f"{name} has two columns named {column!r}; rename one of them")
    # pandas iterates over (name, series) by items(), polars over series by get_columns().
    series = (
        frame.get_columns()
        if hasattr(frame, "get_columns")
        else [values for _, values in frame.items()]
    )
    parts = [_entries(values, name) for values in series]
    for part, column in zip(parts, columns):
        if part.shape[1] != 1:
            raise TypeError(f"column {column!r} of {name} holds arrays; give each its own column")
    return parts, columns


def _column_names(x: Any, d: int) -> tuple[str, ...]:
    series_name = getattr(x, "name", None) if hasattr(x, "to_numpy") else None
    if d == 1 and series_name not in (None, ""):
        return (str(series_name),)
    return column_names(d)


def exceeds_exact(integers: np.ndarray) -> np.ndarray:
    """Which integers are so large that floats would round them."""
    return (integers > LARGEST_EXACT_INTEGER) | (integers < -LARGEST_EXACT_INTEGER)


def column_names(d: int) -> tuple[str, ...]:
    """Names of columns that have none: x1 to xd."""
    return tuple(f"x{column + 1}" for column in range(d))


def _entries(x: Any, name: str) -> np.ndarray:
    entries = _list_entries(x, name) if isinstance(x, list | tuple) else _array_entries(x)
    if entries.ndim == 0:
        raise TypeError(
            f"expected rows of numbers for {name} (an array, lists or a data frame), "
            f"got {type(x).__name__}"
        )
    check_shape(entries.shape, name)
    return entries[:, None] if entries.ndim == 1 else entries


def _array_entries(x: Any) -> np.ndarray:
    return np.asarray(x.to_numpy() if hasattr(x, "to_numpy") else x)


def _list_entries(x: Any, name: str) -> np.ndarray:
    try:
        entries = np.asarray(x)
    except ValueError:
        raise ValueError(_describe_ragged(x, name)) from None
    # NumPy turns 1 into "1" beside text and rounds large integers beside floats.
    may_be_rounded = entries.dtype.kind == "f" and (np.abs(entries) >= LARGEST_EXACT_INTEGER).any()
    if may_be_rounded or entries.dtype.kind in "US":
        originals = np.array(x, dtype=object)
        if _matches(originals, _is_text).any() or _matches(originals, _is_large_integer).any():
            return originals
    return entries


def _describe_ragged(x: Any, name: str) -> str:
    lengths = [len(row) if hasattr(row, "__len__") else "no" for row in x]
    row = next((i for i, length in enumerate(lengths) if length != lengths[0]), 0)
    return (
        f"expected rows of equal length in {name}, but row 0 has {lengths[0]} entries and "
        f"row {row} has {lengths[row]} or holds lists; give every row one number a column"
    )


def _entry_name(
    name: str, columns: Sequence[tuple[int, str]], first_row: int, bad: np.ndarray
) -> str:
    row, column = np.argwhere(bad)[0]
    row, (place, title) = row + first_row, columns[column]
    return f"{name}[{row}, {place}] (row {row} counting from 0, column {str(title)!r})"


def _floats(
    entries: np.ndarray, entry_name: Callable[[np.ndarray], str], missing: bool
) -> np.ndarray:
    if missing and entries.dtype.kind == "O":
        entries = _with_nan(entries)
    kind, dtype_name = entries.dtype.kind, entries.dtype.name
    if kind in "OUST":
        raise _objects_error(entries, entry_name)
    if kind not in "biuf" and dtype_name not in _STORED_AS_FLOAT32:
        everywhere = np.ones(entries.shape, bool)
        raise TypeError(
            f"{entry_name(everywhere)} has dtype {dtype_name}; expected real numbers: "
            "convert this column or leave it out"
        )
    if kind in "iu":
        large = exceeds_exact(entries)
        if large.any():
            raise _large_integer_error(entry_name(large))
    dtype = np.float32 if dtype_name in _STORED_AS_FLOAT32 else np.float64
    with np.errstate(over="ignore"):
        floats = entries.astype(dtype, copy=False)
    bad = np.isinf(floats) if missing else ~np.isfinite(floats)
    if bad.any():
        raise _not_finite_error(entry_name(bad), floats[bad][0])
    return floats


def _with_nan(entries: np.ndarray) -> np.ndarray:
    """Objects with NaN for what is missing; as they were where others than numbers remain."""
    filled = np.where(_matches(entries, _is_missing), np.nan, entries)
    numbers = _matches(filled, lambda value: isinstance(value, int | float | np.number))
    numbers &= ~_matches(filled, _is_large_integer)
    return filled.astype(float) if numbers.all() else entries


def _objects_error(entries: np.ndarray, entry_name: Callable[[np.ndarray], str]) -> Exception:
    text, missing = _matches(entries, _is_text), _matches(entries, _is_missing)
    large = _matches(entries, _is_large_integer)
    if text.any():
        return ValueError(
            f"{entry_name(text)} is the text {str(entries[text][0])!r}; expected numbers: "
            "encode this column or leave it out"
        )
    if large.any():
        return _large_integer_error(entry_name(large))
    if missing.any():
        return _not_finite_error(entry_name(missing), np.nan)
    return TypeError(
        f"{entry_name(~text)} is of object dtype ({type(entries.flat[0]).__name__}); "
        "expected numbers: convert them to floats"
    )


def _not_finite_error(entry: str, value: float) -> ValueError:
    advice = "" if np.isinf(value) else "; drop such rows, or fit them with missing=True"
    return ValueError(f"{entry} is {value}; expected finite numbers{advice}")


def _large_integer_error(entry: str) -> ValueError:
    return ValueError(
        f"{entry} is an integer above 2**53, which floats would round; "
        "subtract a constant or change the unit"
    )


def _matches(entries: np.ndarray, test: Callable[[Any], bool]) -> np.ndarray:
    return np.array([test(value) for value in entries.flat], bool).reshape(entries.shape)


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes)


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in _MISSING_TYPES or (isinstance(value, float) and value != value)


def _is_large_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and abs(int(value)) > LARGEST_EXACT_INTEGER
