"""Source transformation gives readable programs whose derivatives are those of `jax.grad`."""

import ast
import linecache
import math
import subprocess
import sys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import programs
import pytest

from jaxmix.autodiff import source

MATH = {name: getattr(math, name) for name in programs.FUNCTIONS}
JAX = {name: getattr(jnp, name) for name in programs.FUNCTIONS}
RANDOM = range(200)

LECTURE_FORWARD = """\
def df(x1, x2, dx1, dx2):
    w3 = x1 * x2
    dw3 = dx1 * x2 + x1 * dx2
    w4 = sin(x1)
    dw4 = cos(x1) * dx1
    w5 = w3 + w4
    dw5 = dw3 + dw4
    return w5, dw5"""

LECTURE_REVERSE = """\
def grad_f(x1, x2, seed=1.0):
    w3 = x1 * x2
    w4 = sin(x1)
    w5 = w3 + w4
    x1_bar = x2_bar = w3_bar = w4_bar = 0.0
    w5_bar = seed
    w3_bar += w5_bar
    w4_bar += w5_bar
    x1_bar += cos(x1) * w4_bar
    x1_bar += w3_bar * x2
    x2_bar += x1 * w3_bar
    return w5, (x1_bar, x2_bar)"""


def flat(tree):
    return np.array([float(leaf) for leaf in jax.tree.leaves(tree)])


def of_named(name):
    text, arguments = programs.NAMED[name]
    return text, arguments


def forward_gradient(derivative, arguments):
    """The value, and one tangent for every number among the arguments."""
    leaves, structure = jax.tree.flatten(arguments)
    tangents = []
    for k in range(len(leaves)):
        seeds = jax.tree.unflatten(structure, [float(k == j) for j in range(len(leaves))])
        value, tangent = derivative(*arguments, *seeds)
        tangents.append(tangent)
    return value, np.array(tangents)


def assert_both_modes_agree_with_jax(text, arguments):
    f = programs.load(text, MATH)
    everything = tuple(range(len(arguments)))
    of_jax = programs.load(text, JAX)
    value, gradient = jax.value_and_grad(lambda *a: of_jax(*a) * 1.0, everything)(*arguments)
    forward, reverse = source.transform(f), source.transform(f, "reverse")
    tangent_value, tangents = forward_gradient(forward, arguments)
    adjoint_value, adjoints = reverse(*arguments)
    assert tangent_value == adjoint_value == f(*arguments)
    np.testing.assert_allclose(tangent_value, value, rtol=1e-12)
    np.testing.assert_allclose(tangents, flat(gradient), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(flat(adjoints), flat(gradient), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("mode", "text"), [("forward", LECTURE_FORWARD), ("reverse", LECTURE_REVERSE)]
)
def test_the_lectures_function_reads_as_in_the_lecture(mode, text):
    f = programs.load(programs.NAMED["the lecture's function"][0], MATH)
    assert source.transform(f, mode).source == text


@pytest.mark.parametrize("name", programs.NAMED)
def test_named_programs_agree_with_jax(name):
    assert_both_modes_agree_with_jax(*programs.NAMED[name])


@pytest.mark.parametrize("block", [RANDOM[i : i + 20] for i in RANDOM[::20]])
def test_random_programs_agree_with_jax(block):
    for seed in block:
        arguments = programs.random_arguments(seed)
        assert_both_modes_agree_with_jax(programs.random_program(seed), arguments)
