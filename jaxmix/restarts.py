"""Many starts of one problem in one compiled program, and the best of them.

Degenerate and non-finite runs are kept, counted and never best. `lanes.py` runs them side by side.
"""

from collections.abc import Iterable, Sequence
from typing import Any, overload

import equinox as eqx
import jax
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from jaxmix import checks
from jaxmix.assembly import assemble, corrected, joined
from jaxmix.families import Spec
from jaxmix.fitting import as_names
from jaxmix.inputs import as_count
from jaxmix.lane_programs import Study, take
from jaxmix.lanes import Runs, run, start_keys
from jaxmix.loop import Outcome, Trace
from jaxmix.methods import EM, Method
from jaxmix.mixture import natural_table
from jaxmix.posing import check_problem
from jaxmix.precision import to_jax
from jaxmix.prior import Prior
from jaxmix.report.tables import REACHED_WITHIN
from jaxmix.result import REMEDY, FitFailed, FitResult
from jaxmix.sources import Source
from jaxmix.starts import STARTS, check_data, equal_weights
from jaxmix.stopping import Stop
from jaxmix.suggestions import unknown


class Fits(Sequence[FitResult]):
    """What `fit` would hand back for runs that have ended, each made when it is asked for."""

    def __init__(self, runs: Runs) -> None:
        """Close runs with their history; none of the data's rows is kept."""
        study = runs.study
        self._ends, self._segments = (runs.loops, runs.close()), runs.segments
        self._terms = study.problem.terms
        self._rest, self._columns = (study.method, study.stop), study.columns
        self._recentered = frozenset(runs.recentered.tolist())
        self._made: dict[int, FitResult] = {}

    def __len__(self) -> int:
        return len(self._ends[0].code)

    @overload
    def __getitem__(self, row: int) -> FitResult: ...

    @overload
    def __getitem__(self, row: slice) -> list[FitResult]: ...

    def __getitem__(self, row: int | slice) -> FitResult | list[FitResult]:
        if isinstance(row, slice):
            return [self[one] for one in range(len(self))[row]]
        row = range(len(self))[row]
        if row not in self._made:
            form = "recentered" if row in self._recentered else "features"
            common = self._terms._replace(form=form), *self._rest
            loop, closing = take(self._ends, row)
            self._made[row] = assemble(
                *common, loop, closing, self._trace(row), columns=self._columns
            )
        return self._made[row]

    def _trace(self, row: int) -> Trace:
        """What the steps of one run left behind, its start first."""
        parts: list[Trace] = []
        for segment in self._segments:
            for lane in np.flatnonzero(segment.rows == row):
                taken = segment.taken[lane]
                part = jax.tree.map(lambda a, lane=lane, n=taken: a[lane, :n], segment.trace)
                parts = [corrected(parts, part)] if segment.corrects else [*parts, part]
        return joined(parts)


class RestartResults(eqx.Module):
    """Fits from several starts, in the order of the starts."""

    results: Fits | tuple[FitResult, ...]
    objectives: Float[np.ndarray, " starts"]
    codes: Int[np.ndarray, " starts"]
    """Outcomes as numbers."""

    @property
    def usable(self) -> tuple[FitResult, ...]:
        """Results that are neither DEGENERATE nor NONFINITE."""
        return tuple(self.results[row] for row in self._usable_rows)

    @property
    def best(self) -> FitResult:
        """The usable result of highest objective; `FitFailed` where there is none."""
        rows = self._usable_rows
        if not len(rows):
            raise FitFailed(
                f"all {len(self.results)} starts ended DEGENERATE or NONFINITE; {REMEDY}"
            )
        return self.results[rows[int(np.argmax(self.objectives[rows]))]]

    @property
    def num_reached(self) -> int:
        """How many starts end within 0.001 nats of the best objective; 0 where all fail."""
        objectives = self.objectives[self._usable_rows]
        return int(np.sum(objectives >= np.max(objectives, initial=-np.inf) - REACHED_WITHIN))

    @property
    def num_degenerate(self) -> int:
        """How many starts ended DEGENERATE."""
        return self.count(Outcome.DEGENERATE)

    def count(self, outcome: Outcome) -> int:
        """How many starts ended so."""
        return int(np.sum(self.codes == outcome))

    @property
    def _usable_rows(self) -> list[int]:
        failed = (Outcome.DEGENERATE, Outcome.NONFINITE)
        return np.flatnonzero(~np.isin(self.codes, failed)).tolist()


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
        x: data [n d], or anything that `fit` takes but a stream, of which lanes would ask for
            rows in turn: fit it from one start after another.
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
    study = open_study(
        *(x, k, method, family, num_starts, seed),
        start=start,
        stop=stop,
        prior=prior,
        ridge=ridge,
        fixed=fixed,
        sample_weights=sample_weights,
        missing=missing,
    )
    return closed(run(study, history=True))


def closed(runs: Runs) -> RestartResults:
    """The fits of runs that have ended, made with their history."""
    loops = runs.loops
    return RestartResults(
        Fits(runs), np.asarray(loops.evaluation.objective), np.asarray(loops.code)
    )


def open_study(
    x: Any,
    k: int,
    method: Method | None,
    family: Spec,
    num_starts: int,
    seed: int,
    *,
    start: str,
    stop: Stop | None,
    prior: Prior | None,
    ridge: ArrayLike,
    fixed: Iterable[str],
    sample_weights: Any,
    missing: bool,
) -> Study:
    """The study that valid arguments of `fit_restarts` make."""
    method = EM() if method is None else method
    stop = Stop() if stop is None else stop
    checks.check_method(method, stop)
    if isinstance(x, Source):
        raise TypeError(
            "many starts at once need all rows in memory, and x is a stream; call fit for each "
            "start initialize(x, k, seed=...)"
        )
    num_starts = as_count(num_starts, "num_starts")
    if not isinstance(start, str) or start not in STARTS:
        raise unknown("start", start, STARTS)
    values, weights, blank = check_data(x, k, family, sample_weights, missing)
    problem, columns = check_problem(
        *(x, equal_weights(blank), method, prior, ridge, as_names(fixed), sample_weights, missing)
    )
    keys = start_keys(seed, num_starts)
    rows = to_jax(values), to_jax(weights)
    size = natural_table.eval_shape(equal_weights(blank)).size
    return Study(problem, method, stop, *rows, blank, keys, start, columns, size)
