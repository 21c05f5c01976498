"""Standard errors of a fitted mixture, by the delta method from its information.

The free coordinates have the inverse of an information as their covariance; whatever a user asks
about is a function of them, whose derivative carries the covariance over. Directions that the data
do not pin down are reported, not inverted (notes/standard-errors.md, eq. 6 to 9).
"""

import warnings
from collections.abc import Callable
from typing import Any, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from jaxmix.inference.curvature import gradient, observed, outer_products
from jaxmix.inference.parts import Errors, Parts, derivatives, user_parts
from jaxmix.inference.posing import Options, Posed, pose
from jaxmix.inference.whitening import (
    DENSE,
    metric_factor,
    observed_shares,
    resolution,
    solved,
    spectrum,
)
from jaxmix.mixture import Mixture
from jaxmix.suggestions import unknown

KINDS = ("observed", "sandwich", "opg")


class StandardErrors(Errors):
    """Standard errors in the shapes of a mixture's own parameters.

    `.weights`, `.means`, `.covariances`, `.rates` and `.probabilities` as in `Mixture`. What a fit
    keeps fixed has 0, what the data do not pin down has infinity.
    """

    parts: Parts
    """By name; beside the mixture's parts, "correlations" [k d d] of full and tied covariances."""
    covariance: Float[Array, "q q"]
    """Of all entries of `parts`, each raveled, in their order."""
    shares: Float[Array, " p"]
    """Information as shares of that of complete data, ascending: near 0 nothing is known, below 0
    the mixture is no maximum. For very many parameters only the smallest."""
    kind: str = eqx.field(static=True)

    @property
    def singular(self) -> bool:
        """Whether some direction holds no information, so that it has no standard error."""
        return bool(self.shares[0] <= resolution(self.shares.dtype))


def standard_errors(
    mixture: Mixture,
    x: Any,
    kind: str = "observed",
    **options: Unpack[Options],
) -> StandardErrors:
    r"""Standard errors of every parameter of a fitted mixture.

    $\operatorname{se}(g(\hat\theta))^2 = \nabla g^\top V \nabla g$ with $V = I_{\text{obs}}^{-1}$,
    or $I_{\text{obs}}^{-1} G I_{\text{obs}}^{-1}$, or $G^{-1}$, where $G$ is the sum of the rows'
    squared scores.

    Args:
        mixture: the result of a fit that converged.
        x: the data [n d] that it was fitted to.
        kind: "observed", the inverse observed information; "sandwich", right also where the model
            is not, for the parameters that come closest; "opg", by outer products of scores.
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit. With a prior the
            observed information is the curvature of the penalized objective.

    Returns:
        A `StandardErrors`, with a warning where the information is singular.

    Raises:
        ValueError, TypeError: as `fit`; for a mixture on the boundary; for an unknown kind.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> fit = jm.fit(waiting, jm.initialize(waiting, 2, family="tied"))
        >>> errors = jm.inference.standard_errors(fit.mixture, waiting)
        >>> sorted(round(float(error), 4) for error in errors.means[:, 0])
        [0.4763, 0.6461]

    Source: Louis (1982), JRSS B 44; White (1982), Econometrica 50, for the sandwich;
    notes/standard-errors.md, eq. 6 to 9.
    """
    posed = pose(mixture, x, **options)
    covariance, missed, shares = _covariance(posed, user_parts, kind)
    parts = errors_like(user_parts(mixture), covariance, missed)
    return StandardErrors(parts, covariance, shares, kind)


def delta_method(
    mixture: Mixture,
    x: Any,
    function: Callable[[Mixture], Any],
    kind: str = "observed",
    **options: Unpack[Options],
) -> tuple[Any, Any]:
    """A function of a fitted mixture, with its standard error.

    Args:
        mixture, x, kind, **options: as in `standard_errors`.
        function: a JAX function of a mixture in the units of the data, of any number of values.

    Returns:
        The function's value, and standard errors in the same structure.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> fit = jm.fit(waiting, jm.initialize(waiting, 2, family="tied"))
        >>> distance = lambda m: abs(m.means[1, 0] - m.means[0, 0])
        >>> value, error = jm.inference.delta_method(fit.mixture, waiting, distance)
        >>> round(float(value), 3), round(float(error), 3)
        (25.477, 0.752)

    Source: notes/standard-errors.md, eq. 7.
    """
    posed = pose(mixture, x, **options)
    value = function(mixture)
    covariance, missed, _ = _covariance(posed, function, kind)
    return value, errors_like(value, covariance, missed)


def newton_decrement(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> float:
    r"""The nats that are left to gain, $\tfrac12 g^\top I_{\text{obs}}^{-1} g$ with the gradient g.

    Args:
        mixture: a mixture near an optimum.
        x: data [n d].
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit.

    Returns:
        Nats, to leading order; infinite where the objective is not concave at the mixture, which is
        then near no maximum.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> start = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")
        >>> fit = jm.fit(waiting, start, stop=jm.Stop(tol=1e-4))
        >>> 0 < jm.inference.newton_decrement(fit.mixture, waiting) < 2e-4
        True

    Source: Boyd & Vandenberghe (2004), Convex Optimization, section 9.5; notes/stopping.md, eq. 6.
    """
    posed = pose(mixture, x, **options)
    covariance, _, shares = _observed_covariance(posed, gradient(posed)[None])
    if float(shares[0]) <= resolution(shares.dtype):
        return float("inf")
    return float(covariance[0, 0]) / 2


@jax.jit
def errors_like(values: Any, covariance: Float[Array, "q q"], missed: Bool[Array, " q"]) -> Any:
    """Standard errors in the structure of the values that they belong to."""
    errors = jnp.sqrt(jnp.maximum(jnp.diagonal(covariance), 0.0))
    return ravel_pytree(values)[1](jnp.where(missed, jnp.inf, errors))


def _covariance(
    posed: Posed, function: Callable[[Mixture], Any], kind: str
) -> tuple[Float[Array, "q q"], Array, Float[Array, " p"]]:
    """Covariance of a function's values, which of them are unbounded, and the shares."""
    if kind not in KINDS:
        raise unknown("kind of standard errors", kind, KINDS)
    slopes = derivatives(function, posed)
    if kind == "observed":
        covariance, missed, shares = _observed_covariance(posed, slopes)
        warn_of_singular(shares)
        return covariance, missed, shares
    squares = outer_products(posed)
    seen = spectrum(posed, squares if kind == "opg" else observed(posed))
    warn_of_singular(seen.shares)
    root, missed = slopes @ seen.root, seen.misses(slopes)
    if kind == "opg":
        return root @ root.T, missed, seen.shares
    bread = root @ seen.root.T
    return bread @ squares @ bread.T, missed, seen.shares


def warn_of_singular(
    shares: Float[Array, " p"], consequence: str = "standard errors along it are infinite"
) -> None:
    """Warn the caller's caller's caller of directions that hold no information."""
    least = float(shares[0])
    if least < -resolution(shares.dtype):
        warnings.warn(
            "the mixture is no maximum: its objective rises to second order in some direction. Fit "
            "on from there, from elsewhere, or to a smaller gap",
            stacklevel=4,
        )
    elif least <= resolution(shares.dtype):
        warnings.warn(
            "the information is singular: some direction changes nothing that the data show, and "
            f"{consequence}. Use fewer components or a prior",
            stacklevel=4,
        )


def _observed_covariance(
    posed: Posed, slopes: Float[Array, "q p"]
) -> tuple[Float[Array, "q q"], Bool[Array, " q"], Float[Any, " shares"]]:
    """slopes I^-1 slopes' with the observed information, which are unbounded, and the shares."""
    if posed.free.size > DENSE:
        shares = observed_shares(posed)
        missed = jnp.full(len(slopes), shares[0] <= resolution(shares.dtype))
        return solved(posed, metric_factor(posed), slopes), missed, shares
    seen = spectrum(posed, observed(posed))
    root = slopes @ seen.root
    return root @ root.T, seen.misses(slopes), seen.shares
