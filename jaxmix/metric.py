"""The complete-data Fisher metric: how far two mixtures are apart, were the components seen.

Its square root turns free coordinates into ones in which EM's rates are eigenvalues of a symmetric
matrix; of the data it needs no more than soft counts (notes/rates.md, eq. 3).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.free import Free
from jaxmix.problem import Problem

Matrix = Float[Array, "p p"]


def columns(
    function: Callable[[Float[Array, " p"]], Array], like: Float[Array, " p"]
) -> Float[Array, "..."]:
    """A linear function's matrix, from its value at each unit vector, one after the other.

    Side by side they would take about as long, two to three times as long to compile, and hold
    copies of a block.
    """
    units = jnp.eye(like.size, dtype=like.dtype)
    return jnp.moveaxis(jax.lax.map(function, units), 0, -1)


def jacobian(
    function: Callable[[Float[Array, " p"]], Array], at: Float[Array, " p"]
) -> Float[Array, "..."]:
    """Derivatives by forward mode, a column a sweep."""
    return columns(lambda tangent: jax.jvp(function, (at,), (tangent,))[1], at)


def hessian(
    function: Callable[[Float[Array, " p"]], Array], at: Float[Array, " p"]
) -> Float[Array, "p p"]:
    """Second derivatives by forward over reverse mode, made exactly symmetric."""
    matrix = jacobian(jax.grad(function), at)
    return (matrix + matrix.T) / 2


def metric(
    problem: Problem,
    free: Free,
    vector: Float[Array, " p"],
    counts: Float[Array, " k"] | None = None,
) -> Matrix:
    """The Fisher information of complete data at free coordinates, positive definite.

    Half the second derivative of a divergence in which penalties count as observations. With the
    soft counts of the components it is minus the Hessian of Q where EM stands still; without, with
    those that the weights foretell, it needs no pass over the data.
    """
    mixture = free.mixture(vector)
    counts = problem.total * mixture.weights if counts is None else counts

    def divergence(moved: Float[Array, " p"]) -> Float[Array, ""]:
        return free.mixture(moved).divergence(mixture, counts, problem.penalty)

    return hessian(divergence, vector)
