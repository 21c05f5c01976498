"""Many starts of one problem side by side, in lanes of which each takes another start once its own
has ended.

Programs (`lane_programs.py`) are compiled for the lanes, whose number is bounded, so that neither
memory nor the longest run decides how many starts there can be.
"""

from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from jaxmix.assembly import start_trace
from jaxmix.lane_programs import (
    Round,
    Study,
    advance_rounds,
    begin_all,
    close_all,
    close_rows,
    renewed_rows,
    take,
)
from jaxmix.loop import ROUGH, Closing, Loop, Outcome, Trace
from jaxmix.side_by_side import side_by_side
from jaxmix.stopping import resolvable
from jaxmix.streams import stream


def start_keys(seed: int, num_starts: int) -> Key[Array, " starts"]:
    """The keys with which `initialize` draws from this seed and from those that follow it."""
    for edge in (seed, seed + num_starts - 1):
        stream(edge, "start")
    return _start_keys(np.arange(seed, seed + num_starts, dtype=np.int64))


_start_keys = jax.jit(jax.vmap(partial(stream, name="start")))


class Segment(NamedTuple):
    """What a number of steps left behind for some runs."""

    rows: Int[np.ndarray, " runs"]
    """Which runs these are."""
    taken: Int[np.ndarray, " runs"]
    """Steps of each run."""
    trace: Trace
    """In their order; those of other lanes behind them."""
    corrects: bool = False
    """Whether the one entry of each run takes the place of its last one."""


class Runs(NamedTuple):
    """Runs that have ended."""

    study: Study
    """Under the stop that its precision allows."""
    loops: Loop
    """The runs, stacked along a leading axis."""
    segments: list[Segment]
    """What their steps left behind, the starts first; nothing unless asked for."""
    recentered: np.ndarray
    """Those whose passes lost digits, and that ended in the recentered problem."""

    def close(self) -> Closing:
        """What remains to evaluate at the ends of all runs, stacked alike."""
        closings = self.study.compiled(close_all)(self.study, self.loops)
        if not len(self.recentered):
            return closings
        again, rows = self.study.recentered, self.recentered
        ends = again.compiled(close_rows)(again, self.loops, rows)
        return jax.tree.map(lambda leaf, new: leaf.at[rows].set(new), closings, ends)


def run(study: Study, history: bool = False) -> Runs:
    """Every start to its end; those whose passes lose digits go on in the recentered problem.

    Args:
        study: what to run.
        history: whether to keep what each step left behind.
    """
    shares = [replace(study, keys=keys) for keys in np.split(study.keys, study.shares)]
    begun = side_by_side(lambda share: share.compiled(begin_all)(share), shares)
    largest = max(float(np.max(np.abs(loops.evaluation.objective))) for loops in begun)
    total, dtype = float(study.problem.total), study.problem.center.dtype
    study = replace(study, stop=resolvable(study.stop, largest, total, dtype))

    def to_ends(share: Study, loops: Loop) -> Runs:
        return _to_ends(replace(share, stop=study.stop), loops, history)

    return _together(study, side_by_side(to_ends, shares, begun))


def _together(study: Study, parts: list[Runs]) -> Runs:
    """The runs of shares of a study, as its own."""
    if len(parts) == 1:
        return parts[0]
    segments, recentered, first = [], [], 0
    for part in parts:
        segments += [one._replace(rows=one.rows + first) for one in part.segments]
        recentered.append(part.recentered + first)
        first += len(part.study.keys)
    loops = _stacked([part.loops for part in parts])
    return Runs(study, loops, segments, np.concatenate(recentered))


@jax.jit
def _stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)


def _to_ends(study: Study, loops: Loop, history: bool) -> Runs:
    """Runs that have begun, to their ends."""
    segments: list[Segment] | None = [] if history else None
    if segments is not None:
        segments.append(_ones(np.arange(len(study.keys)), loops))
    loops = _climb(study, loops, segments)
    rough = np.flatnonzero(np.asarray(loops.code) == ROUGH)
    if len(rough):
        again = study.recentered
        loops = again.compiled(renewed_rows)(again, loops, rough)
        if segments is not None:
            segments.append(_ones(rough, take(loops, rough))._replace(corrects=True))
        loops = _climb(again, loops, segments)
    return Runs(study, loops, segments or [], rough)


def _climb(study: Study, loops: Loop, segments: list[Segment] | None) -> Loop:
    """All runs that go on, to their ends; appends what their steps leave behind."""
    program = study.compiled(advance_rounds)
    while running := int(np.sum(np.asarray(loops.code) == Outcome.RUNNING)):
        loops, rounds = program(study, loops, np.arange(study.width(running)))
        if segments is not None:
            segments += _segments(jax.tree.map(np.asarray, rounds))
    return loops


def _segments(rounds: Round) -> list[Segment]:
    """What each of these rounds left behind for the runs that went on."""
    each = [jax.tree.map(itemgetter(j), rounds) for j in np.flatnonzero(rounds.running)]
    return [_segment(one.rows[: one.running], one.taken[: one.running], one.trace) for one in each]


def _ones(rows: np.ndarray, loops: Loop) -> Segment:
    """One entry of each of these runs: where it is."""
    return _segment(rows, np.ones_like(rows), _first_traces(loops))


def _segment(rows: np.ndarray, taken: np.ndarray, trace: Trace) -> Segment:
    """A segment on the host, without the padding that all its runs have."""
    length = int(np.max(taken, initial=0))
    return Segment(rows, taken, jax.tree.map(lambda leaf: np.asarray(leaf)[:, :length], trace))


_first_traces = jax.jit(jax.vmap(start_trace))
