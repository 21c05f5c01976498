"""Information: second derivatives of the objective, whole or as products with vectors.

The observed information is minus the Hessian, by forward over reverse through the one pass. The
complete-data information is that of the M-step's objective, and needs no pass beyond the E-step
(notes/standard-errors.md, eq. 1 to 5).
"""

from collections.abc import Callable
from typing import Any, Unpack

import jax
from jaxtyping import Array, Float

from jaxmix.inference.posing import Options, Posed, pose
from jaxmix.metric import Matrix, hessian, jacobian
from jaxmix.mixture import Mixture
from jaxmix.statistics import expectation
from jaxmix.suggestions import unknown


@jax.jit
def gradient(posed: Posed) -> Float[Array, " p"]:
    """Of the objective, in free coordinates."""
    return jax.grad(posed.objective)(posed.vector)


@jax.jit
def product(posed: Posed, tangent: Float[Array, " p"]) -> Float[Array, " p"]:
    """The observed information times a vector."""
    return -jax.jvp(jax.grad(posed.objective), (posed.vector,), (tangent,))[1]


@jax.jit
def observed(posed: Posed) -> Matrix:
    """Minus the Hessian of the objective."""
    return -hessian(posed.objective, posed.vector)


@jax.jit
def complete(posed: Posed) -> Matrix:
    """Minus the Hessian of the M-step's objective, with the E-step taken at the mixture."""
    statistics = posed.statistics(posed.vector)
    return -hessian(lambda vector: posed.expected(statistics, vector), posed.vector)


@jax.jit
def outer_products(posed: Posed) -> Matrix:
    """The sum over rows of squared scores, each as often as its sample weight says."""

    def block(posed: Posed, x: Array, weights: Array) -> Matrix:
        scores = row_scores(posed, x)
        return (scores * weights) @ scores.T

    return posed.problem.data.sums(block, posed)


def row_scores(posed: Posed, x: Float[Array, "d rows"]) -> Float[Array, "p rows"]:
    """The derivative of every row's log-density in the free coordinates."""

    def log_densities(vector: Float[Array, " p"]) -> Float[Array, " rows"]:
        mixture = posed.free.mixture(vector)
        table = mixture.natural(posed.problem.penalty.ridge)
        logits, _ = expectation(posed.problem.features(mixture), table, x)
        return jax.nn.logsumexp(logits, axis=0)

    return jacobian(log_densities, posed.vector).T


KINDS: dict[str, Callable[[Posed], Matrix]] = {
    "observed": observed,
    "complete": complete,
    "missing": lambda posed: complete(posed) - observed(posed),
    "opg": outer_products,
}


def information(
    mixture: Mixture,
    x: Any,
    kind: str = "observed",
    **options: Unpack[Options],
) -> Matrix:
    r"""The information that data hold on a mixture, in its free coordinates.

    $$I_{\text{obs}} = -\nabla^2 J(\theta), \qquad
    I_{\text{com}} = -\nabla^2_{\theta'} Q(\theta' \mid \theta), \qquad
    I_{\text{com}} = I_{\text{obs}} + I_{\text{mis}}$$

    Args:
        mixture: where the curvature is taken; an optimum, for inference.
        x: the data [n d] that it was fitted to.
        kind: "observed", "complete" (had the components been seen), "missing" (the difference), or
            "opg" (outer products of the rows' scores, equal to "observed" in expectation where the
            model is right).
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit.

    Returns:
        A matrix [p p], in nats, over the free coordinates: k - 1 contrasts of log-weights, then
        each part in the coordinates of `Mixture.unconstrain`.

    Raises:
        ValueError, TypeError: as `fit`; for a mixture on the boundary; for an unknown kind.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([1.0], [2.0])
        >>> jm.inference.information(mixture, [1.0, 2.0, 3.0]).tolist()
        [[6.0]]

    Source: Louis (1982), JRSS B 44, eq. 3.1; notes/standard-errors.md, eq. 1 to 5.
    """
    if kind not in KINDS:
        raise unknown("kind of information", kind, KINDS)
    return KINDS[kind](pose(mixture, x, **options))
