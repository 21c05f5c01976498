"""Incremental EM: an M-step after every batch, whose statistics replace its own earlier ones.

notes/online.md, eq. 6 and 7: why its free energy never falls, and where it ends.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxmix.methods.base import Cost, Info, Method
from jaxmix.methods.batches import check_batches, partition
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem


class IncrementalState(eqx.Module):
    """The present mixture, and the last expected statistics of every batch."""

    mixture: Mixture
    statistics: Float[Array, "batches k f"]


class IncrementalEM(Method):
    r"""Incremental EM: every batch renews its own expected statistics, and an M-step follows.

    $$S_b \leftarrow \sum_{i \in b} s_i\, r_i(\theta)\, \phi(x_i)^\top, \qquad
    \theta \leftarrow M\Big(\sum_c S_c\Big), \qquad b = 1, \dots, B, 1, \dots$$

    One step of `fit` goes once through all batches, and a second pass certifies where it led; the
    cost says 2 passes. Every move raises the free energy, a lower bound of the objective that
    touches it where EM stands still; the objective itself may fall for a while. It converges to
    what EM converges to, and ends as EM does. With one batch it is EM, at twice the cost.

    Args:
        num_batches: B. The state holds B tables of statistics, k f numbers each; 16 are small
            beside the data, and more gain little.
        seed: chooses which rows share a batch, once for the whole run.

    Raises:
        ValueError, TypeError: for a number of batches or a seed out of range.

    Examples:
        >>> import jaxmix as jm
        >>> faithful = jm.data.load("faithful").x
        >>> start = jm.initialize(faithful, 3, seed=0)
        >>> [int(jm.fit(faithful, start, m).num_steps) for m in (jm.EM(), jm.IncrementalEM())]
        [378, 206]

    Source: Neal & Hinton (1998), in Learning in Graphical Models (ed. Jordan), section 5.
    """

    num_batches: int = eqx.field(static=True, default=16)
    seed: int | Array = 0

    def __check_init__(self) -> None:
        check_batches(self.num_batches, "num_batches", self.seed)

    def init(self, problem: Problem, mixture: Mixture) -> IncrementalState:
        return IncrementalState(mixture, self._expect_all(problem, mixture))

    @jax.jit
    def _expect_all(self, problem: Problem, mixture: Mixture) -> Float[Array, "batches k f"]:
        batches = partition(problem.blocks, self.seed, self.num_batches)

        def expect(j: Int[Array, ""]) -> Float[Array, "k f"]:
            return problem.expect(mixture, batches.batch(j))[1]

        return jax.lax.map(expect, jnp.arange(self.num_batches))

    def step(self, problem: Problem, state: IncrementalState) -> tuple[IncrementalState, Info]:
        batches = partition(problem.blocks, self.seed, self.num_batches)

        def visit(
            j: Int[Array, ""], carry: tuple[IncrementalState, Float[Array, "k f"]]
        ) -> tuple[IncrementalState, Float[Array, "k f"]]:
            before, whole = carry
            renewed = problem.expect(before.mixture, batches.batch(j))[1]
            whole = whole - before.statistics[j] + renewed
            mixture = before.mixture.maximize(whole, problem.penalty, problem.fixed)
            return IncrementalState(mixture, before.statistics.at[j].set(renewed)), whole

        whole = jnp.sum(state.statistics, axis=0)
        state, _ = jax.lax.fori_loop(0, self.num_batches, visit, (state, whole))
        # Differences of an epoch have lost digits, those of float32 soon.
        whole = jnp.sum(state.statistics, axis=0)
        mixture = state.mixture.maximize(whole, problem.penalty, problem.fixed)
        state = IncrementalState(mixture, state.statistics)
        return state, Info(problem.evaluate(state.mixture), Cost(passes=2))

    def finish(self, state: IncrementalState) -> Mixture:
        return state.mixture
