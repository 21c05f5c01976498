"""How the loop is compiled: to quick code, and for a small problem in less time.

XLA writes a processor's kernels by one of two routes. The older one compiles in about two thirds of
the time, and a pass by its code takes up to four times as long. A whole fit of a small problem
takes less time than that saves (experiments/benchmarks/compile_time.py).
"""

from functools import cache
from typing import Any

import jax

from jaxmix.loop import advance
from jaxmix.problem import Problem

SMALL = 50_000
"""Multiplications of a pass, n k f, up to which a problem is small: a step by the older code takes
at most a quarter of a millisecond more, so that two thousand steps take what compiling saves."""

FAST = {
    "xla_cpu_prefer_vector_width": 512,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
}
"""All the bits of a processor's vectors, where XLA's choice is half of them, for the exponentials.
And the library that XLA asks for products of float32 is to do them alone: whole expressions that
XLA hands it as well took a Hessian-vector product half as long again."""

QUICK = FAST | {"xla_cpu_use_fusion_emitters": False}


@cache
def compiler_options(small: bool) -> dict[str, Any]:
    """What asks for the code of a small or a large problem, as far as this XLA knows it."""
    wanted = QUICK if small else FAST
    if _known(wanted):
        return wanted
    return {name: value for name, value in wanted.items() if _known({name: value})}


def _known(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


@cache
def advance_of(small: bool) -> jax.stages.Wrapped:
    """The loop compiled for small or for large problems."""
    static = ("length", "watched")
    return jax.jit(advance, static_argnames=static, compiler_options=compiler_options(small))


def is_small(problem: Problem, num_statistics: int) -> bool:
    """Whether a pass multiplies few numbers enough.

    Args:
        problem: data in blocks.
        num_statistics: entries k f of the table of expected sufficient statistics.
    """
    return problem.data.num_rows * num_statistics <= SMALL


def compiled_advance(problem: Problem, num_statistics: int) -> jax.stages.Wrapped:
    """The compiled loop for a problem of this size, as `is_small` measures it."""
    return advance_of(is_small(problem, num_statistics))
