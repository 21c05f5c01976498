"""The best of several starts, as `fit` and `complete` fit a table; ridge and starts in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from jaxmix.cli.ridge import default_ridge
from jaxmix.cli.tables import Frame
from jaxmix.data import Table
from jaxmix.devices import on
from jaxmix.families import STRUCTURES
from jaxmix.fitting import fit
from jaxmix.inference import StandardErrors
from jaxmix.inputs import as_count
from jaxmix.loop import Outcome
from jaxmix.methods import Method
from jaxmix.race.named_methods import Contender, contenders
from jaxmix.report.tables import REACHED_WITHIN
from jaxmix.restarts import RestartResults, fit_restarts
from jaxmix.result import FitResult
from jaxmix.starts import initialize
from jaxmix.stopping import Stop


class Fitted(NamedTuple):
    """Fits of a table from several starts, and what they were told."""

    runs: RestartResults
    contender: Contender
    ridge: float
    ridge_is_default: bool
    seed: int

    @property
    def best(self) -> FitResult:
        """The usable fit of highest objective; `FitFailed` where there is none."""
        return self.runs.best

    @property
    def reached(self) -> int:
        """How many starts came as high as the best, within a thousandth of a nat."""
        return self.runs.num_reached

    @property
    def failed(self) -> int:
        """How many starts ended DEGENERATE or NONFINITE."""
        return len(self.runs.results) - len(self.runs.usable)

    def to_text(self, errors: StandardErrors | None = None) -> str:
        """The best fit on one screen, with any standard errors, the ridge and the starts."""
        finished = self.runs.count(Outcome.CONVERGED)
        starts = (
            f"{len(self.runs.results)} of seed {self.seed}: {finished} converged, {self.failed} "
            f"failed, {self.reached} reached the best within {REACHED_WITHIN:g} nats"
        )
        return (
            f"{self.best.summary(errors)}\n\n{'ridge':<15} {self._ridge}\n{'starts':<15} {starts}\n"
        )

    @property
    def _ridge(self) -> str:
        if not self.ridge_is_default:
            return f"{self.ridge:g}" if self.ridge else "none"
        if not self.ridge:
            return "none"
        return f"{self.ridge:.3g}, a millionth of the smallest column variance (--ridge 0 for none)"


def fitted(
    table: Table,
    k: int,
    family: str,
    method: str = "em",
    starts: int = 8,
    seed: int = 0,
    ridge: float | None = None,
    stop: Stop | None = None,
    missing: bool = False,
    checkpoint: Path | None = None,
    mesh: Any = None,
) -> Fitted:
    """Fit a table from several starts: in one compiled program, or one after another with a
    checkpoint or a mesh.

    Args:
        table: data in the user's units, NaN where entries are missing.
        k: number of components.
        family: a family's name.
        method: one method by name, with settings in parentheses.
        starts: how many starts.
        seed: seed of the first start; the others follow.
        ridge: in squared units of the data; `default_ridge` if None, for Gaussians.
        stop: `Stop()` if None.
        missing: whether entries may be missing.
        checkpoint: where `fit` keeps an unfinished run.
        mesh: the devices that share the rows; None for one.

    Returns:
        A `Fitted`.

    Raises:
        ValueError, TypeError: as `fit_restarts`, and where not one method is named.
    """
    named, num_starts = contenders(method), as_count(starts, "starts")
    if len(named) != 1:
        raise ValueError(f"expected one method, got {len(named)}; jaxmix compare takes several")
    is_default = ridge is None
    if ridge is None:
        ridge = default_ridge(table.x, table.sample_weights) if family in STRUCTURES else 0.0
    data = {"sample_weights": table.sample_weights, "missing": missing}
    study = (Frame(table), k, named[0].method, family, num_starts, seed)
    with Console(stderr=True).status(f"fitting {k} components from {num_starts} starts"):
        if checkpoint is None and mesh is None:
            runs = fit_restarts(*study, stop=stop, ridge=ridge, **data)
        else:
            runs = one_by_one(*study, checkpoint, mesh, stop, ridge, data)
    return Fitted(runs, named[0], ridge, is_default, seed)


def one_by_one(
    x: Any,
    k: int,
    method: Method,
    family: str,
    num_starts: int,
    seed: int,
    checkpoint: Path | None,
    mesh: Any,
    stop: Stop | None,
    ridge: float,
    data: Mapping[str, Any],
) -> RestartResults:
    """What `fit_restarts` finds, one `fit` after another, each with a checkpoint of its own."""
    starts = [initialize(x, k, family, seed=seed + j, **data) for j in range(num_starts)]
    results = []
    for j, start in enumerate(starts):
        file = checkpoint
        if checkpoint is not None and num_starts > 1:
            file = checkpoint.with_stem(f"{checkpoint.stem}-{j}")
        with on(mesh):
            results.append(fit(x, start, method, stop=stop, ridge=ridge, checkpoint=file, **data))
    objectives = np.array([float(result.objective) for result in results])
    codes = np.array([int(result.code) for result in results])
    return RestartResults(tuple(results), objectives, codes)
