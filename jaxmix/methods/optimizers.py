"""An optax optimizer with its settings, for every method that moves along a gradient.

Numbers among the settings are traced, so that another learning rate compiles nothing anew; the
optimizer is handed minus the objective a unit of sample weight (notes/gradient.md, eq. 1).
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from jaxmix.families.base import Coordinates
from jaxmix.suggestions import unknown

Factory = Callable[..., Any] | optax.GradientTransformation
"""What makes an optimizer from its settings, such as `optax.adam`; or a ready optimizer."""


class Optimizer(eqx.Module):
    """An optax factory with its settings, or a ready optimizer without any."""

    numbers: dict[str, Any]
    constants: tuple[tuple[str, Any], ...] = eqx.field(static=True)
    factory: Any = eqx.field(static=True)

    def __init__(self, factory: Factory, settings: dict[str, Any]):
        ready = isinstance(factory, optax.GradientTransformation)
        if ready and settings:
            raise TypeError(f"a ready optimizer takes no settings, got {', '.join(settings)}")
        if not ready and not callable(factory):
            raise TypeError(
                f"optimizer must be an optax factory such as optax.adam, got {factory!r}"
            )
        settings = settings if ready else _complete(factory, settings)
        self.factory = factory
        self.numbers = {name: value for name, value in settings.items() if _is_number(value)}
        self.constants = tuple(
            (name, value) for name, value in settings.items() if not _is_number(value)
        )

    @property
    def name(self) -> str:
        """What optax calls the optimizer."""
        return getattr(self.factory, "__name__", "a ready optimizer")

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that is in force."""
        return {**self.numbers, **dict(self.constants)}

    @property
    def searches(self) -> bool:
        """Whether a step tries several points, each at the price of a pass."""
        memory = jax.eval_shape(self.init, {"coordinate": jnp.zeros(1)})
        return optax.tree.get(memory, "num_linesearch_steps", default=None) is not None

    @property
    def _transformation(self) -> optax.GradientTransformationExtraArgs:
        if isinstance(self.factory, optax.GradientTransformation):
            return optax.with_extra_args_support(self.factory)
        return optax.with_extra_args_support(self.factory(**self.settings))

    def init(self, coordinates: Coordinates) -> Any:
        """The optimizer's memory at the start of a run."""
        return self._transformation.init(coordinates)

    def ascend(
        self,
        coordinates: Coordinates,
        memory: Any,
        total: Float[Array, ""],
        value: Float[Array, ""],
        slope: Coordinates,
        objective: Callable[[Coordinates], Float[Array, ""]] | None = None,
    ) -> tuple[Coordinates, Any]:
        """Coordinates and memory after a step up.

        Args:
            coordinates: where the step begins.
            memory: the optimizer's.
            total: sum of the sample weights.
            value: the objective where the step begins.
            slope: its gradient there.
            objective: its value anywhere, for line searches.
        """
        descent = jax.tree.map(lambda slope: -slope / total, slope)
        memory = self._sound(memory, coordinates, descent)
        updates, memory = self._transformation.update(
            descent,
            memory,
            coordinates,
            value=-value / total,
            grad=descent,
            value_fn=None if objective is None else lambda point: -objective(point) / total,
        )
        return jax.tree.map(jnp.add, coordinates, updates), memory

    def _sound(self, memory: Any, coordinates: Coordinates, descent: Coordinates) -> Any:
        """The memory; a blank one where L-BFGS's last step would enter it as one along which the
        objective is not concave, after which no direction need climb."""
        last = optax.tree.get(memory, "ScaleByLBFGSState")
        if last is None:
            return memory
        move = jax.tree.map(jnp.subtract, coordinates, last.params)
        bend = jnp.asarray(optax.tree.vdot(jax.tree.map(jnp.subtract, descent, last.updates), move))
        spoils = (last.count > 0) & ~(bend > 0)
        return jax.tree.map(partial(jnp.where, spoils), self.init(coordinates), memory)


def _is_number(value: Any) -> bool:
    return isinstance(value, float | jax.Array | np.ndarray | np.generic)


def _complete(factory: Callable[..., Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that the factory takes, with a learning rate where it needs one."""
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
