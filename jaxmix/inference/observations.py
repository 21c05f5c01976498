"""What each observation does to a fit: influence, infinitesimal jackknife, leave-one-out.

The derivative in a row's sample weight is the implicit function theorem at the optimum; leaving the
row out altogether takes one Newton step on the objective without it
(notes/differentiable-em.md, eq. 7 to 12).
"""

from typing import Any, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from jaxmix.inference.curvature import observed, row_scores
from jaxmix.inference.parts import ByPart, Parts, derivatives, user_parts
from jaxmix.inference.posing import Options, Posed, pose
from jaxmix.inference.uncertainty import StandardErrors, warn_of_singular
from jaxmix.inference.whitening import Spectrum, spectrum
from jaxmix.metric import Matrix, hessian
from jaxmix.mixture import Mixture
from jaxmix.statistics import expectation

Rows = Float[Array, "n p"]
TOGETHER = 64
"""Rows whose second derivatives are taken side by side."""


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
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit. A prior whose mean is
            that of the data moves with the weights.

    Returns:
        An `Influence`, with a warning where the information is singular: directions that the data
        do not pin down are left out.

    Raises:
        ValueError, TypeError: as `fit`, and for a mixture on the boundary.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([1.0], [2.0])
        >>> jm.inference.influence(mixture, [1.0, 2.0, 3.0]).rates[:, 0, 0].round(4).tolist()
        [-0.3333, 0.0, 0.3333]

    Source: Hampel (1974), JASA 69; Cook (1986), JRSS B 48; notes/differentiable-em.md, eq. 7.
    """
    posed, seen = _seen(mixture, x, options)
    scores = _scores(posed)[: len(x)]
    vectors = scores @ seen.root @ seen.root.T
    weights = jnp.ravel(posed.problem.data.sample_weights)[: len(x)]
    moves = vectors @ derivatives(user_parts, posed).T
    parts = jax.vmap(ravel_pytree(user_parts(mixture))[1])(moves)
    return Influence(parts, vectors, weights * jnp.sum(vectors * scores, axis=1))


def infinitesimal_jackknife(
    mixture: Mixture, x: Any, **options: Unpack[Options]
) -> StandardErrors:
    r"""Standard errors from the influence of every observation.

    $V = \sum_i s_i \frac{d\hat\theta}{ds_i} \frac{d\hat\theta}{ds_i}^\top$: the jackknife with an
    infinitesimal part of each row left out. It is the sandwich of `standard_errors`, but for a prior
    whose mean is that of the data.

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
    weights = jnp.ravel(posed.problem.data.sample_weights)[:, None]
    slopes = derivatives(user_parts, posed)
    moves = _scores(posed) @ seen.root @ seen.root.T @ slopes.T
    covariance = moves.T @ (weights * moves)
    errors = jnp.where(seen.misses(slopes), jnp.inf, jnp.sqrt(jnp.diagonal(covariance)))
    parts = ravel_pytree(user_parts(mixture))[1](errors)
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

    $$\hat\theta_{-i} \approx \hat\theta - \big(I_{\text{obs}} - s_i I_i\big)^{-1} s_i
    \nabla \log p(x_i \mid \hat\theta), \qquad I_i = -\nabla^2 \log p(x_i \mid \hat\theta)$$

    One Newton step on the objective without the row, then the row's exact log-density there.

    Args:
        mixture, x, **options: as in `influence`. A row is left out with all its sample weight.

    Returns:
        A `LeaveOneOut`; NaN for a row without which the step finds no maximum, because a component
        rests on that row.

    Raises:
        ValueError, TypeError: as `fit`, and for a mixture on the boundary.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([1.0], [4.0])
        >>> left_out = jm.inference.leave_one_out(mixture, [3.0, 4.0, 5.0, 4.0])
        >>> left_out.mixtures.rates[:, 0, 0].round(2).tolist()
        [4.36, 4.0, 3.69, 4.0]

    Source: Beirami et al. (2017), NeurIPS 30; Giordano et al. (2019), AISTATS 22;
    notes/differentiable-em.md, eq. 9 to 12.
    """
    posed, seen = _seen(mixture, x, options)
    found = _left_out(posed, seen)
    return jax.tree.map(lambda leaf: leaf[: len(x)], found)


def _seen(mixture: Mixture, x: Any, options: Options) -> tuple[Posed, Spectrum]:
    """The problem, and the observed information in its own directions."""
    posed = pose(mixture, x, **options)
    seen = spectrum(posed, observed(posed))
    warn_of_singular(seen.shares, "influence along it is left out")
    return posed, seen


@jax.jit
def _scores(posed: Posed) -> Rows:
    """The gradient's derivative in every row's sample weight, padding included."""
    blocks = jax.lax.map(lambda x: row_scores(posed, x), posed.problem.data.x)
    scores = jnp.swapaxes(blocks, 1, 2).reshape(-1, posed.free.size)
    return scores + _mean_moves(posed, jnp.zeros(())) @ _pull_of_mean(posed).T


@jax.jit
def _left_out(posed: Posed, seen: Spectrum) -> LeaveOneOut:
    """Every row, padding included, under the mixture without it."""
    x, weights = _rows(posed), jnp.ravel(posed.problem.data.sample_weights)
    pulls = _mean_moves(posed, weights) @ _pull_of_mean(posed).T

    def leave_out(row: Any) -> tuple[Array, Array, Mixture]:
        x, weight, pull = row
        score, second = jax.grad(_log_density)(posed.vector, posed, x), _second(posed, x)
        unit = jnp.eye(len(second), dtype=second.dtype)
        rest = jnp.linalg.cholesky(unit - weight * seen.root.T @ second @ seen.root)
        step = jax.scipy.linalg.cho_solve((rest, True), seen.root.T @ (weight * (score + pull)))
        moved = posed.vector - seen.root @ step
        densities = [_log_density(v, posed, x, ridge=0.0) for v in (moved, posed.vector)]
        return *densities, posed.user_mixture(moved)

    without, fitted, mixtures = jax.lax.map(leave_out, (x, weights, pulls), batch_size=TOGETHER)
    return LeaveOneOut(without, fitted, weights, mixtures)


def _rows(posed: Posed) -> Float[Array, "rows d"]:
    x = posed.problem.data.x
    return jnp.swapaxes(x, 1, 2).reshape(-1, x.shape[1])


def _log_density(
    vector: Float[Array, " p"],
    posed: Posed,
    x: Float[Array, " d"],
    ridge: float | Array | None = None,
) -> Float[Array, ""]:
    """Of one row, with the ridge's part of the objective unless another ridge is given."""
    mixture = posed.free.mixture(vector)
    table = mixture.natural(posed.problem.penalty.ridge if ridge is None else ridge)
    logits, _ = expectation(posed.problem.features(mixture), table, x[:, None])
    return jax.nn.logsumexp(logits)


def _second(posed: Posed, x: Float[Array, " d"]) -> Matrix:
    """The information of one row."""
    return -hessian(lambda vector: _log_density(vector, posed, x), posed.vector)


def _mean_moves(posed: Posed, left_out: Float[Array, "..."]) -> Float[Array, "rows d"]:
    """How the data's mean moves with each row's weight, while `left_out` of it goes."""
    x, mean = _rows(posed), posed.problem.penalty.mean
    seen = ~jnp.isnan(x)
    totals = jnp.ravel(posed.problem.data.sample_weights) @ seen
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
