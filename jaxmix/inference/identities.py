"""What textbooks prove about EM, as numbers: both sides of each identity, computed apart.

One side is what the E-step gives, the other what automatic differentiation makes of the likelihood
alone (notes/em-as-gradient.md, eq. 1 to 3 and 10).
"""

from typing import Any, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.inference.curvature import complete, observed
from jaxmix.inference.posing import Options, Posed, pose
from jaxmix.metric import Matrix, columns
from jaxmix.mixture import Mixture
from jaxmix.numerics import logsumexp
from jaxmix.statistics import Table


class Identity(eqx.Module):
    """Two sides of an equation, each a number, an array, or arrays by name."""

    left: Any
    right: Any
    holds: str = eqx.field(static=True)
    """When the sides are equal."""

    @property
    def difference(self) -> float:
        """The largest difference, relative to the largest entry of the part that it belongs to."""
        pairs = zip(jax.tree.leaves(self.left), jax.tree.leaves(self.right), strict=True)
        return max(_relative(np.asarray(left), np.asarray(right)) for left, right in pairs)

    def __str__(self) -> str:
        return f"relative difference {self.difference:.1e}; {self.holds}"


def _relative(left: np.ndarray, right: np.ndarray) -> float:
    size = max(np.max(np.abs(left), initial=0.0), np.max(np.abs(right), initial=0.0))
    return float(np.max(np.abs(left - right), initial=0.0) / size) if size > 0 else 0.0


ALWAYS = "equal at any mixture"


def fisher(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> Identity:
    r"""Fisher's identity: $\nabla J(\theta) = \nabla_{\theta'} Q(\theta' \mid \theta)$ at
    $\theta' = \theta$.

    Args:
        mixture, x: any mixture, any data.
        **options: prior, ridge, fixed, sample_weights, missing, as in `fit`.

    Returns:
        An `Identity`: the gradient by reverse mode through the likelihood, and that of the M-step's
        objective, in free coordinates [p].

    Examples:
        >>> import jaxmix as jm
        >>> mixture, x = jm.poisson_mixture([0.3, 0.7], [1.0, 4.0]), [0.0, 1.0, 5.0]
        >>> jm.inference.fisher(mixture, x).difference < 1e-10
        True

    Source: Fisher (1925); Dempster, Laird & Rubin (1977), section 3;
    notes/em-as-gradient.md, eq. 1.
    """
    posed = pose(mixture, x, **options)
    left, right = both_gradients(posed)
    return Identity(left, right, ALWAYS)


@jax.jit
def both_gradients(posed: Posed) -> tuple[Array, Array]:
    def plain(vector: Float[Array, " p"]) -> Float[Array, ""]:
        return posed.problem.objective(posed.free.mixture(vector), "autodiff")

    statistics = posed.statistics(posed.vector)
    slope = jax.grad(lambda vector: posed.expected(statistics, vector))(posed.vector)
    return jax.grad(plain)(posed.vector), slope


def louis(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> Identity:
    r"""Louis's identity: observed information is complete less missing,
    $-\nabla^2 J = -\nabla^2_{\theta'} Q - \sum_i s_i \operatorname{Cov}(\nabla \log p(x_i, z) \mid
    x_i)$.

    Args:
        mixture, x: any mixture, any data.
        **options: prior, ridge, fixed, sample_weights, missing, as in `fit`.

    Returns:
        An `Identity`: the exact Hessian, and the matrix by moments of complete-data scores [p p].

    Raises:
        ValueError: with missing entries, where the scores' conditional moments are other integrals.

    Examples:
        >>> import jaxmix as jm
        >>> mixture, x = jm.poisson_mixture([0.3, 0.7], [1.0, 4.0]), [0.0, 1.0, 5.0]
        >>> jm.inference.louis(mixture, x).difference < 1e-10
        True

    Source: Louis (1982), JRSS B 44, eq. 3.1; notes/em-as-gradient.md, eq. 2.
    """
    if options.get("missing"):
        raise ValueError("louis takes no missing entries; oakes holds there too")
    posed = pose(mixture, x, **options)
    return Identity(observed(posed), complete(posed) - missing_by_scores(posed), ALWAYS)


@jax.jit
def missing_by_scores(posed: Posed) -> Matrix:
    """The sum over rows of the conditional covariances of complete-data scores."""
    problem, mixture = posed.problem, posed.mixture

    def table(vector: Float[Array, " p"]) -> Table:
        return posed.free.mixture(vector).natural(problem.penalty.ridge)

    slopes = jax.jacfwd(table)(posed.vector)  # [k f p]

    def block(vector: Array, x: Array, weights: Array) -> Matrix:
        phi = mixture.family.features(x)
        shares = jax.nn.softmax(table(vector) @ phi, axis=0)
        scores = jnp.einsum("kfp,fn->knp", slopes, phi)
        centered = scores - jnp.einsum("kn,knp->np", shares, scores)
        return jnp.einsum("kn,knp,knq->pq", shares * weights, centered, centered)

    return problem.data.sums(block, posed.vector)


def oakes(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> Identity:
    r"""Oakes's identity: $\nabla^2 J(\theta) = \partial^2_{\theta'\theta'} Q(\theta' \mid \theta)
    + \partial^2_{\theta'\theta} Q(\theta' \mid \theta)$ at $\theta' = \theta$.

    Args:
        mixture, x: any mixture, any data.
        **options: prior, ridge, fixed, sample_weights, missing, as in `fit`.

    Returns:
        An `Identity`: the exact Hessian, and the two derivatives of the M-step's gradient [p p],
        both as information, that is negative.

    Examples:
        >>> import jaxmix as jm
        >>> mixture, x = jm.poisson_mixture([0.3, 0.7], [1.0, 4.0]), [0.0, 1.0, 5.0]
        >>> jm.inference.oakes(mixture, x).difference < 1e-10
        True

    Source: Oakes (1999), JRSS B 61, eq. 3; notes/em-as-gradient.md, eq. 3.
    """
    posed = pose(mixture, x, **options)
    return Identity(observed(posed), _oakes(posed), ALWAYS)


@jax.jit
def _oakes(posed: Posed) -> Matrix:
    def slope(new: Float[Array, " p"], old: Float[Array, " p"]) -> Float[Array, " p"]:
        statistics = posed.statistics(old)
        return jax.grad(lambda vector: posed.expected(statistics, vector))(new)

    def both(tangent: Float[Array, " p"]) -> Float[Array, " p"]:
        here = (posed.vector, posed.vector)
        return -jax.jvp(slope, here, (tangent, tangent))[1]

    return columns(both, posed.vector)


def responsibilities_gradient(mixture: Mixture, x: Any) -> Identity:
    r"""Responsibilities are a gradient: $r_{ik} = \partial \log \sum_l e^{j_{il}} / \partial
    j_{ik}$ with $j_{ik} = \log w_k p_k(x_i)$.

    Args:
        mixture, x: any mixture, any data [n d].

    Returns:
        An `Identity`: responsibilities, and the gradient of every row's logsumexp, both [n k].

    Examples:
        >>> import jaxmix as jm
        >>> mixture, x = jm.poisson_mixture([0.3, 0.7], [1.0, 4.0]), [0.0, 1.0, 5.0]
        >>> jm.inference.responsibilities_gradient(mixture, x).difference < 1e-14
        True

    Source: notes/em-as-gradient.md, eq. 10.
    """
    joint = mixture.joint_log_prob(mixture.rows(x))
    slope = jax.grad(lambda joint: jnp.sum(logsumexp(joint)))(joint)
    return Identity(mixture.responsibilities(x), slope, ALWAYS)
