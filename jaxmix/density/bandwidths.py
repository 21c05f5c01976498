"""The bandwidth of the lowest leave-one-out score, by its derivative in log h.

notes/density.md, eq. 11 to 13: a coarse grid over the range finds every valley, and L-BFGS descends
into each from the grid's point, so that the lowest of them is the minimum over the range.
"""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from scipy.spatial import KDTree

Score = Callable[..., Float[Array, ""]]
"""A leave-one-out score `score(bandwidth, *data)`, differentiable in its bandwidth."""

GRID = 64
"""Points of the coarse grid, in equal ratios."""

GRID_ROWS = 4096
"""Most rows whose scores make up the grid: all pairs of them take a tenth of a second a point."""

STEPS = 30
"""At most so many steps of L-BFGS a valley; one parameter needs about five."""


def resolution(x: Float[Array, "n d"]) -> float:
    """The smallest distance between different rows."""
    different = np.unique(np.asarray(x, np.float64), axis=0)
    if len(different) < 2:
        raise ValueError("all rows of x are equal: no bandwidth can be chosen; give bandwidth=")
    unit = _largest_range(different)
    return unit * float(KDTree(different / unit).query(different / unit, k=2)[0][:, 1].min())


def extent(x: Float[Array, "n d"]) -> float:
    """The diagonal of the box around all rows, which no distance between rows exceeds."""
    unit = _largest_range(x)
    return unit * float(np.linalg.norm(np.ptp(np.asarray(x, np.float64), axis=0) / unit))


def _largest_range(x: Float[Array | np.ndarray, "n d"]) -> float:
    """The longest side of the box around all rows, whose square floats may not hold."""
    return float(np.max(np.ptp(np.asarray(x, np.float64), axis=0)))


def best_bandwidth(
    score: Score, data: tuple[Array, ...], lower: float, upper: float
) -> Float[Array, ""]:
    """The bandwidth between two positive bounds whose score is lowest; warns at the lower one.

    The first of the data are rows [n d] in the unit of the bandwidth; their range becomes about 1,
    by a power of 2, so that derivatives stay in the range of floats. Raises ValueError where no
    score is a number.
    """
    dtype = data[0].dtype
    unit = 2.0 ** np.floor(np.log2(upper))
    data = (data[0] / jnp.asarray(unit, dtype), *data[1:])
    log_grid = jnp.linspace(np.log(lower / unit), np.log(upper / unit), GRID, dtype=dtype)
    some = data if len(data[0]) <= GRID_ROWS else tuple(part[_sample(len(part))] for part in data)
    log_bandwidth, lowest = compiled_search(score, data, some, log_grid)
    if not np.isfinite(lowest):
        raise ValueError("the scores leave the range of floats; standardize the data first")
    if log_bandwidth == log_grid[0] < log_grid[-1]:
        warnings.warn(
            "the leave-one-out score is lowest at the smallest bandwidth tried, "
            f"{lower:.3g}, which the data's resolution sets, and may be lower still below it: so "
            "it is where rows repeat, lie on a grid, or follow a curve without noise. Give "
            "bandwidth= if the estimate is too rough",
            stacklevel=3,
        )
    return jnp.exp(log_bandwidth) * jnp.asarray(unit, dtype)


def _sample(n: int) -> np.ndarray:
    """Some of n rows, the same ones every time."""
    return np.sort(np.random.default_rng(0).choice(n, GRID_ROWS, replace=False))


def search(
    score: Score, data: tuple[Array, ...], some: tuple[Array, ...], log_grid: Float[Array, " g"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The lowest point among the grid's and those that descents reach; the largest of equals.

    Valleys are found on `some` rows, which are all where they are few; otherwise only the ends of
    the grid compete with the descents.
    """
    spacing = log_grid[1] - log_grid[0]

    def at(log_bandwidth: Float[Array, ""]) -> Float[Array, ""]:
        return score(jnp.exp(log_bandwidth), *data)

    scores = jax.lax.map(lambda log_bandwidth: score(jnp.exp(log_bandwidth), *some), log_grid)
    curvatures = scores[:-2] - 2 * scores[1:-1] + scores[2:]
    valleys = (scores[1:-1] < scores[:-2]) & (scores[1:-1] <= scores[2:])

    def refine(valley: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        log_bandwidth, curvature, is_valley = valley
        return jax.lax.cond(
            is_valley,
            lambda: descend(at, log_bandwidth, spacing, curvature, (log_grid[0], log_grid[-1])),
            lambda: (log_bandwidth, jnp.full_like(log_bandwidth, jnp.inf)),
        )

    refined, refined_scores = jax.lax.map(refine, (log_grid[1:-1], curvatures, valleys))
    if len(some[0]) < len(data[0]):
        log_grid = log_grid[jnp.array([0, -1])]
        scores = jax.lax.map(at, log_grid)
    points, values = (
        jnp.concatenate(parts) for parts in ((log_grid, refined), (scores, refined_scores))
    )
    lowest = jnp.nanmin(values)
    return jnp.max(jnp.where(values == lowest, points, -jnp.inf)), lowest


compiled_search = jax.jit(search, static_argnames="score")


def descend(
    at: Callable[[Array], Array],
    start: Float[Array, ""],
    spacing: Float[Array, ""],
    curvature: Float[Array, ""],
    bounds: tuple[Array, Array],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """L-BFGS from a valley of the grid, in units in which spacing and curvature are 1."""
    optimizer = optax.lbfgs()

    def loss(moved: Float[Array, ""]) -> Float[Array, ""]:
        return at(start + spacing * moved) / curvature

    def step(carry: tuple[Array, Any, Array]) -> tuple[Array, Any, Array]:
        moved, state, count = carry
        value, slope = value_and_slope(moved, state=state)
        update, state = optimizer.update(
            slope, state, moved, value=value, grad=slope, value_fn=loss
        )
        return jnp.asarray(optax.apply_updates(moved, update)), state, count + 1

    def is_moving(carry: tuple[Array, Any, Array]) -> Array:
        _, state, count = carry
        slope = optax.tree.get(state, "grad")
        return (count == 0) | ((count < STEPS) & (jnp.abs(slope) > tolerance))

    value_and_slope = optax.value_and_grad_from_state(loss)
    tolerance = jnp.sqrt(jnp.finfo(start.dtype).eps)
    moved = jnp.zeros_like(start)
    carry = (moved, optimizer.init(moved), jnp.zeros((), jnp.int32))
    moved, _, _ = jax.lax.while_loop(is_moving, step, carry)
    end = jnp.clip(start + spacing * moved, *bounds)
    return end, at(end)
