"""Dual numbers: the lecture's arithmetic, nesting without confusion, and life inside JAX."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxmix as jm
from jaxmix import dual
from jaxmix.dual import Dual, derivative, gradient, hessian, jacobian, jvp

CORE = Path(dual.__file__).with_name("core.py")
NUMBERS = st.floats(-3, 3).filter(lambda x: abs(x) > 0.1)
D = derivative


def test_the_lectures_numbers_print_as_in_the_lecture():
    x1, x2 = Dual(2.0, [1.0, 0.0]), Dual(3.0, [0.0, 1.0])
    assert str(x1 * x2 + x1 + x1 - 4) == "6 + 5 d1 + 2 d2"
    assert str(1 / x1 - x2) == "-2.5 - 0.25 d1 - 1 d2"


def test_the_core_is_short_and_works_alone():
    assert len(CORE.read_text().splitlines()) <= 150
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import core\n"
        "f = lambda x1, x2: x1 * x2 + core.sin(x1)\n"
        "print(core.gradient(f)(2.0, 3.0).tolist())\n"
        "print(core.derivative(core.derivative(lambda x: x**3))(2.0))\n"
        "assert not any(name.startswith(('jax', 'scipy')) for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(CORE.parent)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [f"[{3 + math.cos(2.0)}, 2.0]", "12.0"], done.stderr


def test_the_module_imports_nothing_else_of_jaxmix():
    program = "import sys, jaxmix.dual; print([m for m in sys.modules if m.startswith('jaxmix')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = eval(done.stdout)
    assert "jaxmix.dual.core" in loaded
    package = ("jaxmix", "jaxmix.first_use")
    assert all(name in package or name.startswith("jaxmix.dual") for name in loaded)
    assert jm.dual is dual


@given(x=NUMBERS, dx=NUMBERS, y=NUMBERS, dy=NUMBERS)
def test_arithmetic_is_that_of_the_textbook(x, dx, y, dy):
    a, b = Dual(x, [dx]), Dual(y, [dy])
    rules = {
        "+": (a + b, x + y, dx + dy),
        "-": (a - b, x - y, dx - dy),
        "*": (a * b, x * y, x * dy + y * dx),
        "/": (a / b, x / y, (dx * y - x * dy) / y**2),
        "1/": (1 / a, 1 / x, -dx / x**2),
        "neg": (-a, -x, -dx),
        "polynomial": (2 * a**3 - a + 1, 2 * x**3 - x + 1, (6 * x**2 - 1) * dx),
    }
    for name, (number, value, tangent) in rules.items():
        np.testing.assert_allclose(number.value, value, rtol=1e-13, err_msg=name)
        np.testing.assert_allclose(number.partials, [tangent], rtol=1e-12, atol=1e-12, err_msg=name)


def test_perturbations_of_nested_derivatives_do_not_mix():
    assert D(lambda x: x * D(lambda y: x + y)(1))(1) == 1
    assert D(lambda x: x * D(lambda y: x * y)(1))(4) == 8


def test_derivatives_of_every_order_of_a_power():
    f, values = lambda x: x**4, []
    for _ in range(5):
        f = D(f)
        values.append(f(2.0))
    assert values == [32, 48, 48, 24, 0]


def test_a_derivative_may_be_a_function():
    def shift(u):
        return lambda f: lambda x: f(x + u)

    operator = D(shift)(0.0)
    assert operator(lambda x: x**3)(2.0) == 12
    assert operator(operator(lambda x: x**3))(2.0) == 12
    assert operator(operator(operator(lambda x: x**3)))(2.0) == 6


def test_closures_may_capture_and_reassign_an_outer_variable():
    def captured(x):
        inner = [D(lambda y, c=c: c * x * y * y)(x) for c in (1, 2)]
        return inner[0] * inner[1]

    # (2 x^2)(4 x^2) = 8 x^4
    assert D(captured)(1.5) == pytest.approx(32 * 1.5**3, rel=1e-14)

    def reassigned(x):
        kept = x

        def g(y):
            nonlocal kept
            kept = kept * y
            return kept * x

        slope = D(g)(3.0)  # x * x, and leaves kept = 3 x behind, whose perturbation has ended
        return slope * kept + D(lambda y: kept * y)(1.0)

    # 3 x^3 + 3 x
    assert D(reassigned)(2.0) == pytest.approx(9 * 4.0 + 3.0, rel=1e-14)


def test_a_function_may_be_called_again_while_its_derivative_is_in_progress():
    def f(x, depth=0):
        return x * x if depth == 3 else x * D(lambda y: f(y, depth + 1))(x)

    # x^2 -> 2 x^2 -> 4 x^2 -> 8 x^2
    assert f(1.5) == pytest.approx(8 * 1.5**2, rel=1e-14)
    assert D(f)(1.5) == pytest.approx(16 * 1.5, rel=1e-14)


def test_an_error_inside_leaves_no_derivative_in_progress():
    with pytest.raises(ZeroDivisionError):
        D(lambda x: x * (1 // 0))(1.0)
    assert D(lambda x: x * D(lambda y: x * y)(1))(4) == 8


def test_threads_keep_their_perturbations_apart():
    def work(n):
        return D(lambda x: x * D(lambda y: x**n * y)(2.0))(3.0)

    def outer(x):
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda n: x * D(lambda y: x * y**n)(1.0), range(4)))

    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(work, range(20)))
    np.testing.assert_allclose(values, [(n + 1) * 3.0**n for n in range(20)], rtol=1e-13)
    assert D(outer)(2.0) == pytest.approx(2 * 2.0 * 6)


@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_arrays_of_the_library_stay_in_it(asarray):
    x = asarray([1.0, 2.0])
    matrix = jacobian(lambda x: dual.exp(x) * x)(x)
    assert isinstance(matrix, type(asarray([1.0])))
    np.testing.assert_allclose(matrix, np.diag(np.exp([1.0, 2.0]) * np.array([2.0, 3.0])))
    assert isinstance(gradient(lambda x: dual.sum(x * x))(x), type(asarray([1.0])))


def test_an_array_times_a_dual_number_is_a_dual_number():
    x = Dual(2.0, [1.0])
    for product in (np.array([1.0, 2.0]) * x, x * np.array([1.0, 2.0]), jnp.array([1.0, 2.0]) * x):
        assert isinstance(product, Dual)
        np.testing.assert_array_equal(product.value, [2.0, 4.0])
        np.testing.assert_array_equal(product.partials, [[1.0, 2.0]])
    assert isinstance(np.float64(3.0) * x, Dual)
    assert isinstance(np.eye(2) @ dual.stack([x, x]), Dual)
    assert isinstance(np.where(True, x, 1.0), Dual)
    assert str(np.sin(x)) == str(dual.sin(x))


def test_storing_a_dual_number_in_an_array_is_refused_with_advice():
    x, array = Dual(2.0, [1.0]), np.ones(2)
    with pytest.raises(TypeError, match="write x = x \\+ y"):
        array += x
    with pytest.raises((TypeError, ValueError)):
        np.array([x, x])
    with pytest.raises(TypeError, match="stack"):
        np.asarray(x)
    with pytest.raises((TypeError, ValueError)):
        array[0] = x
    with pytest.raises(TypeError, match="has no median"):
        np.median(x * array)
    x += 1.0
    assert str(x) == "3 + 1 d1"


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda: D(lambda x: x)(np.ones(3)), "jacobian"),
        (lambda: gradient(lambda x: x * x)(np.ones(3)), "jacobian"),
        (lambda: gradient(lambda x, y: x)(np.ones(3), 1.0), "jacobian"),
        (lambda: jvp(lambda x: x, (1.0,), (np.ones(2),)), "one tangent for each argument"),
        (lambda: jvp(lambda x: x, (1.0, 2.0), (1.0,)), "one tangent for each argument"),
        (lambda: Dual(np.ones(2), [1.0]), "partials must be"),
        (lambda: jacobian(lambda x: (x, x))(np.ones(2)), "stack"),
        (lambda: dual.solve(np.ones(3), np.ones(3)), "solve takes"),
        (lambda: dual.cholesky(np.ones(3)), "a matrix"),
        (lambda: dual.norm(np.ones(3), ord=1), "Euclidean"),
        (lambda: list(Dual(1.0, [1.0])), "no length"),
    ],
)
def test_a_wrong_shape_raises_with_advice(call, advice):
    with pytest.raises(TypeError, match=advice):
        call()


def test_comparisons_and_truth_are_those_of_the_values():
    x, y = Dual(2.0, [1.0]), Dual(3.0, [0.0])
    assert x < y <= 3.0 != x
    assert not Dual(0.0, [1.0])
    assert ((dual.stack([x, y]) > 2.5) == [False, True]).all()


def test_derivatives_of_gradients_and_chunks_of_partials():
    rng = np.random.default_rng(0)
    a, x = rng.normal(size=(150, 150)), rng.normal(size=150)
    np.testing.assert_allclose(jacobian(lambda x: a @ dual.sin(x))(x), a * np.cos(x), rtol=1e-13)
    np.testing.assert_allclose(
        jacobian(lambda x: dual.sin(x) * (a @ dual.sin(x)), chunk=7)(x),
        np.diag(np.cos(x) * (a @ np.sin(x))) + np.sin(x)[:, None] * a * np.cos(x),
        rtol=1e-12,
        atol=1e-12,
    )
    symmetric = (a + a.T)[:3, :3]
    np.testing.assert_allclose(
        hessian(lambda x: x @ symmetric @ x / 2)(x[:3]), symmetric, rtol=1e-13
    )
    assert hessian(lambda m: dual.sum(m**3))(np.ones((2, 2))).shape == (2, 2, 2, 2)


def test_a_constant_and_an_integer_argument():
    assert D(lambda x: 3.0)(2.0) == 0.0
    assert jacobian(lambda x: np.ones(2))(np.ones(3)).tolist() == [[0.0] * 3] * 2
    assert D(lambda x: x**2)(3) == 6.0
    assert gradient(lambda x, y: x * y)(2, 3).tolist() == [3.0, 2.0]


def test_single_precision_stays_single():
    for x in (np.float32(0.5), jnp.float32(0.5)):
        for f in (lambda x: x**2 * 3.0 + 1, lambda x: 2.5**x, lambda x: dual.sinc(x) + 1 / x):
            assert D(f)(x).dtype == np.float32
            assert D(D(f))(x).dtype == np.float32
    assert jacobian(lambda x: dual.sum(x * x))(np.ones(3, np.float32)).dtype == np.float32


def test_a_zero_tangent_times_an_infinite_slope():
    direction = (np.array([0.0, 4.0]),), (np.array([0.0, 1.0]),)
    assert np.isnan(jvp(lambda x: dual.sum(dual.sqrt(x)), *direction)[1])
    assert jvp(lambda x: dual.sum(dual.sqrt(x)), *direction, strong_zero=True)[1] == 0.25
    np.testing.assert_array_equal(jacobian(lambda x: dual.sqrt(x))(np.array([4.0])), [[0.25]])


@pytest.fixture
def counted():
    def f(x):
        f.traces += 1
        return dual.sin(x) * x + dual.exp(-x)

    f.traces = 0
    return f


def slope(x):
    return math.sin(x) + x * math.cos(x) - math.exp(-x)


def test_a_compiled_function_is_traced_once_for_all_later_derivatives(counted):
    compiled = jax.jit(counted)
    for x in (0.5, 1.0, 2.0):
        np.testing.assert_allclose(D(compiled)(x), slope(x), rtol=1e-14)
    assert counted.traces == 1
    for x in (0.5, 1.0):
        second = 2 * math.cos(x) - x * math.sin(x) + math.exp(-x)
        np.testing.assert_allclose(D(D(compiled))(x), second, rtol=1e-14)
    assert counted.traces == 2
    whole = jax.jit(D(counted))
    np.testing.assert_allclose([whole(0.5), whole(0.7)], [slope(0.5), slope(0.7)], rtol=1e-14)
    assert counted.traces == 3


def test_a_compiled_function_meets_a_perturbation_that_has_ended():
    compiled, kept = jax.jit(lambda x, y: x * y), []
    D(lambda x: kept.append(x) or compiled(x, 1.0))(2.0)
    assert D(lambda y: compiled(kept[0], y))(5.0) == 2.0


def test_vmap_scan_while_loop_and_cond():
    xs = jnp.array([0.5, 1.0, 2.0])
    expected = [slope(x) for x in (0.5, 1.0, 2.0)]

    def f(x):
        return dual.sin(x) * x + dual.exp(-x)

    np.testing.assert_allclose(jax.vmap(D(f))(xs), expected, rtol=1e-14)
    np.testing.assert_allclose(
        jacobian(lambda x: jax.vmap(f)(x))(xs), np.diag(expected), rtol=1e-14
    )

    def horner(x):
        return jax.lax.scan(lambda c, a: (c * x + a, c), dual.zeros_like(x), jnp.arange(4.0))[0]

    assert D(horner)(2.0) == 2 * 2.0 + 2  # x^2 + 2 x + 3
    scanned = jacobian(lambda x: jax.lax.scan(lambda c, a: (c * a, c), dual.ones_like(x[0]), x)[0])
    np.testing.assert_allclose(scanned(xs), [2.0, 1.0, 0.5], rtol=1e-15)
    grow = D(lambda x: jax.lax.while_loop(lambda c: c < 10, lambda c: c * x, x))
    assert grow(1.5) == 6 * 1.5**5
    branch = D(lambda x: jax.lax.cond(x > 1, lambda y: y * y, lambda y: dual.sin(y), x))
    np.testing.assert_allclose([branch(3.0), branch(0.5)], [6.0, math.cos(0.5)], rtol=1e-15)


def test_dual_numbers_under_jaxs_own_derivatives():
    mixed = jax.grad(lambda x: D(lambda y: dual.sin(x * y) * y)(2.0))
    expected = jax.grad(lambda x: jax.grad(lambda y: jnp.sin(x * y) * y)(2.0))
    np.testing.assert_allclose(mixed(0.7), expected(0.7), rtol=1e-13)
