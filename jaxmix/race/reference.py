"""The best objective that is known of a problem: from a dedicated long run of many starts.

EM goes on from every start until little is left to gain, and SQUAREM from the best end that is no
degenerate one until nothing is. A report tells where a run of the study comes out higher. EM's rate
there predicts how slow EM is on the problem (notes/rates.md, eq. 4).
"""

import time
import warnings
from collections.abc import Mapping
from typing import Any

from jaxmix.fitting import fit
from jaxmix.inference.rates import em_rate
from jaxmix.loop import Outcome
from jaxmix.methods.em import EM
from jaxmix.methods.squarem import SQUAREM
from jaxmix.mixture import Mixture
from jaxmix.race.execution import Found
from jaxmix.race.problems import Opened
from jaxmix.race.running import Referee
from jaxmix.restarts import fit_restarts
from jaxmix.stopping import Stop

FIRST_TOL, LAST_TOL = 1e-4, 1e-11
"""Gaps at which the many runs and the last one end, in nats."""


def best_known(problem: Opened, starts: int, max_steps: int, seed: int) -> Mixture:
    """The usable mixture of highest objective, in the coordinates of the problem's columns.

    Args:
        problem: an opened problem.
        starts: how many.
        max_steps: of every run.
        seed: of the first start.

    Raises:
        FitFailed: where every start ends degenerate.
    """
    stated, weights = problem.stated, problem.table.sample_weights
    given = {"ridge": stated.ridge, "sample_weights": weights}
    first, last = (Stop(tol=tol, max_steps=max_steps) for tol in (FIRST_TOL, LAST_TOL))
    settings = (stated.k, EM(), stated.family, starts, seed)
    best = fit_restarts(problem.x, *settings, start=stated.start, stop=first, **given).best
    for method in (SQUAREM(), EM()):
        polished = fit(problem.x, best.mixture, method, stop=last, **given)
        usable = polished.outcome not in (Outcome.DEGENERATE, Outcome.NONFINITE)
        if usable and float(polished.objective) >= float(best.objective):
            return polished.mixture
    return best.mixture


def rate_at(best: Mixture, problem: Opened) -> float | None:
    """EM's rate at an optimum; None where it has none, at a boundary or where EM still climbs."""
    options = {"ridge": problem.stated.ridge, "sample_weights": problem.table.sample_weights}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return em_rate(best, problem.x, **options)
        except (ValueError, UserWarning):
            return None


def referenced(config: Mapping[str, Any], problem: Opened) -> Found:
    """The dedicated run of a problem, with its one evaluation in float64, and EM's rate there."""
    began = time.perf_counter()
    best = best_known(problem, config["starts"], config["max_steps"], config["seed"])
    referee = Referee(problem, best)
    objective, gap = referee.judge(best)
    arrays = {f"final.{name}": part for name, part in referee.parameters(best).items()}
    about = {"outcome": "REFERENCE", "error": None, "em_rate": rate_at(best, problem)}
    about["seconds"] = time.perf_counter() - began
    return Found([{"objective": objective, "gap": gap}], arrays, about)
