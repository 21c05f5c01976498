"""The steps of EM as textbooks write them, one function each, for teaching and for checking.

notes/em.md, eq. 1 to 7, in the same order; fits use the one pass of statistics.py, which
gives the same numbers without ever holding [n k] of them.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from jaxmix.families import Spec, standard
from jaxmix.inputs import as_matrix, as_sample_weights
from jaxmix.mixture import Mixture
from jaxmix.numerics import logsumexp, softmax
from jaxmix.precision import to_jax
from jaxmix.problem import Problem, build_problem
from jaxmix.starts import as_responsibilities, check_m_step, compiled_m_step, origin

compiled_problem = jax.jit(build_problem, static_argnames="centered")
compiled_objective = jax.jit(Problem.objective)


def log_likelihood(mixture: Mixture, x: Any, sample_weights: Any = None) -> Float[Array, ""]:
    r"""The marginal log-likelihood $\sum_i s_i \log \sum_k w_k p_k(x_i)$, in nats.

    A plain JAX function: differentiate it with respect to the mixture, the data or the sample
    weights, forwards or in reverse, as often as you like. With respect to the mixture one gradient
    costs one pass (Fisher's identity).

    Args:
        mixture: any mixture, in the units of the data.
        x: data [n d], or anything that `fit` takes.
        sample_weights: $s_i$ [n]; 1 each when left out.

    Returns:
        A scalar.

    Examples:
        >>> import jax, jaxmix as jm
        >>> mixture = jm.gaussian_mixture([1.0], [[0.0]], [1.0], family="spherical")
        >>> gradient = jax.grad(jm.log_likelihood)(mixture, [[1.0], [2.0]])
        >>> gradient.family.means.tolist()
        [[3.0]]

    Source: notes/em.md, eq. 1; notes/gradient.md, eq. 2.
    """
    x = mixture.rows(x)
    weights = None if sample_weights is None else as_weights(sample_weights, x)
    problem = compiled_problem(x, weights, centered=mixture.family.centered)
    inside = problem.enter(mixture)
    return problem.suited(inside, lambda problem: compiled_objective(problem, inside))


def as_weights(sample_weights: Any, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Sample weights [n]: traced ones as they are, anything else after the entry checks."""
    if isinstance(sample_weights, Tracer):
        return sample_weights.astype(x.dtype)
    return jnp.asarray(as_sample_weights(sample_weights, len(x)).astype(x.dtype))


def e_step(x: Any, mixture: Mixture) -> tuple[Float[Array, "n k"], Float[Array, ""]]:
    r"""Responsibilities $r_{ik} = w_k p_k(x_i) / p(x_i)$, in log space, and the log-likelihood.

    Args:
        x: data [n d], or anything that `fit` takes.
        mixture: any mixture.

    Returns:
        Responsibilities [n k], whose rows sum to 1, and the log-likelihood in nats.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.gaussian_mixture(
        ...     [0.5, 0.5], [[0.0], [100.0]], [1.0, 1.0], family="spherical"
        ... )
        >>> jm.e_step([[0.0], [50.0]], mixture)[0].tolist()
        [[1.0, 0.0], [0.5, 0.5]]

    Source: notes/em.md, eq. 2.
    """
    return _posterior(mixture.joint_log_prob(mixture.rows(x)))


@jax.jit
def _posterior(joint: Float[Array, "n k"]) -> tuple[Float[Array, "n k"], Float[Array, ""]]:
    return softmax(joint), jnp.sum(logsumexp(joint))


def m_step(x: Any, responsibilities: Any, family: Spec = "full") -> Mixture:
    r"""The mixture that maximizes the expected complete-data log-likelihood.

    $N_k = \sum_i r_{ik}$, $w_k = N_k / n$, $\mu_k = \sum_i r_{ik} x_i / N_k$, and
    $\Sigma_k = \sum_i r_{ik} (x_i - \mu_k)(x_i - \mu_k)^\top / N_k$ within the family's structure.

    Args:
        x: data [n d], or anything that `fit` takes.
        responsibilities: [n k], rows summing to 1; left as they are.
        family: as in `initialize`.

    Returns:
        A new `Mixture`.

    Raises:
        ValueError: where a component has too few different rows for a covariance.

    Examples:
        >>> import jaxmix as jm
        >>> halves = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
        >>> jm.m_step([[0.0], [2.0], [8.0], [9.0]], halves).means.tolist()
        [[1.0], [8.5]]

    Source: notes/em.md, eq. 6.
    """
    responsibilities = np.asarray(responsibilities, dtype=float)
    if responsibilities.ndim != 2:
        raise ValueError(f"responsibilities must be [n k], got shape {responsibilities.shape}")
    values, columns = as_matrix(x)
    rows = as_responsibilities(responsibilities, len(values), responsibilities.shape[1])
    return _centered_m_step(values, columns, np.ones(len(values)), rows, family)


def _centered_m_step(
    values: np.ndarray,
    columns: tuple[str, ...],
    weights: np.ndarray,
    responsibilities: Array,
    family: Spec,
) -> Mixture:
    blank = standard(family, values, responsibilities.shape[1], columns)
    blank.check(values, columns)
    center = origin(values, weights, blank)
    centered = to_jax(values - center)
    counts = to_jax(weights.astype(values.dtype))
    mixture = compiled_m_step(centered, counts, responsibilities.astype(centered.dtype), blank)
    check_m_step(mixture, centered, counts)
    return mixture.translate(to_jax(center))


def em_step(x: Any, mixture: Mixture) -> Mixture:
    """One step of EM: `m_step` from the responsibilities of `e_step`, in the mixture's family.

    Args:
        x: data [n d], or anything that `fit` takes.
        mixture: any mixture.

    Returns:
        The mixture after the step.
    """
    problem = compiled_problem(mixture.rows(x), None, centered=mixture.family.centered)
    inside = problem.enter(mixture)
    moved = problem.suited(inside, lambda problem: problem.evaluate(inside).em_step)
    return problem.leave(moved)


def expected_log_likelihood(
    x: Any, mixture: Mixture, responsibilities: Float[Array | np.ndarray, "n k"]
) -> Float[Array, ""]:
    r"""The expected complete-data log-likelihood $Q = \sum_{ik} r_{ik} \log (w_k p_k(x_i))$.

    Args:
        x: data [n d], or anything that `fit` takes.
        mixture: where Q is evaluated.
        responsibilities: [n k], of the mixture that Q is taken at.

    Returns:
        Q in nats.

    Source: notes/em.md, eq. 3.
    """
    joint = mixture.joint_log_prob(mixture.rows(x))
    responsibilities = jnp.asarray(responsibilities, joint.dtype)
    if responsibilities.shape != joint.shape:
        raise ValueError(
            f"responsibilities must be {list(joint.shape)}, got shape {responsibilities.shape}"
        )
    return jnp.sum(jnp.where(responsibilities > 0, responsibilities * joint, 0.0))


def lower_bound(
    x: Any, mixture: Mixture, responsibilities: Float[Array | np.ndarray, "n k"]
) -> Float[Array, ""]:
    r"""Q plus the entropy of the responsibilities, which never exceeds the log-likelihood.

    Equal to it where the responsibilities are the mixture's own.

    Args:
        x: data [n d], or anything that `fit` takes.
        mixture: where the bound is evaluated.
        responsibilities: any [n k] with rows that sum to 1.

    Returns:
        The bound in nats.

    Source: Neal & Hinton (1998); notes/em.md, eq. 4.
    """
    responsibilities = jnp.asarray(responsibilities, mixture.log_weights.dtype)
    if not isinstance(responsibilities, Tracer):
        sums = jnp.sum(responsibilities, axis=-1)
        if jnp.any(responsibilities < 0) or not jnp.allclose(sums, 1.0, atol=1e-4):
            raise ValueError("responsibilities must be non-negative with rows that sum to 1")
    entropy = jnp.sum(jax.scipy.special.entr(responsibilities))
    return expected_log_likelihood(x, mixture, responsibilities) + entropy


def maximum_likelihood(
    x: Any, labels: Any, family: Spec = "full", sample_weights: Any = None
) -> Mixture:
    """Maximum likelihood where the components are known: one per class, in sorted order of labels.

    Its `predict` and `responsibilities` classify new rows: with family "diag" that is naive Bayes,
    with "full" the quadratic and with "tied" the linear discriminant.

    Args:
        x: data [n d], or anything that `fit` takes.
        labels: [n], numbers or names.
        family: as in `initialize`.
        sample_weights: frequency weights [n]; 1 each when left out.

    Returns:
        A `Mixture` with one component a class.

    Raises:
        ValueError: if labels and rows differ in number.

    Examples:
        >>> import jaxmix as jm
        >>> iris = jm.data.load("iris")
        >>> jm.maximum_likelihood(iris.x, iris.labels).means.shape
        (3, 4)

    Source: notes/em.md, eq. 6, with responsibilities 0 or 1.
    """
    (values, columns), labels = as_matrix(x), np.asarray(labels)
    if labels.shape != (len(values),):
        raise ValueError(f"labels must be [{len(values)}], got shape {labels.shape}")
    classes, codes = np.unique(labels, return_inverse=True)
    members = jax.nn.one_hot(codes, len(classes), dtype=values.dtype)
    weights = np.ones(len(values))
    if sample_weights is not None:
        weights = as_sample_weights(sample_weights, len(values))
    return _centered_m_step(values, columns, weights, members, family)
