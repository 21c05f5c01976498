"""EM while it is quick, Newton's method once it is not.

The root of the gaps' quotient estimates EM's rate as it goes, without another pass
(notes/acceleration.md, eq. 19).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmix.methods.base import Cost, Info, Method, check_numbers
from jaxmix.methods.newton import Newton, NewtonState
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem

NEWTON = Newton()

Step = Callable[[Problem, NewtonState], tuple[NewtonState, Info]]


class HybridState(eqx.Module):
    """Where either method goes on from, and what EM's last step said of its rate."""

    here: NewtonState
    rate: Float[Array, ""]
    """Estimated from the last step."""
    switched: Bool[Array, ""]


class Hybrid(Method):
    r"""EM far from the optimum, then Newton's method if EM turns out to be slow.

    EM goes far in its first steps, which cost one pass each; near an optimum its error shrinks by
    the same rate at every step, a Newton step costs some gradients but squares it. The rate shows
    while EM runs:

    $$\hat\rho_t = \sqrt{\text{gap}_t / \text{gap}_{t-1}}$$

    EM takes its steps until two estimates in a row are at least `rate`. Newton's method then takes
    over for good; its trust region is safe on plateaus too, where the estimate exceeds 1.

    Args:
        rate: in [0, 1], the EM rate from which Newton's steps pay. At the default 0.9 the gap
            takes EM 11 passes a digit.

    Raises:
        ValueError, TypeError: for a rate out of range.

    Examples:
        >>> import jaxmix as jm
        >>> deaths, start = jm.data.load("hasselblad"), jm.poisson_mixture([0.4, 0.6], [1.0, 2.0])
        >>> result = jm.fit(deaths.x, start, jm.Hybrid(), sample_weights=deaths.sample_weights)
        >>> result.outcome.name, int(result.num_steps) < 30
        ('CONVERGED', True)

    Source: Salakhutdinov, Roweis & Ghahramani (2003), ICML, section 4, who switch to conjugate
    gradients; notes/acceleration.md, eq. 19.
    """

    rate: float | Array = 0.9

    def __check_init__(self) -> None:
        check_numbers(most=1, rate=self.rate)

    def init(self, problem: Problem, mixture: Mixture) -> HybridState:
        here = NEWTON.init(problem, mixture)
        return HybridState(here, jnp.zeros_like(here.radius), jnp.array(False))

    def step(self, problem: Problem, state: HybridState) -> tuple[HybridState, Info]:
        def move(step: Step) -> tuple[NewtonState, Info]:
            here, info = step(problem, state.here)
            return here, Info(info.evaluation, Cost() + info.cost)

        here, info = jax.lax.cond(state.switched, lambda: move(NEWTON.step), lambda: move(em_step))
        rate = jnp.sqrt(info.evaluation.gap / state.here.evaluation.gap)
        slow = (state.rate >= self.rate) & (rate >= self.rate)
        return HybridState(here, rate, state.switched | slow), info

    def finish(self, state: HybridState) -> Mixture:
        return state.here.mixture


def em_step(problem: Problem, here: NewtonState) -> tuple[NewtonState, Info]:
    """EM's step, from which Newton's method could go on."""
    mixture = here.evaluation.em_step
    evaluation = problem.evaluate(mixture)
    return NewtonState(mixture, evaluation, here.radius), Info(evaluation, Cost(passes=1))
