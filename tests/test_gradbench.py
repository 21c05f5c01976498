"""The log-posterior that the autodiff field measures itself by: data/gmm_d2_k5_n1000.json.

Its gradient by dual numbers, by jax.grad and from the kit's expected statistics, and its MAP-EM
fixed point under the kit's prior. Parameters as there: weights softmax(alpha), means mu, and
precisions Q'Q with Q lower triangular, its diagonal exp(q), below it l.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import multigammaln

import jaxmix as jm
from jaxmix import dual
from jaxmix.families import Gaussian
from jaxmix.families.full import Full
from jaxmix.mixture import Mixture
from jaxmix.problem import build_problem

FILE = json.loads((Path(__file__).parent / "data/gmm_d2_k5_n1000.json").read_text())
NAMES, INPUT = ("alpha", "mu", "q", "l"), FILE["input"]
D, K, M, GAMMA = (INPUT[name] for name in ("d", "k", "m", "gamma"))
X = np.array(INPUT["x"])
THETA = {name: np.array(INPUT[name]) for name in NAMES}
STORED = np.concatenate([np.ravel(FILE["jacobian"][name]) for name in NAMES])
FLAT = np.concatenate([np.ravel(THETA[name]) for name in NAMES])
PRIOR = jm.Prior(covariance_scale=GAMMA**2, covariance_strength=float(M))
FREEDOM = D + M + 1
CONSTANT = K * (FREEDOM * D * (math.log(GAMMA) - math.log(2) / 2) - multigammaln(FREEDOM / 2, D))
"""What the Wishart density has and a penalty leaves out."""


def split(flat):
    sizes = [THETA[name].size for name in NAMES]
    ends = np.cumsum(sizes)
    return [
        flat[end - size : end].reshape(THETA[name].shape)
        for name, size, end in zip(NAMES, sizes, ends)
    ]


def log_posterior(flat, lib, logsumexp):
    """The textbook's formula, on any library's numbers; d = 2."""
    alpha, mu, q, below = split(flat)
    offset = X[:, None, :] - mu
    first = lib.exp(q[:, 0]) * offset[..., 0]
    second = below[:, 0] * offset[..., 0] + lib.exp(q[:, 1]) * offset[..., 1]
    inside = alpha + q[:, 0] + q[:, 1] - (first * first + second * second) / 2
    mixed = lib.sum(logsumexp(inside, axis=1)) - len(X) * logsumexp(alpha)
    squares = lib.sum(lib.exp(2 * q)) + lib.sum(below * below)
    wishart = M * lib.sum(q) - GAMMA**2 / 2 * squares
    return mixed - len(X) * D / 2 * math.log(2 * math.pi) + wishart + CONSTANT


def by_dual(flat):
    return log_posterior(flat, dual, dual.logsumexp)


def by_jax(flat):
    return log_posterior(flat, jnp, jax.scipy.special.logsumexp)


def mixture_at(flat, center):
    """The kit's mixture, in coordinates centered on the data's mean."""
    alpha, mu, q, below = split(flat)
    rows, columns = np.tril_indices(D, -1)
    precision_factor = jnp.zeros((K, D, D)).at[:, rows, columns].set(below)
    precision_factor += jax.vmap(jnp.diag)(jnp.exp(q))
    inverse = jnp.linalg.inv(precision_factor)
    covariances = inverse @ jnp.swapaxes(inverse, 1, 2)
    family = Gaussian(mu - center, Full(jnp.linalg.cholesky(covariances)))
    return Mixture(jax.nn.log_softmax(alpha), family)


def by_statistics(flat):
    """The gradient from one E-step: the statistics are the derivative in natural parameters."""
    problem = build_problem(jnp.asarray(X), prior=PRIOR)
    statistics = problem.evaluate(mixture_at(flat, problem.center)).statistics

    def linear(moved):
        mixture = mixture_at(moved, problem.center)
        table = mixture.natural()
        return jnp.vdot(statistics, table) + mixture.log_penalty(table, problem.penalty)

    return jax.grad(linear)(flat)


GRADIENTS = {
    "dual numbers": dual.gradient(by_dual),
    "dual numbers, in chunks": dual.jacobian(by_dual, chunk=7),
    "jax.grad": jax.jit(jax.grad(by_jax)),
    "expected statistics": jax.jit(by_statistics),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_is_the_stored_one(name):
    gradient = GRADIENTS[name](FLAT)
    assert np.max(np.abs(gradient - STORED)) <= 1e-9 * np.max(np.abs(STORED))
    np.testing.assert_allclose(gradient, STORED, rtol=1e-9, atol=1e-9)


def test_values_are_the_stored_ones():
    assert by_dual(FLAT) == pytest.approx(FILE["objective"], rel=1e-13)
    assert by_jax(FLAT) == pytest.approx(FILE["objective"], rel=1e-13)
    problem = build_problem(jnp.asarray(X), prior=PRIOR)
    evaluation = problem.evaluate(mixture_at(FLAT, problem.center))
    assert evaluation.objective + CONSTANT == pytest.approx(FILE["objective"], rel=1e-12)


def test_map_em_reaches_the_stored_fixed_point():
    start = mixture_at(FLAT, jnp.zeros(D))
    result = jm.fit(X, start, prior=PRIOR, stop=jm.Stop(tol=1e-13, max_steps=20_000))
    assert result.outcome.name == "CONVERGED"
    stored = FILE["map_em_fixed_point_objective"]
    assert result.objective + CONSTANT == pytest.approx(stored, abs=1e-9)
