"""What the benchmarks time in common, and how their results say it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxmix as jm
from jaxmix.compiling import compiler_options
from jaxmix.problem import Evaluation


def as_fit_compiles(program: Callable[..., Any]) -> jax.stages.Wrapped:
    """The program compiled with the options of a large fit's."""
    return jax.jit(program, compiler_options=compiler_options(small=False))


def em_step(mixture: jm.Mixture, problem: jm.Problem) -> Evaluation:
    """What a fit pays for one step: log-likelihood, M-step and gap; without the first, XLA would
    compile another pass."""
    return problem.evaluate(mixture)


def in_milliseconds(times: dict[str, list[float]]) -> dict[str, dict]:
    """Medians and spreads, least and most, of seconds by name."""
    return {
        "milliseconds": {name: round(1e3 * float(np.median(t)), 3) for name, t in times.items()},
        "spread": {
            name: [round(1e3 * min(t), 3), round(1e3 * max(t), 3)] for name, t in times.items()
        },
    }
