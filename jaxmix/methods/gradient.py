"""Gradient ascent on the objective, by any optax optimizer, in unconstrained coordinates.

The optimizer sees minus the objective a unit of sample weight, so that a learning rate means the
same at any n. notes/gradient.md, eq. 1 to 5.
"""

from functools import partial
from typing import Any

import equinox as eqx
import optax
from jaxtyping import Array, Float

from jaxmix.augmented import Augmented
from jaxmix.charts import (
    Chart,
    Still,
    entries,
    from_entries,
    from_precision_coordinates,
    precision_coordinates,
)
from jaxmix.families.base import Coordinates
from jaxmix.methods.base import Cost, Info, Method
from jaxmix.methods.optimizers import Factory, Optimizer
from jaxmix.mixture import Mixture
from jaxmix.problem import OBJECTIVES, Evaluation, Problem
from jaxmix.suggestions import unknown

CHARTS: dict[str, Chart] = {
    "log-cholesky": Still(),
    "cholesky": Still(entries, from_entries),
    "precision-cholesky": Still(precision_coordinates, from_precision_coordinates),
    "augmented": Augmented(),
}
"""Coordinates by name; the first is what every family says of itself."""


class GradientState(eqx.Module):
    """The present mixture, its coordinates and evaluation, and the optimizer's memory."""

    mixture: Mixture
    frame: Any
    """What the coordinates refer to."""
    coordinates: Coordinates
    evaluation: Evaluation
    memory: Any


class GradientAscent(Method):
    r"""Gradient ascent on the objective with an optax optimizer.

    The gradient is Fisher's: one pass gives the expected statistics $S$, which are the derivative
    in natural parameters $W$, and the chain rule gives the rest,
    $\nabla_\theta = (\partial W / \partial\theta)^\top S$. With
    `gradient="autodiff"`, S comes from reverse-mode autodiff of every block instead.

    Args:
        optimizer: an optax factory such as `optax.adam`, whose numbers follow by name and are
            traced (a new value recompiles nothing); or a ready optimizer, which compiles once.
        gradient: "fisher" or "autodiff".
        coordinates: where the optimizer moves. "log-cholesky" is what any family says of itself,
            Cholesky factors with a logarithmic diagonal for covariances. For full covariances also
            "cholesky", plain factors; "precision-cholesky", log-Cholesky of the inverse factors;
            and "augmented", mean and covariance as one positive definite matrix on its manifold,
            after Hosseini & Sra.
        learning_rate: passed to the factory, like any other setting; 0.01 where a factory takes
            one and none is given, except for `optax.lbfgs`, whose line search finds its own.
        **settings: the factory's other arguments.

    Raises:
        TypeError: for settings beside a ready optimizer; in `fit`, for coordinates of full
            covariances where components have others.
        ValueError: for settings that the factory does not take, and for unknown names.

    Examples:
        >>> import jaxmix as jm, optax
        >>> x, _, scale = jm.data.standardize(jm.data.load("faithful").x)
        >>> result = jm.fit(x, jm.initialize(x, 2), jm.GradientAscent(optax.lbfgs))
        >>> result.outcome.name
        'CONVERGED'

    Source: notes/gradient.md, eq. 3; Salakhutdinov, Roweis & Ghahramani (2003), ICML, section 2;
    Hosseini & Sra (2015), NeurIPS, for "augmented".
    """

    optimizer: Optimizer
    gradient: str = eqx.field(static=True)
    coordinates: str = eqx.field(static=True)

    def __init__(
        self,
        optimizer: Factory = optax.adam,
        *,
        gradient: str = "fisher",
        coordinates: str = "log-cholesky",
        **settings: Any,
    ):
        if gradient not in OBJECTIVES:
            raise unknown("gradient", gradient, OBJECTIVES)
        if coordinates not in CHARTS:
            raise unknown("coordinates", coordinates, CHARTS)
        self.optimizer = Optimizer(optimizer, settings)
        self.gradient, self.coordinates = gradient, coordinates

    def init(self, problem: Problem, mixture: Mixture) -> GradientState:
        frame, coordinates = CHARTS[self.coordinates].begin(mixture, problem.fixed)
        evaluation = problem.evaluate(mixture, self.gradient)
        memory = self.optimizer.init(coordinates)
        return GradientState(mixture, frame, coordinates, evaluation, memory)

    def step(self, problem: Problem, state: GradientState) -> tuple[GradientState, Info]:
        chart = CHARTS[self.coordinates]
        at = partial(chart.mixture, state.frame)

        def objective(coordinates: Coordinates) -> Float[Array, ""]:
            return problem.objective(at(coordinates), self.gradient)

        coordinates, memory = self.optimizer.ascend(
            state.coordinates,
            state.memory,
            problem.total,
            state.evaluation.objective,
            problem.slope(at, state.coordinates, state.evaluation.statistics),
            objective,
        )
        mixture, frame = chart.settle(state.frame, coordinates)
        evaluation = problem.evaluate(mixture, self.gradient)
        spent = Cost(passes=1, gradients=1) + _searched(memory)
        state = GradientState(mixture, frame, coordinates, evaluation, memory)
        return state, Info(evaluation, spent)

    def finish(self, state: GradientState) -> Mixture:
        return state.mixture


def _searched(memory: Any) -> Cost:
    """What the step's line search spent: every evaluation is a value with its slope."""
    trials = optax.tree.get(memory, "num_linesearch_steps", default=0)
    return Cost(passes=trials, gradients=trials)
