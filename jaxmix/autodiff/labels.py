"""Free places for the labels of arrows, among the nodes and arrows of a picture, in inches."""

from collections.abc import Sequence

import numpy as np
from matplotlib.textpath import TextPath

POINTS_AN_INCH = 72.0
LINE_HEIGHT = 1.25
ALONG = 0.5 + np.array([0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, -6, 6]) * 0.05
"""Shares of an arrow's last stretch at which a label may stand, the best first."""


def text_size(text: str, points: float, pad: float) -> tuple[float, float]:
    """Width and height of a text in a box, whose pad is given in sizes of the font."""
    lines = text.split("\n")
    width = max(TextPath((0, 0), line or " ", size=points).get_extents().width for line in lines)
    height = points * LINE_HEIGHT * len(lines)
    return (width + 2 * pad * points) / POINTS_AN_INCH, (height + 2 * pad * points) / POINTS_AN_INCH


class Labels:
    """Boxes that are taken, by their centers and sizes [n 2], and points of arrows to avoid."""

    def __init__(self, centers: np.ndarray, sizes: np.ndarray):
        self.centers, self.sizes = centers, sizes
        self.points, self.owners = np.zeros((0, 2)), np.zeros(0, int)

    def avoid(self, stretches: Sequence[np.ndarray]) -> None:
        """Keep labels off the points [p 2] of every stretch of an arrow, but for their own."""
        self.points = np.concatenate([self.points, *stretches])
        self.owners = np.repeat(range(len(stretches)), [len(points) for points in stretches])

    def place(self, own: int, spots: np.ndarray, size: tuple[float, float]) -> np.ndarray:
        """Take the spot [s 2] that covers least: no box if possible, then few other arrows.

        Args:
            own: the stretch that the label belongs to.
            spots: centers to choose from, the best first.
            size: of the label.

        Returns:
            The center.
        """
        near = np.abs(self.points[:, 0] - spots[0, 0]) < np.ptp(spots[:, 0]) + size[0]
        others = self.points[near & (self.owners != own)]
        boxes = _inside(spots, self.centers, (self.sizes + size) / 2)
        best = spots[np.argmin(1000 * boxes + _inside(spots, others, np.array(size) / 2))]
        self.centers, self.sizes = np.vstack([self.centers, best]), np.vstack([self.sizes, size])
        return best


def _inside(spots: np.ndarray, centers: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """How many centers each spot has within reach."""
    return np.all(np.abs(spots[:, None] - centers) < reach, axis=-1).sum(axis=1)
