r"""Which family and how many components: every cell of a table fitted from many starts.

With log-likelihood L, p free parameters, n the sum of sample weights and responsibilities r, lower
is better: $\mathrm{BIC} = p \log n - 2L$, $\mathrm{AIC} = 2p - 2L$ and
$\mathrm{ICL} = \mathrm{BIC} - 2 \sum_i s_i \sum_k r_{ik} \log r_{ik}$ (notes/how-to-choose.md).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from jaxmix.families import Spec
from jaxmix.inputs import as_count
from jaxmix.lanes import results, run
from jaxmix.loop import Outcome
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.prior import Prior
from jaxmix.problem import Problem
from jaxmix.report.tables import REACHED_WITHIN
from jaxmix.report.writers import Table
from jaxmix.restarts import RestartResults, open_study
from jaxmix.result import FitFailed, FitResult
from jaxmix.starts import check_data
from jaxmix.statistics import expectation
from jaxmix.stopping import Stop
from jaxmix.suggestions import unknown

CRITERIA = ("bic", "aic", "icl")

COLUMNS = (
    *("family", "k", "log-likelihood", "parameters", "BIC", "AIC", "ICL", "smallest count"),
    *("reached", "starts", "degenerate", "not finite", "at the limit", "outcome"),
)

CAPTION = (
    "Lower BIC, AIC and ICL are better; log-likelihood in nats, without penalties. Smallest count: "
    "the fewest observations that a component has. Reached: starts that end within 0.001 nats of "
    "the best. A cell without numbers has no start that ended well."
)


class Cell(eqx.Module):
    """One family with one number of components, fitted from all starts."""

    family: str
    k: int
    runs: RestartResults
    entropy: float
    """Of the best fit's responsibilities, in nats, summed over the data; NaN without a fit."""

    @property
    def result(self) -> FitResult | None:
        """The best fit; None where every start failed."""
        return self.runs.best if self.runs.usable else None

    @property
    def log_likelihood(self) -> float:
        """Of the best fit, without penalties, in nats; NaN where every start failed."""
        return np.nan if self.result is None else float(self.result.log_likelihood)

    @property
    def num_parameters(self) -> int:
        """Free parameters."""
        return self.runs.results[0].num_parameters

    @property
    def bic(self) -> float:
        """Bayesian information criterion; lower is better."""
        return np.nan if self.result is None else float(self.result.bic)

    @property
    def aic(self) -> float:
        """Akaike's information criterion; lower is better."""
        return np.nan if self.result is None else float(self.result.aic)

    @property
    def icl(self) -> float:
        """Integrated completed likelihood by its BIC-like form; lower is better."""
        return self.bic + 2 * self.entropy

    @property
    def smallest_count(self) -> float:
        """Observations of the component that has fewest: n times its weight."""
        if self.result is None:
            return np.nan
        return float(self.result.total) * float(np.min(self.result.mixture.weights))

    @property
    def num_reached(self) -> int:
        """How many starts end within 0.001 nats of the best objective."""
        if self.result is None:
            return 0
        objectives = np.array([float(one.objective) for one in self.runs.usable])
        return int(np.sum(objectives >= float(self.result.objective) - REACHED_WITHIN))

    def count(self, outcome: Outcome) -> int:
        """How many starts ended so."""
        return sum(one.outcome == outcome for one in self.runs.results)

    @property
    def outcome(self) -> str:
        """How the best fit ended, or that there is none."""
        return "every start failed" if self.result is None else self.result.outcome.name


class Selection(eqx.Module):
    """Fits of several families and numbers of components, with what three criteria say of them."""

    cells: tuple[Cell, ...]
    """In the order of the families, and of k within each."""
    criterion: str
    """By which `best` is chosen: "bic", "aic" or "icl"."""

    @property
    def best(self) -> FitResult:
        """The fit that the criterion prefers; `FitFailed` where every start of all cells failed."""
        return self.by(self.criterion)

    def by(self, criterion: str) -> FitResult:
        """The fit that "bic", "aic" or "icl" prefers.

        Raises:
            ValueError: for another criterion.
            FitFailed: where every start of every cell failed.
        """
        cell = self.cell_by(criterion)
        assert cell.result is not None
        return cell.result

    def cell_by(self, criterion: str) -> Cell:
        """The cell that "bic", "aic" or "icl" prefers; raises as `by`."""
        _check_criterion(criterion)
        usable = [cell for cell in self.cells if cell.result is not None]
        if not usable:
            raise FitFailed(
                "every start of every cell ended DEGENERATE or NONFINITE; use fewer components, "
                "or set ridge or prior"
            )
        return min(usable, key=lambda cell: getattr(cell, criterion))

    def values(self, criterion: str) -> tuple[list[int], dict[str, list[float]]]:
        """The numbers of components, and a criterion's value at each of them by family."""
        _check_criterion(criterion)
        known = {(cell.family, cell.k): getattr(cell, criterion) for cell in self.cells}
        ks = sorted({cell.k for cell in self.cells})
        families = dict.fromkeys(cell.family for cell in self.cells)
        return ks, {name: [known.get((name, k), np.nan) for k in ks] for name in families}

    @property
    def table(self) -> Table:
        """One row a cell, with the writers of every table."""
        return Table(COLUMNS, tuple(_row(cell) for cell in self.cells), CAPTION)

    def draw(self, criterion: str | None = None, panel: Any = None) -> Any:
        """Draw a criterion against k, a curve a family: `plot.selection`."""
        from jaxmix.plot.curves import selection

        name = self.criterion if criterion is None else criterion
        return selection(*self.values(name), panel=panel, criterion=name.upper())

    def to_text(self) -> str:
        """The table as plain text, and the cell that the criterion prefers."""
        if not any(cell.result is not None for cell in self.cells):
            return self.table.to_text()
        chosen = self.cell_by(self.criterion)
        line = f"lowest {self.criterion.upper()}: {chosen.family}, k = {chosen.k}"
        return f"{self.table.to_text()}\n{line}\n"

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown."""
        return self.table.to_markdown()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.table.to_html()


def _row(cell: Cell) -> tuple[Any, ...]:
    ends = (Outcome.DEGENERATE, Outcome.NONFINITE, Outcome.MAX_STEPS)
    return (
        *(cell.family, cell.k, cell.log_likelihood, cell.num_parameters),
        *(cell.bic, cell.aic, cell.icl, cell.smallest_count),
        *(cell.num_reached, len(cell.runs.results)),
        *(cell.count(outcome) for outcome in ends),
        cell.outcome,
    )


def _check_criterion(criterion: Any) -> None:
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)


def select(
    x: Any,
    ks: int | Iterable[int] = (1, 2, 3, 4),
    families: Spec | Iterable[Spec] = ("full", "tied", "diag", "spherical"),
    num_starts: int = 50,
    seed: int = 0,
    criterion: str = "bic",
    *,
    start: str = "short_runs",
    method: Method | None = None,
    stop: Stop | None = None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
    sample_weights: Any = None,
    missing: bool = False,
) -> Selection:
    r"""Fit every family with every number of components, and compare them.

    $\mathrm{BIC} = p \log n - 2L$, $\mathrm{AIC} = 2p - 2L$ and
    $\mathrm{ICL} = \mathrm{BIC} + 2E$, where L is the log-likelihood without penalties, p the
    number of free parameters, n the sum of the sample weights, and
    $E = -\sum_i s_i \sum_k r_{ik} \log r_{ik}$ the entropy of the soft responsibilities. Lower is
    better. A cell in which every start fails is a row that says so.

    Args:
        x: data [n d], or anything that `fit` takes.
        ks: numbers of components, each at most the number of observations.
        families: what `initialize` takes as family, or several of them.
        num_starts: starts a cell. On Old Faithful the hardest of 16 cells is reached by one start
            in ten: 50 miss it less than once in a hundred times (notes/how-to-choose.md).
        seed: start j of every cell is drawn with seed + j.
        criterion: "bic", "aic" or "icl", by which `.best` is chosen.
        start: a kind of start that `initialize` knows by name. "short_runs" needs far fewer starts
            than the others.
        method: `EM()` when left out.
        stop: `Stop(max_steps=5000)` when left out: good cells may take thousands of steps.
        prior, ridge, fixed, sample_weights, missing: as in `fit`, for every cell.

    Returns:
        A `Selection`: `.best`, `.by("aic")`, `.cells`, `.table`, `.draw()`; printing it gives the
        table.

    Raises:
        ValueError, TypeError: as `fit` and `initialize`, and for an unknown criterion.

    Examples:
        >>> import jaxmix as jm
        >>> galaxies = jm.data.load("galaxies").x
        >>> chosen = jm.select(galaxies, ks=[1, 3], families="full", num_starts=3)
        >>> chosen.best.mixture.num_components, round(chosen.cells[1].bic, 4)
        (3, 441.6122)

    Source: Schwarz (1978); Akaike (1974); Biernacki, Celeux & Govaert (2000), IEEE Transactions on
    Pattern Analysis and Machine Intelligence 22, for ICL with assignments in the place of
    responsibilities; Baudry (2009), Université Paris-Sud, chapter 4, for the entropy used here.
    """
    _check_criterion(criterion)
    sizes: list[Any] = [ks] if isinstance(ks, int | np.integer) else list(ks)
    kinds: list[Any] = [families] if isinstance(families, str | Mapping | type) else list(families)
    for name, given in (("ks", sizes), ("families", kinds)):
        if not given:
            raise ValueError(f"{name} is empty; name at least one")
        if any(given.count(one) > 1 for one in given):
            raise ValueError(f"{name} names one twice: {given}")
    as_count(num_starts, "num_starts")
    for family in kinds:
        for k in sizes:
            check_data(x, k, family, sample_weights, missing)
    settings = {
        "start": start,
        "stop": Stop(max_steps=5000) if stop is None else stop,
        "prior": prior,
        "ridge": ridge,
        "fixed": fixed if isinstance(fixed, str) else tuple(fixed),
        "sample_weights": sample_weights,
        "missing": missing,
    }
    cells = [
        _cell(x, k, family, method, num_starts, seed, settings) for family in kinds for k in sizes
    ]
    return Selection(tuple(cells), criterion)


def _cell(
    x: Any,
    k: int,
    family: Spec,
    method: Method | None,
    num_starts: int,
    seed: int,
    settings: dict[str, Any],
) -> Cell:
    study = open_study(x, k, method, family, num_starts, seed, **settings)
    runs = RestartResults(tuple(results(*run(study, history=True))))
    name = family if isinstance(family, str) else runs.results[0].mixture.family.name
    if not runs.usable:
        return Cell(name, k, runs, np.nan)
    best = study.problem.enter(runs.best.mixture)
    return Cell(name, k, runs, float(responsibilities_entropy(study.problem, best)))


@jax.jit
def responsibilities_entropy(problem: Problem, mixture: Mixture) -> Float[Array, ""]:
    """Entropy of the responsibilities of all rows, in nats, without holding them.

    Args:
        problem: the data.
        mixture: in the problem's centered coordinates.
    """
    features = mixture.incomplete if problem.missing else mixture.family.features
    table = mixture.natural()

    def block(data: tuple[Array, Array]) -> Array:
        x, weights = data
        logs = jax.nn.log_softmax(expectation(features, table, x)[0], axis=0)
        return -jnp.vdot(weights, jnp.sum(jnp.exp(logs) * jnp.maximum(logs, -1e3), axis=0))

    return jnp.sum(jax.lax.map(block, (problem.data.x, problem.data.sample_weights)))
