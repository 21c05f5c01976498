"""The tables METHODS x FAMILIES x PROBLEMS that every common property runs through, and oracles.

A new method is one new row here. All rows share the data's shape, so that each method compiles once
a family. The oracles are textbook formulas in NumPy and SciPy, written without the package.
"""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import jaxmix as jm
from jaxmix.problem import build_problem

FAMILIES = ("full", "tied", "diag", "spherical")


class Row(NamedTuple):
    """A method, whether it promises never to lower the objective, and families to run it on.

    A row that differs from another by its optimizer alone need not compile for every family.
    """

    method: jm.Method
    monotone: bool = False
    families: tuple[str, ...] = FAMILIES


METHODS = {
    "em": Row(jm.EM(), monotone=True),
    "hard em": Row(jm.EM(hard=True), monotone=True, families=("full", "spherical")),
    "lbfgs": Row(jm.GradientAscent(optax.lbfgs)),
    "adam": Row(
        jm.GradientAscent(optax.adam, learning_rate=0.05), families=("full", "tied", "spherical")
    ),
    "adam by autodiff": Row(
        jm.GradientAscent(optax.adam, learning_rate=0.05, gradient="autodiff"),
        families=("full",),
    ),
    "momentum": Row(
        jm.GradientAscent(optax.sgd, learning_rate=0.1, momentum=0.9), families=("diag",)
    ),
    "lbfgs augmented": Row(
        jm.GradientAscent(optax.lbfgs, coordinates="augmented"), families=("full",)
    ),
    "squarem": Row(jm.SQUAREM(), families=("full",)),
    "daarem": Row(jm.DAAREM(), families=("spherical",)),
    "newton": Row(jm.Newton(), families=("tied",)),
    "hybrid": Row(jm.Hybrid(rate=0.3), families=("tied",)),
    "natural gradient": Row(jm.NaturalGradient(1.2), families=("diag",)),
}

CASES = [(method, family) for method, row in METHODS.items() for family in row.families]


def _draw_data() -> np.ndarray:
    rng = np.random.default_rng(3)
    round_cloud = rng.normal(size=(45, 2))
    tilted = rng.normal(size=(35, 2)) @ np.array([[0.7, 0.4], [0.0, 0.8]]) + [3.2, 1.6]
    return np.concatenate([round_cloud, tilted]) + np.array([5.0, -3.0])


X = _draw_data()
COUNTS = np.where(np.arange(len(X)) % 3 == 0, 2.0, 1.0)
FRACTIONS = np.random.default_rng(4).uniform(0.5, 1.5, len(X))
PRIOR = jm.Prior(
    covariance_scale=np.array([[0.5, 0.1], [0.1, 0.3]]),
    covariance_strength=2.0,
    mean=np.array([6.0, -2.0]),
    mean_strength=0.5,
    weight_concentration=3.0,
)

PROBLEMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weighted": {"sample_weights": FRACTIONS},
    "penalized": {"sample_weights": FRACTIONS, "ridge": 0.05, "prior": PRIOR},
}
"""What `fit` is told beside the data, the start and the method."""


def start_of(family: str) -> jm.Mixture:
    """A start whose basin every soft method stays in."""
    return jm.gaussian_mixture([0.5, 0.5], [[4.5, -3.5], [8.5, -1.0]], 1.0, family=family)


def random_mixture(seed: int, family: str, k: int = 2, d: int = 2, center: Any = 0.0) -> jm.Mixture:
    """Any mixture: weights down to a few percent, condition numbers up to some hundreds."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d)) + 0.3 * np.eye(d)
    matrices = roots @ np.swapaxes(roots, 1, 2) + 0.1 * np.eye(d)
    values = {
        "full": matrices,
        "tied": matrices[0],
        "diag": np.diagonal(matrices, axis1=1, axis2=2),
        "spherical": matrices[:, 0, 0],
    }[family]
    weights = 0.05 + rng.dirichlet(np.ones(k))
    means = 2 * rng.normal(size=(k, d)) + center
    return jm.gaussian_mixture(weights / weights.sum(), means, values, family=family)


@cache
def fitted(
    method: str, family: str, problem: str = "plain", max_steps: int = 2000, tol: float = 1e-10
) -> jm.FitResult:
    """One fit of the tables, computed once a session."""
    stop = jm.Stop(tol=tol, max_steps=max_steps)
    return jm.fit(X, start_of(family), METHODS[method].method, stop=stop, **PROBLEMS[problem])


compiled_problem = jax.jit(
    build_problem, static_argnames=("fixed", "hard", "rows", "missing", "centered", "widened")
)


@cache
def problem_of(
    problem: str, hard: bool = False, fixed: tuple[str, ...] = (), rows: int | None = None
) -> jm.Problem:
    """One of PROBLEMS as methods see it, with blocks of any length."""
    weights = PROBLEMS[problem].get("sample_weights", np.ones(len(X)))
    ridge, prior = PROBLEMS[problem].get("ridge", 0.0), PROBLEMS[problem].get("prior")
    return compiled_problem(
        jnp.asarray(X), jnp.asarray(weights), prior, ridge, fixed=fixed, hard=hard, rows=rows
    )


def parameters(mixture: jm.Mixture) -> np.ndarray:
    """Weights, means and covariances as one vector of plain numbers."""
    parts = (mixture.weights, mixture.means, mixture.covariances)
    return np.concatenate([np.ravel(part) for part in parts])


def covariance_matrices(mixture: jm.Mixture) -> np.ndarray:
    """Covariances as k matrices, from the shapes that users see."""
    (k, d), values = mixture.means.shape, np.asarray(mixture.covariances)
    by_family = {
        "full": lambda: values,
        "tied": lambda: np.broadcast_to(values, (k, d, d)),
        "diag": lambda: np.array([np.diag(row) for row in values]),
        "spherical": lambda: np.array([value * np.eye(d) for value in values]),
    }
    return by_family[mixture.family.name]()


def joint(x: np.ndarray, mixture: jm.Mixture, ridge: float = 0.0) -> np.ndarray:
    """log w_k + log N(x_i; mu_k, Sigma_k) - (ridge / 2) tr Sigma_k^-1, by SciPy."""
    columns = [
        np.log(weight)
        + multivariate_normal(mean, covariance).logpdf(x).reshape(len(x))
        - ridge * np.trace(np.linalg.inv(covariance)) / 2
        for weight, mean, covariance in zip(
            np.asarray(mixture.weights),
            np.asarray(mixture.means),
            covariance_matrices(mixture),
            strict=True,
        )
    ]
    return np.stack(columns, axis=1)


def log_penalty(mixture: jm.Mixture, prior: jm.Prior | None) -> float:
    """The prior's penalty as its docstring states it; a shared covariance counts once."""
    if prior is None:
        return 0.0
    total = (prior.weight_concentration - 1) * np.sum(np.log(mixture.weights))
    matrices = covariance_matrices(mixture)
    for covariance in matrices[:1] if mixture.family.name == "tied" else matrices:
        precision = np.linalg.inv(covariance)
        total -= prior.covariance_strength * np.linalg.slogdet(covariance)[1] / 2
        total -= np.trace(prior.covariance_scale @ precision) / 2
    for mean, covariance in zip(np.asarray(mixture.means), matrices, strict=True):
        offset = mean - prior.mean
        total -= prior.mean_strength * offset @ np.linalg.solve(covariance, offset) / 2
    return float(total)


def objective(
    x: np.ndarray,
    mixture: jm.Mixture,
    hard: bool = False,
    sample_weights: np.ndarray | None = None,
    ridge: float = 0.0,
    prior: jm.Prior | None = None,
) -> float:
    """What every method climbs, in nats."""
    logits = joint(x, mixture, ridge)
    densities = logits.max(axis=1) if hard else logsumexp(logits, axis=1)
    weights = np.ones(len(x)) if sample_weights is None else sample_weights
    return float(weights @ densities) + log_penalty(mixture, prior)


def expected_objective(
    x: np.ndarray,
    mixture: jm.Mixture,
    at: jm.Mixture,
    hard: bool = False,
    sample_weights: np.ndarray | None = None,
    ridge: float = 0.0,
    prior: jm.Prior | None = None,
) -> float:
    """Q(mixture | at), the expected complete-data objective with the E-step taken at `at`."""
    logits = joint(x, at, ridge)
    responsibilities = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    if hard:
        responsibilities = np.eye(logits.shape[1])[logits.argmax(axis=1)]
    weights = np.ones(len(x)) if sample_weights is None else sample_weights
    expected = weights @ np.sum(responsibilities * joint(x, mixture, ridge), axis=1)
    return float(expected) + log_penalty(mixture, prior)
