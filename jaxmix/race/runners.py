"""A method of the kit on its way through a budget, step by step, in the loop that `fit` runs.

Nothing stops a run here but its budget or a failure; where the method would have stopped by itself
is read from its history afterwards.
"""

import time
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np

from jaxmix.archives import Arrays
from jaxmix.assembly import corrected, joined, start_trace
from jaxmix.checkpoint import filled, numbered, on_device, several
from jaxmix.compiling import compiled_advance
from jaxmix.loop import ROUGH, Loop, Outcome, Trace, begin, recentered
from jaxmix.methods.base import Method
from jaxmix.mixture import Mixture
from jaxmix.posing import check_problem
from jaxmix.stopping import Stop

NEVER = eqx.tree_at(lambda stop: stop.tol, Stop("gap", max_steps=2**31 - 1), np.nan)
"""A stop that comes never: no measure is at most NaN."""

SEGMENT = 256
"""Steps of one compiled call at most."""


class Spent(NamedTuple):
    """What a run has spent by now."""

    passes: int
    gradients: int
    hessian_products: int


class History(NamedTuple):
    """Objective, gap and passes after every step, in the run's own precision; gaps may be none."""

    objective: np.ndarray
    gap: np.ndarray | None
    passes: np.ndarray


@runtime_checkable
class Runner(Protocol):
    """What a race asks of a method on its way."""

    @property
    def num_steps(self) -> int:
        """Steps taken."""
        ...

    @property
    def spent(self) -> Spent:
        """Passes, gradients and Hessian products so far."""
        ...

    @property
    def outcome(self) -> Outcome:
        """RUNNING, or how it can go no further."""
        ...

    @property
    def mixture(self) -> Mixture:
        """Where it is, in the coordinates of its data."""
        ...

    @property
    def history(self) -> History:
        """What it has seen of the objective."""
        ...

    def prepare(self) -> None:
        """Compile what `advance` runs."""
        ...

    def advance(self, steps: int, seconds: float) -> float:
        """Take steps; the seconds of compute from the start on, given those so far."""
        ...

    def frozen(self) -> tuple[dict[str, Any], Arrays]:
        """All that a later process needs to go on, in plain values and arrays."""
        ...

    def thaw(self, header: dict[str, Any], arrays: Arrays) -> None:
        """Go on from what `frozen` gave."""
        ...


class KitRunner:
    """A `Runner` of a method of the kit, or one like it from a user's file.

    Args:
        x: columns in the precision of the run [n d].
        sample_weights: [n] or None.
        start: where it starts, in the coordinates of x.
        method: the method.
        ridge: in squared units of x.
    """

    def __init__(
        self, x: np.ndarray, sample_weights: Any, start: Mixture, method: Method, ridge: float
    ):
        self._method = method
        problem, _ = check_problem(x, start, method, None, ridge, (), sample_weights)
        self._problem, self._loop = problem, begin(method, problem, NEVER, problem.enter(start))
        self._traces = [start_trace(self._loop)]
        self._in_digits()

    @property
    def num_steps(self) -> int:
        return int(self._loop.num_steps)

    @property
    def spent(self) -> Spent:
        cost = self._loop.cost
        return Spent(int(cost.passes), int(cost.gradients), int(cost.hessian_products))

    @property
    def outcome(self) -> Outcome:
        return Outcome(int(self._loop.code))

    @property
    def mixture(self) -> Mixture:
        return self._problem.leave(self._method.finish(self._loop.state))

    @property
    def history(self) -> History:
        trace = joined(self._traces)
        return History(*(np.asarray(part) for part in jax.tree.leaves(trace)))

    def prepare(self) -> None:
        jax.block_until_ready(self._call(0))

    def advance(self, steps: int, seconds: float) -> float:
        while steps > 0 and self.outcome == Outcome.RUNNING:
            began, before = time.perf_counter(), self.num_steps
            loop, trace = jax.block_until_ready(self._call(min(steps, SEGMENT)))
            seconds += time.perf_counter() - began
            taken = int(loop.num_steps) - before
            self._loop, steps = loop, steps - max(taken, 1)
            self._traces.append(jax.tree.map(partial(_first, taken), trace))
            self._in_digits()
        return seconds

    def _call(self, steps: int) -> tuple[Loop, Trace]:
        program = compiled_advance(self._problem, self._loop.evaluation.statistics.size)
        return program(self._method, self._problem, NEVER, self._loop, steps, length=SEGMENT)

    def _in_digits(self) -> None:
        """Go on by passes whose digits suffice, as `fit` does."""
        if int(self._loop.code) == ROUGH:
            self._problem, self._loop = recentered(self._method, self._problem, NEVER, self._loop)
            self._traces = [corrected(self._traces, start_trace(self._loop))]

    def frozen(self) -> tuple[dict[str, Any], Arrays]:
        trace = jax.tree.map(np.asarray, joined(self._traces))
        return {"form": self._problem.form}, numbered("loop", self._loop) | numbered("trace", trace)

    def thaw(self, header: dict[str, Any], arrays: Arrays) -> None:
        loop = jax.tree.map(on_device, self._loop, filled("loop", self._loop, arrays))
        one = jax.tree.map(lambda column: column[0], joined(self._traces))
        trace = filled("trace", several(int(loop.num_steps) + 1, one), arrays)
        self._problem = self._problem.in_form(header["form"])
        self._loop, self._traces = loop, [trace]


def _first(number: int, column: Any) -> np.ndarray:
    """The first entries of a column of a trace."""
    return np.asarray(column)[:number]
