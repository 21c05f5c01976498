"""Newton's method on the objective, within a trust region in the complete-data metric.

Hessian-vector products are one forward sweep over the gradient each. The metric makes the region
one of complete-data standard deviations, whatever the units and coordinates
(notes/acceleration.md, eq. 15 to 18).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float, Int

from jaxmix.free import Free, free_coordinates
from jaxmix.inputs import as_count
from jaxmix.methods.base import Cost, Info, Method, check_numbers
from jaxmix.metric import Matrix, metric
from jaxmix.mixture import Mixture
from jaxmix.problem import Evaluation, Problem
from jaxmix.trust_region import Subspace, highest, krylov

TRIALS = 20
"""Radii that a step tries, each a quarter of the one before, until EM's step takes its place."""

POOR, GOOD = 0.1, 0.75
"""Shares of the promised gain below which a step is refused, and above which the region grows."""


class NewtonState(eqx.Module):
    """The present mixture with its evaluation, and how far the quadratic model is trusted."""

    mixture: Mixture
    evaluation: Evaluation
    radius: Float[Array, ""]


class _Trial(eqx.Module):
    """A point that a step tries."""

    mixture: Mixture
    evaluation: Evaluation
    radius: Float[Array, ""]
    accepted: Bool[Array, ""]
    passes: Int[Array, ""]


class Newton(Method):
    r"""Newton's method with exact Hessian-vector products, safe at saddle points.

    $$s = \arg\max_{\lVert s \rVert_F \le r} \; g^\top s - \tfrac12 s^\top I_{\text{obs}}\, s$$

    with the gradient g, the observed information and the complete-data metric F. The maximum is
    sought in a Krylov space; where the objective curves upwards it lies on the region's boundary.
    A step that gains less than a tenth of what the model promises is tried again within a quarter
    of the radius; every trial is a pass. No step lowers the objective by more than rounding.

    A saddle point has no gap, so that a run that starts exactly there ends under `Stop("gap")`
    before its first step; under `Stop("total")` it goes on.

    Args:
        radius: how far the first step may go, in complete-data standard deviations of one
            observation; later radii follow the model's success.
        most_products: most Hessian-vector products a step; with as many as there are parameters the
            step is exact.

    Raises:
        ValueError, TypeError: for a radius or number of products that is not positive.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> start = jm.initialize(waiting, 2, family="tied")
        >>> result = jm.fit(waiting, start, jm.Newton())
        >>> result.outcome.name, int(result.num_steps) < 20
        ('CONVERGED', True)

    Source: Nocedal & Wright (2006), Numerical Optimization, chapter 4; Gould, Lucidi, Roma & Toint
    (1999), SIAM J. Optim. 9, for the Krylov space; notes/acceleration.md, eq. 15 to 18.
    """

    radius: float | Array = 0.5
    most_products: int = eqx.field(static=True, default=30)

    def __check_init__(self) -> None:
        as_count(self.most_products, "most_products")
        check_numbers(radius=self.radius)
        if not isinstance(self.radius, Tracer) and not self.radius > 0:
            raise ValueError(f"radius must be positive, got {self.radius!r}")

    def init(self, problem: Problem, mixture: Mixture) -> NewtonState:
        radius = jnp.asarray(self.radius, problem.total.dtype) * jnp.sqrt(problem.total)
        mixture.unconstrain(problem.fixed)
        return NewtonState(mixture, problem.evaluate(mixture), radius)

    def step(self, problem: Problem, state: NewtonState) -> tuple[NewtonState, Info]:
        free = free_coordinates(state.mixture, problem.fixed)
        vector = free.vector(state.mixture)
        factor = jnp.linalg.cholesky(metric(problem, free, vector))
        model = self._model(problem, free, vector, factor)

        def climb(before: _Trial) -> _Trial:
            move, promised = highest(model, before.radius)
            there = vector + solve_triangular(factor.T, move, lower=False)
            mixture = free.mixture(there)
            evaluation = problem.evaluate(mixture)
            return _judged(problem, state, before, mixture, evaluation, move, promised)

        def going_on(trial: _Trial) -> Bool[Array, ""]:
            return ~trial.accepted & (trial.passes < TRIALS)

        none, no = jnp.zeros((), jnp.int32), jnp.array(False)
        first = _Trial(state.mixture, state.evaluation, state.radius, no, none)
        last = jax.lax.while_loop(going_on, climb, first)
        taken = self._or_em_step(problem, state, last)
        products = jnp.asarray(model.slopes.size, jnp.int32)
        cost = Cost(passes=taken.passes, gradients=1, hessian_products=products)
        new = NewtonState(taken.mixture, taken.evaluation, taken.radius)
        return new, Info(taken.evaluation, cost)

    def _model(
        self, problem: Problem, free: Free, vector: Float[Array, " p"], factor: Matrix
    ) -> Subspace:
        """The objective's quadratic model, in coordinates where the metric is the identity."""
        slope = jax.grad(lambda v: problem.objective(free.mixture(v)))

        def product(v: Float[Array, " p"]) -> Float[Array, " p"]:
            tangent = solve_triangular(factor.T, v, lower=False)
            return -solve_triangular(factor, jax.jvp(slope, (vector,), (tangent,))[1], lower=True)

        size = min(self.most_products, free.size)
        noise = jax.random.normal(jax.random.key(0), (size, free.size), vector.dtype)
        return krylov(product, solve_triangular(factor, slope(vector), lower=True), size, noise)

    def _or_em_step(self, problem: Problem, state: NewtonState, last: _Trial) -> _Trial:
        """The accepted trial; EM's step where the model was never worth trusting."""

        def em_step() -> _Trial:
            mixture = state.evaluation.em_step
            evaluation, accepted = problem.evaluate(mixture), jnp.array(True)
            return _Trial(mixture, evaluation, last.radius, accepted, last.passes + 1)

        return jax.lax.cond(last.accepted, lambda: last, em_step)

    def finish(self, state: NewtonState) -> Mixture:
        return state.mixture


def _judged(
    problem: Problem,
    state: NewtonState,
    before: _Trial,
    mixture: Mixture,
    evaluation: Evaluation,
    move: Float[Array, " p"],
    promised: Float[Array, ""],
) -> _Trial:
    """A trial with what came of it, and the radius that follows from that."""
    old, new, length = state.evaluation, evaluation, jnp.linalg.norm(move)
    gained = new.objective - old.objective
    # A gain below the objective's rounding is known by the gap alone.
    rounding = 16 * jnp.finfo(gained.dtype).eps * jnp.abs(old.objective)
    unseen = (promised <= rounding) & (new.gap <= old.gap)
    sound = mixture.is_finite & jnp.isfinite(new.objective) & jnp.isfinite(new.gap)
    sound = sound & ~problem.is_degenerate(mixture, new.statistics[:, -1])
    accepted = sound & ((gained >= POOR * promised) & (promised > rounding) | unseen)
    grows = (gained >= GOOD * promised) & (length >= 0.99 * before.radius)
    radius = jnp.where(grows, 2 * before.radius, before.radius)
    radius = jnp.where(accepted, radius, jnp.minimum(length, before.radius) / 4)
    return _Trial(mixture, evaluation, radius, accepted, before.passes + 1)
