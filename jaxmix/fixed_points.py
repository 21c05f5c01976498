"""`fixed_point`: any EM map, given as a function, iterated or accelerated to its fixed point.

The accelerations are those that `fit` runs on mixtures. What autodiff says about the map at the
limit, its rate and the standard errors, comes with the result (notes/acceleration.md, eq. 1 and
12; eq. 13 and 14 for the limit).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from jaxmix.families.factors import inverse
from jaxmix.loop import Outcome
from jaxmix.maps import Function, Iteration, Map, Place, check_map, flat
from jaxmix.methods.acceleration import Acceleration, Point
from jaxmix.precision import as_floats
from jaxmix.result import Values
from jaxmix.stopping import Stop

RULES: dict[str, Callable[[Place, Place], Any]] = {
    "gap": lambda before, after: (after.distance, 1.0),
    "parameters": lambda before, after: (
        jnp.linalg.norm(after.theta - before.theta),
        jnp.linalg.norm(before.theta),
    ),
    "total": lambda before, after: (jnp.abs(after.objective - before.objective), 1.0),
    "relative": lambda before, after: (
        jnp.abs(after.objective - before.objective),
        jnp.abs(after.objective),
    ),
}
"""Each rule as (measure, scale); the first holds or fails at a point, and the last two need an
objective."""


class FixedPoint(eqx.Module):
    """Where a map's iteration ended, and what is known there.

    Inside `jax.vmap` or `jax.jit` every array has the batch's axes, and `history` and `path` are
    padded with NaN; derivatives at many ends are `jax.vmap(lambda end: end.rate)(ends)`.
    """

    theta: Any
    """As the start was given."""
    objective: Float[Values, "..."] | None
    """At `theta`; None for a map without one."""
    residual: Float[Values, "..."]
    """Euclidean norm of step(theta) - theta."""
    history: Float[Values, "... steps"] | None
    """Objective after 0, 1, ..., num_steps steps."""
    residual_history: Float[Values, "... steps"]
    """Residual after 0, 1, ..., num_steps steps."""
    path: Any
    """Parameters after 0, 1, ..., num_steps steps, stacked, with `record="all"`."""
    num_steps: Int[Values, "..."]
    num_evaluations: Int[Values, "..."]
    """Evaluations of the map: every one, at the start, at the end and at refused points too."""
    code: Int[Values, "..."]
    """The outcome as a number."""
    map: Map

    @property
    def outcome(self) -> Any:
        """CONVERGED, MAX_STEPS or NONFINITE; their codes where results are batched or traced."""
        single = not isinstance(self.code, Tracer) and np.ndim(self.code) == 0
        return Outcome(int(self.code)) if single else self.code

    @property
    def num_objective_evaluations(self) -> Int[Values, "..."]:
        """Evaluations of the objective: one with each of the map, 0 without an objective."""
        return self.num_evaluations * (self.map.objective is not None)

    @property
    def jacobian(self) -> Float[Array, "p p"]:
        """Derivative of the map at `theta`, whose entries are taken one after the other."""
        return _jacobian(self.map.step, self.theta)

    @property
    def rate(self) -> Float[Array, ""]:
        """Spectral radius of the Jacobian: by what factor one step of the map shortens errors."""
        return jnp.max(jnp.abs(jnp.linalg.eigvals(self.jacobian)))

    @property
    def information(self) -> Float[Array, "p p"]:
        """Observed information: minus the Hessian of the objective at `theta`."""
        objective = self.map.objective
        if objective is None:
            raise ValueError("the information is minus an objective's Hessian; give an objective")
        return -_hessian(objective, self.theta)

    @property
    def standard_errors(self) -> Any:
        """Square roots of the diagonal of the inverse information, shaped as `theta`.

        NaN where the information is not positive definite, as away from a maximum.
        """
        factor = jnp.linalg.cholesky(self.information)
        return ravel_pytree(self.theta)[1](jnp.linalg.norm(inverse(factor), axis=0))


@partial(jax.jit, static_argnums=0)
def _jacobian(step: Function, theta: Any) -> Float[Array, "p p"]:
    vector, unravel = ravel_pytree(theta)
    return jax.jacfwd(lambda v: flat(step(unravel(v))))(vector)


@partial(jax.jit, static_argnums=0)
def _hessian(objective: Function, theta: Any) -> Float[Array, "p p"]:
    vector, unravel = ravel_pytree(theta)
    return jax.hessian(lambda v: objective(unravel(v)))(vector)


def fixed_point(
    step: Function,
    theta0: Any,
    method: Acceleration | None = None,
    objective: Function | None = None,
    *,
    stop: Stop | None = None,
    coordinates: tuple[Function, Function] | None = None,
    record: str | None = None,
) -> FixedPoint:
    r"""Iterate a map $F$, such as any model's EM step, to its fixed point $F(\theta) = \theta$.

    An acceleration extrapolates; a point where the map or the objective is not finite is refused,
    as is one where the objective falls by more than the method says, and the map's own step is
    taken. Without an objective the residual $\lVert F(\theta) - \theta \rVert$ decides, which
    accelerations may also bring to zero at a saddle: give the objective where there is one.

    Args:
        step: the map, a JAX function from parameters to parameters of the same structure.
        theta0: where to start: any nesting of float arrays.
        method: `SQUAREM()` or `DAAREM()`; plain iteration when left out.
        objective: a JAX function from parameters to a number, higher is better: the log-likelihood.
            Let it be NaN outside the domain, which extrapolations may otherwise leave.
        stop: `Stop()` when left out, whose rule here asks that one more step would move parameters
            by at most `tol` in Euclidean length; also the rules "parameters", and with an
            objective "total" and "relative". `max_steps` counts steps of the method.
        coordinates: two functions, from parameters to unconstrained coordinates and back, in which
            extrapolations then move. Everything reported stays in the user's parameters.
        record: "all" keeps the parameters after every step in `.path`.

    Returns:
        A `FixedPoint`. For many starts at once, call it under vmap:
        `jax.vmap(lambda theta: fixed_point(step, theta, ...))(starts)`. Programs are kept for
        function objects: name the functions once, rather than write a lambda at every call.

    Raises:
        ValueError, TypeError: for a start where the map or the objective is not finite, functions
            that give other shapes, and rules that need more than is given.

    Examples:
        >>> import jax.numpy as jnp, jaxmix as jm
        >>> def em_step(t):  # Rao's linkage counts (125, 18, 20, 34)
        ...     return (159 * t + 68) / (197 * t + 144)
        >>> def log_likelihood(t):
        ...     return 125 * jnp.log(2 + t) + 38 * jnp.log(1 - t) + 34 * jnp.log(t)
        >>> end = jm.fixed_point(em_step, 0.5, jm.SQUAREM(), log_likelihood)
        >>> round(float(end.theta), 6), round(float(end.standard_errors), 6)
        (0.626821, 0.051467)

    Source: Dempster, Laird & Rubin (1977), JRSS B 39, section 1; notes/acceleration.md, eq. 1.
    """
    method, stop = Iteration() if method is None else method, Stop() if stop is None else stop
    _check_settings(method, objective, stop, coordinates, record)
    whole = Map(step, objective, *(coordinates or (None, None)))
    start = jax.tree.map(as_floats, theta0)
    check_map(whole, start)
    length = int(stop.max_steps)
    end = _run(whole, method, stop, start, length=length, record=record == "all")
    if isinstance(end.code, Tracer):
        return end
    if int(end.num_steps) == 0 and int(end.code) == Outcome.NONFINITE:
        raise ValueError(
            "theta0 is no usable start: step(theta0) and objective(theta0) must be finite, got a "
            f"residual of {float(end.residual):g}"
            + ("" if objective is None else f" and an objective of {float(end.objective):g}")
        )
    return _trimmed(end)


def _check_settings(
    method: Any, objective: Any, stop: Any, coordinates: Any, record: str | None
) -> None:
    if not isinstance(method, Acceleration):
        raise TypeError(f"method must be SQUAREM(), DAAREM() or None, got {method!r}")
    if not isinstance(stop, Stop):
        raise TypeError(f"stop must be a jaxmix.Stop, got {stop!r}")
    if isinstance(stop.max_steps, Tracer):
        raise TypeError("max_steps must be a plain number, also inside jit or vmap")
    if stop.rule not in RULES:
        raise ValueError(f"the rule {stop.rule!r} needs a mixture; use one of {', '.join(RULES)}")
    if stop.rule in ("total", "relative") and objective is None:
        raise ValueError(f"the rule {stop.rule!r} needs an objective; give one, or use Stop()")
    pair = isinstance(coordinates, tuple | list) and len(coordinates) == 2
    if coordinates is not None and not (pair and all(map(callable, coordinates))):
        raise TypeError(f"coordinates must be two functions, to them and back, got {coordinates!r}")
    if record not in (None, "all"):
        raise ValueError(f'record must be "all" or None, got {record!r}')


class _Loop(eqx.Module):
    """A run at one moment, with what its steps left behind."""

    state: Any
    num_steps: Int[Array, ""]
    num_evaluations: Int[Array, ""]
    code: Int[Array, ""]
    objectives: Float[Array, " steps"]
    residuals: Float[Array, " steps"]
    path: Float[Array, "steps p"] | None

    @property
    def place(self) -> Place:
        return self.state.point.detail


@partial(jax.jit, static_argnames=("whole", "length", "record"))
def _run(
    whole: Map, method: Acceleration, stop: Stop, start: Any, length: int, record: bool
) -> FixedPoint:
    """The whole run in one program; `length` is the most steps."""
    evaluate, first, unravel = whole.evaluator(start)
    loop = _begin(method, stop, evaluate(first), length, record)

    def advance(loop: _Loop) -> _Loop:
        state, tried = method.move(evaluate, loop.state)
        code = _judge(stop, loop, state.point)
        usable = state.point.usable
        state = jax.tree.map(partial(jnp.where, usable), state, loop.state)
        return _noted(
            _Loop(
                state,
                loop.num_steps + usable.astype(jnp.int32),
                loop.num_evaluations + tried,
                code,
                loop.objectives,
                loop.residuals,
                loop.path,
            )
        )

    loop = jax.lax.while_loop(lambda loop: loop.code == Outcome.RUNNING, advance, _noted(loop))
    place, scored = loop.place, whole.objective is not None
    return FixedPoint(
        theta=unravel(place.theta),
        objective=place.objective if scored else None,
        residual=place.distance,
        history=loop.objectives if scored else None,
        residual_history=loop.residuals,
        path=None if loop.path is None else jax.vmap(unravel)(loop.path),
        num_steps=loop.num_steps,
        num_evaluations=loop.num_evaluations,
        code=loop.code,
        map=whole,
    )


def _begin(method: Acceleration, stop: Stop, point: Point, length: int, record: bool) -> _Loop:
    """A run at its start."""
    blank = jnp.full(length + 1, jnp.nan, point.theta.dtype)
    size = point.detail.theta.size
    none = jnp.zeros((), jnp.int32)
    path = jnp.full((length + 1, size), jnp.nan, point.theta.dtype) if record else None
    code = jnp.where(none >= length, Outcome.MAX_STEPS, Outcome.RUNNING)
    there = (stop.rule == "gap") & (point.detail.distance <= stop.tol)
    code = jnp.where(there, Outcome.CONVERGED, code)
    code = jnp.where(point.usable, code, Outcome.NONFINITE).astype(jnp.int32)
    return _Loop(method.begin(point), none, none + 1, code, blank, blank, path)


def _judge(stop: Stop, loop: _Loop, after: Point) -> Int[Array, ""]:
    """The outcome after a step."""
    measure, scale = RULES[stop.rule](loop.place, after.detail)
    over = loop.num_steps + 1 >= len(loop.residuals) - 1
    code = jnp.where(over, Outcome.MAX_STEPS, Outcome.RUNNING)
    code = jnp.where(measure <= stop.tol * scale, Outcome.CONVERGED, code)
    return jnp.where(after.usable, code, Outcome.NONFINITE).astype(jnp.int32)


def _noted(loop: _Loop) -> _Loop:
    """The run with its present place written down."""
    place, t = loop.place, loop.num_steps
    path = None if loop.path is None else loop.path.at[t].set(place.theta)
    return _Loop(
        loop.state,
        t,
        loop.num_evaluations,
        loop.code,
        loop.objectives.at[t].set(place.objective),
        loop.residuals.at[t].set(place.distance),
        path,
    )


def _trimmed(end: FixedPoint) -> FixedPoint:
    """A result without the padding of its history."""
    steps = int(end.num_steps) + 1
    columns = (end.history, end.residual_history, end.path)
    short = jax.tree.map(lambda column: np.asarray(column)[:steps], columns)
    return eqx.tree_at(
        lambda result: (result.history, result.residual_history, result.path),
        end,
        short,
        is_leaf=lambda leaf: leaf is None,
    )
