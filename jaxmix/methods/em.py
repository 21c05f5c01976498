"""EM: the E-step's expected statistics, then the M-step that maximizes from them.

notes/em.md, eq. 3 to 7; hard EM, eq. 12, replaces responsibilities by 0-1 assignments.
"""

import equinox as eqx

from jaxmix.methods.base import Cost, Info, Method
from jaxmix.mixture import Mixture
from jaxmix.problem import Evaluation, Problem


class EMState(eqx.Module):
    """The present mixture and where its next EM step leads."""

    mixture: Mixture
    em_step: Mixture


class EM(Method):
    r"""The EM algorithm; every step raises the objective and costs one pass.

    $$\theta^+ = \arg\max_{\theta'} Q(\theta' \mid \theta)$$

    Args:
        hard: assign every observation to its most probable component, and climb the classification
            log-likelihood $\sum_i \max_k \log w_k p_k(x_i)$ instead of the marginal one.

    Examples:
        >>> import jaxmix as jm
        >>> faithful = jm.data.load("faithful").x
        >>> result = jm.fit(faithful, jm.initialize(faithful, 2), jm.EM())
        >>> result.outcome.name
        'CONVERGED'

    Source: Dempster, Laird & Rubin (1977), JRSS B 39, eq. 2.17; hard: Celeux & Govaert (1992).
    """

    hard: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if not isinstance(self.hard, bool):
            raise TypeError(f"hard must be True or False, got {self.hard!r}")

    def init(self, problem: Problem, mixture: Mixture) -> EMState:
        return self.init_at(problem, mixture, problem.evaluate(mixture))

    def init_at(self, problem: Problem, mixture: Mixture, evaluation: Evaluation) -> EMState:
        return EMState(mixture, evaluation.em_step)

    def step(self, problem: Problem, state: EMState) -> tuple[EMState, Info]:
        evaluation = problem.evaluate(state.em_step)
        return EMState(state.em_step, evaluation.em_step), Info(evaluation, Cost(passes=1))

    def finish(self, state: EMState) -> Mixture:
        return state.mixture
