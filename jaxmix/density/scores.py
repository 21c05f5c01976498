"""Cross-validation scores of a histogram, with and without leaving the point out.

notes/density.md, eq. 4 to 8. Both are sums over occupied bins, so that any width can be scored.
"""

from typing import Any

import numpy as np

from jaxmix.density.bins import Bins, as_bins, as_interval
from jaxmix.density.smoothers import read_positive, read_rows


def plain(x: Any, width: float, interval: tuple[float, float] | None = (0.0, 1.0)) -> float:
    r"""The score without leaving the point out, $\int \hat f^2 - \frac2n \sum_i \hat f(x_i)$.

    It equals $-\sum_j p_j^2 / w_j$ and is never above $-1/(nh)$: it goes to minus infinity as the
    width shrinks, on any data, and is here to be seen failing.

    Args:
        x: data [n] in the interval, or anything that `fit` takes with one column.
        width: h, the length of a bin.
        interval: (low, high), or None for the data's own range.

    Returns:
        The score, in units of a density.

    Raises:
        ValueError, TypeError: for data outside the interval, or a width that does not fit it.

    Examples:
        >>> import jaxmix as jm
        >>> jm.density.scores.plain([0.1, 0.2, 0.8], width=0.5)
        -1.11...

    Source: Wasserman (2004), All of Statistics, section 20.2, without its subscript (-i).
    """
    return _score(x, width, interval, _plain_terms)


def leave_one_out(x: Any, width: float, interval: tuple[float, float] | None = (0.0, 1.0)) -> float:
    r"""The leave-one-out score $J(h) = \int \hat f^2 - \frac2n \sum_i \hat f_{-i}(x_i)$.

    With shares $p_j$ and widths $w_j$ of the bins,
    $J(h) = \frac{1}{n-1} \sum_j \frac{p_j}{w_j} \left(2 - (n+1) p_j\right)$: up to a constant, an
    unbiased estimate of the integrated squared error. Lower is better. As the width shrinks it goes
    to plus infinity when all values differ, and to minus infinity when values repeat so often
    that $\sum_v p_v^2 > 2/(n+1)$ over the different values.

    Args:
        x: data [n] in the interval, or anything that `fit` takes with one column.
        width: h, the length of a bin.
        interval: (low, high), or None for the data's own range.

    Returns:
        The score, in units of a density.

    Raises:
        ValueError, TypeError: for data outside the interval, or a width that does not fit it.

    Examples:
        >>> import jaxmix as jm
        >>> jm.density.scores.leave_one_out([0.1, 0.2, 0.8], width=0.5)
        -0.22...

    Source: Rudemo (1982), Scandinavian Journal of Statistics 9; notes/density.md, eq. 7.
    """
    return _score(x, width, interval, leave_one_out_terms)


def _score(x: Any, width: float, interval: Any, terms: Any) -> float:
    values = read_values(x)
    low_high = as_interval(interval, values)
    bins = as_bins(float(read_positive(width, "width")), low_high, values.dtype)
    return score_of_bins(values, bins, terms)


def read_values(x: Any) -> np.ndarray:
    """One column of data in the precision in which JAX will compute."""
    rows = np.asarray(read_rows(x))
    if rows.shape[1] != 1:
        raise ValueError(f"a histogram is of one column, got {rows.shape[1]}; take one of them")
    return rows[:, 0]


def score_of_bins(x: np.ndarray, bins: Bins, terms: Any) -> float:
    """The sum over occupied bins of terms in their shares, over their widths."""
    occupied, counts = np.unique(bins.locate(x), return_counts=True)
    shares = counts / len(x)
    return float(np.sum(terms(shares, len(x)) / bins.widths(occupied)))


def leave_one_out_terms(shares: np.ndarray, n: int) -> np.ndarray:
    """Terms of notes/density.md, eq. 7."""
    return shares * (2 - (n + 1) * shares) / (n - 1)


def _plain_terms(shares: np.ndarray, n: int) -> np.ndarray:
    """Terms of notes/density.md, eq. 5."""
    return -(shares**2)
