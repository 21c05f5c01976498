"""Gaussian components as scikit-learn's EM sees them.

Its `reg_covar` widens the covariances of the M-step and is unknown to the E-step (notes/em.md,
after eq. 11), and keeps any component alive, a single row included. Problem, EM and the loop are
those of every other fit.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxmix.families import Gaussian
from jaxmix.methods.online import stepwise
from jaxmix.mixture import Mixture
from jaxmix.prior import Penalty
from jaxmix.problem import Problem


class RegularizedGaussian(Gaussian):
    """Components that know the ridge in their M-step alone, and fail where no factor exists."""

    def natural(self, ridge: Float[Array, ""]) -> Float[Array, "k f"]:
        return super().natural(jnp.zeros_like(ridge))

    def collapsed(
        self, pooled: Float[Array, "d d"], floor: Float[Array, "d d"], fixed: tuple[str, ...]
    ) -> Bool[Array, ""]:
        return self.structure.below(jnp.zeros_like(pooled)[None])

    def minimum_count(self, penalty: Penalty, fixed: tuple[str, ...]) -> Float[Array, ""]:
        return jnp.zeros_like(penalty.ridge)


def mean_statistics(mixture: Mixture, ridge: Float[Array, ""]) -> Float[Array, "k f"]:
    """The statistics, a unit of sample weight, from which the M-step makes this mixture."""
    family = mixture.family
    assert isinstance(family, Gaussian)
    structure, means = family.structure, family.means
    scatter = jax.vmap(structure.packed)(family.matrices - ridge * jnp.eye(means.shape[1]))
    second = scatter + structure.products(means, means)
    table = jnp.concatenate([second, means, jnp.ones_like(means[:, :1])], axis=1)
    return jax.nn.softmax(mixture.log_weights)[:, None] * table


@jax.jit
def stepwise_update(
    problem: Problem, mixture: Mixture, step_size: Float[Array, ""]
) -> tuple[Mixture, Float[Array, ""]]:
    """One step of online EM, and the mean log-likelihood of its rows before the step.

    Source: notes/online.md, eq. 2; Cappe & Moulines (2009), JRSS B 71, section 2.4.
    """
    evaluation = problem.evaluate(mixture)
    known = problem.total * mean_statistics(mixture, problem.penalty.ridge)
    moved = stepwise(problem, mixture, known, evaluation.statistics, step_size)[1]
    return moved, evaluation.objective / problem.total
