"""Penalties on a mixture's parameters: conjugate, so that the M-step keeps its closed form.

They are penalties in the parameters' own coordinates, without a Jacobian, so that EM and gradient
methods climb one objective (notes/em.md, eq. 8 to 11).
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float


class Prior(eqx.Module):
    r"""A conjugate penalty added to the log-likelihood; every part left out adds nothing.

    $$-\tfrac12\sum_k\big(\nu\log|\Sigma_k|+\operatorname{tr}(\Lambda\Sigma_k^{-1})
    +\kappa(\mu_k-m)^\top\Sigma_k^{-1}(\mu_k-m)\big)+(\alpha-1)\sum_k\log w_k$$

    Its M-step is $\Sigma_k = (S_k + \Lambda)/(N_k + \nu)$ with scatter $S_k$,
    $\mu_k = (\sum_i r_{ik} x_i + \kappa m)/(N_k + \kappa)$ and $w_k \propto N_k + \alpha - 1$.
    A covariance that all components share is penalized once.

    Rates and probabilities take $\kappa$ pseudo-observations of $m$: their M-step,
    $(\sum_i r_{ik} t(x_i) + \kappa m) / (N_k + \kappa)$, stays off the boundary (notes/families.md,
    eq. 3).

    Args:
        covariance_scale: $\Lambda$, in squared units of the data: a number (times the identity),
            [d] (a diagonal) or [d d].
        covariance_strength: $\nu \ge 0$, in observations.
        mean: $m$ [d], in the units of the data; when left out the mean of the data, or equal
            probabilities for Bernoulli and categorical columns.
        mean_strength: $\kappa \ge 0$, in observations.
        weight_concentration: $\alpha \ge 1$ of a symmetric Dirichlet; 1 is flat.

    Examples:
        >>> import jaxmix as jm
        >>> jm.Prior(covariance_scale=0.1, covariance_strength=2.0).covariance_strength
        2.0

    Source: Fraley & Raftery (2007), Journal of Classification 24, section 3.
    """

    covariance_scale: ArrayLike | None = None
    covariance_strength: ArrayLike | None = None
    mean: ArrayLike | None = None
    mean_strength: ArrayLike | None = None
    weight_concentration: ArrayLike | None = None


class Penalty(eqx.Module):
    """A prior and a ridge as arrays, every part present, in the coordinates of centered data."""

    ridge: Float[Array, ""]
    scale: Float[Array, "d d"]
    strength: Float[Array, ""]
    mean: Float[Array, " d"]
    mean_is_given: Bool[Array, ""]
    """Whether the mean is the user's; otherwise it is that of the data."""
    mean_strength: Float[Array, ""]
    concentration: Float[Array, ""]
    origins: Float[Array, "k d"] | None = None
    """From where each component is seen; None for the origin of the centered data."""

    @property
    def seen_mean(self) -> Float[Array, "*k d"]:
        """The mean as it is seen from there, for components that know an origin."""
        return self.mean if self.origins is None else self.mean - self.origins

    @property
    @jax.jit
    def bounds_covariances(self) -> Bool[Array, ""]:
        """Whether the penalty keeps every covariance away from zero."""
        return (self.ridge > 0) | (jnp.trace(self.scale) > 0)

    def of_columns(self, columns: tuple[int, ...]) -> "Penalty":
        """The same penalty on some of the columns."""
        mine = np.array(columns)
        parts = self.scale[np.ix_(columns, columns)], self.mean[mine]
        penalty = eqx.tree_at(lambda one: (one.scale, one.mean), self, parts)
        return penalty if self.origins is None else penalty.about(self.origins[:, mine])

    def about(self, origins: Float[Array, "k d"]) -> "Penalty":
        """The same penalty on components that are each seen from an origin of its own."""
        return replace(self, origins=origins)


def penalty(
    prior: Prior | None,
    ridge: ArrayLike,
    center: Float[Array, " d"],
    mean: Float[Array, " d"] | None = None,
) -> Penalty:
    """The penalty that a prior and a ridge make where data of this mean are seen from `center`."""
    prior = Prior() if prior is None else prior
    d, default = center.shape[0], center if mean is None else mean

    def array(value: ArrayLike | None, default: float = 0.0) -> Array:
        return jnp.asarray(default if value is None else value, center.dtype)

    scale = array(prior.covariance_scale)
    return Penalty(
        ridge=array(ridge),
        scale=scale if scale.ndim == 2 else jnp.diag(jnp.broadcast_to(scale, (d,))),
        strength=array(prior.covariance_strength),
        mean=(default if prior.mean is None else array(prior.mean)) - center,
        mean_is_given=jnp.array(prior.mean is not None),
        mean_strength=array(prior.mean_strength),
        concentration=array(prior.weight_concentration, 1.0),
    )


def check_penalty(prior: Prior | None, ridge: ArrayLike, d: int, parts: tuple[str, ...]) -> None:
    """Raise ValueError or TypeError for a prior or a ridge that no fit of these parts can use."""
    if prior is not None and not isinstance(prior, Prior):
        raise TypeError(f"prior must be a jaxmix.Prior or None, got {type(prior).__name__}")
    numbers: list[tuple[str, Any, float]] = [("ridge", ridge, 0.0)]
    if prior is not None:
        numbers += [
            ("covariance_strength", prior.covariance_strength, 0.0),
            ("mean_strength", prior.mean_strength, 0.0),
            ("weight_concentration", prior.weight_concentration, 1.0),
        ]
    for name, value, least in numbers:
        left_out = value is None and name != "ridge"
        if not left_out and not isinstance(value, Tracer):
            _check_number(name, value, least)
    if prior is not None:
        _check_shapes(prior, d)
        _check_covariance_parts(prior, parts)


def _check_covariance_parts(prior: Prior, parts: tuple[str, ...]) -> None:
    given = prior.covariance_scale is not None or prior.covariance_strength is not None
    if given and not any(part.endswith("covariances") for part in parts):
        raise ValueError(
            f"the prior penalizes covariances, but these components have {', '.join(parts)}; "
            "mean_strength gives them pseudo-counts"
        )


def _check_number(name: str, value: Any, least: float) -> None:
    number = _finite(name, value)
    if number.ndim or number < least:
        raise ValueError(f"{name} must be a number of at least {least:g}, got {value!r}")


def _check_shapes(prior: Prior, d: int) -> None:
    scale, mean = prior.covariance_scale, prior.mean
    if mean is not None and np.shape(mean) not in ((), (d,)):
        raise ValueError(f"the prior's mean must have {d} entries, got shape {np.shape(mean)}")
    if mean is not None and not isinstance(mean, Tracer):
        _finite("the prior's mean", mean)
    if mean is not None and prior.mean_strength is None:
        raise ValueError("the prior's mean does nothing without mean_strength; give both")
    if scale is None or isinstance(scale, Tracer):
        return
    if np.shape(scale) not in ((), (d,), (d, d)):
        raise ValueError(
            f"covariance_scale must be a number, [{d}] or [{d} {d}], got shape {np.shape(scale)}"
        )
    values = _finite("covariance_scale", scale)
    if values.ndim == 2 and not np.allclose(values, values.T, rtol=1e-6, atol=0):
        raise ValueError("covariance_scale must be symmetric")
    least = np.linalg.eigvalsh(values).min() if values.ndim == 2 else values.min()
    if not least >= 0:
        raise ValueError("covariance_scale must be positive semidefinite")


def _finite(name: str, value: Any) -> np.ndarray:
    try:
        values = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be numbers, got {value!r}") from None
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return values
