"""Incremental EM: an M-step after every batch, whose statistics replace its own earlier ones.

notes/online.md, eq. 6 and 7: why its free energy never falls, and where it ends.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.methods.base import Cost, Info, Method
from jaxmix.methods.batches import Part, check_batches, over_parts
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem
from jaxmix.statistics import Table


class IncrementalState(eqx.Module):
    """The present mixture, and the last expected statistics of every batch."""

    mixture: Mixture
    statistics: Float[Array, "batches k f"]


Carry = tuple[IncrementalState, Table, Table]
"""The state, the sum of its statistics, and what the present batch's parts have added up to."""


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
            beside the data, and more gain little. Large data come in pools of 64 blocks, which are
            cut into batches, or make one together where they are more.
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
        def visit(part: Part, tables: Float[Array, "batches k f"]) -> Float[Array, "batches k f"]:
            return tables.at[part.batch].add(problem.expect(mixture, part.rows)[1])

        table = mixture.natural(problem.penalty.ridge)
        none = jnp.zeros((self.num_batches, *table.shape), table.dtype)
        return over_parts(problem.data, self.seed, self.num_batches, visit, none)

    def step(self, problem: Problem, state: IncrementalState) -> tuple[IncrementalState, Info]:
        def visit(part: Part, carry: Carry) -> Carry:
            before, whole, renewed = carry
            renewed = renewed + problem.expect(before.mixture, part.rows)[1]

            def move() -> Carry:
                moved = whole - before.statistics[part.batch] + renewed
                mixture = before.mixture.maximize(moved, problem.penalty, problem.fixed)
                statistics = before.statistics.at[part.batch].set(renewed)
                return IncrementalState(mixture, statistics), moved, jnp.zeros_like(renewed)

            return jax.lax.cond(part.ends, move, lambda: (before, whole, renewed))

        whole = jnp.sum(state.statistics, axis=0)
        carry = state, whole, jnp.zeros_like(whole)
        state = over_parts(problem.data, self.seed, self.num_batches, visit, carry)[0]
        # Differences of an epoch have lost digits, those of float32 soon.
        whole = jnp.sum(state.statistics, axis=0)
        mixture = state.mixture.maximize(whole, problem.penalty, problem.fixed)
        state = IncrementalState(mixture, state.statistics)
        return state, Info(problem.evaluate(state.mixture), Cost(passes=2))

    def finish(self, state: IncrementalState) -> Mixture:
        return state.mixture
