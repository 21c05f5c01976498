"""Many starts of one problem in one compiled program, and the best of them.

Degenerate and non-finite runs are kept, counted and never best. `lanes.py` runs them side by side.
"""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from jaxmix import checks
from jaxmix.families import Family, Spec
from jaxmix.fitting import as_names
from jaxmix.inputs import as_count
from jaxmix.lanes import Fits, Study, run, start_keys
from jaxmix.loop import Outcome
from jaxmix.methods import EM, Method
from jaxmix.posing import check_problem
from jaxmix.precision import to_jax
from jaxmix.prior import Prior
from jaxmix.report.tables import REACHED_WITHIN
from jaxmix.result import REMEDY, FitFailed, FitResult
from jaxmix.starts import STARTS, check_data, equal_weights
from jaxmix.stopping import Stop
from jaxmix.suggestions import unknown


class RestartResults(eqx.Module):
    """Fits from several starts, in the order of the starts."""

    results: Fits

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
        return self.results[rows[int(np.argmax(self.results.objectives[rows]))]]

    @property
    def num_reached(self) -> int:
        """How many starts end within 0.001 nats of the best objective; 0 where all fail."""
        objectives = self.results.objectives[self._usable_rows]
        return int(np.sum(objectives >= np.max(objectives, initial=-np.inf) - REACHED_WITHIN))

    @property
    def num_degenerate(self) -> int:
        """How many starts ended DEGENERATE."""
        return self.count(Outcome.DEGENERATE)

    def count(self, outcome: Outcome) -> int:
        """How many starts ended so."""
        return int(np.sum(self.results.codes == outcome))

    @property
    def _usable_rows(self) -> list[int]:
        failed = (Outcome.DEGENERATE, Outcome.NONFINITE)
        return np.flatnonzero(~np.isin(self.results.codes, failed)).tolist()


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
    return RestartResults(Fits(*run(study, history=True)))


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
    num_starts = as_count(num_starts, "num_starts")
    if not isinstance(start, str) or start not in STARTS:
        raise unknown("start", start, STARTS)
    values, weights, blank = check_data(x, k, family, sample_weights, missing)
    problem, columns = check_problem(
        *(x, equal_weights(blank), method, prior, ridge, as_names(fixed), sample_weights, missing)
    )
    keys = start_keys(seed, num_starts)
    rows = to_jax(values), to_jax(weights)
    size = _natural.eval_shape(blank, problem.penalty.ridge).size
    return Study(problem, method, stop, *rows, blank, keys, start, columns, size)


@jax.jit
def _natural(blank: Family, ridge: Float[Array, ""]) -> Float[Array, "k f"]:
    return blank.natural(ridge)
