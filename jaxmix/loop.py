"""The one loop: a method's steps under a stopping rule, with every test and count in one place.

`advance` takes at most a given number of steps and is compiled once for a method, a family and a
rule; `fit` calls it in segments, so that an interrupted run executes the same program as any other.
"""

from enum import IntEnum
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxmix.methods.acceleration import Point, point_at
from jaxmix.methods.base import Cost, Info, Method
from jaxmix.mixture import Mixture
from jaxmix.problem import Evaluation, Problem
from jaxmix.stopping import Stop, Visit


class Outcome(IntEnum):
    """How a run ended."""

    RUNNING = 0
    CONVERGED = 1
    MAX_STEPS = 2
    NONFINITE = 3
    DEGENERATE = 4


ROUGH = -1
"""The code of a run whose passes lose digits: it goes on once its problem is recentered."""


class Loop(eqx.Module):
    """A run at one moment: all that its next step needs."""

    state: Any
    evaluation: Evaluation
    num_steps: Int[Array, ""]
    cost: Cost
    code: Int[Array, ""]


class Trace(eqx.Module):
    """What each step of a segment left behind, padded at the end."""

    objective: Float[Array, " steps"]
    gap: Float[Array, " steps"]
    passes: Int[Array, " steps"]


def begin(
    method: Method, problem: Problem, stop: Stop, start: Mixture, watched: bool = True
) -> Loop:
    """A run at its start, ROUGH where it is `watched` and its passes lose digits."""
    state = method.init(problem, start)
    nodes = jax.tree.leaves(state, is_leaf=_is_evaluation)
    known = next(filter(_is_evaluation, nodes), None)
    evaluation = problem.evaluate(start) if known is None else known
    # Strongly typed, as the loop's outputs are, so that a second segment compiles nothing.
    state = jax.tree.map(_strong, state)
    return Loop(state, evaluation, *_at_start(problem, stop, Visit(start, evaluation), watched))


def _is_evaluation(node: Any) -> bool:
    return isinstance(node, Evaluation)


@partial(jax.jit, static_argnums=3)
def _at_start(
    problem: Problem, stop: Stop, start: Visit, watched: bool
) -> tuple[Int[Array, ""], Cost, Int[Array, ""]]:
    """Steps, cost and outcome of a run that has not begun."""
    none = jnp.zeros((), jnp.int32)
    return none, Cost() + Cost(), code_at(problem, stop, start, none, watched)


def _strong(leaf: Array) -> Array:
    # A conversion outside jit takes longer than this question.
    weak = getattr(leaf, "weak_type", True)
    return jax.lax.convert_element_type(leaf, jnp.result_type(leaf)) if weak else leaf


def code_at(
    problem: Problem, stop: Stop, here: Visit, num_steps: Int[Array, ""], watched: bool
) -> Int[Array, ""]:
    """The outcome of a run that begins, or goes on by another form of pass, here."""
    usable = jnp.isfinite(here.evaluation.objective) & here.mixture.is_finite
    degenerate = problem.is_degenerate(here.mixture, here.evaluation.statistics[:, -1])
    code = jnp.where(num_steps >= stop.max_steps, Outcome.MAX_STEPS, Outcome.RUNNING)
    code = jnp.where(stop.satisfied_at(problem, here), Outcome.CONVERGED, code)
    # A degenerate start may yet recover, but not where the run ends with it.
    code = jnp.where(degenerate & (code != Outcome.RUNNING), Outcome.DEGENERATE, code)
    failure = jnp.where(degenerate, Outcome.DEGENERATE, Outcome.NONFINITE)
    code = jnp.where(usable, code, failure)
    return jnp.where(watched & here.evaluation.rough, ROUGH, code).astype(jnp.int32)


def recentered(method: Method, problem: Problem, stop: Stop, loop: Loop) -> tuple[Problem, Loop]:
    """A rough run goes on in the recentered problem: where it is, one more pass later."""
    problem = problem.in_form("recentered")
    return problem, compiled_renewed(method, problem, stop, loop)


def renewed(method: Method, problem: Problem, stop: Stop, loop: Loop) -> Loop:
    """A run with the evaluations of another form of pass."""
    mixture = method.finish(loop.state)
    evaluation = problem.evaluate(mixture)

    def anew(node: Any) -> Any:
        if isinstance(node, Point):
            return point_at(problem, mixture, evaluation)
        return evaluation if isinstance(node, Evaluation) else node

    state = jax.tree.map(
        anew, loop.state, is_leaf=lambda node: isinstance(node, Evaluation | Point)
    )
    code = code_at(problem, stop, Visit(mixture, evaluation), loop.num_steps, False)
    return Loop(state, evaluation, loop.num_steps, loop.cost + Cost(passes=1), code)


compiled_renewed = jax.jit(renewed)


def advance(
    method: Method,
    problem: Problem,
    stop: Stop,
    loop: Loop,
    steps: Int[Array, ""],
    length: int,
    watched: bool = True,
) -> tuple[Loop, Trace]:
    """At most `steps` more steps of a run, and a trace of `length` >= steps entries.

    A run that is `watched` ends as ROUGH where its passes lose digits.
    """

    def running(carry: tuple[Loop, Trace, Array]) -> Bool[Array, ""]:
        loop, _, taken = carry
        return (loop.code == Outcome.RUNNING) & (taken < steps)

    def body(carry: tuple[Loop, Trace, Array]) -> tuple[Loop, Trace, Array]:
        loop, trace, taken = carry
        state, info = method.step(problem, loop.state)
        code = _judge(method, problem, stop, loop, state, info)
        loop = _accept(loop, state, info, code)
        if watched:
            # It goes on, from before a step that failed, whatever these passes say.
            rough = jnp.where(info.evaluation.rough, ROUGH, loop.code).astype(jnp.int32)
            loop = eqx.tree_at(lambda run: run.code, loop, rough)
        trace = Trace(
            trace.objective.at[taken].set(loop.evaluation.objective),
            trace.gap.at[taken].set(loop.evaluation.gap),
            trace.passes.at[taken].set(loop.cost.passes),
        )
        return loop, trace, taken + 1

    blank = jnp.full(length, jnp.nan, loop.evaluation.objective.dtype)
    trace = Trace(blank, blank, jnp.zeros(length, jnp.int32))
    loop, trace, _ = jax.lax.while_loop(running, body, (loop, trace, jnp.zeros((), jnp.int32)))
    return loop, trace


def _judge(
    method: Method, problem: Problem, stop: Stop, loop: Loop, state: Any, info: Info
) -> Int[Array, ""]:
    """The outcome after a step; a degenerate one comes first, then one that is not finite."""
    before, after = method.finish(loop.state), method.finish(state)
    new = info.evaluation
    counts = new.statistics[:, -1]
    # A component that lost every observation leaves NaN, and the pass before says why.
    counts = jnp.where(jnp.isfinite(counts), counts, loop.evaluation.statistics[:, -1])
    finite = after.is_finite & jnp.isfinite(new.objective) & jnp.isfinite(new.gap)
    converged = stop.satisfied(problem, Visit(before, loop.evaluation), Visit(after, new))
    code = jnp.where(loop.num_steps + 1 >= stop.max_steps, Outcome.MAX_STEPS, Outcome.RUNNING)
    code = jnp.where(converged, Outcome.CONVERGED, code)
    code = jnp.where(finite, code, Outcome.NONFINITE)
    # A gap without bound comes of components that the next EM step collapses.
    judged = jax.tree.map(partial(jnp.where, jnp.isposinf(new.gap)), new.em_step, after)
    degenerate = problem.is_degenerate(judged, counts)
    return jnp.where(degenerate, Outcome.DEGENERATE, code).astype(jnp.int32)


def _accept(loop: Loop, state: Any, info: Info, code: Int[Array, ""]) -> Loop:
    """The run after a step, or before it where the step led to no usable mixture."""
    usable = (code != Outcome.NONFINITE) & (code != Outcome.DEGENERATE)

    after, before = (state, info.evaluation), (loop.state, loop.evaluation)
    state, evaluation = jax.lax.cond(usable, lambda: after, lambda: before)
    taken = usable.astype(jnp.int32)
    return Loop(state, evaluation, loop.num_steps + taken, loop.cost + info.cost, code)


class Closing(eqx.Module):
    """The closing evaluation at a run's last mixture; its cost is charged to nobody."""

    mixture: Mixture
    log_likelihood: Float[Array, ""]
    gradient_norm: Float[Array, ""]


def close(problem: Problem, mixture: Mixture, evaluation: Evaluation) -> Closing:
    """A run's last mixture in the user's units, its marginal log-likelihood and gradient."""
    return Closing(
        mixture=problem.leave(mixture),
        log_likelihood=problem.log_likelihood(mixture),
        gradient_norm=problem.gradient_norm(mixture, evaluation.statistics),
    )


def reopen(loop: Loop, then: Stop, now: Stop, problem: Problem, method: Method) -> Loop:
    """A run under a new stopping rule: it goes on unless it failed or had already ended there."""
    same = now.rule == then.rule and float(now.tol) == float(then.tol)
    stays = (Outcome.NONFINITE, Outcome.DEGENERATE, *((Outcome.CONVERGED,) if same else ()))
    code = int(loop.code)
    if code not in stays:
        visit = Visit(method.finish(loop.state), loop.evaluation)
        code = Outcome.CONVERGED if bool(now.satisfied_at(problem, visit)) else Outcome.RUNNING
        over = int(loop.num_steps) >= int(now.max_steps)
        code = Outcome.MAX_STEPS if over and code == Outcome.RUNNING else code
    return eqx.tree_at(lambda run: run.code, loop, jnp.asarray(int(code), jnp.int32))
