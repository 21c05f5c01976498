"""Gradient ascent on the objective, by any optax optimizer, in unconstrained coordinates.

The optimizer sees minus the objective a unit of sample weight, so that a learning rate means the
same at any n. notes/gradient.md, eq. 1 to 5.
"""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from jaxmix.families.base import Coordinates
from jaxmix.methods.base import Cost, Info, Method
from jaxmix.mixture import Mixture
from jaxmix.problem import OBJECTIVES, Evaluation, Problem
from jaxmix.suggestions import unknown


class GradientState(eqx.Module):
    """The present mixture, its coordinates and evaluation, and the optimizer's memory."""

    mixture: Mixture
    coordinates: Coordinates
    evaluation: Evaluation
    memory: Any


class GradientAscent(Method):
    r"""Gradient ascent on the objective with an optax optimizer.

    The gradient is Fisher's: one pass gives the expected statistics $S$, which are the derivative
    in natural parameters $W$, and the chain rule gives the rest,
    $\nabla_\theta = (\partial W / \partial\theta)^\top S$. With
    `gradient="autodiff"`, S comes from a reverse sweep through the pass instead.

    Args:
        optimizer: an optax factory such as `optax.adam`, whose numbers follow by name and are
            traced (a new value recompiles nothing); or a ready optimizer, which compiles once.
        gradient: "fisher" or "autodiff".
        learning_rate: passed to the factory, like any other setting; 0.01 where a factory takes
            one and none is given, except for `optax.lbfgs`, whose line search finds its own.
        **settings: the factory's other arguments.

    Raises:
        TypeError: for settings beside a ready optimizer.
        ValueError: for settings that the factory does not take.

    Examples:
        >>> import jaxmix as jm, optax
        >>> x, _, scale = jm.data.standardize(jm.data.load("faithful").x)
        >>> result = jm.fit(x, jm.initialize(x, 2), jm.GradientAscent(optax.lbfgs))
        >>> result.outcome.name
        'CONVERGED'

    Source: notes/gradient.md, eq. 3; Salakhutdinov, Roweis & Ghahramani (2003), ICML, section 2.
    """

    numbers: dict[str, Any]
    constants: tuple[tuple[str, Any], ...] = eqx.field(static=True)
    optimizer: Any = eqx.field(static=True)
    gradient: str = eqx.field(static=True)

    def __init__(
        self,
        optimizer: Callable[..., Any] | optax.GradientTransformation = optax.adam,
        *,
        gradient: str = "fisher",
        **settings: Any,
    ):
        if gradient not in OBJECTIVES:
            raise unknown("gradient", gradient, OBJECTIVES)
        ready = isinstance(optimizer, optax.GradientTransformation)
        if ready and settings:
            raise TypeError(f"a ready optimizer takes no settings, got {', '.join(settings)}")
        settings = settings if ready else _complete(optimizer, settings)
        self.optimizer, self.gradient = optimizer, gradient
        self.numbers = {name: value for name, value in settings.items() if _is_number(value)}
        self.constants = tuple(
            (name, value) for name, value in settings.items() if not _is_number(value)
        )

    def _transformation(self) -> optax.GradientTransformationExtraArgs:
        if isinstance(self.optimizer, optax.GradientTransformation):
            return optax.with_extra_args_support(self.optimizer)
        return optax.with_extra_args_support(self.optimizer(**self.numbers, **dict(self.constants)))

    def init(self, problem: Problem, mixture: Mixture) -> GradientState:
        coordinates = mixture.unconstrain(problem.fixed)
        evaluation = problem.evaluate(mixture, self.gradient)
        return GradientState(
            mixture, coordinates, evaluation, self._transformation().init(coordinates)
        )

    def step(self, problem: Problem, state: GradientState) -> tuple[GradientState, Info]:
        def loss(coordinates: Coordinates) -> Float[Array, ""]:
            mixture = state.mixture.constrain(coordinates)
            return -problem.objective(mixture, self.gradient) / problem.total

        descent = jax.tree.map(
            lambda slope: -slope / problem.total,
            problem.gradient(state.mixture, state.evaluation.statistics),
        )
        updates, memory = self._transformation().update(
            descent,
            state.memory,
            state.coordinates,
            value=-state.evaluation.objective / problem.total,
            grad=descent,
            value_fn=loss,
        )
        coordinates = jax.tree.map(jnp.add, state.coordinates, updates)
        mixture = state.mixture.constrain(coordinates)
        evaluation = problem.evaluate(mixture, self.gradient)
        spent = Cost(passes=1, gradients=1) + _searched(memory)
        return GradientState(mixture, coordinates, evaluation, memory), Info(evaluation, spent)

    def finish(self, state: GradientState) -> Mixture:
        return state.mixture


def _searched(memory: Any) -> Cost:
    """What the step's line search spent: every evaluation is a value with its slope."""
    trials = optax.tree.get(memory, "num_linesearch_steps", default=0)
    return Cost(passes=trials, gradients=trials)


def _is_number(value: Any) -> bool:
    return isinstance(value, float | jax.Array | np.ndarray | np.generic)


def _complete(factory: Callable[..., Any], settings: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(factory).parameters
    for name in settings:
        if name not in parameters:
            raise unknown(f"setting of {getattr(factory, '__name__', factory)}", name, parameters)
    rate = settings.get("learning_rate", 0.0)
    if not (rate is None or callable(rate) or _is_number(rate) or isinstance(rate, int)):
        raise TypeError(f"learning_rate must be a number or an optax schedule, got {rate!r}")
    if isinstance(rate, int) and "learning_rate" in settings:
        settings = settings | {"learning_rate": float(rate)}
    required = parameters.get("learning_rate")
    if required is not None and required.default is inspect.Parameter.empty:
        return {"learning_rate": 1e-2} | settings
    return settings
