"""Steps repeated until they are small, and the linear algebra that such steps share."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxmix import dual

Function = Callable[[Any], Any]


class Iterates(NamedTuple):
    """Where an iteration went: its last point, all points [t + 1 ...], and whether it converged.

    What it has converged to is a root of what the method makes 0: of f, or of the gradient of what
    is minimized, which makes it a stationary point.
    """

    x: Any
    path: np.ndarray
    converged: bool


def iterate(step: Function, x: Any, tol: float, max_steps: int) -> Iterates:
    """Add moves to x until one is small, none is finite, or there have been too many.

    A step gives its move, and the move before anything has shortened it: only where that is small
    too has the iteration arrived.
    """
    path = [np.asarray(x, float)]
    for _ in range(max_steps):
        move, whole = step(path[-1])
        arrived = _is_small(whole, path[-1], math.sqrt(tol))
        if not np.all(np.isfinite(move)):
            return Iterates(path[-1], np.stack(path), arrived)
        path.append(np.asarray(path[-1] + move))
        if arrived and _is_small(move, path[-1], tol):
            return Iterates(path[-1], np.stack(path), True)
    return Iterates(path[-1], np.stack(path), False)


def _is_small(move: Any, x: np.ndarray, tol: float) -> bool:
    return bool(np.max(np.abs(move)) <= tol * (1 + np.max(np.abs(x))))


def stacked(y: Any) -> Any:
    """A list of numbers, some of them perhaps dual, as one array."""
    return dual.stack(y) if isinstance(y, list | tuple) else y


def solved(matrix: Any, right: np.ndarray) -> np.ndarray:
    """The solution of a linear system, or NaN where there is none."""
    try:
        size = (right.size, right.size)
        return np.linalg.solve(np.reshape(matrix, size), right.ravel()).reshape(right.shape)
    except np.linalg.LinAlgError:
        return np.full(right.shape, np.nan)


def normal_equations(residuals: Function, x: np.ndarray) -> tuple[Function, Function]:
    """The move of x by its damping, and whether a move lowers the sum of squares."""
    r = np.ravel(residuals(x))
    jacobian = np.reshape(dual.jacobian(residuals)(x), (r.size, x.size))
    normal, slope = jacobian.T @ jacobian, jacobian.T @ r
    # A parameter without effect leaves a 0 here, which no damping would lift.
    scales = np.diag(np.where(np.diag(normal) > 0, np.diag(normal), 1.0))

    def damped(damping: float) -> np.ndarray:
        return np.reshape(-solved(normal + damping * scales, slope), x.shape)

    return damped, lambda move: np.sum(residuals(x + move) ** 2) <= np.sum(r**2)
