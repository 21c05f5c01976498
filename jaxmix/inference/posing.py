"""A mixture on data: what every question of inference is asked of.

The objective and what EM makes of it become functions of one vector of free coordinates, in the
problem's centered coordinates (notes/rates.md, eq. 1).
"""

from collections.abc import Iterable
from typing import Any, TypedDict

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from jaxmix.fitting import as_names
from jaxmix.free import Free, free_coordinates
from jaxmix.methods import EM
from jaxmix.metric import Matrix, metric
from jaxmix.mixture import Mixture
from jaxmix.posing import check_problem
from jaxmix.precision import cast
from jaxmix.prior import Prior
from jaxmix.problem import Problem
from jaxmix.statistics import Table


class Posed(eqx.Module):
    """A mixture with the problem that it solves, or should."""

    problem: Problem
    free: Free
    vector: Float[Array, " p"]
    """Free coordinates of the mixture."""

    @property
    def mixture(self) -> Mixture:
        """The mixture in the problem's centered coordinates."""
        return self.free.template

    def objective(self, vector: Float[Array, " p"]) -> Float[Array, ""]:
        """The objective at free coordinates, in nats."""
        return self.problem.objective(self.free.mixture(vector))

    def statistics(self, vector: Float[Array, " p"]) -> Table:
        """Expected sufficient statistics, the E-step."""
        return self.problem.evaluate(self.free.mixture(vector)).statistics

    def expected(self, statistics: Table, vector: Float[Array, " p"]) -> Float[Array, ""]:
        """Q less a constant: the M-step's objective for these statistics."""
        mixture = self.free.mixture(vector)
        table = mixture.natural(self.problem.penalty.ridge)
        return (statistics * table).sum() + mixture.log_penalty(table, self.problem.penalty)

    def metric(self) -> Matrix:
        """The information of complete data: minus the Hessian of Q, where EM stands still."""
        # Weights that are fixed or penalized do not foretell the soft counts. A component without
        # any keeps a trace of its own, so that the metric has a factor.
        foretold = self.problem.total * self.mixture.weights
        trace = foretold * float(jnp.finfo(foretold.dtype).eps) ** 0.5
        counts = jnp.maximum(self.statistics(self.vector)[:, -1], trace)
        return metric(self.problem, self.free, self.vector, counts)

    def user_mixture(self, vector: Float[Array, " p"]) -> Mixture:
        """The mixture at free coordinates, in the user's units."""
        return self.problem.leave(self.free.mixture(vector))


class Options(TypedDict, total=False):
    """What makes a problem beside data, as `fit` takes it."""

    prior: Prior | None
    ridge: ArrayLike
    fixed: Iterable[str]
    sample_weights: Any
    missing: bool


def pose(
    mixture: Mixture,
    x: Any,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
    sample_weights: Any = None,
    missing: bool = False,
) -> Posed:
    """A mixture on data, checked as `fit` checks them.

    Raises:
        ValueError, TypeError: as `fit`, and for a mixture on the boundary of its parameters.
    """
    names = as_names(fixed)
    problem = check_problem(x, mixture, EM(), prior, ridge, names, sample_weights, missing)[0]
    inside = problem.enter(cast(mixture, problem.center.dtype))
    free = free_coordinates(inside, names)
    return Posed(problem, free, jax.jit(Free.vector)(free, inside))
