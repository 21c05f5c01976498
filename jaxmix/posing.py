"""What a user hands to `fit` becomes a problem: the rows are checked, surveyed and cut into blocks.

The one place where data of any kind, an array, a frame or a stream of files, become a `Problem`.
"""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import ArrayLike

from jaxmix import checks
from jaxmix.blocks import Layout, layout
from jaxmix.inputs import (
    OUT_OF_RANGE,
    as_incomplete,
    as_matrix,
    as_sample_weights,
    check_observed,
    check_possible,
)
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.moments import Survey
from jaxmix.precision import precision_of
from jaxmix.prior import Prior
from jaxmix.problem import MISSING_ROWS, Problem, surroundings
from jaxmix.sources import InMemory, Source, check_stream, in_memory, survey
from jaxmix.streaming import streamed

compiled_surroundings = jax.jit(surroundings)


def check_problem(
    x: Any,
    start: Mixture,
    method: Method,
    prior: Prior | None,
    ridge: ArrayLike,
    fixed: tuple[str, ...],
    sample_weights: Any,
    missing: bool = False,
    mesh: Mesh | None = None,
) -> tuple[Problem, tuple[str, ...]]:
    """The problem that valid arguments make, and the names of the columns."""
    source = as_source(x, sample_weights, missing)
    (n, d), columns = source.shape, source.columns
    checks.check_columns(start, d)
    family = start.family
    checks.check_fixed(fixed, family)
    checks.check_penalty_of(family, prior, ridge)
    if missing:
        family.require_incomplete()
    if isinstance(source, InMemory):
        family.check(source.values, columns)
    rows = MISSING_ROWS if missing else None
    cut = layout(n, d, precision_of(source.dtype).itemsize, rows)
    at_boundary = bool(family.at_boundary)
    seen = survey(source, cut, missing, partial(_check_part, start, at_boundary, source))
    checks.check_start(start, seen.total)
    kinds = {"fixed": fixed, "hard": method.hard, "missing": missing}
    problem = pose(source, seen, cut, prior, ridge, family.centered, mesh, **kinds)
    if not np.all(np.isfinite(problem.pooled)):
        raise ValueError(OUT_OF_RANGE)
    if not bool(problem.penalty.bounds_covariances):
        family.check_spread(seen, columns, fixed)
    return problem, columns


def as_source(x: Any, sample_weights: Any, missing: bool) -> Source:
    """Valid rows and sample weights, or the stream that will give them."""
    if isinstance(x, Source):
        check_stream(sample_weights, missing)
        return x
    values, columns = as_incomplete(x) if missing else as_matrix(x)
    weights = None if sample_weights is None else as_sample_weights(sample_weights, len(values))
    if missing:
        check_observed(values if weights is None else values[weights > 0], columns)
    return InMemory(values, weights, columns)


def _check_part(start: Mixture, at_boundary: bool, source: Source, x: np.ndarray) -> None:
    """Raise for rows that are none of the family's, or impossible under a start on the boundary."""
    if not isinstance(source, InMemory):
        start.family.check(x, source.columns)
    if at_boundary:
        advice = "the start; give it rates and probabilities above 0"
        check_possible(start.log_prob(x), x, advice)


def pose(
    source: Source,
    seen: Survey,
    cut: Layout,
    prior: Prior | None,
    ridge: ArrayLike,
    centered: bool | tuple[bool, ...],
    mesh: Mesh | None = None,
    **kinds: Any,
) -> Problem:
    """What `build_problem` makes of arrays, made by the host: another number of rows compiles
    nothing anew."""
    dtype = precision_of(source.dtype)
    with np.errstate(over="ignore"):
        mean, pooled = seen.mean.astype(dtype), seen.covariance.astype(dtype)
    center = np.where(np.array(centered), mean, np.zeros_like(mean))
    total = np.asarray(seen.total, dtype)
    around = compiled_surroundings(center, mean, pooled, total, prior, ridge)
    if isinstance(source, InMemory):
        data = in_memory(source, cut, center, mesh)
    else:
        data = streamed(source, cut, center, seen.rows, mesh)
    return Problem(data, **around, **kinds)
