"""Smooth curves through the waypoints of a computation graph's arrows, as Bezier curves [4 2]."""

from collections import defaultdict
from itertools import pairwise

import numpy as np

Arrow = tuple[int, int]
Point = tuple[float, ...]
Curves = dict[Arrow, list[np.ndarray]]

STEEP = 1.0
"""Rows in a layer from which a line is level at its ends: else it runs into the boxes beside."""


def bend(routes: dict[Arrow, np.ndarray]) -> Curves:
    """A curve for every stretch of every route, which together have no corner.

    Args:
        routes: points [p 2] of every arrow, a layer apart.

    Returns:
        The curves of every arrow; where routes share a stretch, they share its curve.
    """
    rises: dict[Point, dict[Point, float]] = defaultdict(dict)
    for points in routes.values():
        for start, end in pairwise(map(tuple, points)):
            rises[start][end] = rises[end][start] = end[1] - start[1]
    waypoints = {tuple(point) for points in routes.values() for point in points[1:-1]}
    slopes = {point: _slope(list(rises[point].values())) for point in waypoints}
    return {
        arrow: [_curve(start, end, slopes) for start, end in pairwise(points)]
        for arrow, points in routes.items()
    }


def points_along(curve: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points [s 2] of a Bezier curve at shares [s] of its way."""
    t = shares[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return weights @ curve


def _slope(rises: list[float]) -> float:
    """That of the stretches that meet at a waypoint, on average; level where one is steep."""
    return float(np.mean(rises)) if max(map(abs, rises)) <= STEEP else 0.0


def _curve(start: np.ndarray, end: np.ndarray, slopes: dict[Point, float]) -> np.ndarray:
    """From the slope at its start to that at its end; at a box, its own, or level if steep."""
    rise = float(end[1] - start[1])
    reach, own = (1 / 3, rise) if abs(rise) <= STEEP else (0.65, 0.0)
    leaving, arriving = (slopes.get(tuple(point), own) for point in (start, end))
    return np.array(
        [start, start + reach * np.array([1, leaving]), end - reach * np.array([1, arriving]), end]
    )
