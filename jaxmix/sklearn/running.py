"""Runs of the loop and online updates as the estimator needs them, with scikit-learn's counting.

Its iteration is a pass and then an M-step; the loop's step is an M-step and then a pass, which
brings the next M-step along. So a run of EM begins here without a pass at its start, which is where
its first step leads, and ends with the M-step that the last pass has brought.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxmix.blocks import layout
from jaxmix.compiling import compiled_advance
from jaxmix.fitting import SEGMENT, compiled_close
from jaxmix.loop import ROUGH, Loop, Outcome, begin, recentered
from jaxmix.methods import EM, Cost, Method
from jaxmix.methods.em import EMState
from jaxmix.mixture import Mixture, natural_table
from jaxmix.posing import pose
from jaxmix.problem import Evaluation, Problem
from jaxmix.race.named_methods import contenders
from jaxmix.sklearn.parameters import ILL_DEFINED, Parameters, as_mixture, in_users_units
from jaxmix.sklearn.updates import stepwise_update
from jaxmix.sources import InMemory, survey
from jaxmix.stopping import Stop

Say = Callable[[int, float], None]
"""Told after every iteration: its number, and the change of the lower bound."""


class Settings(NamedTuple):
    """What every run of one fit has in common."""

    method: Method
    family: str
    ridge: float
    tol: float
    max_iter: int
    say: Say | None = None


class Run(NamedTuple):
    """A run that has ended."""

    parameters: Parameters
    lower_bounds: list[float]
    lower_bound: float
    converged: bool


def as_method(solver: str | Method) -> Method:
    """The method that a name stands for, or the method itself."""
    if isinstance(solver, Method):
        return solver
    named = contenders(solver)
    if len(named) != 1:
        raise ValueError(f"solver names {len(named)} methods, expected one: {solver!r}")
    return named[0].method


def climb(rows: InMemory, start: Parameters, settings: Settings, before: float = -np.inf) -> Run:
    """A run from a start until the objective a unit of sample weight changes by less than `tol`.

    Args:
        rows: data with their sample weights.
        start: parameters in the user's units.
        settings: the method and its limits; `max_iter` is at least 1.
        before: the lower bound that EM compares its first one with.

    Raises:
        ValueError: where the run fails.
    """
    method, em = settings.method, isinstance(settings.method, EM)
    problem = problem_of(rows, settings.ridge, em, method.hard)
    # A tolerance of 0 is scikit-learn's way to ask for all iterations.
    stop = Stop("mean", max(settings.tol, np.finfo(float).tiny), settings.max_iter)
    mixture = problem.enter(as_mixture(start, settings.family))
    total, k = float(problem.total), mixture.num_components
    if not em and total < k:
        raise ValueError(
            f"sample_weight sums to {total:g}, less than the {k} components; solvers other than EM "
            "take it for numbers of rows: scale it to sum to about as many as there are"
        )
    loop = _unvisited(mixture, before * total) if em else begin(method, problem, stop, mixture)
    problem, loop, bounds = _run(problem, settings, stop, loop)
    if int(loop.code) in (Outcome.NONFINITE, Outcome.DEGENERATE):
        raise ValueError(ILL_DEFINED)
    converged = int(loop.code) == Outcome.CONVERGED and settings.tol > 0
    if em:
        parameters = in_users_units(problem.center, loop.evaluation.em_step)
        return Run(parameters, bounds, bounds[-1], converged)
    mixture = method.finish(loop.state)
    log_likelihood = compiled_close(problem, mixture, loop.evaluation).log_likelihood
    parameters = in_users_units(problem.center, mixture)
    return Run(parameters, bounds, float(log_likelihood) / total, converged)


def problem_of(rows: InMemory, ridge: float, widened: bool, hard: bool = False) -> Problem:
    """What a method climbs on these rows; a ridge that only widens covariances is for EM."""
    cut = layout(*rows.shape, 8)
    seen = survey(rows, cut, missing=False)
    return pose(rows, seen, cut, None, ridge, True, hard=hard, widened=widened)


def _unvisited(start: Mixture, objective: float) -> Loop:
    """A run of EM whose first step leads to its start, seen as a change from an objective."""
    # Of a compiled function, because that is traced but once for mixtures of one shape.
    statistics = natural_table.eval_shape(start)
    evaluation = Evaluation(
        objective=jnp.float64(objective),
        statistics=jnp.zeros(statistics.shape, statistics.dtype),
        em_step=start,
        gap=jnp.float64(0.0),
        rough=jnp.bool_(False),
    )
    zero = jnp.int32(0)
    return Loop(EMState(start, evaluation), evaluation, zero, Cost(zero, zero, zero), zero)


def _run(
    problem: Problem, settings: Settings, stop: Stop, loop: Loop
) -> tuple[Problem, Loop, list[float]]:
    """The run at its end, and the objective a unit of sample weight after every step."""
    method, say, total = settings.method, settings.say, float(problem.total)
    values = [float(loop.evaluation.objective) / total]
    program = compiled_advance(problem, loop.evaluation.statistics.size)
    while int(loop.code) in (Outcome.RUNNING, ROUGH):
        if int(loop.code) == ROUGH:
            problem, loop = recentered(method, problem, stop, loop)
            values[-1] = float(loop.evaluation.objective) / total
            continue
        done, steps = int(loop.num_steps), SEGMENT if say is None else 1
        loop, trace = program(method, problem, stop, loop, steps, length=SEGMENT)
        values += (np.asarray(trace.objective)[: int(loop.num_steps) - done] / total).tolist()
        if say is not None:
            say(len(values) - 1, values[-1] - values[-2])
    return problem, loop, values[1:]


def update(
    rows: InMemory, start: Parameters, family: str, ridge: float, step_size: float
) -> tuple[Parameters, float]:
    """One step of online EM, and the mean log-likelihood of its rows before the step."""
    problem = problem_of(rows, ridge, widened=True)
    mixture = problem.enter(as_mixture(start, family))
    moved, mean = stepwise_update(problem, mixture, step_size)
    return in_users_units(problem.center, moved), float(mean)
