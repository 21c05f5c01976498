"""Dual numbers at the edges: odd indices, copies, threads, loops within loops, what they refuse."""

import copy
import math
import pickle
import sys
import threading
import time

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxmix import dual
from jaxmix.dual import Dual, derivative, gradient, hessian, jacobian, jvp, taylor

RECURRENCES = sys.modules[taylor.__module__].RECURRENCES
X = np.arange(1.0, 25.0).reshape(2, 3, 4)

ARRAYS = {
    "separated indices": lambda x: x[0, :, np.array([0, 2])],
    "separated index lists": lambda x: x[[0, 1], :, [1, 2]],
    "indices around a new axis": lambda x: x[[0, 1], None, [1, 2]],
    "a mask and an ellipsis": lambda x: x[..., np.array([True, False, True, True])],
    "adjacent indices": lambda x: x[:, [0, 2], [1, 3]],
    "moveaxis by names": lambda x: np.moveaxis(x, source=0, destination=-1),
    "moveaxis of several": lambda x: np.moveaxis(x, [0, 1], [1, 2]),
    "swapaxes": lambda x: np.swapaxes(x, 0, 2),
    "transpose of axes": lambda x: x.transpose(2, 0, 1),
    "broadcast_to by name": lambda x: np.broadcast_to(x[0, 0], shape=(2, 4)),
    "concatenate flat": lambda x: np.concatenate([x, x], axis=None),
    "norm that keeps axes": lambda x: np.linalg.norm(x[0], axis=0, keepdims=True),
    "clip at one side": lambda x: np.clip(x, None, 5.5) + np.clip(x, a_min=3.5, a_max=7.5),
    "a list times a matrix": lambda x: [1.0, 2.0, 3.0] @ x[0],
    "the largest with ties": lambda x: np.max(np.minimum(x, 6.5), axis=(0, 2)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_agree_with_central_differences(name):
    f = ARRAYS[name]
    moves = np.eye(X.size).reshape(X.size, *X.shape) * 1e-4
    differences = np.stack([(f(X + move) - f(X - move)) / 2e-4 for move in moves], axis=-1)
    np.testing.assert_allclose(jacobian(f)(X).reshape(differences.shape), differences, atol=1e-7)


def test_a_separated_index_as_long_as_there_are_partials():
    def f(v, lib):
        a, b = v[0], v[1]
        cube = lib.reshape(lib.stack([a, b, a * b, a, b, b, a, a]), (2, 2, 2))
        return cube[0, :, np.array([0, 1])]

    expected = jax.jacfwd(lambda v: f(v, jnp))(jnp.array([2.0, 3.0]))
    np.testing.assert_array_equal(jacobian(lambda v: f(v, dual))(np.array([2.0, 3.0])), expected)


REFUSED = {
    "the order of a reshape": (lambda x: np.reshape(x, (4, 6), order="F"), "'order'"),
    "the order of a ravel": (lambda x: x.ravel("F"), "ravel"),
    "a sum over some": (lambda x: np.sum(x, where=X > 2), "'where'"),
    "the precision of a mean": (lambda x: np.mean(x, dtype=np.float32), "'dtype'"),
    "a ufunc without a rule": (lambda x: np.fmod(x, 2.0), "no fmod of dual numbers"),
    "a dictionary": (lambda x: {"a": x}, "got dict"),
    "nothing": (lambda x: None, "got NoneType"),
    "text": (lambda x: "a", "got str"),
    "a function": (lambda x: lambda y: x * y, "see derivative"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_derivative_is_refused(name):
    f, words = REFUSED[name]
    with pytest.raises(TypeError, match=words):
        jacobian(f)(X)


def test_gradients_and_series_refuse_functions_and_lists():
    with pytest.raises(TypeError, match="is of one number"):
        gradient(lambda x: lambda y: x)(2.0)
    with pytest.raises(TypeError, match="got list"):
        taylor(lambda x: [x, x], 1.0, 2)
    with pytest.raises(TypeError, match="a number or an array"):
        taylor(lambda x: lambda y: x, 1.0, 2)


def test_a_copy_carries_the_same_perturbation():
    assert derivative(lambda x: x * copy.deepcopy(x))(3.0) == 6
    assert derivative(lambda x: copy.copy(x) ** 2)(3.0) == 6
    with pytest.raises(TypeError, match=r"pickle \.value"):
        derivative(lambda x: pickle.loads(pickle.dumps(x)))(3.0)


def test_threads_share_a_compiled_function():
    compiled, entered, finish = jax.jit(lambda x: dual.sin(x) * x), threading.Event(), []

    def slow(x):
        y = compiled(x)
        entered.set()
        while not finish:
            time.sleep(0.001)
        return compiled(y)

    slopes = []
    thread = threading.Thread(target=lambda: slopes.append(derivative(slow)(1.0)))
    thread.start()
    entered.wait()
    own = derivative(compiled)(0.5)
    finish.append(True)
    thread.join()
    u, du = math.sin(1), math.sin(1) + math.cos(1)
    assert own == pytest.approx(math.sin(0.5) + 0.5 * math.cos(0.5), rel=1e-14)
    assert slopes[0] == pytest.approx((math.sin(u) + u * math.cos(u)) * du, rel=1e-14)


def test_a_compiled_function_in_another_thread_is_refused():
    compiled, raised = jax.jit(dual.sin), []

    def elsewhere(x):
        def call():
            try:
                compiled(x)
            except RuntimeError as error:
                raised.append(str(error))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return x

    derivative(elsewhere)(1.0)
    assert "in one thread" in raised[0]


def test_axes_of_vmap_are_counted_from_the_front():
    def squares(x):
        return jax.vmap(lambda a: a * a, in_axes=1, out_axes=1)(x.reshape(2, 2))

    slopes = jacobian(squares)(jnp.arange(4.0)).reshape(4, 4)
    np.testing.assert_array_equal(slopes, np.diag([0.0, 2.0, 4.0, 6.0]))
    with pytest.raises(ValueError, match="inconsistent sizes"):
        jacobian(lambda x: jax.vmap(dual.sum, in_axes=-1)(dual.outer(x, x)))(jnp.ones(2))
    with pytest.raises(TypeError, match="from the front"):
        jacobian(lambda x: jax.vmap(lambda a: a * a, out_axes=-1)(x.reshape(2, 2)))(jnp.ones(4))


def by_scan(x):
    return jax.lax.scan(lambda y, _: (y * x, None), dual.ones_like(x), None, length=4)[0]


def by_while(x):
    return jax.lax.while_loop(lambda y: y < 100.0, lambda y: y * x, x)


def by_cond(x):
    return jax.lax.cond(x > 1, lambda x: x, lambda x: x * x, x)


LOOPS = {
    "scan": (by_scan, 2.0, [32.0, 48.0, 48.0, 24.0]),
    "while_loop": (by_while, 2.0, [448.0, 1344.0, 3360.0, 6720.0]),
    "the constant branch": (by_cond, 2.0, [1.0, 0.0, 0.0, 0.0]),
    "the other branch": (by_cond, 0.5, [1.0, 2.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("name", LOOPS)
def test_higher_derivatives_through_compiled_loops(name):
    f, x, expected = LOOPS[name]
    for value in expected:
        f = derivative(f)
        assert f(x) == value


def test_a_hessian_through_a_compiled_loop():
    def f(v):
        start = dual.zeros_like(v[0])
        return jax.lax.scan(lambda c, _: (c * v[0] + v[1], None), start, None, length=3)[0]

    np.testing.assert_array_equal(hessian(f)(jnp.array([2.0, 1.0])), [[2, 5], [5, 0]])


def test_a_tangent_may_depend_on_an_outer_variable():
    assert derivative(lambda a: jvp(dual.sin, (1.0,), (a,))[1])(2.0) == pytest.approx(math.cos(1))


def test_empty_arrays():
    empty = np.zeros(0)
    assert jacobian(dual.sin)(empty).shape == (0, 0)
    assert gradient(dual.sum)(empty).shape == (0,)
    assert hessian(dual.sum)(empty).shape == (0, 0)
    none = np.zeros((0, 3))
    value, tangent = jvp(lambda x: dual.prod(x, axis=0), (none,), (none,))
    assert (value.tolist(), tangent.tolist()) == ([1, 1, 1], [0, 0, 0])


def test_extremes_keep_their_value_and_their_precision():
    assert jvp(dual.max, (np.full(3, 0.1),), (np.ones(3),)) == (0.1, pytest.approx(1.0))
    assert jvp(dual.max, (np.full(2, 1e308),), (np.ones(2),)) == (1e308, 1.0)
    single = np.array([1, 2], np.float32)
    assert all(part.dtype == np.float32 for part in jvp(dual.max, (single,), (single,)))


def test_polygamma_of_a_whole_number():
    assert dual.polygamma(1, 2) == pytest.approx(math.pi**2 / 6 - 1, rel=1e-15)
    assert derivative(lambda x: x * dual.polygamma(1, 2))(1.0) == dual.polygamma(1, 2)


@pytest.mark.parametrize("x", [1e-8, 1e-3, 1.0, 0.5, 1e3, 1e8])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_hypot_loses_no_digits_to_higher_order(x, order):
    f = lambda x: dual.hypot(x, 1.0)  # noqa: E731 - differentiated again below
    for _ in range(order):
        f = derivative(f)
    with mpmath.workdps(60):
        exact = float(mpmath.diff(lambda t: mpmath.sqrt(t * t + 1), mpmath.mpf(x), order))
    assert f(x) == pytest.approx(exact, rel=1e-13)


SERIES = {
    "a power of itself": (lambda x: x**x, 1.5),
    "hypot": (lambda x: dual.hypot(x, x * x + 1), 1.5),
    "arctan2": (lambda x: dual.arctan2(x, x * x + 1), 1.5),
    "an entry": (lambda x: (x + np.arange(3.0))[1] ** 2, 1.5),
    "an entry of a branch": (lambda x: x * x if x else 2 * x, 0.0),
}


@pytest.mark.parametrize("name", SERIES)
def test_series_agree_with_nesting(name):
    f, x = SERIES[name]
    nested, coefficients = f, taylor(f, x, 5)
    for degree, coefficient in enumerate(coefficients):
        assert coefficient == pytest.approx(
            nested(x) / math.factorial(degree), rel=1e-11, abs=1e-14
        )
        nested = derivative(nested)


@pytest.mark.parametrize("f", [lambda x: x**x, lambda x: dual.arctan2(x, dual.hypot(x, x + 1))])
def test_a_series_does_not_double_its_work_by_degree(f, monkeypatch):
    calls = []
    multiply = RECURRENCES["multiply"]
    monkeypatch.setitem(RECURRENCES, "multiply", lambda a, b: calls.append(1) or multiply(a, b))

    def products(degree):
        calls.clear()
        taylor(f, 1.5, degree)
        return len(calls)

    assert products(16) <= 4 * products(8)


def test_a_series_where_there_is_no_logarithm():
    assert np.isnan(taylor(dual.log, -1.0, 2)).all()
    assert taylor(dual.exp, -np.inf, 2).tolist() == [0, 0, 0]


def test_series_keep_single_precision():
    single = np.float32(0.5)
    for f in (dual.log, dual.log1p, dual.log2, dual.arctanh, dual.hypot, lambda *x: np.float32(2)):
        g = (lambda x, f=f: f(x, x + 1)) if f is dual.hypot else f
        assert taylor(g, single, 2).dtype == np.float32


@pytest.mark.parametrize("f", [lambda x: np.ones((2, 2)) @ x, lambda x: dual.matmul(X[0].T, x)])
def test_series_refuse_functions_of_whole_arrays(f):
    with pytest.raises(TypeError, match="taylor takes elementwise functions"):
        taylor(f, np.ones(3), 2)


def test_what_asks_about_numbers_is_answered():
    assert derivative(lambda x: 1.0 if np.isnan(x) else x * x)(2.0) == 4
    assert derivative(lambda x: divmod(x * x, 2.0)[1])(1.5) == 3
    assert gradient(lambda x: dual.sum(x * x))([1.0, 2.0]).tolist() == [2, 4]


def test_a_number_of_a_derivative_that_has_ended_is_a_constant():
    kept = []
    derivative(lambda x: kept.append(x) or x)(3.0)
    assert isinstance(kept[0], Dual)
    assert jvp(lambda y: kept[0], (1.0,), (1.0,)) == (3.0, 0.0)
