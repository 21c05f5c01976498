"""What textbooks prove about EM's steps: mirror descent, natural gradient, and what the gap is.

One side is what an EM step does, the other what automatic differentiation makes of the likelihood
(notes/em-as-gradient.md, eq. 8 to 11).
"""

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix.inference.curvature import gradient
from jaxmix.inference.identities import ALWAYS, Identity, both_gradients
from jaxmix.inference.posing import Options, Posed, pose
from jaxmix.metric import metric
from jaxmix.mixture import Mixture
from jaxmix.statistics import Table


def mirror_descent(mixture: Mixture, x: Any, *, sample_weights: Any = None) -> Identity:
    r"""EM as mirror descent: the dual coordinates move by the gradient,
    $\nabla A(\eta^+) = \nabla A(\eta) + \tfrac1n \nabla_\eta \ell$.

    $\nabla A(\eta)$ are the expected features of complete data, component by component. The sides
    are pulled back to free coordinates, where the left one is plain autodiff.

    Args:
        mixture, x: any mixture, any data.
        sample_weights: frequency weights [n].

    Returns:
        An `Identity`: the log-likelihood's gradient, and n times the change of the expected
        features in one EM step, both [p].

    Examples:
        >>> import jaxmix as jm
        >>> mixture, x = jm.poisson_mixture([0.3, 0.7], [1.0, 4.0]), [0.0, 1.0, 5.0]
        >>> jm.inference.mirror_descent(mixture, x).difference < 1e-10
        True

    Source: Kunstner, Kumar & Schmidt (2021), AISTATS, section 3; notes/em-as-gradient.md, eq. 8.
    """
    posed = pose(mixture, x, sample_weights=sample_weights)
    return Identity(both_gradients(posed)[0], _moved_features(posed), ALWAYS)


@jax.jit
def _moved_features(posed: Posed) -> Float[Array, " p"]:
    new = posed.problem.evaluate(posed.mixture).em_step
    moved = posed.problem.total * (new.expected_features - posed.mixture.expected_features)
    return jax.grad(lambda vector: posed.expected(moved, vector))(posed.vector)


def natural_gradient(mixture: Mixture, x: Any, *, sample_weights: Any = None) -> Identity:
    r"""EM as a natural-gradient step of size 1: $\theta(T + \gamma (T^+ - T))$, on the straight way
    in the expected features T from a mixture to its EM step, sets out along $F^{-1} \nabla \ell$.

    Args:
        mixture, x: any mixture, any data.
        sample_weights: frequency weights [n].

    Returns:
        An `Identity`: the way's derivative at $\gamma = 0$, and the gradient divided by the
        complete-data Fisher information, both in free coordinates [p].

    Examples:
        >>> import jaxmix as jm
        >>> mixture, x = jm.poisson_mixture([0.3, 0.7], [1.0, 4.0]), [0.0, 1.0, 5.0]
        >>> jm.inference.natural_gradient(mixture, x).difference < 1e-10
        True

    Source: Amari (1998), Neural Computation 10; Sato (2001), Neural Computation 13;
    notes/em-as-gradient.md, eq. 9.
    """
    posed = pose(mixture, x, sample_weights=sample_weights)
    left, right = _natural_gradient(posed)
    return Identity(left, right, ALWAYS)


@jax.jit
def _natural_gradient(posed: Posed) -> tuple[Array, Array]:
    problem, mixture = posed.problem, posed.mixture
    features = mixture.expected_features
    change = problem.evaluate(mixture).em_step.expected_features - features

    def way(features: Table) -> Float[Array, " p"]:
        return posed.free.vector(mixture.maximize(features, problem.penalty))

    along = jax.jvp(way, (features,), (change,))[1]
    information = metric(problem, posed.free, posed.vector)
    return along, jnp.linalg.solve(information, both_gradients(posed)[0])


def gap_metric(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> Identity:
    r"""The gap as half a squared gradient, $\tfrac12 \nabla J^\top F^{-1} \nabla J$, in the
    complete-data metric F.

    Args:
        mixture, x: any mixture, any data.
        **options: prior, ridge, fixed, sample_weights, missing, as in `fit`.

    Returns:
        An `Identity`: the gap, and half the squared gradient, in nats. They agree to leading order.

    Examples:
        >>> import jaxmix as jm
        >>> x = [0.0, 1.0, 5.0]
        >>> near = jm.fit(x, jm.poisson_mixture([0.3, 0.7], [1.0, 4.0]), stop=jm.Stop(tol=1e-6))
        >>> jm.inference.gap_metric(near.mixture, x).difference < 0.01
        True

    Source: notes/stopping.md, eq. 6; notes/em-as-gradient.md, eq. 11.
    """
    posed = pose(mixture, x, **options)
    left, right = _gap_metric(posed)
    return Identity(left, right, "equal to leading order near an optimum")


@jax.jit
def _gap_metric(posed: Posed) -> tuple[Array, Array]:
    slope = gradient(posed)
    half = slope @ jnp.linalg.solve(posed.metric(), slope) / 2
    return posed.problem.evaluate(posed.mixture).gap, half
