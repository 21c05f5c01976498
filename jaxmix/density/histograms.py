"""The histogram as a density estimate, its width by leave-one-out cross-validation.

notes/density.md, eq. 3 to 8.
"""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix.density.bins import MOST_BINS, Bins, as_bins, as_interval, finest_width
from jaxmix.density.scores import leave_one_out_terms, read_values, score_of_bins
from jaxmix.density.smoothers import Smoother, read_points, read_positive
from jaxmix.precision import to_jax

EVERY = 200
"""Equal bins are tried in every number up to this one."""

FURTHER = 300
"""Numbers of bins tried beyond, in equal ratios up to the data's resolution."""


class Histogram(Smoother):
    """Constant heights between edges; 0 outside, and its integral is 1."""

    edges: Float[Array, " edges"]
    heights: Float[Array, " bins"]
    bin_of_row: Int[Array, " n"]
    width: Float[Array, ""]
    """Length of every bin but the last, which may be narrower."""
    score: Float[Array, ""]

    @property
    def loo_score(self) -> Float[Array, ""]:
        """The leave-one-out score J of the width; lower is better."""
        return self.score

    def predict(self, x: Any) -> Float[Array, " m"]:
        """The height of the bin of every value; 0 outside the interval."""
        index, inside = self.locate(x)
        return jnp.where(inside, self.heights[index], 0.0)

    def smoother(self, x: Any) -> Float[Array, "m n"]:
        r"""Weights $l_i(x) = 1 / (n w_j)$ where $x$ and $x_i$ share bin $j$, otherwise 0."""
        index, inside = self.locate(x)
        together = (index[:, None] == self.bin_of_row) & inside[:, None]
        density = 1 / (len(self.bin_of_row) * jnp.diff(self.edges))
        return together * density[index][:, None]

    def locate(self, x: Any) -> tuple[Int[Array, " m"], Array]:
        """The bin of every value, and whether it lies in the interval."""
        values = read_points(x, self.edges[:, None])[:, 0]
        index = jnp.searchsorted(self.edges, values, side="right") - 1
        inside = (values >= self.edges[0]) & (values <= self.edges[-1])
        return jnp.clip(index, 0, len(self.heights) - 1), inside


def histogram(
    x: Any, width: float | None = None, interval: tuple[float, float] | None = (0.0, 1.0)
) -> Histogram:
    r"""The density estimate $\hat f(x) = N_j / (n w_j)$ for x in bin j.

    A value on an edge belongs to the bin on its right, and the interval's end to the last bin.
    Where the width does not divide the interval, the last bin is narrower and its height is its
    count over n times its own width, so that the integral is 1.

    Args:
        x: data [n] in the interval, or anything that `fit` takes with one column.
        width: h, the length of a bin. Left out, it is the equal division of the interval with the
            lowest leave-one-out score among widths that are not below the smallest gap between
            different values, the data's resolution: below it, bins only tell how often values
            repeat.
        interval: (low, high), [0, 1] when left out; None for the data's own range.

    Returns:
        A `Histogram` with `.edges`, `.heights`, `.width`, `.loo_score`, `.predict(x)` and
        `.smoother(x)`. It warns where values repeat so often that the score falls without bound
        as the width shrinks, because the width chosen is then owed to the bound.

    Raises:
        ValueError, TypeError: for data outside the interval, or a width that does not fit it.

    Examples:
        >>> import jaxmix as jm
        >>> estimate = jm.density.histogram([0.1, 0.2, 0.8], width=0.5)
        >>> estimate.heights.tolist(), estimate.predict([0.3, 0.5, 2.0]).tolist()
        ([1.33..., 0.66...], [1.33..., 0.66..., 0.0])

    Source: Rudemo (1982), Scandinavian Journal of Statistics 9, for the score; notes/density.md.
    """
    values = read_values(x)
    low_high = as_interval(interval, values)
    if width is None:
        bins = best_bins(values, low_high)
    else:
        bins = as_bins(float(read_positive(width, "width")), low_high, values.dtype)
    return build(values, bins)


def build(x: np.ndarray, bins: Bins) -> Histogram:
    """Heights of given bins."""
    if bins.num_bins > MOST_BINS:
        least = (bins.high - bins.low) / MOST_BINS
        raise ValueError(f"{bins.num_bins} bins are too many to hold; give width >= {least:g}")
    bin_of_row, edges = bins.locate(x), bins.edge(np.arange(bins.num_bins + 1))
    heights = np.bincount(bin_of_row, minlength=bins.num_bins) / (len(x) * np.diff(edges))
    score = score_of_bins(x, bins, leave_one_out_terms)

    def number(value: float) -> Array:
        return to_jax(np.asarray(value, x.dtype))

    return Histogram(
        to_jax(edges),
        to_jax(heights.astype(x.dtype)),
        to_jax(bin_of_row.astype(np.int32)),
        number(bins.width),
        number(score),
    )


def best_bins(x: np.ndarray, interval: tuple[float, float]) -> Bins:
    """Equal bins of the lowest leave-one-out score, none narrower than the data's resolution."""
    low, high = interval
    resolution = smallest_gap(x)
    distinct = (high - low) / finest_width(interval, x.dtype)
    most = int(np.clip((high - low) / resolution * (1 + 1e-9), 1, min(distinct, MOST_BINS)))
    numbers = np.union1d(
        np.arange(1, min(most, EVERY) + 1), np.geomspace(1, most, FURTHER).astype(int)
    )
    bins = [as_bins((high - low) / number, interval, x.dtype) for number in numbers]
    best = bins[int(np.argmin([score_of_bins(x, each, leave_one_out_terms) for each in bins]))]
    warn_of_repeats(x, best, resolution)
    return best


def smallest_gap(x: np.ndarray) -> float:
    """The resolution of data: the smallest difference of two values that differ."""
    different = np.unique(x)
    if len(different) < 2:
        raise ValueError(f"all values are {different[0]:g}: no width can be chosen; give width=")
    return float(np.diff(different.astype(np.float64)).min())


def warn_of_repeats(x: np.ndarray, chosen: Bins, resolution: float) -> None:
    """Say when the score has no minimum but for the range of widths (notes/density.md, eq. 8)."""
    _, counts = np.unique(x, return_counts=True)
    if np.sum(leave_one_out_terms(counts / len(x), len(x))) < 0:
        warnings.warn(
            f"values repeat so often that the leave-one-out score falls without bound as the width "
            f"shrinks; no width below the data's resolution {resolution:.3g} was tried, and "
            f"{chosen.width:.3g} is the best of the rest. Give width= if that follows the repeats",
            stacklevel=4,
        )
