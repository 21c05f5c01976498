"""What accelerations of EM share: they see a map, and know nothing of mixtures.

An acceleration works on vectors of coordinates. One evaluation at a vector says where the map leads
from there and how high the objective is; `fit` makes it from a pass over the data, `fixed_point`
from a user's functions (notes/acceleration.md, eq. 1 and 12).
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmix.free import ravel, unravel
from jaxmix.methods.base import Cost, Info, Method
from jaxmix.mixture import Mixture
from jaxmix.problem import Evaluation, Problem
from jaxmix.stopping import Visit


class Point(eqx.Module):
    """What one evaluation says at a vector of coordinates."""

    theta: Float[Array, " p"]
    image: Float[Array, " p"]
    """Where the map leads from `theta`."""
    objective: Float[Array, ""]
    """Higher is better; minus the residual's norm where a map has no objective."""
    usable: Bool[Array, ""]
    """Whether a run may go on from here: everything is finite and nothing has collapsed."""
    detail: Any
    """What the caller wants to know of an accepted point."""
    scored: bool = eqx.field(static=True)
    """Whether the map has an objective."""

    @property
    def residual(self) -> Float[Array, " p"]:
        """What one application of the map changes, zero at a fixed point."""
        return self.image - self.theta


Evaluate = Callable[[Float[Array, " p"]], Point]


class Acceleration(Method):
    """A method for the fixed point of any map, and for mixtures by their EM map.

    An extrapolated point is refused where it is unusable, and where the objective lies more than
    `max_decrease` below the last accepted one; the map's own step is taken instead.
    """

    max_decrease: eqx.AbstractVar[float | Array]

    @abstractmethod
    def begin(self, point: Point) -> Any:
        """The state of a run that starts at a point; it holds the last point as `.point`."""

    @abstractmethod
    def move(self, evaluate: Evaluate, state: Any) -> tuple[Any, Int[Array, ""]]:
        """One step: the next state, and the number of evaluations that it took."""

    def init(self, problem: Problem, mixture: Mixture) -> Any:
        mixture.unconstrain(problem.fixed)
        return self.begin(visit(problem, mixture))

    def step(self, problem: Problem, state: Any) -> tuple[Any, Info]:
        template = self.finish(state)

        def evaluate(theta: Float[Array, " p"]) -> Point:
            return visit(problem, unravel(template, theta, problem.fixed))

        state, tried = self.move(evaluate, state)
        return state, Info(state.point.detail.evaluation, Cost(passes=tried))

    def finish(self, state: Any) -> Mixture:
        return state.point.detail.mixture

    def floor(self, point: Point, longer: Float[Array, ""]) -> Float[Array, ""]:
        """The objective that an extrapolation from a point has to reach.

        Without an objective the residual may be `longer` by this much; with one, what rounding
        takes is no decrease.
        """
        if not point.scored:
            return point.objective - longer
        rounding = 8 * jnp.finfo(point.objective.dtype).eps * jnp.abs(point.objective)
        return point.objective - self.max_decrease - rounding


def visit(problem: Problem, mixture: Mixture) -> Point:
    """One pass at a mixture."""
    return point_at(problem, mixture, problem.evaluate(mixture))


def point_at(problem: Problem, mixture: Mixture, evaluation: Evaluation) -> Point:
    """What a pass said; coordinates come from the mixture itself, with weights that sum to 1."""
    counts = evaluation.statistics[:, -1]
    finite = jnp.isfinite(evaluation.objective) & jnp.isfinite(evaluation.gap)
    return Point(
        theta=ravel(mixture, problem.fixed),
        image=ravel(evaluation.em_step, problem.fixed),
        objective=evaluation.objective,
        usable=finite & mixture.is_finite & ~problem.is_degenerate(mixture, counts),
        detail=Visit(mixture, evaluation),
        scored=True,
    )
