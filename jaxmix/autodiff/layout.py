"""Where the nodes and arrows of a computation graph go: layers, and rows within each.

An arrow that crosses layers has a waypoint in each of them, which takes a row as lines do, so that
no arrow runs behind a line's box (Sugiyama, Tagawa & Toda 1981, IEEE Trans. SMC 11(2)).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxmix.autodiff.graph import Graph

SWEEPS = 8


class Layout(NamedTuple):
    """A place [lines 2] for every line, and points [p 2] for the arrow of every argument."""

    places: np.ndarray
    routes: dict[tuple[int, int], np.ndarray]


def layers(graph: "Graph") -> list[int]:
    """How many lines must come before each line: 0 for inputs and constants."""
    depths: list[int] = []
    for line in graph.lines:
        depths.append(1 + max((depths[parent] for parent in line.parents), default=-1))
    return depths


def arrange(graph: "Graph") -> Layout:
    """Places and routes: layers across, and rows ordered so that few arrows cross."""
    depths = layers(graph)
    chains = _chains(graph, depths)
    steps = list(dict.fromkeys(step for chain in chains.values() for step in pairwise(chain)))
    orders = [[node for node, own in enumerate(depths) if own == k] for k in range(max(depths) + 1)]
    places = _best(orders, steps, len(depths))
    routes = {arrow: places[chain] for arrow, chain in chains.items()}
    return Layout(places[: len(graph.lines)], routes)


def _chains(graph: "Graph", depths: list[int]) -> dict[tuple[int, int], list[int]]:
    """The nodes along every arrow; waypoints are new ones, whose depths are appended.

    Arrows from one line share them, and fork where they must.
    """
    chains, waypoints = {}, {}
    for child, line in enumerate(graph.lines):
        for parent in dict.fromkeys(line.parents):
            between = range(depths[parent] + 1, depths[child])
            for depth in between:
                if (parent, depth) not in waypoints:
                    waypoints[parent, depth] = len(depths)
                    depths.append(depth)
            chains[parent, child] = [parent, *(waypoints[parent, k] for k in between), child]
    return chains


def _best(orders: list[list[int]], steps: list[tuple[int, int]], count: int) -> np.ndarray:
    """The places with the fewest crossings, of those that sweeps down and up the layers give."""
    places = np.zeros((count, 2))
    before, after = _neighbors(steps, count)
    for depth, order in enumerate(orders):
        _place(depth, sorted(order, key=_height(before, places)), places)
    best, fewest = places.copy(), _crossings(steps, places)
    for sweep in range(SWEEPS):
        depths = range(len(orders)) if sweep % 2 else range(len(orders) - 1, -1, -1)
        for depth in depths:
            now = sorted(orders[depth], key=lambda node: -places[node, 1])
            _place(depth, sorted(now, key=_height(before if sweep % 2 else after, places)), places)
        if (crossings := _crossings(steps, places)) < fewest:
            best, fewest = places.copy(), crossings
    return best


def _neighbors(steps: list[tuple[int, int]], count: int) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for tail, head in steps:
        before[head].append(tail)
        after[tail].append(head)
    return before, after


def _height(neighbors: list[list[int]], places: np.ndarray) -> Callable[[int], float]:
    """From the top down by the mean of the neighbors, or where the node is without any."""

    def height(node: int) -> float:
        return -float(np.mean(places[neighbors[node] or [node], 1]))

    return height


def _place(depth: int, order: Sequence[int], places: np.ndarray) -> None:
    for row, node in enumerate(order):
        places[node] = depth, (len(order) - 1) / 2 - row


def _crossings(steps: list[tuple[int, int]], places: np.ndarray) -> int:
    """How many pairs of arrows cross between two layers."""
    tails, heads = places[np.array(steps, int).reshape(-1, 2).T]
    total = 0
    for depth in np.unique(tails[:, 0]):
        own = tails[:, 0] == depth
        above = np.sign(np.subtract.outer(tails[own, 1], tails[own, 1]))
        total += int(np.sum(above * np.sign(np.subtract.outer(heads[own, 1], heads[own, 1])) < 0))
    return total // 2
