"""How the loop is compiled: for a small problem, in less time, to slower code.

XLA writes a processor's kernels by one of two routes. The older one compiles in about two thirds of
the time, and a pass by its code takes up to half as much again. A whole fit of a small problem
takes less time than that saves (experiments/benchmarks/compile_time.py).
"""

from functools import cache

import jax

from jaxmix.loop import advance
from jaxmix.problem import Problem

SMALL = 10**6
"""Multiplications of a pass, n k f, up to which a problem is small: about a millisecond."""

QUICK = {"xla_cpu_use_fusion_emitters": False}

fast_advance = jax.jit(advance, static_argnames=("length", "watched"))


@cache
def quick_options() -> dict[str, bool]:
    """What asks for the older route, where this release of XLA still has it."""
    try:
        jax.jit(lambda: 0, compiler_options=QUICK).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return QUICK


@cache
def quick_advance() -> jax.stages.Wrapped:
    """The loop compiled by the older route, where there is one."""
    if not quick_options():
        return fast_advance
    return jax.jit(advance, static_argnames=("length", "watched"), compiler_options=quick_options())


def is_small(problem: Problem, num_statistics: int) -> bool:
    """Whether a pass multiplies few numbers enough.

    Args:
        problem: data in blocks.
        num_statistics: entries k f of the table of expected sufficient statistics.
    """
    return problem.data.num_rows * num_statistics <= SMALL


def compiled_advance(problem: Problem, num_statistics: int) -> jax.stages.Wrapped:
    """The compiled loop for a problem of this size, as `is_small` measures it."""
    return quick_advance() if is_small(problem, num_statistics) else fast_advance
