"""Many starts of one problem in one compiled program, and the best of them.

Every start runs the loop of `fit` under vmap; degenerate and non-finite runs are kept, counted and
never best.
"""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from jaxmix import checks
from jaxmix.families import Family, Spec
from jaxmix.fitting import SEGMENT, as_names, assemble, check_problem, start_trace
from jaxmix.inputs import as_count
from jaxmix.loop import Loop, Outcome, Trace, advance, begin, close
from jaxmix.methods import EM, Method
from jaxmix.precision import to_jax
from jaxmix.prior import Prior
from jaxmix.problem import Problem
from jaxmix.result import FitFailed, FitResult
from jaxmix.starts import STARTS, check_data, draw, equal_weights
from jaxmix.stopping import Stop, resolvable
from jaxmix.streams import stream
from jaxmix.suggestions import unknown


class RestartResults(eqx.Module):
    """Fits from several starts, in the order of the starts."""

    results: tuple[FitResult, ...]

    @property
    def usable(self) -> tuple[FitResult, ...]:
        """Results that are neither DEGENERATE nor NONFINITE."""
        failed = (Outcome.DEGENERATE, Outcome.NONFINITE)
        return tuple(result for result in self.results if result.outcome not in failed)

    @property
    def best(self) -> FitResult:
        """The usable result of highest objective; `FitFailed` where there is none."""
        if not self.usable:
            raise FitFailed(
                f"all {len(self.results)} starts ended DEGENERATE or NONFINITE; use fewer "
                "components, or set ridge or prior"
            )
        return max(self.usable, key=lambda result: float(result.objective))

    @property
    def num_degenerate(self) -> int:
        """How many starts ended DEGENERATE."""
        return sum(result.outcome == Outcome.DEGENERATE for result in self.results)


def fit_restarts(
    x: Any,
    k: int,
    method: Method | None = None,
    family: Spec = "full",
    num_starts: int = 8,
    seed: int = 0,
    *,
    start: str = "kmeans++",
    stop: Stop | None = None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
    sample_weights: Any = None,
    missing: bool = False,
) -> RestartResults:
    """Fit from several starts in one compiled program.

    Args:
        x: data [n d], or anything that `fit` takes.
        k: number of components.
        method: `EM()` when left out.
        family: as in `initialize`.
        num_starts: how many starts.
        seed: start j is `initialize(x, k, family, start, seed=seed + j)`.
        start: a kind of start that `initialize` knows by name.
        stop, prior, ridge, fixed, sample_weights, missing: as in `fit`.

    Returns:
        A `RestartResults`: `.best`, `.results` in the order of the starts, `.num_degenerate`.

    Raises:
        ValueError, TypeError: as `fit` and `initialize`.

    Examples:
        >>> import jaxmix as jm
        >>> galaxies = jm.data.load("galaxies").x
        >>> runs = jm.fit_restarts(galaxies, k=3, num_starts=4)
        >>> len(runs.results), runs.best.outcome.name
        (4, 'CONVERGED')
    """
    method = EM() if method is None else method
    stop = Stop() if stop is None else stop
    checks.check_method(method, stop)
    num_starts = as_count(num_starts, "num_starts")
    if not isinstance(start, str) or start not in STARTS:
        raise unknown("start", start, STARTS)
    values, weights, blank = check_data(x, k, family, sample_weights, missing)
    template = equal_weights(blank)
    problem, columns = check_problem(
        x, template, method, prior, ridge, as_names(fixed), sample_weights, missing
    )
    keys = jnp.stack([stream(seed + j, "start") for j in range(num_starts)])
    rows = to_jax(values), to_jax(weights)
    loops = _begin_all(method, problem, stop, keys, *rows, blank, start)
    largest = float(jnp.max(jnp.abs(loops.evaluation.objective)))
    dtype = problem.center.dtype
    stop = resolvable(stop, largest, float(problem.total), dtype)
    return _finish_all(method, problem, stop, loops, columns)


def _begin(
    method: Method,
    problem: Problem,
    stop: Stop,
    keys: Array,
    x: Array,
    weights: Array,
    blank: Family,
    start: str,
) -> Loop:
    def one(key: Array) -> Loop:
        mixture = draw(key, x - problem.center, weights, blank, start)
        return begin(method, problem, stop, mixture)

    return jax.vmap(one)(keys)


def _advance(method: Method, problem: Problem, stop: Stop, loops: Loop) -> tuple[Loop, Trace]:
    def one(loop: Loop) -> tuple[Loop, Trace]:
        return advance(method, problem, stop, loop, jnp.asarray(SEGMENT), SEGMENT)

    return jax.vmap(one)(loops)


def _close(method: Method, problem: Problem, loops: Loop) -> Any:
    return jax.vmap(lambda loop: close(problem, method.finish(loop.state), loop.evaluation))(loops)


_begin_all = jax.jit(_begin, static_argnames="start")
_advance_all = jax.jit(_advance)
_close_all = jax.jit(_close)


def _finish_all(
    method: Method, problem: Problem, stop: Stop, loops: Loop, columns: tuple[str, ...]
) -> RestartResults:
    """Segments until every run has ended, then one result a start."""
    traces = [jax.vmap(start_trace)(loops)]
    counts = [np.ones(len(loops.code), int)]
    while np.any(np.asarray(loops.code) == Outcome.RUNNING):
        before = np.asarray(loops.num_steps)
        loops, trace = _advance_all(method, problem, stop, loops)
        traces.append(trace)
        counts.append(np.asarray(loops.num_steps) - before)
    loops, closings, traces = jax.tree.map(
        np.asarray, (loops, _close_all(method, problem, loops), traces)
    )
    results = []
    for j in range(len(loops.code)):
        parts = [
            jax.tree.map(lambda a, j=j, taken=taken: a[j, : taken[j]], trace)
            for trace, taken in zip(traces, counts, strict=True)
        ]
        whole = jax.tree.map(lambda *columns: np.concatenate(columns), *parts)
        loop, closing = jax.tree.map(lambda a, j=j: jnp.asarray(a[j]), (loops, closings))
        results.append(assemble(problem, method, stop, loop, closing, whole, columns=columns))
    return RestartResults(tuple(results))
