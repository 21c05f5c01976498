"""A user's EM map as accelerations see it: on one vector of coordinates, with its objective.

`fixed_point` runs it (notes/acceleration.md, eq. 1).
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from jaxmix.methods.acceleration import Acceleration, Evaluate, Point

Function = Callable[[Any], Any]


class Place(eqx.Module):
    """What an evaluation says in the user's parameters."""

    theta: Float[Array, " p"]
    distance: Float[Array, ""]
    """How far the map would move from here."""
    objective: Float[Array, ""]
    """NaN for a map without one."""


class Map(eqx.Module):
    """A map with its objective, and the coordinates in which to extrapolate."""

    step: Function = eqx.field(static=True)
    objective: Function | None = eqx.field(static=True)
    to: Function | None = eqx.field(static=True)
    back: Function | None = eqx.field(static=True)

    def evaluator(self, start: Any) -> tuple[Evaluate, Float[Array, " q"], Function]:
        """How to evaluate at a vector of coordinates, that of a start, and parameters from a
        vector of theirs."""
        to, back = self.to or _same, self.back or _same
        vector, unravel = ravel_pytree(start)
        first, from_vector = ravel_pytree(to(start))

        def evaluate(at: Float[Array, " q"]) -> Point:
            theta = back(from_vector(at))
            after = self.step(theta)
            here, there = flat(theta, vector.dtype), flat(after, vector.dtype)
            image = flat(to(after), first.dtype)
            place = Place(here, jnp.linalg.norm(there - here), self.score(theta, vector.dtype))
            scored = self.objective is not None
            finite = jnp.all(jnp.isfinite(image)) & jnp.isfinite(place.distance)
            return Point(
                theta=at,
                image=image,
                objective=place.objective if scored else -jnp.linalg.norm(image - at),
                usable=finite & jnp.isfinite(place.objective) if scored else finite,
                detail=place,
                scored=scored,
            )

        return evaluate, first, unravel

    def score(self, theta: Any, dtype: Any) -> Float[Array, ""]:
        """The objective, NaN without one."""
        value = jnp.nan if self.objective is None else self.objective(theta)
        return jax.lax.convert_element_type(value, dtype)


class IterationState(eqx.Module):
    """The present point."""

    point: Point


class Iteration(Acceleration):
    """The map itself, step by step."""

    max_decrease: float = jnp.inf

    def begin(self, point: Point) -> IterationState:
        return IterationState(point)

    def move(
        self, evaluate: Evaluate, state: IterationState
    ) -> tuple[IterationState, Int[Array, ""]]:
        return IterationState(evaluate(state.point.image)), jnp.ones((), jnp.int32)


def flat(tree: Any, dtype: Any = None) -> Float[Array, " p"]:
    """Leaves one after the other, strongly typed."""
    vector = ravel_pytree(tree)[0]
    return jax.lax.convert_element_type(vector, vector.dtype if dtype is None else dtype)


def _same(tree: Any) -> Any:
    return tree


def check_map(whole: Map, start: Any) -> None:
    """Raise unless a map's functions take this start and give what they should."""
    if not callable(whole.step):
        raise TypeError(f"step must be a function of the parameters, got {whole.step!r}")
    wanted = jax.eval_shape(_same, start)
    _check_like("step(theta0)", jax.eval_shape(whole.step, start), wanted)
    if whole.to is not None and whole.back is not None:
        again = jax.eval_shape(whole.back, jax.eval_shape(whole.to, start))
        _check_like("the coordinates of theta0, taken back,", again, wanted)
    if whole.objective is None:
        return
    if not callable(whole.objective):
        raise TypeError(f"objective must be a function of the parameters, got {whole.objective!r}")
    value = jax.eval_shape(whole.objective, start)
    if getattr(value, "shape", None) != ():
        raise ValueError(f"objective(theta0) must be one number, got {_described(value)}")


def _check_like(name: str, given: Any, wanted: Any) -> None:
    """Raise unless a tree has the structure, shapes and kind of another."""
    if jax.tree.structure(given) != jax.tree.structure(wanted):
        raise TypeError(
            f"{name} must have the structure of theta0, {_described(wanted)}, got "
            f"{_described(given)}"
        )
    for one, other in zip(jax.tree.leaves(given), jax.tree.leaves(wanted), strict=True):
        if one.shape != other.shape:
            raise ValueError(
                f"{name} must have the shapes of theta0, {_described(wanted)}, got "
                f"{_described(given)}"
            )
        if not jnp.issubdtype(one.dtype, jnp.floating):
            raise TypeError(f"{name} must be floats, got {one.dtype}")


def _described(tree: Any) -> str:
    """Shapes in the structure that holds them."""
    return str(jax.tree.map(lambda leaf: tuple(leaf.shape), tree))
