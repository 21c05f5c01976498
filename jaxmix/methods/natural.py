"""Natural-gradient ascent: EM's step, longer or shorter, in expectation coordinates.

The natural gradient of the log-likelihood under the complete-data Fisher information is the way
from a mixture's expected features to those of its EM step (notes/em-as-gradient.md, eq. 9).
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from jaxmix.methods.base import Cost, Info, Method, check_numbers
from jaxmix.mixture import Mixture
from jaxmix.prior import penalty
from jaxmix.problem import Evaluation, Problem


class NaturalState(eqx.Module):
    """The present mixture and its evaluation."""

    mixture: Mixture
    evaluation: Evaluation


class NaturalGradient(Method):
    r"""Natural-gradient ascent in the expected features T; a step size of 1 is EM.

    $$T_{t+1} = T_t + \gamma\, (T(M(\theta_t)) - T_t)$$

    where M is the EM step. Between 0 and 1 it is a cautious EM, that still climbs; near an optimum
    any step size below 2 converges, and $2 / (2 - \lambda_1 - \lambda_p)$ fastest, from EM's
    largest and smallest rates. A step that would leave the parameters' range is EM's.

    Args:
        step_size: $\gamma > 0$; 1 by default, which is EM.

    Raises:
        ValueError, TypeError: for a step size that is not positive.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> start = jm.initialize(waiting, 2, family="tied")
        >>> runs = [jm.fit(waiting, start, m) for m in (jm.EM(), jm.NaturalGradient(1.3))]
        >>> int(runs[0].num_steps) > int(runs[1].num_steps)
        True

    Source: Amari (1998), Neural Computation 10; Sato (2001), Neural Computation 13;
    notes/em-as-gradient.md, eq. 9 and 12.
    """

    step_size: float | Array = 1.0

    def __check_init__(self) -> None:
        if isinstance(self.step_size, Tracer):
            return
        check_numbers(step_size=self.step_size)
        if not np.all(np.asarray(self.step_size) > 0):
            raise ValueError(f"step_size must be positive, got {self.step_size!r}")

    def init(self, problem: Problem, mixture: Mixture) -> NaturalState:
        return NaturalState(mixture, problem.evaluate(mixture))

    def step(self, problem: Problem, state: NaturalState) -> tuple[NaturalState, Info]:
        present, em_step = state.mixture, state.evaluation.em_step
        features = present.expected_features
        along = self.step_size * (em_step.expected_features - features)
        nothing = penalty(None, 0.0, jnp.zeros_like(problem.center))
        moved = present.maximize(features + along, nothing, problem.fixed)
        counts = problem.total * moved.weights
        usable = moved.is_finite & jnp.all(features[:, -1] + along[:, -1] > 0)
        usable = usable & ~problem.is_degenerate(moved, counts)
        mixture = jax.tree.map(partial(jnp.where, usable), moved, em_step)
        evaluation = problem.evaluate(mixture)
        return NaturalState(mixture, evaluation), Info(evaluation, Cost(passes=1))

    def finish(self, state: NaturalState) -> Mixture:
        return state.mixture
