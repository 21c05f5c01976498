"""Many starts of one problem side by side, in lanes of which each takes another start once its own
has ended.

Every start runs the loop of `fit` under vmap. Programs are compiled for the lanes, whose number is
bounded, so that neither memory nor the longest run decides how many starts there can be.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Key

from jaxmix.compiling import is_small, quick_options
from jaxmix.families import Family
from jaxmix.fitting import SEGMENT, assemble, corrected, joined, start_trace
from jaxmix.loop import ROUGH, Closing, Loop, Outcome, Trace, advance, begin, close, renewed
from jaxmix.methods import Method
from jaxmix.numerics import at_once
from jaxmix.problem import Problem
from jaxmix.result import FitResult
from jaxmix.starts import draw
from jaxmix.stopping import Stop, resolvable
from jaxmix.streams import stream

LANES = 64
"""Starts that run side by side, at most."""

ROUND = 64
"""Steps between two looks at which lanes are free, while starts wait."""


class Study(eqx.Module):
    """One problem, and the keys of all the starts from which a method is to climb it."""

    problem: Problem
    method: Method
    stop: Stop
    x: Array
    weights: Array
    blank: Family
    keys: Key[Array, " starts"]
    start: str = eqx.field(static=True)
    columns: tuple[str, ...] = eqx.field(static=True)

    @property
    def lanes(self) -> int:
        """How many starts run side by side: fewer where their matrices would be too many."""
        k, d = self.blank.shape
        matrices = k if k <= at_once(d) else 1
        return min(LANES, len(self.keys), max(1, at_once(d) // matrices))

    @property
    def recentered(self) -> "Study":
        """The same study of the recentered problem."""
        return replace(self, problem=self.problem.in_form("recentered"))

    @property
    def small(self) -> bool:
        """Whether a pass in all lanes is short, by the measure of compiling.py."""
        statistics = jax.eval_shape(self.blank.natural, self.problem.penalty.ridge)
        return is_small(self.problem, self.lanes * statistics.size)

    def compiled(self, function: Callable[..., Any]) -> jax.stages.Wrapped:
        """A function of a study, compiled by the route that suits its size."""
        return _compiled(function, self.small)


@cache
def _compiled(function: Callable[..., Any], small: bool) -> jax.stages.Wrapped:
    return jax.jit(function, compiler_options=quick_options() if small else {})


def start_keys(seed: int, num_starts: int) -> Key[Array, " starts"]:
    """The keys with which `initialize` draws from this seed and from those that follow it."""
    keys = [np.asarray(jax.random.key_data(stream(seed + j, "start"))) for j in range(num_starts)]
    return jax.random.wrap_key_data(jnp.asarray(np.stack(keys)))


class Runs(NamedTuple):
    """Runs that have ended."""

    study: Study
    """Under the stop that its precision allows."""
    loops: Loop
    """The runs, stacked along a leading axis."""
    traces: list[list[Trace]]
    """What the steps of each left behind, segment by segment; nothing unless asked for."""
    recentered: np.ndarray
    """Those whose passes lost digits, and that ended in the recentered problem."""

    @property
    def closings(self) -> Closing:
        """What remains to evaluate at the ends of all runs, stacked alike."""
        closings = self.study.compiled(close_all)(self.study, self.loops)
        if not len(self.recentered):
            return closings
        again, rows = self.study.recentered, self.recentered
        ends = again.compiled(close_all)(again, take(self.loops, rows))
        return jax.tree.map(lambda leaf, new: leaf.at[rows].set(new), closings, ends)


def run(study: Study, history: bool = False) -> Runs:
    """Every start to its end; those whose passes lose digits go on in the recentered problem.

    Args:
        study: what to run.
        history: whether to keep what each step left behind.
    """
    loops = study.compiled(begin_all)(study)
    largest, total = np.max(np.abs(loops.evaluation.objective)), float(study.problem.total)
    stop = resolvable(study.stop, float(largest), total, study.problem.center.dtype)
    study = eqx.tree_at(lambda one: one.stop, study, stop)
    first = _first_traces(loops)
    traces = [[take(first, row)] if history else [] for row in range(len(study.keys))]
    loops = _climb(study, loops, traces, history)
    rough = np.flatnonzero(np.asarray(loops.code) == ROUGH)
    if len(rough):
        again = study.recentered
        loops = again.compiled(renewed_rows)(again, loops, rough)
        for row in rough if history else ():
            traces[row] = [corrected(traces[row], take(loops, row))]
        loops = _climb(again, loops, traces, history)
    return Runs(study, loops, traces, rough)


def _climb(study: Study, loops: Loop, traces: list[list[Trace]], history: bool) -> Loop:
    """All runs that can go on to their ends; appends what their steps leave behind."""
    while len(running := np.flatnonzero(np.asarray(loops.code) == Outcome.RUNNING)):
        steps = ROUND if len(running) > study.lanes else SEGMENT
        before, rows = np.asarray(loops.num_steps), np.resize(running, width(study, len(running)))
        loops, segment = study.compiled(advance_rows)(study, loops, rows, steps)
        if history:
            taken = np.asarray(loops.num_steps) - before
            segment = jax.tree.map(np.asarray, segment)
            for lane, row in enumerate(running[: len(rows)]):
                length = taken[row]
                part = jax.tree.map(lambda a, lane=lane, length=length: a[lane, :length], segment)
                traces[row].append(part)
    return loops


def width(study: Study, running: int) -> int:
    """How many lanes to fill: an eighth for the last runs of a study whose passes take longer than
    another program's compilation."""
    few = max(1, study.lanes // 8)
    return few if running <= few and not study.small else study.lanes


def results(runs: Runs) -> list[FitResult]:
    """What `fit` would hand back, for each of these runs that have ended."""
    study, loops, closings, fits = runs.study, runs.loops, runs.closings, []
    for row, parts in enumerate(runs.traces):
        loop, closing = take((loops, closings), row)
        problem = (study.recentered if row in runs.recentered else study).problem
        common = (problem, study.method, study.stop)
        fits.append(assemble(*common, loop, closing, joined(parts), columns=study.columns))
    return fits


def begin_all(study: Study) -> Loop:
    """All runs at their starts, which are drawn one after another."""

    def one(key: Array) -> Loop:
        x, weights = study.x - study.problem.center, study.weights
        mixture = draw(key, x, weights, study.blank, study.start)
        return begin(study.method, study.problem, study.stop, mixture)

    return jax.lax.map(one, study.keys)


def advance_rows(
    study: Study, loops: Loop, rows: Int[Array, " lanes"], steps: ArrayLike
) -> tuple[Loop, Trace]:
    """The runs with these rows at most `steps` steps further, a row given twice once."""

    def one(loop: Loop) -> tuple[Loop, Trace]:
        return advance(study.method, study.problem, study.stop, loop, jnp.asarray(steps), SEGMENT)

    moved, trace = jax.vmap(one)(jax.tree.map(lambda leaf: leaf[rows], loops))
    return jax.tree.map(lambda leaf, new: leaf.at[rows].set(new), loops, moved), trace


def renewed_rows(study: Study, loops: Loop, rows: Int[Array, " rough"]) -> Loop:
    """The runs, these rows of which go on by this study's form of pass."""

    def one(loop: Loop) -> Loop:
        return renewed(study.method, study.problem, study.stop, loop)

    moved = jax.lax.map(one, take(loops, rows))
    return jax.tree.map(lambda leaf, new: leaf.at[rows].set(new), loops, moved)


def close_all(study: Study, loops: Loop) -> Closing:
    """What remains to evaluate at the ends of all runs."""

    def one(loop: Loop) -> Closing:
        return close(study.problem, study.method.finish(loop.state), loop.evaluation)

    return jax.lax.map(one, loops)


@jax.jit
def take(tree: Any, row: ArrayLike) -> Any:
    """One, or several, of what is stacked along a leading axis."""
    return jax.tree.map(lambda leaf: leaf[row], tree)


_first_traces = jax.jit(jax.vmap(start_trace))
