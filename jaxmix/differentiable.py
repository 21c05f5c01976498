"""Fits as differentiable functions: of data, sample weights, prior and ridge.

Where EM stands still the implicit function theorem gives the derivative from one EM step; unrolled
differentiation follows every step, one-step differentiation only the last
(notes/differentiable-em.md, eq. 1 to 6).
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.scipy.sparse.linalg import gmres
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxmix.fitting import as_names
from jaxmix.free import Free, em_map, free_coordinates
from jaxmix.inputs import as_count
from jaxmix.methods import EM
from jaxmix.metric import metric
from jaxmix.mixture import Mixture, as_rows
from jaxmix.posing import check_problem
from jaxmix.precision import cast
from jaxmix.prior import Prior
from jaxmix.problem import Problem, build_problem
from jaxmix.suggestions import unknown
from jaxmix.traced import check_traced

Vector = Float[Array, " p"]

SUBSPACE = 200
"""Directions that GMRES keeps at most: with as many as there are parameters it is exact."""
RESTARTS = 5
"""Times that GMRES starts afresh from its residual, most of them to win back rounding."""


def differentiable_fit(
    x: Any,
    start: Mixture,
    mode: str = "implicit",
    *,
    max_steps: int = 1000,
    tol: ArrayLike | None = None,
    sample_weights: Any = None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
) -> Mixture:
    r"""Fit by EM, as a function to put under `jax.grad`, `jax.jacrev`, `jax.jit` or `jax.vmap`.

    With the EM step $\theta^+ = M(\theta, z)$ of data, sample weights, prior and ridge $z$,

    $$\frac{d\hat\theta}{dz} = \Big(I - \frac{\partial M}{\partial\theta}\Big)^{-1}
    \frac{\partial M}{\partial z} \quad\text{at}\quad \hat\theta = M(\hat\theta, z).$$

    | mode | derivative | memory | off by |
    |---|---|---|---|
    | "implicit" | the formula, by GMRES on products with one EM step | of one step | nothing |
    | "unrolled" | of all `max_steps` steps | grows with the steps | (rate of EM)^steps |
    | "one_step" | the formula without its inverse | of one step | the rate of EM |

    "implicit" has first derivatives in reverse mode; "unrolled" has all, in either mode.

    Args:
        x: data [n d], as `fit` takes it.
        start: the mixture to start from. Its derivative is that of an optimum in the start: zero,
            but for fixed parts; only "unrolled" sees how the steps forget it.
        mode: "implicit", "unrolled" or "one_step".
        max_steps: the most EM steps; "unrolled" takes exactly as many, because reverse mode needs a
            fixed number.
        tol: a gap in nats at which "implicit" and "one_step" stop. When left out what the precision
            resolves: an error of the parameters is an error of the derivative, and is the square
            root of the gap.
        sample_weights, prior, ridge, fixed: as in `fit`.

    Returns:
        The fitted mixture, in the units of the data. It is NaN where the fit ends degenerate, and
        is not checked otherwise: under a transformation nothing can be raised.

    Raises:
        ValueError, TypeError: as `fit`; for an unknown mode; for a start on the boundary.

    Examples:
        >>> import jax, jaxmix as jm
        >>> start = jm.poisson_mixture([1.0], [2.0])
        >>> rate = lambda x: jm.differentiable_fit(x, start, max_steps=5).rates[0, 0]
        >>> jax.grad(rate)(jax.numpy.array([1.0, 2.0, 3.0, 4.0])).tolist()
        [0.25, 0.25, 0.25, 0.25]

    Source: Blondel et al. (2022), NeurIPS 35; Bolte, Pauwels & Vaiter (2023), NeurIPS 36, for one
    step; notes/differentiable-em.md, eq. 1 to 6.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    max_steps, fixed = as_count(max_steps, "max_steps", least=1), as_names(fixed)
    given = (x, start, sample_weights, prior, ridge)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(given)):
        check_traced(as_rows(x), start, prior, ridge, fixed, sample_weights)
    else:
        check_problem(x, start, EM(), prior, ridge, fixed, sample_weights)
    start.unconstrain(fixed)
    x = as_rows(x)
    array = partial(jnp.asarray, dtype=x.dtype)
    weights = jnp.ones(len(x), x.dtype) if sample_weights is None else array(sample_weights)
    prior, ridge = jax.tree.map(array, prior), array(ridge)
    tol = None if tol is None else array(tol)
    return _fit(x, cast(start, x.dtype), weights, prior, ridge, tol, mode, max_steps, fixed)


@partial(jax.jit, static_argnames=("mode", "max_steps", "fixed"))
def _fit(
    x: Float[Array, "n d"],
    start: Mixture,
    sample_weights: Float[Array, " n"],
    prior: Prior | None,
    ridge: Float[Array, ""],
    tol: Float[Array, ""] | None,
    mode: str,
    max_steps: int,
    fixed: tuple[str, ...],
) -> Mixture:
    problem = build_problem(x, sample_weights, prior, ridge, fixed, centered=start.family.centered)
    inside = problem.enter(start)
    free = free_coordinates(inside, fixed)
    if tol is None:
        tol = problem.total * (16 * float(jnp.finfo(x.dtype).eps)) ** 2
    return problem.leave(free.mixture(MODES[mode](problem, free, tol, max_steps)))


class _Visit(NamedTuple):
    """Where EM is, with what the pass before said."""

    vector: Vector
    counts: Float[Array, " k"]
    gap: Float[Array, ""]
    num_steps: Int[Array, ""]


def converge(problem: Problem, free: Free, tol: Array, max_steps: int) -> Vector:
    """The free coordinates at which EM stops; NaN where they are degenerate."""

    def running(visit: _Visit) -> Bool[Array, ""]:
        return (visit.gap > tol) & (visit.num_steps < max_steps)

    def step(visit: _Visit) -> _Visit:
        evaluation = problem.evaluate(free.mixture(visit.vector))
        counts, gap = evaluation.statistics[:, -1], evaluation.gap
        return _Visit(free.vector(evaluation.em_step), counts, gap, visit.num_steps + 1)

    start = free.vector(free.template)
    counts, endless = jnp.zeros_like(free.template.log_weights), jnp.full_like(tol, jnp.inf)
    last = jax.lax.while_loop(running, step, _Visit(start, counts, endless, jnp.zeros((), int)))
    degenerate = problem.is_degenerate(free.mixture(last.vector), last.counts)
    return jnp.where(degenerate, jnp.nan, last.vector)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def implicit(problem: Problem, free: Free, tol: Array, max_steps: int) -> Vector:
    """EM's fixed point, with the derivative of the implicit function theorem."""
    return converge(problem, free, tol, max_steps)


def _forward(problem: Problem, free: Free, tol: Array, max_steps: int) -> tuple[Vector, Any]:
    vector = converge(problem, free, tol, max_steps)
    return vector, (problem, free, tol, vector)


def _backward(max_steps: int, kept: Any, cotangent: Vector) -> tuple[Any, Any, Array]:
    """eq. 3: a linear system in the transposed Jacobian of one step, then that step's products.

    In standard deviations, because in the units of the data rounding would swallow coordinates.
    """
    problem, free, tol, vector = kept
    back = jax.vjp(lambda moved: em_map(problem, free, moved), vector)[1]
    unit = jnp.sqrt(jnp.diagonal(metric(problem, free, vector)))
    adjoint = unit * solve(lambda v: v - back(unit * v)[0] / unit, cotangent / unit)
    return *jax.vjp(partial(em_map, vector=vector), problem, free)[1](adjoint), jnp.zeros_like(tol)


implicit.defvjp(_forward, _backward)


def solve(product: Callable[[Vector], Vector], right: Vector) -> Vector:
    """The solution of a linear system that is known by its products, to rounding."""
    rounding = 4 * float(jnp.finfo(right.dtype).eps)
    subspace = min(right.size, SUBSPACE)
    return gmres(
        product,
        right,
        tol=rounding,
        restart=subspace,
        maxiter=RESTARTS,
        solve_method="incremental",
    )[0]


def unrolled(problem: Problem, free: Free, tol: Array, max_steps: int) -> Vector:
    """All steps, each of which is differentiated."""

    def step(vector: Vector, _: None) -> tuple[Vector, None]:
        return em_map(problem, free, vector), None

    return jax.lax.scan(step, free.vector(free.template), None, length=max_steps)[0]


def one_step(problem: Problem, free: Free, tol: Array, max_steps: int) -> Vector:
    """One step from EM's fixed point, which itself counts as constant in the user's units."""
    still, inside = jax.lax.stop_gradient((problem, free))
    reached = still.leave(inside.mixture(converge(still, inside, tol, max_steps)))
    return em_map(problem, free, free.vector(problem.enter(reached)))


MODES: dict[str, Callable[..., Any]] = {
    "implicit": implicit,
    "unrolled": unrolled,
    "one_step": one_step,
}
