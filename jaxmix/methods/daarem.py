"""DAAREM: damped Anderson acceleration of EM, with restarts and control of monotonicity.

notes/acceleration.md, eq. 7 to 11; globalized by the objective, eq. 12.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmix.inputs import as_count
from jaxmix.methods.acceleration import Acceleration, Evaluate, Point
from jaxmix.methods.base import check_numbers

NEWTON_STEPS = 12
"""For the damping: each about squares the error, and 12 leave none."""


class DAAREMState(eqx.Module):
    """The present point, the last differences, and what damps their use."""

    point: Point
    moves: Float[Array, "m p"]
    """Differences of successive points, the latest first."""
    changes: Float[Array, "m p"]
    """Differences of their residuals."""
    known: Int[Array, ""]
    """How many differences belong to the present cycle."""
    trust: Float[Array, ""]
    """Accepted extrapolations, less those of cycles that lowered the objective."""
    cycle_objective: Float[Array, ""]
    num_moves: Int[Array, ""]


class DAAREM(Acceleration):
    r"""EM with damped Anderson acceleration, restarts and control of monotonicity.

    With residuals $f = F(\theta) - \theta$ and the differences $X_k$ of the last points and $F_k$
    of their residuals in the columns of two matrices,

    $$\theta_{k+1} = \theta_k + f_k - (X_k + F_k) \gamma_k, \qquad
    \gamma_k = (F_k^\top F_k + \lambda_k I)^{-1} F_k^\top f_k,$$

    where $\lambda_k$ shrinks the squared length of $\gamma_k$ by $1 / (1 + \alpha^{\kappa - s_k})$,
    and $s_k$ counts the accepted extrapolations. After `order` steps all differences but the last
    are dropped; where such a cycle ends lower than it began, its steps are taken off $s_k$.

    A step costs 1 evaluation of the map, 2 where its extrapolation is refused.

    Args:
        order: differences to use at most; never more than half the coordinates, rounded up.
        max_decrease: nats by which the objective may fall in a step; R's `mon.tol`, 0.01 there. At
            0, monotone, runs seldom end at a saddle, which is a zero of the residual too; 0.01 led
            to one from 1 start in 100 of a mixture with close components, and saved no passes.
        cycle_decrease: nats by which a cycle may lower it before damping grows; R's `cycl.mon.tol`.
        alpha, kappa: how fast damping fades with accepted steps, and after how many half is gone.
        rho: in [0, 1]. A map without objective is judged by its residual instead: the k-th step may
            end at most at $(1 + \rho^k) \lVert f_k \rVert$.

    Raises:
        ValueError, TypeError: for numbers out of range.

    Examples:
        >>> import jaxmix as jm
        >>> deaths, start = jm.data.load("hasselblad"), jm.poisson_mixture([0.4, 0.6], [1.0, 2.0])
        >>> result = jm.fit(deaths.x, start, jm.DAAREM(), sample_weights=deaths.sample_weights)
        >>> result.outcome.name, bool(result.cost.passes < 100)
        ('CONVERGED', True)

    Source: Henderson & Varadhan (2019), J. Comput. Graph. Statist. 28, algorithm 2.
    """

    order: int = eqx.field(static=True, default=10)
    max_decrease: float | Array = 0.0
    cycle_decrease: float | Array = 0.0
    alpha: float | Array = 1.2
    kappa: float | Array = 25.0
    rho: float | Array = 0.95

    def __check_init__(self) -> None:
        as_count(self.order, "order")
        check_numbers(max_decrease=self.max_decrease, cycle_decrease=self.cycle_decrease)
        check_numbers(kappa=self.kappa)
        check_numbers(least=1, alpha=self.alpha)
        check_numbers(most=1, rho=self.rho)

    def begin(self, point: Point) -> DAAREMState:
        size = point.theta.size
        blank = jnp.zeros((min(self.order, -(-size // 2)), size), point.theta.dtype)
        none = jnp.zeros((), jnp.int32)
        trust = jnp.zeros((), point.theta.dtype)
        return DAAREMState(point, blank, blank, none, trust, point.objective, none)

    def move(self, evaluate: Evaluate, state: DAAREMState) -> tuple[DAAREMState, Int[Array, ""]]:
        here, known = state.point, state.known
        first = jnp.where(known > 0, 0, 1)
        rho = jnp.asarray(self.rho, state.trust.dtype)
        floor = self.floor(here, rho**state.num_moves * jnp.linalg.norm(here.residual))
        candidates = jnp.stack([self._extrapolation(state), here.image])
        point, chosen = first_accepted(evaluate, candidates, floor, here, first)
        trust = state.trust + (chosen == 0)
        ends = known == len(state.moves)
        lower = point.objective < state.cycle_objective - self.cycle_decrease
        less = jnp.maximum(trust - len(state.moves), -2 * self.kappa)
        after = DAAREMState(
            point,
            push(state.moves, point.theta - here.theta),
            push(state.changes, point.residual - here.residual),
            jnp.where(ends, 1, known + 1),
            jnp.where(ends & lower, less, trust).astype(trust.dtype),
            jnp.where(ends, point.objective, state.cycle_objective),
            state.num_moves + 1,
        )
        return after, chosen - first + 1

    def _extrapolation(self, state: DAAREMState) -> Float[Array, " p"]:
        """Where damped Anderson acceleration leads."""
        here, dtype = state.point, state.trust.dtype
        present = (jnp.arange(len(state.moves)) < state.known)[:, None]
        moves, changes = present * state.moves, present * state.changes
        alpha, kappa = jnp.asarray(self.alpha, dtype), jnp.asarray(self.kappa, dtype)
        share = 1 / (1 + alpha ** (kappa - state.trust))
        return here.image - damped(changes, here.residual, share) @ (moves + changes)


def first_accepted(
    evaluate: Evaluate,
    candidates: Float[Array, "c p"],
    floor: Float[Array, ""],
    here: Point,
    first: Int[Array, ""],
) -> tuple[Point, Int[Array, ""]]:
    """The first candidate that is usable and reaches the floor, and its number.

    The last candidate, a step of the map itself, is taken as it is, so that a run which it ends
    says why. Candidates before `first` are not tried.
    """
    Carry = tuple[Point, Array, Array]

    def waiting(carry: Carry) -> Bool[Array, ""]:
        _, accepted, number = carry
        return ~accepted & (number < len(candidates))

    def attempt(carry: Carry) -> Carry:
        point = evaluate(candidates[carry[2]])
        return point, point.usable & (point.objective >= floor), carry[2] + 1

    point, _, tried = jax.lax.while_loop(waiting, attempt, (here, jnp.array(False), first))
    return point, tried - 1


def push(rows: Float[Array, "m p"], row: Float[Array, " p"]) -> Float[Array, "m p"]:
    """The rows with a new first one, and without the last."""
    return jnp.concatenate([row[None], rows[:-1]])


def damped(
    changes: Float[Array, "m p"], residual: Float[Array, " p"], share: Float[Array, ""]
) -> Float[Array, " m"]:
    """Ridge regression of a residual on its changes, of this share of the squared length without.

    The penalty is the root of a concave function, which Newton's steps approach from the left.
    """
    left, scales, right = jnp.linalg.svd(changes, full_matrices=False)
    resolved = scales > changes.size * jnp.finfo(scales.dtype).eps * jnp.max(scales)
    scales, along = jnp.where(resolved, scales, 1.0), jnp.where(resolved, right @ residual, 0.0)
    wanted = jnp.sqrt(share) * jnp.linalg.norm(along / scales)

    def newton(_: Any, penalty: Float[Array, ""]) -> Float[Array, ""]:
        ridged = scales**2 + penalty
        length = jnp.linalg.norm(scales * along / ridged)
        slope = jnp.sum((scales * along) ** 2 / ridged**3)
        step = length**2 / slope * (length - wanted) / wanted
        return penalty + jnp.where(jnp.isfinite(step), step, 0.0)

    penalty = jax.lax.fori_loop(0, NEWTON_STEPS, newton, jnp.zeros_like(wanted))
    return left @ (scales * along / (scales**2 + penalty))
