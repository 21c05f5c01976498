"""Problem: what every method climbs, and what one pass says at a mixture.

The objective is the log-likelihood of the data plus the prior's penalty, with the ridge inside each
component's log-density. Data, prior and starts live in coordinates centered on the data's mean,
which `fit` enters and leaves once (notes/em.md, eq. 7 to 11).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float

from jaxmix.blocks import Blocks, Data, in_blocks
from jaxmix.families import Family
from jaxmix.families.base import Coordinates, Features, Incomplete
from jaxmix.mixture import Mixture
from jaxmix.moments import moments, observed_moments
from jaxmix.prior import Penalty, Prior, penalty
from jaxmix.statistics import (
    Origins,
    Pass,
    Reading,
    Table,
    autodiff_log_likelihood,
    classified_statistics,
    differentiated_statistics,
    expected_statistics,
    marginal_log_likelihood,
)
from jaxmix.suggestions import unknown

T = TypeVar("T")


class Evaluation(eqx.Module):
    """What one pass says at a mixture."""

    objective: Float[Array, ""]
    """Log-likelihood plus penalties, in nats."""

    statistics: Float[Array, "k f"]
    """Expected sufficient statistics, the derivative in natural parameters."""

    em_step: Mixture
    """The M-step from these statistics."""

    gap: Float[Array, ""]
    """Q(em_step) - Q(mixture) >= 0, the nats that one more EM step promises."""

    rough: Bool[Array, ""]
    """Whether rounding shows, so that the problem should be recentered."""


class View(NamedTuple):
    """A mixture as a pass sees it: from the data's center, or each component from its own mean."""

    mixture: Mixture
    penalty: Penalty
    reading: Reading
    origins: Origins

    def near(self, mixture: Mixture) -> Mixture:
        """Another mixture, seen so."""
        return mixture if self.origins is None else mixture.translate(-self.origins)

    def back(self, mixture: Mixture) -> Mixture:
        """Another mixture that was seen so, in the problem's coordinates."""
        return mixture if self.origins is None else mixture.translate(self.origins)


class Terms(NamedTuple):
    """What a result tells of its problem, without the data."""

    total: Float[Array, ""]
    fixed: tuple[str, ...]
    form: str


class Problem(eqx.Module):
    """Data, sample weights, penalties and fixed parts: one objective for every method."""

    data: Data
    center: Float[Array, " d"]
    pooled: Float[Array, "d d"]
    """Covariance of all the data: the metric in which components count as collapsed."""
    floor: Float[Array, "d d"]
    """The covariance that a ridge alone leaves, below which components count as collapsed."""
    total: Float[Array, ""]
    penalty: Penalty
    fixed: tuple[str, ...] = eqx.field(static=True, default=())
    hard: bool = eqx.field(static=True, default=False)
    """Whether the objective is the classification log-likelihood instead of the marginal one."""
    missing: bool = eqx.field(static=True, default=False)
    """Whether NaN in the data are entries that nobody observed."""
    form: str = eqx.field(static=True, default="features")
    """How a pass reads rows: "features" of all components together, which is faster, or
    "recentered" features of each component about its mean, which lose no digits (notes/em.md,
    eq. 14 and 15)."""
    widened: bool = eqx.field(static=True, default=False)
    """Whether the ridge widens the M-step's covariances and nothing else, and a component of any
    size may live: scikit-learn's reading, under which EM climbs no objective."""

    @property
    def blocks(self) -> Blocks:
        """The data in memory; TypeError where they are a stream."""
        if not isinstance(self.data, Blocks):
            raise TypeError(
                "this needs all rows in memory, and the data are a stream; give it an array, such "
                "as a sample of the rows"
            )
        return self.data

    @property
    def terms(self) -> Terms:
        """What results tell of it."""
        return Terms(self.total, self.fixed, self.form)

    @property
    def _ridge(self) -> Float[Array, ""]:
        """The ridge that the E-step knows."""
        return jnp.zeros_like(self.penalty.ridge) if self.widened else self.penalty.ridge

    def evaluate(self, mixture: Mixture, gradient: str = "fisher") -> Evaluation:
        """One pass: objective, statistics, EM step and gap at a mixture.

        Args:
            mixture: in the problem's centered coordinates.
            gradient: where the statistics come from: "fisher", the E-step, or "autodiff",
                reverse mode in every block, which gives the same numbers.
        """
        # The default is filled in here: a static argument left out would compile once more.
        # Called on the class, because a bound method of a module is a module made for one call.
        return Problem._evaluate(self, mixture, gradient)

    @partial(jax.jit, static_argnames="gradient")
    def _evaluate(self, mixture: Mixture, gradient: str) -> Evaluation:
        statistics = classified_statistics if self.hard else STATISTICS[gradient]
        view = self.view(mixture)
        near, penalty = view.mixture, view.penalty
        table = near.natural(self._ridge)
        log_likelihood, expected = statistics(view.reading, table, self.data, view.origins)
        if self.widened:
            expected = with_empty_at_origin(expected, near.family, self.center, view.origins)
        em_step = near.maximize(expected, penalty, self.fixed)
        return Evaluation(
            objective=log_likelihood + near.log_penalty(table, penalty),
            statistics=expected,
            em_step=view.back(em_step),
            gap=near.divergence(em_step, expected[:, -1], penalty),
            rough=self._rough(near, table),
        )

    def view(self, mixture: Mixture) -> View:
        """The mixture as this problem's passes see it."""
        reading = mixture.family.recentered
        if self.form == "features" or reading is None:
            return View(mixture, self.penalty, self.features(mixture), None)
        # The likelihood does not depend on where it is seen from.
        origins = jax.lax.stop_gradient(mixture.family.origins)
        return View(mixture.translate(-origins), self.penalty.about(origins), reading, origins)

    def _rough(self, mixture: Mixture, table: Table) -> Bool[Array, ""]:
        """Whether the features' rounding shows where it should not."""
        if self.form != "features" or self.missing or mixture.family.recentered is None:
            return jnp.array(False)
        lost = jnp.max(mixture.family.cancellation(table)) * jnp.finfo(table.dtype).eps
        return lost > ROUNDING[table.dtype.name]

    @jax.jit
    def is_rough(self, mixture: Mixture) -> Bool[Array, ""]:
        """Whether features seen from the data's center are too coarse for a mixture."""
        return self._rough(mixture, mixture.natural(self._ridge))

    def in_form(self, form: str) -> "Problem":
        """The same problem, whose passes read rows in this form; ValueError for an unknown one."""
        if form not in FORMS:
            raise unknown("form", form, FORMS)
        return replace(self, form=form)

    def suited(self, mixture: Mixture, value: "Callable[[Problem], T]") -> T:
        """A value at a mixture, by the form of pass whose digits suffice there."""
        rough = self.is_rough(jax.lax.stop_gradient(mixture))
        sure = self.in_form("recentered")
        if isinstance(rough, Tracer):
            return jax.lax.cond(rough, lambda: value(sure), lambda: value(self))
        return value(sure if rough else self)

    def objective(self, mixture: Mixture, gradient: str = "fisher") -> Float[Array, ""]:
        """The objective alone, differentiable by Fisher's rule or by plain autodiff."""
        view, log_likelihood = self.view(mixture), OBJECTIVES[gradient]
        table = view.mixture.natural(self._ridge)
        value = log_likelihood(view.reading, table, self.data, view.origins)
        return value + view.mixture.log_penalty(table, view.penalty)

    def log_likelihood(self, mixture: Mixture) -> Float[Array, ""]:
        """The marginal log-likelihood without any penalty, in nats."""
        view = self.view(mixture)
        table = view.mixture.natural()
        return autodiff_log_likelihood(view.reading, table, self.data, view.origins)

    def expect(self, mixture: Mixture, rows: Data) -> Pass:
        """Log-likelihood and expected statistics of some of the rows, a batch of a pass.

        By features, whatever the form: statistics of different mixtures add up in them alone.
        """
        table = mixture.natural(self._ridge)
        return expected_statistics(self.features(mixture), table, rows)

    def features(self, mixture: Mixture) -> Features | Incomplete:
        """What the pass makes of rows: features, or what takes their place where entries miss."""
        return mixture.incomplete if self.missing else mixture.family.features

    def slope(
        self, mixture: Callable[[Coordinates], Mixture], at: Coordinates, statistics: Table
    ) -> Coordinates:
        """The objective's gradient in any coordinates of mixtures, from one pass's statistics.

        The statistics are the derivative in natural parameters, whatever way they were found; the
        chain rule through the table and the penalty does the rest (notes/gradient.md, eq. 3).
        """

        view = self.view(mixture(at))

        def linear(coordinates: Coordinates) -> Float[Array, ""]:
            moved = view.near(mixture(coordinates))
            table = moved.natural(self._ridge)
            return jnp.vdot(statistics, table) + moved.log_penalty(table, view.penalty)

        return jax.grad(linear)(at)

    def gradient(self, mixture: Mixture, statistics: Table) -> Coordinates:
        """The objective's gradient in the mixture's own coordinates."""
        return self.slope(mixture.constrain, mixture.coordinates(self.fixed), statistics)

    def gradient_norm(self, mixture: Mixture, statistics: Table) -> Float[Array, ""]:
        """Euclidean norm of the gradient in the free coordinates, a unit of sample weight."""
        leaves = jax.tree.leaves(self.gradient(mixture, statistics))
        return jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in leaves)) / self.total

    def is_degenerate(self, mixture: Mixture, counts: Float[Array, " k"]) -> Bool[Array, ""]:
        """Whether a component has collapsed or lost its observations."""
        if self.widened:
            nothing = jnp.zeros_like(self.pooled)
            return mixture.family.collapsed(nothing, nothing, self.fixed)
        few = counts < mixture.family.minimum_count(self.penalty, self.fixed)
        return jnp.any(few) | mixture.family.collapsed(self.pooled, self.floor, self.fixed)

    def enter(self, mixture: Mixture) -> Mixture:
        """A mixture in the user's units, in the problem's centered coordinates."""
        return _about(mixture, self.center)

    def leave(self, mixture: Mixture) -> Mixture:
        """A mixture in centered coordinates, in the user's units."""
        return _translated(mixture, self.center)


@jax.jit
def _translated(mixture: Mixture, shift: Float[Array, " d"]) -> Mixture:
    return mixture.translate(shift)


@jax.jit
def _about(mixture: Mixture, center: Float[Array, " d"]) -> Mixture:
    return mixture.translate(-center)


def with_empty_at_origin(
    statistics: Table, family: Family, center: Float[Array, " d"], origins: Origins = None
) -> Table:
    """Statistics in which components without rows have next to nothing, in the user's origin.

    So scikit-learn keeps them from dividing by zero: their weight is some rounding error.
    """
    nothing = 10 * jnp.finfo(statistics.dtype).eps
    seen = -center[:, None] if origins is None else -(center + origins).T
    origin = nothing * family.features(seen).T
    return jnp.where(statistics[:, -1:] == 0, origin, statistics)


FORMS = ("features", "recentered")
OBJECTIVES = {"fisher": marginal_log_likelihood, "autodiff": autodiff_log_likelihood}
STATISTICS = {"fisher": expected_statistics, "autodiff": differentiated_statistics}


def build_problem(
    x: Float[Array, "n d"],
    sample_weights: Float[Array, " n"] | None = None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: tuple[str, ...] = (),
    hard: bool = False,
    rows: int | None = None,
    missing: bool = False,
    centered: bool | tuple[bool, ...] = True,
    widened: bool = False,
) -> Problem:
    """Center data at their mean and cut them into blocks; a plain JAX function.

    Columns that are not `centered` keep their origin.
    """
    weights = jnp.ones(len(x), x.dtype) if sample_weights is None else sample_weights
    weights = weights.astype(x.dtype)
    if missing:
        mean, pooled = observed_moments(x, weights)
        rows = MISSING_ROWS if rows is None else rows
    else:
        together = moments(x, weights)
        mean, pooled = together.mean, together.covariance
    center = mean if centered is True else jnp.where(jnp.array(centered), mean, 0.0)
    around = surroundings(center, mean, pooled, jnp.sum(weights), prior, ridge)
    kinds = {"fixed": fixed, "hard": hard, "missing": missing, "widened": widened}
    return Problem(in_blocks(x - center, weights, rows), **around, **kinds)


def surroundings(
    center: Float[Array, " d"],
    mean: Float[Array, " d"],
    pooled: Float[Array, "d d"],
    total: Float[Array, ""],
    prior: Prior | None,
    ridge: ArrayLike,
) -> dict[str, Any]:
    """What a problem holds in arrays, beside the data."""
    penalties, pooled = penalty(prior, ridge, center, mean), jax.lax.stop_gradient(pooled)
    floor = near_ridge(pooled, penalties.ridge)
    return {
        "center": center,
        "pooled": pooled,
        "floor": floor,
        "total": total,
        "penalty": penalties,
    }


ROUNDING = {"float64": 5e-11, "float32": 5e-5}
"""Nats of a row's log-density that may be lost: half of what the kit promises, because terms cancel
in the quadratic, the linear and the constant part alike."""

MISSING_ROWS = 128
"""Rows of a block where entries are missing: each may need a matrix for every component."""


def near_ridge(pooled: Float[Array, "d d"], ridge: Float[Array, ""]) -> Float[Array, "d d"]:
    """Twice the ridge where the data vary, less where no component could have more.

    There every optimum lies at the ridge, and gradient methods come to it from either side.
    """
    identity = jnp.eye(len(pooled), dtype=pooled.dtype)
    share = jnp.linalg.solve(pooled + jnp.where(ridge > 0, ridge, 1.0) * identity, pooled)
    return ridge * (share + share.T)
