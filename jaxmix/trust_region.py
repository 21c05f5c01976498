"""A quadratic model on a ball: where it is highest, whatever its curvature.

Negative curvature and flat directions are no exceptions: on a ball every quadratic has a maximum
(notes/acceleration.md, eq. 15 to 17).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NEGLIGIBLE = 1e-10
"""Nats along a flat direction that are not worth a step."""


class Subspace(eqx.Module):
    """A quadratic model g's - s'As/2 in the span of some directions, its own axes."""

    axes: Float[Array, "p m"]
    curvatures: Float[Array, " m"]
    """Of A, ascending."""
    slopes: Float[Array, " m"]


def krylov(
    product: Callable[[Float[Array, " p"]], Float[Array, " p"]],
    slope: Float[Array, " p"],
    size: int,
    noise: Float[Array, "m p"],
) -> Subspace:
    """The model in a Krylov space of the gradient, with as many products as it has directions.

    Where the space is complete, as at a saddle where the gradient is zero, a random direction
    follows, so that negative curvature is seen that the gradient does not touch.

    Args:
        product: A times a vector.
        slope: g.
        size: directions m, at most p.
        noise: random directions.
    """
    tiny = jnp.finfo(slope.dtype).eps ** 0.5

    def orthonormal(v: Array, basis: Array, fallback: Array) -> Array:
        """v, or another direction where nothing of it is new, at right angles to the basis."""
        size = jnp.linalg.norm(v)
        left = _without(basis, _without(basis, v))
        other = _without(basis, _without(basis, fallback))
        new = jnp.where(jnp.linalg.norm(left) > tiny * size, left, other)
        return new / jnp.linalg.norm(new)

    def extend(carry: tuple[Array, Array], given: tuple[Array, Array]) -> tuple[tuple, Array]:
        basis, next_direction = carry
        index, fallback = given
        direction = orthonormal(next_direction, basis, fallback)
        basis = basis.at[:, index].set(direction)
        image = product(direction)
        return (basis, image), image

    blank = jnp.zeros((slope.size, size), slope.dtype)
    steps = jnp.arange(size), noise
    (basis, _), images = jax.lax.scan(extend, (blank, slope), steps)
    inner = basis.T @ images.T
    curvatures, turns = jnp.linalg.eigh((inner + inner.T) / 2)
    axes = basis @ turns
    return Subspace(axes, curvatures, axes.T @ slope)


def _without(basis: Float[Array, "p m"], v: Float[Array, " p"]) -> Float[Array, " p"]:
    return v - basis @ (basis.T @ v)


def highest(
    model: Subspace, radius: Float[Array, ""]
) -> tuple[Float[Array, " p"], Float[Array, ""]]:
    """The highest point of a model within a radius, and what it promises."""
    curvatures, slopes = model.curvatures, model.slopes
    flat = jnp.finfo(slopes.dtype).eps ** 0.5 * jnp.maximum(jnp.max(jnp.abs(curvatures)), 1e-3)
    idle = (jnp.abs(curvatures) <= flat) & (jnp.abs(slopes) * radius <= NEGLIGIBLE)
    slopes = jnp.where(idle, 0.0, slopes)
    curvatures = jnp.where(idle, jnp.inf, curvatures)
    least = jnp.min(curvatures)

    def point(shift: Float[Array, ""]) -> Float[Array, " m"]:
        bent = curvatures + shift
        return jnp.where(bent > 0, slopes / jnp.where(bent > 0, bent, 1.0), 0.0)

    floor = jnp.maximum(0.0, -least)
    # Between these the length passes the radius once.
    most = floor + jnp.linalg.norm(slopes) / radius + flat

    def halve(bounds: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        low, high = bounds
        middle = (low + high) / 2
        outside = jnp.linalg.norm(point(middle)) > radius
        return (jnp.where(outside, middle, low), jnp.where(outside, high, middle)), None

    (_, shift), _ = jax.lax.scan(halve, (floor, most), None, length=60)
    inside = (least > flat) & (jnp.linalg.norm(point(jnp.zeros_like(floor))) <= radius)
    best = jnp.where(inside, point(jnp.zeros_like(floor)), point(shift))
    # At a saddle the slope says nothing of the direction in which the model rises.
    rest = jnp.sqrt(jnp.maximum(radius**2 - best[1:] @ best[1:], 0.0))
    rising = ~inside & (least < -flat)
    best = jnp.where(rising, best.at[0].set(jnp.where(slopes[0] < 0, -rest, rest)), best)
    length = jnp.linalg.norm(best)
    best = best * jnp.where(length > radius, radius / jnp.where(length > 0, length, 1.0), 1.0)
    gain = slopes @ best - jnp.where(idle, 0.0, model.curvatures) @ best**2 / 2
    return model.axes @ best, gain
