"""Online EM: an M-step after every batch, from statistics that forget old batches slowly.

notes/online.md, eq. 2 to 5: the step in expectation space, its sizes, and the average that is
reported.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxmix.methods.base import Cost, Info, Method, check_numbers
from jaxmix.methods.batches import Batch, check_batches, over_batches
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem
from jaxmix.statistics import Table


def stepwise(
    problem: Problem, mixture: Mixture, known: Table, seen: Table, step_size: ArrayLike
) -> tuple[Table, Mixture]:
    """Statistics moved toward those of new rows, and the M-step from there (eq. 2)."""
    moved = known + step_size * (seen - known)
    return moved, mixture.maximize(moved, problem.penalty, problem.fixed)


class Running(eqx.Module):
    """What online EM knows after some batches."""

    statistics: Table
    """Of all rows, as estimated by the batches so far."""
    worth: Float[Array, ""]
    """How large a share of the rows would estimate them as well."""
    mixture: Mixture
    average: Table
    """The statistics' average since it last began anew."""
    num_averaged: Int[Array, ""]
    num_batches: Int[Array, ""]


class OnlineState(eqx.Module):
    """The mixture that is reported, and the run behind it."""

    mixture: Mixture
    running: Running
    num_epochs: Int[Array, ""]


class OnlineEM(Method):
    r"""Online EM: expected statistics move toward each batch's, and an M-step follows.

    $$\hat s_t = \hat s_{t-1} + \gamma_t \big(S_t - \hat s_{t-1}\big), \qquad
    \theta_t = M(\hat s_t), \qquad \gamma_t = (t + 1)^{-\text{exponent}}$$

    with $S_t$ the expected statistics of batch t, scaled up to all rows. One step of `fit` is one
    pass over the rows in random batches, and a second pass that certifies where it led; the cost
    says 2 passes. The reported mixture is the M-step from the average of the statistics, which
    begins anew after 1/2, 1, 2, 4, ... passes over the rows: after one of them, or after 2, 4, 8,
    it covers the second half of the batches.

    One or two steps are the method's purpose. It keeps improving on more, but seldom until
    `Stop("gap", 1e-8)` holds: longer runs end as MAX_STEPS.

    Args:
        batch_size: most rows of a batch, which never has more than a pool of 64 blocks; a small
            batch makes early M-steps noisy. No M-step is made while a component has fewer rows,
            forgotten ones left out, than `fit` lets it have.
        exponent: in [0, 1], how fast step sizes fall. 0.6 forgets a poor start soon and leaves the
            noise to the average; above 0.5 the statistics converge, at 0 they are the last batch's.
        average: whether to report the average; otherwise the last iterate, which is noisier.
        seed: chooses the order of the rows, anew in every pass.

    Raises:
        ValueError, TypeError: for a batch size, exponent or seed out of range.

    Examples:
        >>> import jaxmix as jm
        >>> x = jm.data.three_clusters(n=5000, seed=0)[0].x
        >>> start = jm.initialize(x, 3, seed=0)
        >>> online = jm.fit(x, start, jm.OnlineEM(), stop=jm.Stop(max_steps=1))
        >>> [round(float(nats)) for nats in online.gap_history]
        [3038, 4]

    Source: Cappe & Moulines (2009), JRSS B 71, sections 2.4 and 3; Polyak & Juditsky (1992), SIAM
    J. Control Optim. 30, for the average.
    """

    batch_size: int = eqx.field(static=True, default=100)
    exponent: float | Array = 0.6
    average: bool = eqx.field(static=True, default=True)
    seed: int | Array = 0

    def __check_init__(self) -> None:
        check_batches(self.batch_size, "batch_size", self.seed)
        if not isinstance(self.average, bool):
            raise TypeError(f"average must be True or False, got {self.average!r}")
        check_numbers(most=1, exponent=self.exponent)

    def init(self, problem: Problem, mixture: Mixture) -> OnlineState:
        statistics, none = problem.evaluate(mixture).statistics, jnp.zeros((), jnp.int32)
        whole = jnp.ones((), statistics.dtype)
        running = Running(statistics, whole, mixture, statistics, none, none)
        return OnlineState(mixture, running, none)

    def step(self, problem: Problem, state: OnlineState) -> tuple[OnlineState, Info]:
        number = state.num_epochs

        def visit(batch: Batch, running: Running) -> Running:
            begins = jnp.where(number == 0, batch.begins_half, batch.begins)
            anew = begins & (number & (number - 1) == 0)
            return self._visit(problem, running, batch, anew)

        size = self.batch_size
        running = over_batches(problem.data, self.seed, number, size, visit, state.running)
        mixture = running.mixture
        if self.average:
            mixture = mixture.maximize(running.average, problem.penalty, problem.fixed)
        evaluation = problem.evaluate(mixture)
        return OnlineState(mixture, running, number + 1), Info(evaluation, Cost(passes=2))

    def finish(self, state: OnlineState) -> Mixture:
        return state.mixture

    def _visit(
        self, problem: Problem, before: Running, batch: Batch, anew: Bool[Array, ""]
    ) -> Running:
        num_batches, share = before.num_batches + 1, batch.share
        exponent = jnp.asarray(self.exponent, share.dtype)
        step_size = (num_batches + 1).astype(share.dtype) ** -exponent
        seen = problem.expect(before.mixture, batch.sample)[1]
        statistics, moved = stepwise(problem, before.mixture, before.statistics, seen, step_size)
        worth = 1 / ((1 - step_size) ** 2 / before.worth + step_size**2 / share)
        few = worth * statistics[:, -1] < moved.family.minimum_count(problem.penalty, problem.fixed)
        mixture = jax.tree.map(partial(jnp.where, jnp.any(few)), before.mixture, moved)
        num_averaged = jnp.where(anew, 1, before.num_averaged + 1)
        average = before.average + (statistics - before.average) / num_averaged
        return Running(statistics, worth, mixture, average, num_averaged, num_batches)
