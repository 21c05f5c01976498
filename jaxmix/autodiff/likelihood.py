"""One likelihood, five ways to its gradient: what each gives, and what it costs.

A mixture of k normal distributions of one variable has 3k - 1 free parameters: k - 1 log-weights
against the first, k means, k logarithms of standard deviations. Dual numbers, plain reverse mode,
Fisher's rule, the formula by hand and divided differences answer alike (notes/autodiff.md, eq. 7).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from jaxmix import dual
from jaxmix.autodiff.costs import seconds
from jaxmix.autodiff.differences import central, complex_step
from jaxmix.dual.transforms import CHUNK
from jaxmix.families import Gaussian
from jaxmix.families.spherical import Spherical
from jaxmix.mixture import Mixture
from jaxmix.report.writers import Table
from jaxmix.steps import log_likelihood

REPEATS = 3
COLUMNS = (
    "parameters", "program", "log-likelihood", "gradient norm", "difference", "run seconds",
    "evaluations",
)  # fmt: skip
CAPTION = (
    "One gradient of the same log-likelihood; the difference is the largest from the first row's "
    "gradient, relative to its largest entry; seconds without compilation, medians of {repeats}; "
    "evaluations of the likelihood, with or without tangents."
)


class Way(NamedTuple):
    """A way to the value and the gradient, and how often it evaluates the likelihood."""

    name: str
    value_and_gradient: Callable[[np.ndarray], tuple[Any, Any]]
    evaluations: int


def split(theta: Any) -> tuple[Any, Any, Any]:
    """Log-weights against the first [k - 1], means [k] and logarithms of deviations [k]."""
    k = (len(theta) + 1) // 3
    return theta[: k - 1], theta[k - 1 : 2 * k - 1], theta[2 * k - 1 :]


def textbook(theta: Any, x: np.ndarray, lib: Any, logsumexp: Callable[..., Any]) -> Any:
    """The log-likelihood as textbooks write it, on the numbers of any library.

    Args:
        theta: free parameters [3k - 1].
        x: data [n].
        lib: exp, sum and concatenate: `jaxmix.dual` or `jax.numpy`.
        logsumexp: of that library.
    """
    free, means, log_deviations = split(theta)
    logits = lib.concatenate([np.zeros(1), free])
    z = (x[:, None] - means) / lib.exp(log_deviations)
    inside = logits - logsumexp(logits) - z * z / 2 - log_deviations - math.log(2 * math.pi) / 2
    return lib.sum(logsumexp(inside, axis=1))


def mixture_at(theta: Any) -> Mixture:
    """The kit's mixture with these free parameters."""
    free, means, log_deviations = split(theta)
    logits = jnp.concatenate([jnp.zeros(1), free])
    family = Gaussian(jnp.asarray(means)[:, None], Spherical(jnp.exp(2 * log_deviations)))
    return Mixture(jax.nn.log_softmax(logits), family)


def by_hand(theta: np.ndarray, x: np.ndarray) -> tuple[float, np.ndarray]:
    r"""Value and gradient by the formula, with responsibilities $r_{ik}$.

    In the log-weights it is $N_k - n w_k$ with $N_k = \sum_i r_{ik}$, in the means
    $\sum_i r_{ik} z_{ik} / \sigma_k$, in the log-deviations $\sum_i r_{ik} (z_{ik}^2 - 1)$.
    """
    free, means, log_deviations = split(theta)
    logits = np.concatenate([np.zeros(1), free])
    z = (x[:, None] - means) / np.exp(log_deviations)
    log_weights = logits - logsumexp(logits)
    inside = log_weights - z**2 / 2 - log_deviations - math.log(2 * math.pi) / 2
    log_density = logsumexp(inside, axis=1, keepdims=True)
    r = np.exp(inside - log_density)
    in_weights = (r.sum(axis=0) - len(x) * np.exp(log_weights))[1:]
    in_means = (r * z).sum(axis=0) / np.exp(log_deviations)
    in_deviations = (r * (z**2 - 1)).sum(axis=0)
    return float(log_density.sum()), np.concatenate([in_weights, in_means, in_deviations])


def ways(x: np.ndarray, num_parameters: int) -> tuple[Way, ...]:
    """The five ways for data [n] and this many free parameters; the formula by hand is first."""
    plain = jax.jit(jax.value_and_grad(lambda t: textbook(t, x, jnp, jax.scipy.special.logsumexp)))
    fisher = jax.jit(jax.value_and_grad(lambda t: log_likelihood(mixture_at(t), x[:, None])))

    def value(theta: Any) -> Any:
        return textbook(theta, x, dual, dual.logsumexp)

    return (
        Way("formula by hand", lambda t: by_hand(t, x), 1),
        _by_dual_numbers(value, num_parameters),
        Way("jax.grad", plain, 1),
        Way("Fisher's rule", fisher, 1),
        _by_differences(value, num_parameters),
    )


def own_ways(value: Callable[[Any], Any], num_parameters: int) -> tuple[Way, ...]:
    """Four ways for a log-likelihood of this many parameters that a user wrote."""
    return (
        _by_dual_numbers(value, num_parameters),
        Way("jax.grad", jax.jit(jax.value_and_grad(value)), 1),
        Way("complex step", lambda t: (value(t), complex_step(value, t)), 1 + num_parameters),
        _by_differences(value, num_parameters),
    )


def _by_dual_numbers(value: Callable[[Any], Any], num_parameters: int) -> Way:
    sweeps = math.ceil(num_parameters / CHUNK)
    return Way("dual numbers", lambda t: (value(t), dual.jacobian(value)(t)), 1 + sweeps)


def _by_differences(value: Callable[[Any], Any], num_parameters: int) -> Way:
    evaluations = 1 + 2 * num_parameters
    return Way("central differences", lambda t: (value(t), central(value, t)), evaluations)


def problem(num_parameters: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Data [n] from a mixture, and free parameters near those that made them."""
    if num_parameters < 2 or (num_parameters + 1) % 3:
        raise ValueError(f"expected 3k - 1 free parameters (2, 5, 8, ...), got {num_parameters}")
    rng, k = np.random.default_rng(seed), (num_parameters + 1) // 3
    means, labels = np.linspace(-2.0 * k, 2.0 * k, k), rng.integers(k, size=n)
    x = means[labels] + rng.normal(size=n)
    theta = np.concatenate([np.zeros(k - 1), means, np.zeros(k)])
    return x, theta + 0.2 * rng.normal(size=num_parameters)


def compare_gradients(
    num_parameters: tuple[int, ...] = (5, 50, 500), n: int = 300, seed: int = 0
) -> Table:
    """Value and gradient of the same log-likelihood by five ways, in one table.

    Args:
        num_parameters: free parameters, 3k - 1 each.
        n: observations, drawn from the mixture.
        seed: an integer.

    Returns:
        A row a number of parameters and way: value, Euclidean norm of the gradient, largest
        difference, seconds, evaluations.

    Raises:
        ValueError: for a number of parameters that no k has.
    """
    rows: list[tuple[Any, ...]] = []
    for count in num_parameters:
        x, theta = problem(count, n, seed)
        rows += _measured(ways(x, count), theta)
    return Table(COLUMNS, tuple(rows), CAPTION.format(repeats=REPEATS))


def compare_own_gradients(value: Callable[[Any], Any], theta: np.ndarray) -> Table:
    """Value and gradient of a user's log-likelihood by four ways, in one table.

    Args:
        value: the log-likelihood of parameters [p], of jaxmix.dual's functions.
        theta: parameters [p].

    Returns:
        A row a way, as `compare_gradients`; empty where a program does not run on the numbers that
        the way needs.

    Examples:
        >>> x = np.array([0.5, 1.5])
        >>> table = compare_own_gradients(lambda t: dual.sum(-((x - t[0]) ** 2) / 2), np.zeros(1))
        >>> [row[2:4] for row in table.rows][:3]
        [(-1.25, 2.0), (-1.25, 2.0), (-1.25, 2.0)]
    """
    measured = _measured(own_ways(value, len(theta)), theta)
    return Table(COLUMNS, tuple(measured), CAPTION.format(repeats=REPEATS))


def _measured(ways: tuple[Way, ...], theta: np.ndarray) -> list[tuple[Any, ...]]:
    """A row a way, compared with the first."""
    rows, exact = [], np.asarray(ways[0].value_and_gradient(theta)[1])
    for way in ways:
        try:
            value, gradient = (np.asarray(part) for part in way.value_and_gradient(theta))
        except TypeError:
            rows.append((len(theta), way.name, None, None, None, None, way.evaluations))
            continue
        difference = np.max(np.abs(gradient - exact)) / (np.max(np.abs(exact)) or 1.0)
        cells = (float(value), float(np.linalg.norm(gradient)), float(difference))
        took = seconds(lambda way=way: way.value_and_gradient(theta), REPEATS)
        rows.append((len(theta), way.name, *cells, took, way.evaluations))
    return rows
