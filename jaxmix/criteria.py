r"""Criteria of fits of several families and sizes, and the table of what they say.

With log-likelihood L, p free parameters, n the sum of sample weights and responsibilities r, lower
is better: $\mathrm{BIC} = p \log n - 2L$, $\mathrm{AIC} = 2p - 2L$ and
$\mathrm{ICL} = \mathrm{BIC} - 2 \sum_i s_i \sum_k r_{ik} \log r_{ik}$ (notes/how-to-choose.md).
"""

from typing import Any

import equinox as eqx
import numpy as np

from jaxmix.loop import Outcome
from jaxmix.report.writers import Table
from jaxmix.restarts import RestartResults
from jaxmix.result import REMEDY, FitFailed, FitResult
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
        return self.runs.num_reached

    def count(self, outcome: Outcome) -> int:
        """How many starts ended so."""
        return self.runs.count(outcome)

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
        check_criterion(criterion)
        usable = [cell for cell in self.cells if cell.result is not None]
        if not usable:
            raise FitFailed(f"every start of every cell ended DEGENERATE or NONFINITE; {REMEDY}")
        return min(usable, key=lambda cell: getattr(cell, criterion))

    def values(self, criterion: str) -> tuple[list[int], dict[str, list[float]]]:
        """The numbers of components, and a criterion's value at each of them by family."""
        check_criterion(criterion)
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


def check_criterion(criterion: Any) -> None:
    """Raise ValueError unless a criterion has this name."""
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)
