"""Many starts of one problem in lanes: what is compiled, for how many at once and how many steps.

Every start runs the loop of `fit` under vmap; a program draws all starts, takes runs some rounds
further, or closes them. `lanes.py` calls these until all runs have ended.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Int, Key

from jaxmix.compiling import compiler_options
from jaxmix.families import Family
from jaxmix.fitting import SEGMENT
from jaxmix.linalg import at_once
from jaxmix.loop import Closing, Loop, Outcome, Trace, advance, begin, close, renewed
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem
from jaxmix.starts import draw
from jaxmix.stopping import Stop
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

SMALL_ROUNDS = 8
"""Rounds of one call where passes are short: a call costs a millisecond, as several steps do."""


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
    def rounds(self) -> int:
        """How often one call looks at which lanes are free."""
        return SMALL_ROUNDS if self.small else 1

    @property
    def segment(self) -> int:
        """The most steps between two looks."""
        return SMALL_SEGMENT if self.small else SEGMENT

    @property
    def group(self) -> int:
        """Lanes that stop together: all where passes are long."""
        return min(GROUP, self.lanes) if self.small else self.lanes

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


class Round(NamedTuple):
    """What the steps between two looks left behind; stacked, where there are several."""

    running: Int[Array, ""]
    """How many of the lanes, the first ones, took on runs that went on."""
    rows: Int[Array, " lanes"]
    """Which runs the lanes took on: behind those that went on, some that had ended."""
    taken: Int[Array, " lanes"]
    """Steps of each."""
    trace: Trace


def advance_rounds(study: Study, loops: Loop, lanes: Int[Array, " lanes"]) -> tuple[Loop, Round]:
    """The runs that go on, some rounds further in so many lanes, which are numbered from 0."""

    def one_round(loops: Loop, _: None) -> tuple[Loop, Round]:
        ended = loops.code != Outcome.RUNNING
        running, rows = jnp.sum(~ended), jnp.argsort(ended)[lanes % len(ended)]
        steps = jnp.where(running <= study.lanes, study.segment, study.round)
        moved, trace = _advance_rows(study, loops, rows, steps)
        taken = (moved.num_steps - loops.num_steps)[rows]
        return moved, Round(jnp.minimum(running, len(lanes)), rows, taken, trace)

    return jax.lax.scan(one_round, loops, length=study.rounds)


def _advance_rows(
    study: Study, loops: Loop, rows: Int[Array, " lanes"], steps: Int[Array, ""]
) -> tuple[Loop, Trace]:
    """The runs with these rows at most `steps` steps further, a row given twice once."""

    def one(loop: Loop) -> tuple[Loop, Trace]:
        return advance(study.method, study.problem, study.stop, loop, steps, study.segment)

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
