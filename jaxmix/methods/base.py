"""What a method is: hyperparameters, and three functions that know how to climb a problem.

`init` and `finish` translate between a mixture and whatever the method works on; `step` makes one
move and reports what a pass says there and what the move cost. notes/how-to-add.md writes one.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

from jaxmix.mixture import Mixture
from jaxmix.problem import Evaluation, Problem


class Cost(eqx.Module):
    """What a run has spent: passes over the data, gradients, and Hessian-vector products.

    A value with its gradient is one pass and one gradient.
    """

    passes: Int[Array, "*batch"] | int = 0
    gradients: Int[Array, "*batch"] | int = 0
    hessian_products: Int[Array, "*batch"] | int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            jnp.asarray(self.passes + other.passes, jnp.int32),
            jnp.asarray(self.gradients + other.gradients, jnp.int32),
            jnp.asarray(self.hessian_products + other.hessian_products, jnp.int32),
        )


class Info(eqx.Module):
    """What a step reports: the evaluation at the parameters it reached, and what it spent."""

    evaluation: Evaluation
    cost: Cost


class Method(eqx.Module):
    """Hyperparameters of one algorithm; numbers among them are traced, so that none recompiles."""

    hard: ClassVar[bool] = False
    """Whether the method climbs the classification log-likelihood instead of the marginal one."""

    @abstractmethod
    def init(self, problem: Problem, mixture: Mixture) -> Any:
        """The state of a run that starts at `mixture`; evaluations in it are of this mixture."""

    @abstractmethod
    def step(self, problem: Problem, state: Any) -> tuple[Any, Info]:
        """One step: the next state, with the evaluation there and the cost."""

    @abstractmethod
    def finish(self, state: Any) -> Mixture:
        """The mixture at a state."""


def check_numbers(least: float = 0, most: float = np.inf, **settings: Any) -> None:
    """Raise unless every setting that is no tracer is finite and between these bounds."""
    for name, value in settings.items():
        if isinstance(value, Tracer):
            continue
        number = np.asarray(value)
        if number.dtype.kind not in "iuf" or isinstance(value, list | tuple):
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not np.all(np.isfinite(number) & (number >= least) & (number <= most)):
            bounds = f"at least {least}" if most == np.inf else f"in [{least}, {most}]"
            raise ValueError(f"{name} must be finite and {bounds}, got {value!r}")
