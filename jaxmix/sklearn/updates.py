"""Online updates with a ridge as scikit-learn means it.

Its `reg_covar` widens the covariances of the M-step and is unknown to the E-step (notes/em.md,
after eq. 11), and keeps any component alive, a single row included: `Problem.widened`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.families import Gaussian
from jaxmix.methods.online import stepwise
from jaxmix.mixture import Mixture
from jaxmix.problem import Problem


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
