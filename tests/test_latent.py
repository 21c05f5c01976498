"""Generalized EM on models given as functions, against EM with closed forms and against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import jaxmix as jm
from jaxmix.latent import _check_kinds, _code, log_likelihood

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(2, size=150)
ITEMS = (RNG.random((150, 4)) < np.where(CLASSES[:, None], 0.8, 0.25)).astype(float)
WEIGHTS = np.where(np.arange(150) % 3 == 0, 2.0, 1.0)


def items_log_joint(theta, x):
    p = jax.nn.sigmoid(theta["logits"])
    given = x @ jnp.log(p).T + (1 - x) @ jnp.log1p(-p).T
    return jax.nn.log_softmax(theta["weights"]) + given


def lines_log_joint(theta, data):
    covariate, response = data
    lines = theta["slopes"] * covariate[:, None] + theta["intercepts"]
    squares = (response[:, None] - lines) ** 2 * jnp.exp(-2 * theta["log_sd"])
    return jax.nn.log_softmax(theta["logits"]) - squares / 2 - theta["log_sd"]


def test_items_reach_what_em_in_closed_form_reaches():
    start = jm.bernoulli_mixture([0.5, 0.5], [[0.3] * 4, [0.7] * 4])
    theta = {"weights": jnp.zeros(2), "logits": start.unconstrain()["probabilities"]}
    result = jm.fit_latent(ITEMS, items_log_joint, theta, sample_weights=WEIGHTS)
    exact = jm.fit(ITEMS, start, stop=jm.Stop(tol=1e-12), sample_weights=WEIGHTS)
    assert result.outcome == jm.Outcome.CONVERGED
    assert np.all(np.diff(result.history) >= 0)
    assert result.log_likelihood == pytest.approx(float(exact.log_likelihood), abs=1e-6)
    np.testing.assert_allclose(
        result.responsibilities, exact.mixture.responsibilities(ITEMS), atol=1e-3
    )
    assert result.gradient_norm < 1e-4
    assert result.cost.gradients >= 11 * result.num_steps


def test_a_mixture_of_regressions_reaches_scipys_maximum():
    covariate = RNG.uniform(-2, 2, 150)
    response = np.where(CLASSES, 1 + 2 * covariate, -1 - covariate) + 0.4 * RNG.normal(size=150)
    data = (covariate, response)
    theta = {
        "slopes": jnp.array([1.0, -0.5]),
        "intercepts": jnp.zeros(2),
        "log_sd": jnp.zeros(()),
        "logits": jnp.zeros(2),
    }
    result = jm.fit_latent(data, lines_log_joint, theta, inner_steps=5)
    assert result.outcome == jm.Outcome.CONVERGED
    assert np.all(np.diff(result.history) >= 0)
    flat, unravel = jax.flatten_util.ravel_pytree(theta)
    loss = jax.jit(lambda v: -log_likelihood(lines_log_joint, data, jnp.ones(150), unravel(v)))
    best = minimize(loss, flat, jac=jax.grad(loss), method="BFGS", options={"gtol": 1e-8})
    assert result.log_likelihood == pytest.approx(-best.fun, abs=1e-6)


BAD = {
    "one number a row": (lambda t, x: x[:, 0], {}, r"log_joint must give \[n k\], got shape"),
    "not finite": (lambda t, x: jnp.log(-x * t["a"]), {}, "row 0 has log-likelihood nan"),
    "a rule of mixtures": (
        items_log_joint,
        {"stop": jm.Stop("parameters")},
        "needs a mixture; use one of gap",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_models_that_cannot_be_fitted_are_refused(name):
    log_joint, options, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        jm.fit_latent(ITEMS + 1, log_joint, {"a": jnp.ones(4)}, **options)
    with pytest.raises(TypeError, match="nested arrays of numbers"):
        jm.fit_latent(ITEMS, items_log_joint, {"weights": "a"})
    with pytest.raises(TypeError, match="no jit or vmap"):
        jax.jit(lambda x: jm.fit_latent(x, items_log_joint, {}))(ITEMS)
    with pytest.raises(TypeError, match="must give floats, got int"):
        jm.fit_latent(ITEMS, lambda theta, x: jnp.ones((len(x), 2), int), {})


@pytest.mark.parametrize(
    ("log_joint", "stop", "message"),
    [(None, jm.Stop(), "must be a function"), (items_log_joint, "gap", r"must be a jaxmix\.Stop")],
)
def test_arguments_of_other_kinds_are_refused(log_joint, stop, message):
    with pytest.raises(TypeError, match=message):
        _check_kinds(ITEMS, log_joint, {}, stop)


def test_a_slope_of_nan_is_no_maximum():
    """The derivative of sqrt|theta| at 0, where the log-likelihood itself is finite."""

    def log_joint(theta, x):
        return -((x[:, :2] - jnp.sqrt(jnp.abs(theta))) ** 2)

    result = jm.fit_latent(ITEMS, log_joint, jnp.zeros(2))
    assert result.outcome == jm.Outcome.NONFINITE
    assert np.isfinite(result.log_likelihood)


def test_a_log_likelihood_of_zero_has_a_size():
    assert _code(jm.Stop("relative"), [0.0, 0.0], 1.0, 1.0) == jm.Outcome.CONVERGED
