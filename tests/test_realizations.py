"""Three realizations on the same programs: source, overloading and graph, against jax."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import programs
import pytest

from jaxmix import dual
from jaxmix.autodiff import graph, source

LIBRARIES = {"math": math, "jax": jnp, "dual": dual}
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


def assert_agree_with_jax(text, arguments, realizations=REALIZATIONS):
    value, gradient = by_jax(text, arguments)
    for realization in realizations:
        got, slopes = realization(text, arguments)
        np.testing.assert_allclose(got, value, rtol=1e-12, err_msg=text)
        np.testing.assert_allclose(slopes, gradient, rtol=1e-12, atol=1e-14, err_msg=text)


@pytest.mark.parametrize("name", programs.NAMED)
def test_named_programs(name):
    assert_agree_with_jax(*programs.NAMED[name])


@pytest.mark.parametrize("block", [RANDOM[i : i + 20] for i in RANDOM[::20]])
def test_random_programs(block):
    for seed in block:
        assert_agree_with_jax(programs.random_program(seed), programs.random_arguments(seed))
