"""Bins of one width on an interval, the last one narrower where the width does not divide it.

notes/density.md, eq. 3. Edges are numbers of the data's own precision, computed once and compared
exactly, so that every value belongs to one bin: [edge, next edge), and the last bin is closed.
"""

from typing import Any

import equinox as eqx
import numpy as np

MOST_BINS = 10_000_000
"""Heights of that many bins fill 80 MB in float64."""


class Bins(eqx.Module):
    """Bins of a width on [low, high], in the precision `dtype` of the data."""

    low: float
    high: float
    width: float
    dtype: Any = eqx.field(static=True)

    @property
    def share(self) -> float:
        """Interval lengths a bin length, a whole number where bins divide the interval."""
        ratio = (self.high - self.low) / self.width
        rounding = max(1e-12, 4 * float(np.finfo(self.dtype).eps))
        return round(ratio) if abs(ratio - round(ratio)) <= rounding * ratio else ratio

    @property
    def num_bins(self) -> int:
        """Number of bins, the narrower one included."""
        return int(np.ceil(self.share))

    def edge(self, index: np.ndarray) -> np.ndarray:
        """The left edge of the bin; index `num_bins` is the interval's end."""
        length, share = self.high - self.low, self.share
        steps = length * index / share if share == self.num_bins else index * self.width
        return np.minimum(self.low + steps, self.high).astype(self.dtype)

    def widths(self, index: np.ndarray) -> np.ndarray:
        """Lengths of bins, in float64, before their edges are rounded."""
        last = self.high - self.low - (self.num_bins - 1) * self.width
        equal = self.share == self.num_bins
        return np.where(equal | (index < self.num_bins - 1), self.width, last)

    def locate(self, x: np.ndarray) -> np.ndarray:
        """The bin of every value of the interval."""
        guess = np.floor((x.astype(np.float64) - self.low) / self.width)
        index = np.clip(guess, 0, self.num_bins - 1)
        index = np.where(x < self.edge(index), index - 1, index)
        index = np.where(x >= self.edge(index + 1), index + 1, index)
        return np.clip(index, 0, self.num_bins - 1).astype(np.int64)


def as_interval(interval: Any, x: np.ndarray) -> tuple[float, float]:
    """Check the interval of the estimate, or take the data's own range; all data lie in it."""
    if interval is None:
        low, high = float(x.min()), float(x.max())
        if low == high:
            raise ValueError(f"all values are {low:g}: no range; give interval=(low, high)")
        return low, high
    low, high = _two_numbers(interval)
    outside = (x < low) | (x > high)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(
            f"x[{row}] is {x[row]:g}, outside the interval [{low:g}, {high:g}]; give "
            "interval=None for the data's own range, or another interval=(low, high)"
        )
    return low, high


def _two_numbers(interval: Any) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in interval)
    except (TypeError, ValueError):
        raise TypeError(f"interval must be (low, high) or None, got {interval!r}") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"interval must be finite with low < high, got ({low:g}, {high:g})")
    return low, high


def finest_width(interval: tuple[float, float], dtype: Any) -> float:
    """The narrowest bins whose edges floats can tell apart everywhere on the interval."""
    return 4 * float(np.spacing(np.asarray(max(map(abs, interval)), dtype)))


def as_bins(width: float, interval: tuple[float, float], dtype: Any) -> Bins:
    """Check that the width fits into the interval and that floats can tell its edges apart."""
    low, high = interval
    if width > (high - low) * (1 + 1e-12):
        raise ValueError(
            f"width must be at most the interval's length {high - low:g}, got {width:g}"
        )
    finest = finest_width(interval, dtype)
    if width < finest:
        raise ValueError(
            f"width {width:g} is below what {np.dtype(dtype).name} resolves on this interval; "
            f"give at least {finest:.3g}"
        )
    return Bins(low, high, min(width, high - low), dtype)
