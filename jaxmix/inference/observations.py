"""What each observation does to a fit: influence, infinitesimal jackknife, leave-one-out.

The derivative in a row's sample weight is the implicit function theorem at the optimum; leaving the
row out altogether takes one Newton step of EM's fixed-point equation in expected statistics
(notes/differentiable-em.md, eq. 7 to 12).
"""

from functools import partial
from typing import Any, NamedTuple, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from jaxmix.inference.curvature import observed, row_scores
from jaxmix.inference.parts import ByPart, Parts, derivatives, user_parts
from jaxmix.inference.posing import Options, Posed, pose
from jaxmix.inference.uncertainty import StandardErrors, errors_like, warn_of_singular
from jaxmix.inference.whitening import Spectrum, spectrum
from jaxmix.metric import jacobian
from jaxmix.mixture import Mixture
from jaxmix.statistics import Table, expectation

Rows = Float[Array, "n p"]
Flat = Float[Array, " kf"]
"""A table of statistics, raveled."""


class Influence(ByPart):
    """Derivatives of a fitted mixture in the sample weight of every row.

    `.weights` [n k], `.means` [n k d], `.covariances`, `.rates` and `.probabilities`: the shapes of
    `Mixture` behind n rows.
    """

    parts: Parts
    """By name; beside the mixture's parts, "correlations" [n k d d] of Gaussian columns."""
    vectors: Rows
    """In the free coordinates of `information`."""
    leverage: Float[Array, " n"]
    """How much a row's log-density falls, to first order, when the row is left out, in nats; they
    sum to about the number of parameters."""


def influence(mixture: Mixture, x: Any, **options: Unpack[Options]) -> Influence:
    r"""How every parameter moves with the sample weight of each observation.

    $$\frac{d\hat\theta}{ds_i} = I_{\text{obs}}^{-1} \nabla \log p(x_i \mid \hat\theta), \qquad
    \ell_i = s_i \nabla \log p(x_i)^\top I_{\text{obs}}^{-1} \nabla \log p(x_i)$$

    Without a row the parameters are about $\hat\theta - s_i\, d\hat\theta / ds_i$; `leave_one_out`
    is more exact.

    Args:
        mixture: the result of a fit that converged, to a gap of 1e-12 and less for many digits.
        x: the data [n d] that it was fitted to.
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit. A prior whose mean
            is that of the data moves with the weights.

    Returns:
        An `Influence`, with a warning where the information is singular: directions that the data
        do not pin down are left out.

    Raises:
        ValueError, TypeError: as `fit`, and for a mixture on the boundary.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([1.0], [2.0])
        >>> found = jm.inference.influence(mixture, [1.0, 2.0, 3.0])
        >>> [round(float(rate), 4) for rate in found.rates[:, 0, 0]]
        [-0.3333, 0.0, 0.3333]

    Source: Hampel (1974), JASA 69; Cook (1986), JRSS B 48; notes/differentiable-em.md, eq. 7.
    """
    posed, seen = _seen(mixture, x, options)
    scores = _scores(posed)[: len(x)]
    vectors = scores @ seen.root @ seen.root.T
    weights = jnp.ravel(posed.problem.blocks.sample_weights)[: len(x)]
    moves = vectors @ derivatives(user_parts, posed).T
    parts = jax.vmap(ravel_pytree(user_parts(mixture))[1])(moves)
    return Influence(parts, vectors, weights * jnp.sum(vectors * scores, axis=1))


def infinitesimal_jackknife(mixture: Mixture, x: Any, **options: Unpack[Options]) -> StandardErrors:
    r"""Standard errors from the influence of every observation.

    $V = \sum_i s_i \frac{d\hat\theta}{ds_i} \frac{d\hat\theta}{ds_i}^\top$: the jackknife with an
    infinitesimal part of each row left out. It is the sandwich of `standard_errors`, but for a
    prior whose mean is that of the data.

    Args:
        mixture, x, **options: as in `influence`.

    Returns:
        `StandardErrors`, right also where the model is not.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([1.0], [2.0])
        >>> errors = jm.inference.infinitesimal_jackknife(mixture, [1.0, 2.0, 3.0])
        >>> round(float(errors.rates[0, 0]), 4)
        0.4714

    Source: Jaeckel (1972), Bell Laboratories; notes/differentiable-em.md, eq. 8.
    """
    posed, seen = _seen(mixture, x, options)
    weights = jnp.ravel(posed.problem.blocks.sample_weights)[:, None]
    slopes = derivatives(user_parts, posed)
    moves = _scores(posed) @ seen.root @ seen.root.T @ slopes.T
    covariance = moves.T @ (weights * moves)
    parts = errors_like(user_parts(mixture), covariance, seen.misses(slopes))
    return StandardErrors(parts, covariance, seen.shares, "infinitesimal jackknife")


class LeaveOneOut(eqx.Module):
    """What a mixture fitted without a row says of that row, for every row."""

    log_densities: Float[Array, " n"]
    """Of each row under the mixture without it, in nats."""
    fitted: Float[Array, " n"]
    """Of each row under the mixture fitted to all rows."""
    sample_weights: Float[Array, " n"]
    mixtures: Mixture
    """The n mixtures without one row each, stacked, in the units of the data."""

    @property
    def log_likelihood(self) -> Float[Array, ""]:
        """The cross-validated log-likelihood, an estimate of that of n new rows."""
        return self.sample_weights @ self.log_densities

    @property
    def correction(self) -> Float[Array, ""]:
        """What the log-likelihood of the fit promises too much, in nats."""
        return self.sample_weights @ (self.fitted - self.log_densities)


def leave_one_out(mixture: Mixture, x: Any, **options: Unpack[Options]) -> LeaveOneOut:
    r"""The leave-one-out log-density of every observation, without a refit.

    EM stands still where the expected statistics $S = \sum_j s_j\, r_j(S) \phi(x_j)$ reproduce
    themselves; without row i one Newton step from there leads to

    $$S_{-i} \approx S - (I - J + J_i)^{-1} s_i\, r_i \phi(x_i), \qquad
    J = \partial \sum_j s_j r_j \phi(x_j) / \partial S, \quad
    J_i = \partial s_i r_i \phi(x_i) / \partial S,$$

    and the M-step from $S_{-i}$ to the mixture without the row. It is exact where responsibilities
    do not move, as with one component.

    Args:
        mixture, x, **options: as in `influence`. A row is left out with all its sample weight.

    Returns:
        A `LeaveOneOut`, with a warning where the information is singular. NaN for a row without
        which no mixture is left, because a component rests on that row.

    Raises:
        ValueError, TypeError: as `fit`, and for a mixture on the boundary.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([1.0], [4.0])
        >>> left_out = jm.inference.leave_one_out(mixture, [3.0, 4.0, 5.0, 4.0])
        >>> left_out.mixtures.rates[:, 0, 0].round(2).tolist()
        [4.33, 4.0, 3.67, 4.0]

    Source: after Beirami et al. (2017), NeurIPS 30, whose Newton step is in parameters;
    notes/differentiable-em.md, eq. 9 to 12.
    """
    posed, _ = _seen(mixture, x, options)
    return jax.tree.map(lambda leaf: leaf[: len(x)], _left_out(posed))


def _seen(mixture: Mixture, x: Any, options: Options) -> tuple[Posed, Spectrum]:
    """The problem, and the observed information in its own directions."""
    posed = pose(mixture, x, **options)
    seen = spectrum(posed, observed(posed))
    warn_of_singular(seen.shares, "what a row does along it is unknown and left out")
    return posed, seen


@jax.jit
def _scores(posed: Posed) -> Rows:
    """The gradient's derivative in every row's sample weight, padding included."""
    blocks = jax.lax.map(lambda x: row_scores(posed, x), posed.problem.blocks.x)
    scores = jnp.swapaxes(blocks, 1, 2).reshape(-1, posed.free.size)
    return scores + _mean_moves(posed, jnp.zeros(())) @ _pull_of_mean(posed).T


class _Row(NamedTuple):
    """A row to leave out, its sample weight, and the mean of the other rows."""

    x: Float[Array, " d"]
    weight: Float[Array, ""]
    mean: Float[Array, " d"]


@jax.jit
def _left_out(posed: Posed) -> LeaveOneOut:
    """Every row, padding included, under the mixture without it."""
    penalty, weights = posed.problem.penalty, jnp.ravel(posed.problem.blocks.sample_weights)
    means = penalty.mean - weights[:, None] * _mean_moves(posed, weights)
    means = jnp.where(penalty.mean_is_given, penalty.mean, means)
    point = jnp.ravel(posed.statistics(posed.vector))
    rows = _Row(_rows(posed), weights, means)
    shares = jax.lax.map(partial(_share, posed, point), rows)
    # Statistics have units, whose squares and their inverses are too much for single precision.
    largest = jnp.max(jnp.abs(shares), axis=0)
    unit = jnp.where(largest > 0, largest, 1.0)
    at = point / unit
    rest = jacobian(lambda z: z - _expected(posed, unit * z, penalty.mean) / unit, at)
    pull = jacobian(lambda mean: _expected(posed, point, mean) / unit, penalty.mean)

    def leave_out(left: tuple[_Row, Flat]) -> tuple[Array, Array, Mixture]:
        row, share = left
        along = jax.jacfwd(lambda z: _share(posed, unit * z, row) / unit)(at)
        lost = share / unit - pull @ (row.mean - penalty.mean)
        mixture = _maximized(posed, unit * (at - jnp.linalg.solve(rest + along, lost)), row.mean)
        density, fitted = (_row_pass(posed, one, row.x)[0] for one in (mixture, posed.mixture))
        return (
            jnp.where(jnp.isfinite(density), density, jnp.nan),
            fitted,
            posed.problem.leave(mixture),
        )

    densities, fitted, mixtures = jax.lax.map(leave_out, (rows, shares))
    return LeaveOneOut(densities, fitted, weights, mixtures)


def _maximized(posed: Posed, statistics: Flat, mean: Float[Array, " d"]) -> Mixture:
    """The M-step from raveled statistics, under a prior about a mean."""
    table = statistics.reshape(len(posed.mixture.log_weights), -1)
    penalty = eqx.tree_at(lambda one: one.mean, posed.problem.penalty, mean)
    return posed.mixture.maximize(table, penalty, posed.problem.fixed)


def _expected(posed: Posed, statistics: Flat, mean: Float[Array, " d"]) -> Flat:
    """The statistics of all rows, expected at the M-step from some statistics."""
    return jnp.ravel(posed.problem.evaluate(_maximized(posed, statistics, mean)).statistics)


def _share(posed: Posed, statistics: Flat, row: _Row) -> Flat:
    """What one row adds to the expected statistics."""
    penalty = posed.problem.penalty
    mixture = _maximized(posed, statistics, penalty.mean)
    return row.weight * jnp.ravel(_row_pass(posed, mixture, row.x, penalty.ridge)[1])


def _row_pass(
    posed: Posed, mixture: Mixture, x: Float[Array, " d"], ridge: float | Array = 0.0
) -> tuple[Float[Array, ""], Table]:
    """Log-density and expected statistics of one row."""
    features, table = posed.problem.features(mixture), mixture.natural(ridge)
    logits, statistics = expectation(features, table, x[:, None])
    return jax.nn.logsumexp(logits), statistics(jax.nn.softmax(logits, axis=0))


def _rows(posed: Posed) -> Float[Array, "rows d"]:
    x = posed.problem.blocks.x
    return jnp.swapaxes(x, 1, 2).reshape(-1, x.shape[1])


def _mean_moves(posed: Posed, left_out: Float[Array, "..."]) -> Float[Array, "rows d"]:
    """How the data's mean moves with each row's weight, while `left_out` of it goes."""
    x, mean = _rows(posed), posed.problem.penalty.mean
    seen = ~jnp.isnan(x)
    totals = jnp.ravel(posed.problem.blocks.sample_weights) @ seen
    rest = totals - jnp.broadcast_to(left_out, len(x))[:, None]
    return jnp.where(seen & (rest > 0), (x - mean) / jnp.where(rest > 0, rest, 1.0), 0.0)


def _pull_of_mean(posed: Posed) -> Float[Array, "p d"]:
    """How the gradient moves with the data's mean: not at all, unless a prior takes it for its."""
    penalty = posed.problem.penalty

    def penalized(vector: Float[Array, " p"], mean: Float[Array, " d"]) -> Float[Array, ""]:
        mixture = posed.free.mixture(vector)
        moved = eqx.tree_at(lambda one: one.mean, penalty, mean)
        return mixture.log_penalty(mixture.natural(penalty.ridge), moved)

    pull = jax.jacfwd(jax.grad(penalized), argnums=1)(posed.vector, penalty.mean)
    return jnp.where(penalty.mean_is_given, 0.0, pull)
