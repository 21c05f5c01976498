"""SQUAREM: squared extrapolation of EM, along a direction and as far as two EM steps suggest.

notes/acceleration.md, eq. 2 to 6; globalized by the objective, eq. 12.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmix.methods.acceleration import Acceleration, Evaluate, Point
from jaxmix.methods.base import check_numbers

FALLBACK, FIRST, BEYOND, ARRIVAL, ARRIVED, FELL_BACK = -1, 0, 1, 2, 3, 4
"""What a step evaluates next: two plain steps, the first of them, the extrapolated point, the map
of that; or how it ended. One evaluation in the program serves all, so that it compiles once."""


class SQUAREMState(eqx.Module):
    """The present point, and how far an extrapolation may go."""

    point: Point
    step_max: Float[Array, ""]


class Search(eqx.Module):
    """A step on its way."""

    point: Point
    trial: Float[Array, " p"]
    """Where to evaluate next."""
    twice: Float[Array, " p"]
    """Two plain steps from where the step began."""
    length: Float[Array, ""]
    phase: Int[Array, ""]
    tried: Int[Array, ""]


class SQUAREM(Acceleration):
    r"""EM with squared extrapolation, globalized.

    From $\theta_0$ the map leads to $\theta_1$ and $\theta_2$. With $r = \theta_1 - \theta_0$ and
    $v = (\theta_2 - \theta_1) - r$,

    $$\theta' = \theta_0 + 2 \alpha r + \alpha^2 v, \qquad
    \alpha = \min\Big(\max\Big(\frac{\lVert r\rVert}{\lVert v\rVert}, 1\Big), \alpha_{\max}\Big),$$

    and the step ends at the map of $\theta'$. At $\alpha = 1$ that is $\theta_2$, two EM steps,
    which are also taken where the extrapolation is refused. A step costs 3 evaluations of the map,
    2 at $\alpha = 1$, and one more where an extrapolation is refused.

    Mixtures move in their unconstrained coordinates, so that no extrapolation leaves the domain.

    Args:
        max_decrease: nats by which the objective may fall in a step, R's `objfn.inc`; 0 makes runs
            monotone. What helps on the way, 1 nat, is far less than EM then gains.
        step_max: the first bound $\alpha_{\max} \ge 1$; R's `step.max0`.
        growth: factor by which the bound grows after an extrapolation at the bound was accepted,
            and shrinks, to `step_max` at least, after one was refused; R's `mstep`.
        residual_increase: a map without objective is judged by its residual instead, whose norm
            may grow in a step by this much of one plus the root mean square of $\theta$; R's `kr`.

    Raises:
        ValueError, TypeError: for numbers out of range.

    Examples:
        >>> import jaxmix as jm
        >>> faithful = jm.data.load("faithful").x
        >>> start = jm.initialize(faithful, 3, seed=0)
        >>> em, squarem = (jm.fit(faithful, start, m) for m in (jm.EM(), jm.SQUAREM()))
        >>> bool(squarem.cost.passes < em.cost.passes / 2)
        True

    Source: Varadhan & Roland (2008), Scand. J. Statist. 35, scheme S3, sections 4 to 6.
    """

    max_decrease: float | Array = 1.0
    step_max: float | Array = 1.0
    growth: float | Array = 4.0
    residual_increase: float | Array = 1.0

    def __check_init__(self) -> None:
        check_numbers(max_decrease=self.max_decrease, residual_increase=self.residual_increase)
        check_numbers(least=1, step_max=self.step_max, growth=self.growth)

    def begin(self, point: Point) -> SQUAREMState:
        step_max = jnp.asarray(self.step_max, point.theta.dtype)
        return SQUAREMState(point, step_max)

    def move(self, evaluate: Evaluate, state: SQUAREMState) -> tuple[SQUAREMState, Int[Array, ""]]:
        here, step_max = state.point, state.step_max
        size = 1 + jnp.sqrt(jnp.mean(here.image**2))
        floor = self.floor(here, self.residual_increase * size)

        def attempt(search: Search) -> Search:
            return onward(here, floor, step_max, search, evaluate(search.trial))

        none = jnp.zeros((), jnp.int32)
        search = Search(here, here.image, here.image, jnp.ones_like(step_max), none, none)
        search = jax.lax.while_loop(lambda search: search.phase < ARRIVED, attempt, search)
        refused = (search.length > 1) & (search.phase == FELL_BACK)
        step_max = self._next_step_max(step_max, search.length, refused)
        return SQUAREMState(search.point, step_max), search.tried

    def _next_step_max(
        self, step_max: Float[Array, ""], length: Float[Array, ""], refused: Bool[Array, ""]
    ) -> Float[Array, ""]:
        least = jnp.asarray(self.step_max, step_max.dtype)
        shorter = jnp.maximum(least, step_max / self.growth)
        longer = jnp.where(length == step_max, self.growth * step_max, step_max)
        return jnp.where(refused, shorter, longer)


def onward(
    here: Point, floor: Float[Array, ""], step_max: Float[Array, ""], search: Search, point: Point
) -> Search:
    """A step after one more evaluation, which says what comes next."""
    phase = search.phase
    r, v = here.residual, point.residual - here.residual
    length = jnp.where(phase == FIRST, steplength(r, v, step_max), search.length)
    twice = jnp.where(phase == FIRST, point.image, search.twice)
    higher = point.usable & (point.objective >= floor)
    fine = jnp.select([phase == FIRST, phase == BEYOND], [length > 1, point.usable], higher)
    after = jnp.where(fine, phase + 1, FALLBACK)
    after = jnp.where(phase == FALLBACK, FELL_BACK, after)
    beyond = here.theta + 2 * length * r + length**2 * v
    trial = jnp.select([after == BEYOND, after == ARRIVAL], [beyond, point.image], twice)
    return Search(point, trial, twice, length, after, search.tried + 1)


def steplength(
    r: Float[Array, " p"], v: Float[Array, " p"], step_max: Float[Array, ""]
) -> Float[Array, ""]:
    """Scheme S3's steplength within its bounds; 1, two plain steps, where it is undefined."""
    curvature = jnp.linalg.norm(v)
    ratio = jnp.linalg.norm(r) / jnp.where(curvature > 0, curvature, 1.0)
    defined = (curvature > 0) & jnp.isfinite(ratio)
    return jnp.where(defined, jnp.clip(ratio, 1.0, step_max), 1.0)
