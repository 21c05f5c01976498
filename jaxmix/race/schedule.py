"""When a run is evaluated, when it ends, and where its method would have ended it.

Evaluations lie at steps that grow by a factor, so that a long run has few of them; all are decided
by what a run has spent, and so are alike in a run that was interrupted, but for budgets in seconds.
"""

import math
from typing import NamedTuple

import numpy as np

from jaxmix.race.runners import History
from jaxmix.race.study import Budget, Rule

GROWTH = 1.15
"""By what factor steps between two evaluations grow: costs are known to so much."""


class OwnStop(NamedTuple):
    """Where a run would have stopped by itself."""

    step: int
    passes: int


def steps_ahead(done: int, passes: int, seconds: float, budget: Budget) -> int:
    """How many steps to take until the next evaluation; 0 where the budget is spent.

    Args:
        done: steps taken.
        passes, seconds: spent on them.
        budget: how far the run goes; one of passes is overshot by less than a step's.
    """
    ahead = max(1, math.ceil(done * GROWTH) - done)
    for limit, spent in ((budget.passes, passes), (budget.seconds, seconds)):
        if limit is not None:
            if spent >= limit:
                return 0
            # Before the first step nobody knows what one costs.
            each = spent / done if done else math.inf
            ahead = min(ahead, math.floor((limit - spent) / each) if each else ahead)
    return max(ahead, 1)


def own_stop(history: History, rule: Rule, total: float) -> OwnStop | None:
    """The first step at which a rule holds, as `Stop` counts it; None where it never does.

    Args:
        history: objective, gap and passes after every step.
        rule: which measure, and its tolerance.
        total: the sum of the sample weights.
    """
    if rule.rule == "gap":
        if history.gap is None:
            return None
        measure, scale = history.gap, np.ones(len(history.gap))
    else:
        objective = history.objective
        measure = np.abs(np.diff(objective, prepend=np.nan))
        scales = {"total": 1.0, "mean": total, "relative": np.abs(objective)}
        scale = np.broadcast_to(scales[rule.rule], measure.shape)
    met = np.flatnonzero(measure <= rule.tol * scale)
    if not len(met):
        return None
    return OwnStop(int(met[0]), int(history.passes[met[0]]))
