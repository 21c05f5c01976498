"""Which optima there are, and from how many of many starts each is reached.

Runs end tightly enough that those at one optimum agree, and are told apart by their objectives
first and by matched components then (notes/how-to-choose.md).
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import ArrayLike

from jaxmix.families import Spec
from jaxmix.lane_programs import take
from jaxmix.lanes import run
from jaxmix.loop import Outcome
from jaxmix.matching import divergence
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.prior import Prior
from jaxmix.report.writers import Table
from jaxmix.restarts import open_study
from jaxmix.stopping import Stop

SAME_OBJECTIVE = 1e-5
"""Nats between two runs at one optimum: what a gap of 1e-10 leaves to gain at an EM rate of
1 - 1e-5."""

SAME_MIXTURE = 1e-2
"""Matched divergence of two runs at one optimum, which is twice the gap over (1 - rate)^2."""


class Optimum(eqx.Module):
    """A fit that some of the starts reach."""

    mixture: Mixture
    """In the units of the data, from the run of highest objective among them."""
    objective: float
    """Log-likelihood plus penalties."""
    log_likelihood: float
    gap: float
    """Nats that one more EM step promises."""
    starts: tuple[int, ...]
    """Which starts reach it: start j is drawn with seed + j."""
    share: float
    """Share of all starts: how large its basin is."""
    outcome: Outcome

    @property
    def count(self) -> int:
        """How many starts reach it."""
        return len(self.starts)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Objective, log-likelihood, gap, count and share: its row in a table."""
        return self.objective, self.log_likelihood, self.gap, self.count, self.share


class Census(eqx.Module):
    """The optima of one problem, highest objective first, and the starts that reached none."""

    optima: tuple[Optimum, ...]
    outcomes: tuple[Outcome, ...]
    """How the run from each start ended."""

    @property
    def num_starts(self) -> int:
        """How many starts there were."""
        return len(self.outcomes)

    @property
    def num_degenerate(self) -> int:
        """How many starts ended DEGENERATE."""
        return self.outcomes.count(Outcome.DEGENERATE)

    @property
    def num_nonfinite(self) -> int:
        """How many starts ended NONFINITE."""
        return self.outcomes.count(Outcome.NONFINITE)

    @property
    def num_unfinished(self) -> int:
        """How many starts reached the limit on steps, at no optimum yet."""
        return self.outcomes.count(Outcome.MAX_STEPS)

    @property
    def table(self) -> Table:
        """One row an optimum, with the writers of every table."""
        columns = ("optimum", "objective", "log-likelihood", "gap", "starts", "share")
        rows = tuple(
            (place, *one.numbers, float(np.min(one.mixture.weights)))
            for place, one in enumerate(self.optima, start=1)
        )
        ends = ", ".join(f"{one.name} {n}" for one, n in Counter(self.outcomes).most_common())
        caption = (
            f"Of {self.num_starts} starts: {ends}; those that converged are at an optimum. "
            "Objective, log-likelihood and gap in nats; share of all starts."
        )
        return Table((*columns, "smallest weight"), rows, caption)

    def to_text(self) -> str:
        """The table as plain text."""
        return self.table.to_text()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()


def census(
    x: Any,
    k: int,
    num_starts: int = 1000,
    method: Method | None = None,
    family: Spec = "full",
    seed: int = 0,
    *,
    start: str = "kmeans++",
    stop: Stop | None = None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
    sample_weights: Any = None,
    missing: bool = False,
) -> Census:
    """The different optima that many starts reach, up to the order of components.

    Two runs are at one optimum where their objectives agree within 1e-5 nats and their components,
    matched, within 0.01 nats of Jeffreys' divergence. Runs that fail, or reach the limit on steps,
    are counted apart.

    Args:
        x: data [n d], or anything that `fit` takes.
        k: number of components.
        num_starts: how many starts; they run in at most 64 lanes, so that memory stays bounded.
        method: `EM()` when left out.
        family: as in `initialize`.
        seed: start j is `initialize(x, k, family, start, seed=seed + j)`.
        start: a kind of start that `initialize` knows by name; the single draws "kmeans++" and
            "random_from_data" show small basins, "short_runs" leaves them out.
        stop: when to end each run; a gap of 1e-10 nats or 10,000 steps when left out. Two runs at
            one optimum then differ by less than the tolerances above unless EM's rate there is
            above 1 - 1e-4.
        prior, ridge, fixed, sample_weights, missing: as in `fit`.

    Returns:
        A `Census`: `.optima`, each with `.mixture`, `.objective`, `.log_likelihood`, `.gap`,
        `.count`, `.share` and `.starts`; `.num_degenerate`, `.num_nonfinite`, `.num_unfinished`;
        `.table`.

    Raises:
        ValueError, TypeError: as `fit` and `initialize`.

    Examples:
        >>> import jaxmix as jm
        >>> found = jm.census(jm.data.load("galaxies").x, k=3, num_starts=20)
        >>> round(found.optima[0].log_likelihood, 4), found.num_degenerate
        (-203.1792, 0)

    Source: notes/stopping.md, eq. 6, for what a gap leaves.
    """
    study = open_study(
        *(x, k, method, family, num_starts, seed),
        start=start,
        stop=Stop(tol=1e-10, max_steps=10_000) if stop is None else stop,
        prior=prior,
        ridge=ridge,
        fixed=fixed,
        sample_weights=sample_weights,
        missing=missing,
    )
    runs = run(study)
    loops, closings = runs.loops, runs.close()
    gaps, codes = np.asarray(loops.evaluation.gap), np.asarray(loops.code)
    objectives = np.asarray(loops.evaluation.objective)
    groups = _groups(objectives, codes == Outcome.CONVERGED, closings.mixture)
    optima = tuple(
        Optimum(
            mixture=take(closings.mixture, rows[0]),
            objective=float(objectives[rows[0]]),
            log_likelihood=float(closings.log_likelihood[rows[0]]),
            gap=float(gaps[rows[0]]),
            starts=tuple(sorted(rows)),
            share=len(rows) / len(codes),
            outcome=Outcome.CONVERGED,
        )
        for rows in groups
    )
    return Census(optima, tuple(Outcome(int(code)) for code in codes))


def _groups(objectives: np.ndarray, converged: np.ndarray, mixtures: Mixture) -> list[list[int]]:
    """Rows at one optimum, the highest first, each optimum's best row first."""
    rounding = 8 * float(np.finfo(objectives.dtype).eps) * np.abs(objectives)
    groups: list[list[int]] = []
    tops: list[Mixture] = []
    for row in map(int, np.argsort(-objectives, kind="stable")):
        if not converged[row]:
            continue
        mixture, near = take(mixtures, row), objectives[row] + SAME_OBJECTIVE + rounding[row]
        for group, top in zip(reversed(groups), reversed(tops)):
            if objectives[group[0]] <= near and divergence(mixture, top) <= SAME_MIXTURE:
                group.append(row)
                break
        else:
            groups.append([row])
            tops.append(mixture)
    return groups
