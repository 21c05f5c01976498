"""Three realizations on the same programs: source, overloading and graph, against an oracle.

Named programs have jax's derivatives. Random ones have divided differences in 60 digits, of which
30 are right: tracing two hundred programs by jax, one operation after the other, takes a minute.
"""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import programs
import pytest

from jaxmix import dual
from jaxmix.autodiff import graph, source

LIBRARIES = {"math": math, "jax": jnp, "dual": dual, "mpmath": mpmath}
NAMESPACES = {
    library: {name: getattr(module, name) for name in programs.FUNCTIONS}
    for library, module in LIBRARIES.items()
}
RANDOM = range(200)


def flat(tree):
    return np.array([float(leaf) for leaf in jax.tree.leaves(tree)])


def by_jax(text, arguments):
    f, everything = programs.load(text, NAMESPACES["jax"]), tuple(range(len(arguments)))
    value, gradient = jax.value_and_grad(lambda *a: f(*a) * 1.0, everything)(*arguments)
    return value, flat(gradient)


def by_differences(text, arguments):
    """The value, and the slopes between two points 2e-30 apart."""
    f = programs.load(text, NAMESPACES["mpmath"])
    with mpmath.workdps(60):
        x, step = [mpmath.mpf(value) for value in arguments], mpmath.mpf("1e-30")

        def slope(i):
            above, below = ([*x[:i], x[i] + move, *x[i + 1 :]] for move in (step, -step))
            return float((f(*above) - f(*below)) / (2 * step))

        return float(f(*x)), np.array([slope(i) for i in range(len(x))])


def by_forward_source(text, arguments):
    derivative = source.transform(programs.load(text, NAMESPACES["math"]))
    return programs.forward_gradient(derivative, arguments)


def by_reverse_source(text, arguments):
    derivative = source.transform(programs.load(text, NAMESPACES["math"]), "reverse")
    value, adjoints = derivative(*arguments)
    return value, flat(adjoints)


def by_dual_numbers(text, arguments):
    f = programs.load(text, NAMESPACES["dual"])
    leaves, structure = jax.tree.flatten(arguments)
    gradient = dual.gradient(lambda *leaves: f(*jax.tree.unflatten(structure, leaves)))
    return f(*arguments), gradient(*leaves)


def by_graph(text, arguments):
    traced = graph.trace(programs.load(text, NAMESPACES["dual"]), *arguments)
    sweeps = [traced.forward(seed)[traced.result] for seed in np.eye(traced.num_inputs).tolist()]
    np.testing.assert_allclose(sweeps, traced.gradient, rtol=1e-12, atol=1e-14)
    return traced.value, traced.gradient


SOURCE = (by_forward_source, by_reverse_source)
REALIZATIONS = (*SOURCE, by_dual_numbers, by_graph)


def assert_agree(text, arguments, realizations=REALIZATIONS, oracle=by_jax):
    value, gradient = oracle(text, arguments)
    for realization in realizations:
        got, slopes = realization(text, arguments)
        np.testing.assert_allclose(got, value, rtol=1e-12, err_msg=text)
        np.testing.assert_allclose(slopes, gradient, rtol=1e-12, atol=1e-14, err_msg=text)


@pytest.mark.parametrize("name", programs.NAMED)
def test_named_programs(name):
    assert_agree(*programs.NAMED[name])


@pytest.mark.parametrize("block", [RANDOM[i : i + 20] for i in RANDOM[::20]])
def test_random_programs(block):
    for seed in block:
        text = programs.random_program(seed)
        assert_agree(text, programs.random_arguments(seed), oracle=by_differences)
