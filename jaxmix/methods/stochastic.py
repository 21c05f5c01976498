"""Gradient ascent in batches, by any optax optimizer that needs no line search.

A batch's expected statistics, scaled up to all rows, estimate those of a pass without bias, and so
does the gradient that follows from them (notes/online.md, eq. 8).
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from jaxmix.families.base import Coordinates
from jaxmix.methods.base import Cost, Info, Method
from jaxmix.methods.batches import Batch, check_batches, over_batches
from jaxmix.methods.optimizers import Factory, Optimizer
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem


class StochasticState(eqx.Module):
    """The present mixture with its coordinates, and the optimizer's memory."""

    mixture: Mixture
    coordinates: Coordinates
    memory: Any
    num_epochs: Int[Array, ""]


class StochasticGradient(Method):
    r"""Gradient ascent on the objective, a step of an optax optimizer after every batch.

    $$g_b = \frac{1}{s} \Big(\frac{\partial W}{\partial\theta}\Big)^{\!\top} \frac{n}{n_b} S_b
    + \frac{1}{s} \nabla_\theta\,\text{penalty}$$

    is an unbiased estimate of the gradient a unit of sample weight, with the expected statistics
    $S_b$ of the $n_b$ rows of a batch. One step of `fit` is one pass over the rows in random
    batches, and a second pass that certifies where it led; the cost says 2 passes, 1 gradient.

    At a constant learning rate the iterates keep moving about the optimum: `Stop("gap", 1e-8)` is
    never met, and the run ends as MAX_STEPS. A falling rate, such as
    `learning_rate=optax.exponential_decay(0.05, 1000, 0.5)`, which counts batches, comes closer.

    Args:
        optimizer: an optax factory such as `optax.adam`, whose numbers follow by name and are
            traced; or a ready optimizer. Without a line search.
        batch_size: most rows of a batch, which never has more than a pool of 64 blocks; more rows
            make a step less noisy and steps fewer.
        seed: chooses the order of the rows, anew in every pass.
        learning_rate: passed to the factory, like any other setting; 0.01 where a factory takes one
            and none is given.
        **settings: the factory's other arguments.

    Raises:
        TypeError: for settings beside a ready optimizer, or a batch size that is no whole number.
        ValueError: for settings that the factory does not take, or an optimizer with a line search.

    Examples:
        >>> import jaxmix as jm, optax
        >>> x = jm.data.standardize(jm.data.load("faithful").x)[0]
        >>> method = jm.StochasticGradient(optax.adam, learning_rate=0.02)
        >>> result = jm.fit(x, jm.initialize(x, 2), method, stop=jm.Stop(max_steps=50))
        >>> result.outcome.name
        'MAX_STEPS'

    Source: Robbins & Monro (1951), Ann. Math. Statist. 22; notes/gradient.md, eq. 3.
    """

    optimizer: Optimizer
    batch_size: int = eqx.field(static=True)
    seed: int | Array

    def __init__(
        self,
        optimizer: Factory = optax.adam,
        *,
        batch_size: int = 100,
        seed: int | Array = 0,
        **settings: Any,
    ):
        check_batches(batch_size, "batch_size", seed)
        self.optimizer = Optimizer(optimizer, settings)
        self.batch_size, self.seed = batch_size, seed
        if self.optimizer.searches:
            raise ValueError(
                f"{self.optimizer.name} searches along lines, which needs the objective of all "
                "rows; use jaxmix.GradientAscent, or an optimizer such as optax.adam"
            )

    def init(self, problem: Problem, mixture: Mixture) -> StochasticState:
        coordinates = mixture.unconstrain(problem.fixed)
        memory = self.optimizer.init(coordinates)
        return StochasticState(mixture, coordinates, memory, jnp.zeros((), jnp.int32))

    def step(self, problem: Problem, state: StochasticState) -> tuple[StochasticState, Info]:
        number = state.num_epochs

        def visit(batch: Batch, state: StochasticState) -> StochasticState:
            return self._visit(problem, state, batch)

        state = over_batches(problem.data, self.seed, number, self.batch_size, visit, state)
        state = eqx.tree_at(lambda state: state.num_epochs, state, number + 1)
        return state, Info(problem.evaluate(state.mixture), Cost(passes=2, gradients=1))

    def _visit(self, problem: Problem, before: StochasticState, batch: Batch) -> StochasticState:
        mixture = before.mixture
        log_likelihood, statistics = problem.expect(mixture, batch.sample)
        penalty = mixture.log_penalty(mixture.natural(problem.penalty.ridge), problem.penalty)
        coordinates, memory = self.optimizer.ascend(
            before.coordinates,
            before.memory,
            problem.total,
            log_likelihood + penalty,
            problem.in_form("features").gradient(mixture, statistics),
        )
        return StochasticState(
            mixture.constrain(coordinates), coordinates, memory, before.num_epochs
        )

    def finish(self, state: StochasticState) -> Mixture:
        return state.mixture
