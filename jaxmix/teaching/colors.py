"""The colors of an image, each once with its number of pixels, on grids as coarse as asked for.

What is fitted to an image needs no more: a color that m pixels have is one row of weight m.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxmix.data.image import Levels

LEVELS = 256
"""Levels of one channel."""


class Colors(NamedTuple):
    """Different colors with their numbers of pixels."""

    values: Float[np.ndarray, "n 3"]
    """Red, green and blue, 0 to 255."""
    counts: Float[np.ndarray, " n"]
    width: int = 1
    """Levels of a channel that lie in one cell of the grid; 1 where the colors are exact."""

    @property
    def mean(self) -> Float[np.ndarray, " 3"]:
        """The mean color of all pixels."""
        return self.counts @ self.values / self.counts.sum()

    def means_of(self, labels: Int[np.ndarray, " n"], k: int) -> Float[np.ndarray, "k 3"]:
        """The mean color of the pixels with each of k labels; 0 where there are none."""
        counts = np.bincount(labels, self.counts, minlength=k)[:, None]
        sums = [np.bincount(labels, self.counts * channel, k) for channel in self.values.T]
        return np.stack(sums, axis=1) / np.where(counts > 0, counts, 1)


def distinct(levels: Levels) -> tuple[Colors, Int[np.ndarray, "h w"]]:
    """The different colors of an image, and which of them each pixel has."""
    codes, places, counts = np.unique(_codes(levels), return_inverse=True, return_counts=True)
    values = np.stack([codes // LEVELS**2, codes // LEVELS % LEVELS, codes % LEVELS], axis=1)
    return Colors(values.astype(float), counts.astype(float)), places.reshape(levels.shape[:2])


def gathered(colors: Colors, most: int) -> Colors:
    """The mean colors of the finest grid of cells 1, 2, 4, ... levels wide that has few enough.

    Args:
        colors: of an image, exact.
        most: the most cells with a pixel in them.

    Returns:
        The mean of the pixels of each cell, with their number.
    """
    width = 1
    codes, cells = _cells(colors, width)
    while len(codes) > most:
        width *= 2
        codes, cells = _cells(colors, width)
    if width == 1:
        return colors
    counts = np.bincount(cells, colors.counts)
    return Colors(colors.means_of(cells, len(codes)), counts, width)


def _cells(colors: Colors, width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(_codes(colors.values // width), return_inverse=True)


def _codes(levels: np.ndarray) -> Int[np.ndarray, "..."]:
    """One whole number a color."""
    return levels.astype(np.int64) @ np.array([LEVELS**2, LEVELS, 1])


def as_hex(color: Any) -> str:
    """A color as in HTML, each channel rounded to a whole level.

    >>> as_hex([255.0, 127.6, 0.0])
    '#ff8000'
    """
    return "#" + "".join(f"{level:02x}" for level in np.rint(color).astype(int))
