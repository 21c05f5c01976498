"""A fit inside a caller's jit or vmap: one segment, without the checks that need numbers.

Nobody can stop on the way, to report, to write a file or to recenter the problem.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike

from jaxmix import checks
from jaxmix.assembly import assemble, blanked, start_trace
from jaxmix.loop import advance, begin, close
from jaxmix.methods import Method
from jaxmix.mixture import Mixture, as_rows
from jaxmix.precision import cast
from jaxmix.prior import Prior
from jaxmix.problem import build_problem
from jaxmix.result import FitResult
from jaxmix.stopping import Stop


def traced_fit(
    x: Any,
    start: Mixture,
    method: Method,
    stop: Stop,
    prior: Prior | None,
    ridge: ArrayLike,
    fixed: tuple[str, ...],
    sample_weights: Any,
    missing: bool,
) -> FitResult:
    """`fit` of traced arguments, its history padded with NaN."""
    if isinstance(stop.max_steps, Tracer):
        raise TypeError("inside jit or vmap, max_steps must be a plain number")
    length = int(stop.max_steps)
    x = as_rows(x, missing=missing)
    check_traced(x, start, prior, ridge, fixed, sample_weights)
    weights = None if sample_weights is None else jnp.asarray(sample_weights)
    centered = start.family.centered
    problem = build_problem(
        x, weights, prior, ridge, fixed, method.hard, missing=missing, centered=centered
    )
    start = problem.enter(cast(start, x.dtype))
    loop = begin(method, problem, stop, start, watched=False)
    first = start_trace(loop)
    loop, trace = advance(method, problem, stop, loop, jnp.asarray(length), length, watched=False)
    closing = close(problem, method.finish(loop.state), loop.evaluation)
    whole = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b]), first, blanked(trace, loop.num_steps)
    )
    return assemble(problem.terms, method, stop, loop, closing, whole)


def check_traced(
    x: Array,
    start: Mixture,
    prior: Prior | None,
    ridge: ArrayLike,
    fixed: tuple[str, ...],
    sample_weights: Any,
) -> None:
    """The checks of `check_problem` that need no numbers."""
    checks.check_columns(start, x.shape[1])
    if sample_weights is not None and np.shape(sample_weights) != x.shape[:1]:
        raise ValueError(
            f"expected {len(x)} sample_weights, one a row of x, got shape "
            f"{np.shape(sample_weights)}"
        )
    checks.check_fixed(fixed, start.family)
    checks.check_penalty_of(start.family, prior, ridge)
