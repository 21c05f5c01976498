"""Whole arrays of dual numbers against jax: values, first and second derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix import dual

A = np.array([[2.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 1.5]])
B = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
V = np.array([1.0, -2.0, 0.5])
STACKED = np.arange(1.0, 9.0).reshape(2, 2, 2)

ON_BOTH = {
    "index": lambda a: a[1] * a[:, 0],
    "fancy index": lambda a: a[np.array([0, 2, 2])] * a[..., 1:2],
    "new axis": lambda a: a[:, None] * a[0],
    "broadcast": lambda a: a * V + V[:, None] / a,
    "transpose": lambda a: a.T @ a,
    "methods": lambda a: a.reshape(9).sum() + a.mean(axis=0) * a.ravel()[2],
    "sum by axis": lambda a: (a * a).sum(axis=-1) + a.sum(axis=0),
    "vector matrix vector": lambda a: V @ a @ a[1],
    "matrix of vectors": lambda a: (a @ V) * (V @ a),
    "stack of matrices": lambda a: (STACKED @ a[:2, :2]) @ a[0, :2],
    "dual stack by vector": lambda a: (a[None, :2, :2] * STACKED) @ np.array([1.0, -1.0]),
    "vector by dual stack": lambda a: np.array([1.0, -1.0]) @ (a[None, :2, :2] * STACKED),
    "max": lambda a: a.max(axis=0) * a.min(),
    "cumsum": lambda a: a.cumsum(axis=1) + a.cumsum()[3],
    "swapaxes": lambda a: a.swapaxes(0, 1) * a[0],
}
"""Programs that run unchanged on dual numbers and on jax's arrays."""

PAIRS = {
    "sum keeping axes": (
        lambda a: dual.sum(a * a, axis=0, keepdims=True),
        lambda a: jnp.sum(a * a, axis=0, keepdims=True),
    ),
    "sum over two axes": (
        lambda a: dual.sum(a[None] * STACKED[0, 0, 0] * a, axis=(0, 2)),
        lambda a: jnp.sum(a[None] * STACKED[0, 0, 0] * a, axis=(0, 2)),
    ),
    "mean": (lambda a: dual.mean(a * a, axis=1), lambda a: jnp.mean(a * a, axis=1)),
    "prod": (lambda a: dual.prod(a - 0.5), lambda a: jnp.prod(a - 0.5)),
    "prod by axis": (lambda a: dual.prod(a, axis=1), lambda a: jnp.prod(a, axis=1)),
    "dot": (lambda a: dual.dot(a, a[0]), lambda a: jnp.dot(a, a[0])),
    "dot with a number": (lambda a: dual.dot(a[0, 0], a), lambda a: jnp.dot(a[0, 0], a)),
    "outer": (lambda a: dual.outer(a[0], a[1]), lambda a: jnp.outer(a[0], a[1])),
    "norm": (dual.norm, jnp.linalg.norm),
    "norm by axis": (lambda a: dual.norm(a, axis=0), lambda a: jnp.linalg.norm(a, axis=0)),
    "solve": (lambda a: dual.solve(a, V), lambda a: jnp.linalg.solve(a, V)),
    "solve both": (lambda a: dual.solve(a, a.T @ a), lambda a: jnp.linalg.solve(a, a.T @ a)),
    "solve the right": (lambda a: dual.solve(A, a[0]), lambda a: jnp.linalg.solve(A, a[0])),
    "cholesky": (dual.cholesky, jnp.linalg.cholesky),
    "slogdet": (lambda a: dual.slogdet(a)[1], lambda a: jnp.linalg.slogdet(a)[1]),
    "slogdet of a negative": (
        lambda a: dual.slogdet(-a)[0] * dual.slogdet(-a)[1],
        lambda a: jnp.linalg.slogdet(-a)[0] * jnp.linalg.slogdet(-a)[1],
    ),
    "logsumexp": (dual.logsumexp, jax.scipy.special.logsumexp),
    "logsumexp by axis": (
        lambda a: dual.logsumexp(900 * a, axis=0),
        lambda a: jax.scipy.special.logsumexp(900 * a, axis=0),
    ),
    "where": (
        lambda a: dual.where(a > 0.1, a * a, 3.0) + dual.where(a[0] > 0.1, a, 1 / a),
        lambda a: jnp.where(a > 0.1, a * a, 3.0) + jnp.where(a[0] > 0.1, a, 1 / a),
    ),
    "where hides a pole": (
        lambda a: dual.where(a > 9.0, 1 / (a - A), a),
        lambda a: jnp.where(a > 9.0, 1 / jnp.where(a > 9.0, a - A, 1.0), a),
    ),
    "stack": (
        lambda a: dual.stack([a[0], V, a[1] * 2.0], axis=1),
        lambda a: jnp.stack([a[0], V, a[1] * 2.0], axis=1),
    ),
    "stack of numbers": (
        lambda a: dual.stack([a[0, 0], 1.0]),
        lambda a: jnp.stack([a[0, 0], 1.0]),
    ),
    "concatenate": (
        lambda a: dual.concatenate([a, B], axis=0),
        lambda a: jnp.concatenate([a, B], axis=0),
    ),
    "moveaxis": (
        lambda a: dual.moveaxis(a[None] * STACKED[0, 0, 1], 0, -1),
        lambda a: jnp.moveaxis(a[None] * STACKED[0, 0, 1], 0, -1),
    ),
    "transpose by axes": (
        lambda a: dual.transpose(a[None] * a, (2, 0, 1)),
        lambda a: jnp.transpose(a[None] * a, (2, 0, 1)),
    ),
    "broadcast_to": (
        lambda a: dual.broadcast_to(a[0] * a[1], (2, 3)),
        lambda a: jnp.broadcast_to(a[0] * a[1], (2, 3)),
    ),
    "squeeze": (
        lambda a: dual.squeeze(dual.expand_dims(a * a, 1)),
        lambda a: jnp.squeeze(jnp.expand_dims(a * a, 1)),
    ),
    "NumPy's own names": (
        lambda a: np.sum(np.exp(a), axis=0) + np.dot(a, V) * np.linalg.norm(a),
        lambda a: jnp.sum(jnp.exp(a), axis=0) + jnp.dot(a, V) * jnp.linalg.norm(a),
    ),
    "NumPy's linear algebra": (
        lambda a: np.linalg.solve(a, V) + np.linalg.cholesky(a)[:, 0] * np.linalg.slogdet(a)[1],
        lambda a: jnp.linalg.solve(a, V) + jnp.linalg.cholesky(a)[:, 0] * jnp.linalg.slogdet(a)[1],
    ),
} | {name: (program, program) for name, program in ON_BOTH.items()}

every_program = pytest.mark.parametrize("name", PAIRS)


@every_program
def test_values_and_jacobians_are_jaxs(name):
    ours, jaxs = PAIRS[name]
    expected = jax.jit(lambda a: (jaxs(a), jax.jacfwd(jaxs)(a)))(A)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(ours(A), expected[0], rtol=1e-13)
    for got in (dual.jacobian(ours)(A), jax.jit(dual.jacobian(ours))(A)):
        assert got.shape == expected[1].shape
        np.testing.assert_allclose(got, expected[1], rtol=1e-12, atol=1e-13)


@every_program
def test_second_derivatives_along_two_directions_are_jaxs(name):
    ours, jaxs = PAIRS[name]
    u, v = np.random.default_rng(1).normal(size=(2, *A.shape))

    def twice(jvp, f):
        return jvp(lambda x: jvp(f, (x,), (u,))[1], (A,), (v,))[1]

    expected = jax.jit(lambda: twice(jax.jvp, jaxs))()
    np.testing.assert_allclose(twice(dual.jvp, ours), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("zeros", [[0], [1, 2], [0, 1, 2]])
def test_products_with_factors_of_zero(zeros):
    x = V.copy()
    x[zeros] = 0.0
    expected = jax.hessian(jnp.prod)(x)
    np.testing.assert_allclose(dual.gradient(dual.prod)(x), jax.grad(jnp.prod)(x), atol=1e-15)
    np.testing.assert_allclose(dual.hessian(dual.prod)(x), expected, atol=1e-15)


def test_tied_maxima_share_the_slope():
    x = np.array([1.0, 3.0, 3.0])
    np.testing.assert_array_equal(dual.gradient(dual.max)(x), [0.0, 0.5, 0.5])
    np.testing.assert_array_equal(dual.gradient(dual.max)(x), jax.grad(jnp.max)(x))


def test_logsumexp_with_infinite_entries():
    x = np.array([-np.inf, 1.0, 2.0])
    tangent = dual.jvp(dual.logsumexp, (x,), (np.ones(3),))
    expected = jax.jvp(jax.scipy.special.logsumexp, (x,), (np.ones(3),))
    np.testing.assert_allclose(tangent, expected, rtol=1e-14)
