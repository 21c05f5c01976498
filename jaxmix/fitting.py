"""`fit`: one mixture, one problem, any method, under one stopping rule.

The host calls the compiled loop in segments; recorded iterates, callbacks and resumption happen
between segments. Under a caller's jit or vmap a fit is one segment, its history padded with NaN.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike

from jaxmix import checks
from jaxmix.assembly import assemble, corrected, joined, result_trace, start_trace
from jaxmix.checkpoint import Checkpoint
from jaxmix.compiling import compiled_advance
from jaxmix.devices import at_home, data_mesh, on
from jaxmix.inputs import as_count
from jaxmix.loop import (
    ROUGH,
    Loop,
    Outcome,
    Trace,
    begin,
    close,
    recentered,
    reopen,
)
from jaxmix.methods import EM, Cost, Method
from jaxmix.mixture import Mixture
from jaxmix.posing import check_problem
from jaxmix.precision import agree, cast
from jaxmix.prior import Prior
from jaxmix.problem import Problem
from jaxmix.result import FitResult
from jaxmix.stopping import Stop, resolvable
from jaxmix.traced import traced_fit

SEGMENT = 256
"""Steps between two returns to the host, which cost about a tenth of a millisecond each."""

compiled_close = jax.jit(close)


class Progress(NamedTuple):
    """What `on_step` is told after every step."""

    num_steps: int
    objective: float
    gap: float
    mixture: Mixture
    cost: Cost


def fit(
    x: Any,
    start: Mixture,
    method: Method | None = None,
    *,
    stop: Stop | None = None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
    sample_weights: Any = None,
    missing: bool = False,
    on_step: Callable[[Progress], Any] | None = None,
    record: str | Iterable[int] | None = None,
    resume: FitResult | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> FitResult:
    r"""Fit a mixture from a start, by any method.

    All methods climb one objective,
    $\sum_i s_i \log \sum_k w_k p_k(x_i) e^{-\frac{\epsilon}{2}\operatorname{tr}\Sigma_k^{-1}}$
    plus the prior's penalty, with sample weights $s_i$ and ridge $\epsilon$.

    Inside `jax.set_mesh` the devices of the mesh share the rows; their number changes no bit of
    what EM and gradient methods find.

    Args:
        x: data [n d], finite; an array, nested lists, or a pandas or polars frame. A vector is one
            column. Or a `data.stream` of files that no memory holds, which every pass reads again.
        start: the mixture to start from, in the units of the data, as `initialize` or
            `gaussian_mixture` give it. It is converted to the precision of the data.
        method: `EM()` when left out, or any other `Method`.
        stop: when to end; `Stop()` when left out: one more EM step promises at most 1e-8 nats, or
            1000 steps are done.
        prior: penalties on weights, means and covariances; none by default.
        ridge: subtracts (ridge / 2) tr(Sigma_k^-1) from component k's log-density, so that the EM
            step adds ridge to each variance; squared units of the data. 0 by default. Components
            without covariances have nothing for it to penalize.
        fixed: parts that keep their starting values: "weights", "means", "covariances".
        sample_weights: frequency weights [n]; 1 each when left out.
        missing: whether NaN stand for entries that nobody observed; the likelihood is then that of
            the observed entries. Otherwise NaN is an error.
        on_step: called with a `Progress` after every step; runs slower, to the same bits.
        record: step numbers whose mixtures to keep in `.path`, or "all"; the last is always kept.
        resume: an earlier result of the same call, to continue up to the new limit on steps.
        checkpoint: a file that keeps the run, written every half minute and at the end. Where it
            exists, the fit goes on from it: after a kill, the same call ends in the same bits, and
            one with a new `stop` continues, as from a result. Only the steps since the last writing
            are made, and told `on_step`, again. It begins as `resume` says where there is no file.

    Returns:
        A `FitResult`. Its numbers belong to the mixture that it holds.

    Raises:
        ValueError, TypeError: for data, starts or settings that no fit can use; the message says
            what was expected. A fit that goes wrong later ends as DEGENERATE or NONFINITE.

    Examples:
        >>> import jaxmix as jm
        >>> faithful = jm.data.load("faithful").x
        >>> result = jm.fit(faithful, jm.initialize(faithful, k=2, seed=0))
        >>> round(float(result.log_likelihood), 3)
        -1130.264

    Source: notes/design.md; notes/em.md, eq. 8 to 11, for the objective.
    """
    method, fixed = EM() if method is None else method, as_names(fixed)
    stop = Stop() if stop is None else stop
    checks.check_method(method, stop)
    given = (x, start, method, stop, prior, ridge, sample_weights)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(given)):
        if any(option is not None for option in (on_step, record, resume, checkpoint)):
            raise TypeError("inside jit or vmap a fit has no on_step, record, resume or checkpoint")
        return traced_fit(x, start, method, stop, prior, ridge, fixed, sample_weights, missing)
    settings, mesh = (prior, ridge, fixed, sample_weights, missing), data_mesh()
    if mesh is not None:
        start, resume = at_home((start, resume))
    with on(mesh):
        problem, columns = check_problem(x, start, method, *settings, mesh)
        with problem.data.reading():
            problem, loop, stop = _open(problem, method, stop, start, resume)
            traces = [start_trace(loop) if resume is None else result_trace(resume)]
            about = problem, method, stop
            kept = None if checkpoint is None else Checkpoint(checkpoint, method, stop, mesh)
            problem, loop, traces, path = _run(*about, loop, traces, on_step, record, kept)
            closing = compiled_close(problem, method.finish(loop.state), loop.evaluation)
    trace = joined(traces)
    result = assemble(problem.terms, method, stop, loop, closing, trace, path, columns)
    return result if mesh is None else at_home(result)


def as_names(fixed: str | Iterable[str]) -> tuple[str, ...]:
    """Names of fixed parts in one order, so that their order compiles nothing anew."""
    return (fixed,) if isinstance(fixed, str) else tuple(sorted(set(fixed), key=str))


def _open(
    problem: Problem, method: Method, stop: Stop, start: Mixture, resume: FitResult | None
) -> tuple[Problem, Loop, Stop]:
    """The run at its start or where it was left, and the stop that its precision allows."""
    if isinstance(resume, FitResult):
        problem = problem.in_form(resume.form)
    dtype = problem.center.dtype
    start = problem.enter(cast(start, dtype))
    loop = begin(method, problem, stop, start)
    resolved = resolvable(stop, float(loop.evaluation.objective), float(problem.total), dtype)
    if resume is not None:
        _check_resume(problem, method, resume)
        loop = reopen(resume.state, resume.stop, resolved, problem, method)
        return problem, loop, resolved
    if resolved is not stop:
        loop = begin(method, problem, resolved, start)
    return problem, loop, resolved


def _check_resume(problem: Problem, method: Method, resume: FitResult) -> None:
    """Raise unless a result belongs to this problem and method."""
    if not isinstance(resume, FitResult):
        raise TypeError(f"resume must be a FitResult, got {type(resume).__name__}")
    if jax.tree.structure(resume.method) != jax.tree.structure(method):
        raise ValueError(f"resume: the result comes from {resume.method}, not {method}")
    mixture, dtype = method.finish(resume.state.state), problem.center.dtype
    same_columns = mixture.family.shape[1] == len(problem.center)
    again = float(problem.evaluate(mixture).objective) if same_columns else np.nan
    same_problem = same_columns and resume.fixed == problem.fixed
    if not same_problem or not agree(again, float(resume.objective), dtype):
        raise ValueError("resume: the data or the penalties are not those of the result")


def _run(
    problem: Problem,
    method: Method,
    stop: Stop,
    loop: Loop,
    traces: list[Trace],
    on_step: Callable[[Progress], Any] | None,
    record: str | Iterable[int] | None,
    kept: Checkpoint | None,
) -> tuple[Problem, Loop, list[Trace], dict[int, Mixture]]:
    """Segments until the run ends; each ends early where an iterate is to be kept or reported, or
    a checkpoint to be written."""
    every_step = on_step is not None or record == "all"
    wanted = record_steps(record)
    path: dict[int, Mixture] = {}
    problem, loop, traces = _in_digits(problem, method, stop, loop, traces)
    if kept is not None:
        problem, loop, traces, path = kept.open((problem, loop, traces, path))
        path = {step: path[step] for step in path if record == "all" or step in wanted}

    def keep(loop: Loop) -> None:
        if record == "all" or int(loop.num_steps) in wanted:
            path[int(loop.num_steps)] = problem.leave(method.finish(loop.state))

    keep(loop)
    program = compiled_advance(problem, loop.evaluation.statistics.size)
    while int(loop.code) == Outcome.RUNNING:
        done = int(loop.num_steps)
        steps = 1 if every_step else min([SEGMENT, *(t - done for t in wanted if t > done)])
        steps = steps if kept is None else min(steps, kept.steps())
        loop, trace = program(method, problem, stop, loop, steps, length=SEGMENT)
        taken = int(loop.num_steps) - done
        traces.append(jax.tree.map(lambda column, taken=taken: np.asarray(column)[:taken], trace))
        problem, loop, traces = _in_digits(problem, method, stop, loop, traces)
        keep(loop)
        if on_step is not None and taken:
            on_step(_progress(problem, method, loop))
        if kept is not None:
            kept.visit((problem, loop, traces, path))
    if record is not None:
        path[int(loop.num_steps)] = problem.leave(method.finish(loop.state))
    return problem, loop, traces, path


def _in_digits(
    problem: Problem, method: Method, stop: Stop, loop: Loop, traces: list[Trace]
) -> tuple[Problem, Loop, list[Trace]]:
    """A run by passes whose digits suffice where it is, and its last step as they see it."""
    if int(loop.code) != ROUGH:
        return problem, loop, traces
    problem, loop = recentered(method, problem, stop, loop)
    return problem, loop, [corrected(traces, start_trace(loop))]


def record_steps(record: str | Iterable[int] | None) -> set[int]:
    """Step numbers to record, apart from "all"; raises ValueError for anything else."""
    if record is None or record == "all":
        return set()
    if isinstance(record, str) or not isinstance(record, Iterable):
        raise ValueError(f'record must be "all" or step numbers, got {record!r}')
    return {as_count(step, "a step to record", least=0) for step in record}


def _progress(problem: Problem, method: Method, loop: Loop) -> Progress:
    evaluation, mixture = loop.evaluation, problem.leave(method.finish(loop.state))
    objective, gap = float(evaluation.objective), float(evaluation.gap)
    return Progress(int(loop.num_steps), objective, gap, mixture, loop.cost)
