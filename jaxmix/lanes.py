"""Many starts of one problem side by side, in lanes of which each takes another start once its own
has ended.

Every start runs the loop of `fit` under vmap. Programs are compiled for the lanes, whose number is
bounded, so that neither memory nor the longest run decides how many starts there can be.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Key

from jaxmix.assembly import start_trace
from jaxmix.compiling import compiler_options
from jaxmix.families import Family
from jaxmix.fitting import SEGMENT
from jaxmix.linalg import at_once
from jaxmix.loop import ROUGH, Closing, Loop, Outcome, Trace, advance, begin, close, renewed
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem
from jaxmix.side_by_side import side_by_side
from jaxmix.starts import draw
from jaxmix.stopping import Stop, resolvable
from jaxmix.streams import stream
from jaxmix.threads import threads

LANES = 64
"""Starts that run side by side, at most."""

SHARE = 4
"""Times that each of several shares of the starts fills its lanes, at least."""

GROUP = 16
"""Lanes that stop together where passes are short: lanes whose runs have ended idle until then."""

SHORT = 10**6
"""Multiplications in all lanes, n k f each, up to which a pass is short: a few milliseconds."""

ROUND, SMALL_ROUND, SMALL_SEGMENT = 64, 8, 16
"""Steps between two looks at which lanes are free, while starts wait: few where a look, which
copies all runs, costs little; and the most, for the last runs, where passes are short."""


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
    num_statistics: int = eqx.field(static=True)
    """Entries of the table of expected sufficient statistics."""

    @property
    def lanes(self) -> int:
        """How many starts run side by side: fewer where their matrices would be too many."""
        k, d = self.blank.shape
        matrices = k if k <= at_once(d) else 1
        return min(LANES, len(self.keys), max(1, at_once(d) // matrices))

    @property
    def small(self) -> bool:
        """Whether a pass in all lanes is short."""
        return self.problem.data.num_rows * self.lanes * self.num_statistics <= SHORT

    @property
    def shares(self) -> int:
        """Equal shares of the starts that run at once, each a program of one thread: more than one
        where passes are short and each share fills its lanes several times."""
        most = len(self.keys) // (SHARE * LANES) if self.small else 1
        return max(n for n in range(1, max(min(threads(), most), 1) + 1) if not len(self.keys) % n)

    @property
    def recentered(self) -> "Study":
        """The same study of the recentered problem."""
        return replace(self, problem=self.problem.in_form("recentered"))

    @property
    def round(self) -> int:
        """Steps between two looks at which lanes are free, while starts wait."""
        return SMALL_ROUND if self.small else ROUND

    @property
    def segment(self) -> int:
        """The most steps between two looks."""
        return SMALL_SEGMENT if self.small else SEGMENT

    @property
    def group(self) -> int:
        """Lanes that stop together: all where passes are long."""
        return min(GROUP, self.lanes) if self.small else self.lanes

    def rows(self, code: Int[np.ndarray, " starts"]) -> Int[np.ndarray, " lanes"]:
        """Which runs the lanes take on next: those that go on, then some that have ended."""
        running, ended = (np.flatnonzero((code == Outcome.RUNNING) == yes) for yes in (True, False))
        lanes = self.width(len(running))
        return np.resize(np.concatenate([running[:lanes], ended[:lanes]]), lanes)

    def width(self, running: int) -> int:
        """How many lanes to fill: whole groups, or an eighth of the lanes for the last runs of a
        study whose passes take longer than another program's compilation."""
        few = max(1, self.lanes // 8)
        if not self.small and running <= few:
            return few
        return -(-self.lanes // self.group) * self.group

    def compiled(self, function: Callable[..., Any]) -> jax.stages.Wrapped:
        """A function of a study, compiled by the route that suits its size."""
        return _compiled(function, self.small)


@cache
def _compiled(function: Callable[..., Any], small: bool) -> jax.stages.Wrapped:
    return jax.jit(function, compiler_options=compiler_options(small))


def start_keys(seed: int, num_starts: int) -> Key[Array, " starts"]:
    """The keys with which `initialize` draws from this seed and from those that follow it."""
    for edge in (seed, seed + num_starts - 1):
        stream(edge, "start")
    return _start_keys(np.arange(seed, seed + num_starts, dtype=np.int64))


_start_keys = jax.jit(jax.vmap(partial(stream, name="start")))


class Segment(NamedTuple):
    """What a number of steps left behind in every lane."""

    rows: Int[np.ndarray, " lanes"]
    """Which runs these are; those beyond `taken` are repeated."""
    taken: Int[np.ndarray, " runs"]
    """Steps of each run."""
    trace: Trace
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
    program = study.compiled(advance_rows)
    while running := int(np.sum((code := np.asarray(loops.code)) == Outcome.RUNNING)):
        steps = study.segment if running <= study.lanes else study.round
        before, rows = np.asarray(loops.num_steps), study.rows(code)
        loops, trace = program(study, loops, rows, steps)
        if segments is not None:
            mine = rows[:running]
            segments.append(_segment(mine, np.asarray(loops.num_steps)[mine] - before[mine], trace))
    return loops


def _ones(rows: np.ndarray, loops: Loop) -> Segment:
    """One entry of each of these runs: where it is."""
    return _segment(rows, np.ones_like(rows), _first_traces(loops))


def _segment(rows: np.ndarray, taken: np.ndarray, trace: Trace) -> Segment:
    """A segment on the host, without the padding that all its runs have."""
    length = int(np.max(taken, initial=0))
    return Segment(rows, taken, jax.tree.map(lambda leaf: np.asarray(leaf)[:, :length], trace))


def begin_all(study: Study) -> Loop:
    """All runs at their starts: evaluated side by side, drawn so where rows are few.

    A draw holds a number for every row.
    """
    x, weights = study.x - study.problem.center, study.weights

    def drawn(key: Array) -> Mixture:
        return draw(key, x, weights, study.blank, study.start)

    def begun(start: Mixture) -> Loop:
        return begin(study.method, study.problem, study.stop, start)

    keys = study.keys
    starts = in_lanes(study, drawn, keys) if study.small else jax.lax.map(drawn, keys)
    return in_lanes(study, begun, starts)


def in_lanes(study: Study, function: Callable[..., Any], *stacked: Any) -> Any:
    """A function of each run, as many side by side as there are lanes."""
    count = len(study.keys)
    rows = jnp.arange(-(-count // study.lanes) * study.lanes).reshape(-1, study.lanes) % count

    def together(some: Int[Array, " lanes"]) -> Any:
        return jax.vmap(function)(*jax.tree.map(lambda leaf: leaf[some], stacked))

    each = jax.lax.map(together, rows)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], each)


def advance_rows(
    study: Study, loops: Loop, rows: Int[Array, " lanes"], steps: ArrayLike
) -> tuple[Loop, Trace]:
    """The runs with these rows at most `steps` steps further, a row given twice once."""

    def one(loop: Loop) -> tuple[Loop, Trace]:
        most = jnp.asarray(steps)
        return advance(study.method, study.problem, study.stop, loop, most, study.segment)

    def together(some: Int[Array, " group"]) -> tuple[Loop, Trace]:
        return jax.vmap(one)(take(loops, some))

    groups = rows.reshape(-1, min(study.group, len(rows)))
    each = jax.lax.map(together, groups)
    moved, trace = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), each)
    return jax.tree.map(lambda leaf, new: leaf.at[rows].set(new), loops, moved), trace


def renewed_rows(study: Study, loops: Loop, rows: Int[Array, " rough"]) -> Loop:
    """The runs, these rows of which go on by this study's form of pass."""

    def one(loop: Loop) -> Loop:
        return renewed(study.method, study.problem, study.stop, loop)

    moved = jax.lax.map(one, take(loops, rows))
    return jax.tree.map(lambda leaf, new: leaf.at[rows].set(new), loops, moved)


def close_all(study: Study, loops: Loop) -> Closing:
    """What remains to evaluate at the ends of all runs."""
    return in_lanes(study, partial(_closed, study), loops)


def _closed(study: Study, loop: Loop) -> Closing:
    return close(study.problem, study.method.finish(loop.state), loop.evaluation)


def close_rows(study: Study, loops: Loop, rows: Int[Array, " rough"]) -> Closing:
    """What remains to evaluate at the ends of these runs."""
    return jax.lax.map(partial(_closed, study), take(loops, rows))


@jax.jit
def take(tree: Any, row: ArrayLike) -> Any:
    """One, or several, of what is stacked along a leading axis."""
    return jax.tree.map(lambda leaf: leaf[row], tree)


_first_traces = jax.jit(jax.vmap(start_trace))
