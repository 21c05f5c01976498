"""Xu and Jordan's matrices: what turns the gradient of the likelihood into a step of EM.

In weights, means and covariances themselves, not in free coordinates (notes/em-as-gradient.md, eq.
4 to 7).
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.families import Gaussian
from jaxmix.inference.identities import ALWAYS, Identity
from jaxmix.inference.parts import Parts
from jaxmix.inference.posing import Posed, pose
from jaxmix.mixture import Mixture
from jaxmix.numerics import logsumexp
from jaxmix.suggestions import unknown

MEANS = {"old": ("means",), "new": ()}
"""About which means the M-step's covariances are taken, and what is fixed for that."""


def em_preconditioner(
    mixture: Mixture, x: Any, mean: str = "old", *, sample_weights: Any = None
) -> Identity:
    r"""An EM step as a gradient step with a positive definite matrix for each part.

    $$w^+ - w = \tfrac1n (\operatorname{diag} w - w w^\top) \tfrac{\partial\ell}{\partial w}, \quad
    \mu_k^+ - \mu_k = \tfrac1{N_k} \Sigma_k \tfrac{\partial\ell}{\partial\mu_k}, \quad
    \Sigma_k^+ - \Sigma_k = \tfrac2{N_k} \Sigma_k \tfrac{\partial\ell}{\partial\Sigma_k} \Sigma_k$$

    Tied covariances have n for N_k; diagonal and spherical ones the diagonal, and its mean, of the
    last equation.

    Args:
        mixture: Gaussian components.
        x: any data [n d].
        mean: about which means the new covariances are taken: "old", for which the last equation
            holds, or "new", as an M-step does, for which it does not.
        sample_weights: frequency weights [n].

    Returns:
        An `Identity` of {"weights", "means", "covariances"}: the EM step's change, and the
        preconditioned gradient, by plain autodiff of the textbook likelihood.

    Raises:
        TypeError: for components that are not Gaussian; `natural_gradient` takes any.
        ValueError: for an unknown `mean`.

    Examples:
        >>> import jaxmix as jm
        >>> x = jm.data.load("faithful").x[:, 1]
        >>> start = jm.initialize(x, 2, family="tied")
        >>> jm.inference.em_preconditioner(start, x).difference < 1e-10
        True
        >>> jm.inference.em_preconditioner(start, x, mean="new").difference > 1e-3
        True

    Source: Xu & Jordan (1996), Neural Computation 8, theorem 1;
    notes/em-as-gradient.md, eq. 4 to 7.
    """
    _gaussian(mixture)
    if mean not in MEANS:
        raise unknown("mean", mean, MEANS)
    posed = pose(mixture, x, sample_weights=sample_weights)
    left, right = _sides(posed, mean)
    holds = ALWAYS if mean == "old" else "covariances differ: about the new means"
    return Identity(left, right, holds)


@partial(jax.jit, static_argnames="mean")
def _sides(posed: Posed, mean: str) -> tuple[Parts, Parts]:
    problem, mixture = posed.problem, posed.mixture
    family = _gaussian(mixture)
    evaluation = problem.evaluate(mixture)
    about = mixture.maximize(evaluation.statistics, problem.penalty, MEANS[mean])
    moved = {
        "weights": evaluation.em_step.weights - mixture.weights,
        "means": evaluation.em_step.means - mixture.means,
        "covariances": about.covariances - mixture.covariances,
    }
    counts, slopes = evaluation.statistics[:, -1], _slopes(posed, family)
    return moved, _preconditioned(mixture.weights, family, counts, slopes)


def _gaussian(mixture: Mixture) -> Gaussian:
    """Its components; raises TypeError unless they are Gaussian."""
    if isinstance(mixture.family, Gaussian):
        return mixture.family
    raise TypeError(
        f"em_preconditioner needs Gaussian components, got {mixture.family.name}; "
        "natural_gradient says the same of any"
    )


def _slopes(posed: Posed, family: Gaussian) -> Parts:
    """Derivatives of the textbook log-likelihood in the parameters as users write them."""
    mixture, data, (k, d) = posed.mixture, posed.problem.blocks, family.shape
    rows = jnp.swapaxes(data.x, 1, 2).reshape(-1, d)

    def log_likelihood(parts: Parts) -> Float[Array, ""]:
        structure = type(family.structure).from_values(parts["covariances"], k, d)
        joint = jnp.log(parts["weights"]) + Gaussian(parts["means"], structure).log_prob(rows)
        return jnp.ravel(data.sample_weights) @ logsumexp(joint)

    return jax.grad(log_likelihood)(
        {name: getattr(mixture, name) for name in ("weights", "means", "covariances")}
    )


def _preconditioned(
    weights: Float[Array, " k"], family: Gaussian, counts: Float[Array, " k"], slopes: Parts
) -> Parts:
    """Each part's derivative times its matrix."""
    total = jnp.sum(counts)
    along_weights = weights * (slopes["weights"] - weights @ slopes["weights"]) / total
    along_means = jnp.einsum("kij,kj->ki", family.matrices, slopes["means"]) / counts[:, None]
    values, slope = family.covariances, slopes["covariances"]
    if family.structure.shared:
        along = 2 * values @ slope @ values / total
    elif values.ndim == 3:
        along = 2 * values @ slope @ values / counts[:, None, None]
    elif values.ndim == 2:
        along = 2 * values**2 * slope / counts[:, None]
    else:
        along = 2 * values**2 * slope / (counts * family.shape[1])
    return {"weights": along_weights, "means": along_means, "covariances": along}
