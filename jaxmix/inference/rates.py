"""How fast EM converges: the Jacobian of one of its steps, and what that predicts.

Near an optimum an EM step multiplies the error by the Jacobian of the EM map, I - F^-1 I_obs with
the complete-data information F: the rate is the share of the information that is missing
(notes/rates.md, eq. 1 to 7).
"""

import math
import warnings
from functools import partial
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from jaxmix.free import em_map
from jaxmix.inference.curvature import observed
from jaxmix.inference.parts import Parts, derivatives, user_parts
from jaxmix.inference.posing import Options, Posed, pose
from jaxmix.inference.whitening import observed_shares, spectrum
from jaxmix.methods.base import check_numbers
from jaxmix.metric import jacobian
from jaxmix.mixture import Mixture

STILL = 1e-4
"""Nats of gap above which EM does not stand still enough for a rate to mean anything."""


@jax.jit
def jacobian_of_step(posed: Posed) -> Float[Array, "p p"]:
    """The Jacobian of one EM step."""
    return jacobian(partial(em_map, posed.problem, posed.free), posed.vector)


def em_jacobian(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> Float[Array, "p p"]:
    r"""The Jacobian $\partial M / \partial\theta$ of one EM step, in free coordinates.

    Args:
        mixture: where; at an optimum its eigenvalues are the rates of EM.
        x: data [n d].
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit.

    Returns:
        A matrix [p p] over the coordinates of `information`.

    Raises:
        ValueError, TypeError: as `fit`; for a mixture on the boundary.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.poisson_mixture([1.0], [2.0])
        >>> jm.inference.em_jacobian(mixture, [1.0, 2.0, 3.0]).tolist()  # nothing is missing
        [[0.0]]

    Source: Dempster, Laird & Rubin (1977), JRSS B 39, eq. 3.5; notes/rates.md, eq. 2.
    """
    return jacobian_of_step(pose(mixture, x, **options))


def em_rate(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> float:
    r"""The factor by which an EM step shrinks the error, in the end: the largest rate.

    $\rho = \lambda_{\max}(\partial M / \partial \theta) = 1 - \lambda_{\min}(F^{-1}
    I_{\text{obs}})$, for many parameters by products alone.

    Args:
        mixture: an optimum.
        x: data [n d].
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit.

    Returns:
        The rate, below 1 at a strict maximum; with a warning where EM does not stand still.

    Raises:
        ValueError, TypeError: as `fit`; for a mixture on the boundary.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> fit = jm.fit(waiting, jm.initialize(waiting, 2, family="tied"), stop=jm.Stop(tol=1e-12))
        >>> round(jm.inference.em_rate(fit.mixture, waiting), 5)
        0.29181

    Source: Dempster, Laird & Rubin (1977), JRSS B 39, section 3; notes/rates.md, eq. 4.
    """
    posed = pose(mixture, x, **options)
    _check_still(posed)
    return 1 - float(observed_shares(posed)[0])


def missing_information(
    mixture: Mixture,
    x: Any,
    **options: Unpack[Options],
) -> Parts:
    r"""The fraction of each parameter's information that the unseen components take away.

    $1 - \operatorname{var}_{\text{com}}(\hat\theta_j) /
    \operatorname{var}_{\text{obs}}(\hat\theta_j)$: 0 where seeing the components would not help,
    near 1 where it would tell almost everything.

    Args:
        mixture: an optimum.
        x: data [n d].
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit.

    Returns:
        Fractions by name, in the shapes of the mixture's parts; none exceeds the EM rate. What is
        fixed, or known without error, has NaN.

    Raises:
        ValueError, TypeError: as `fit`; for a mixture on the boundary.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> fit = jm.fit(waiting, jm.initialize(waiting, 2, family="tied"))
        >>> fractions = jm.inference.missing_information(fit.mixture, waiting)
        >>> sorted(round(float(fraction), 2) for fraction in fractions["means"][:, 0])
        [0.13, 0.16]

    Source: Meng & Rubin (1991), JASA 86, section 4; notes/rates.md, eq. 6.
    """
    posed = pose(mixture, x, **options)
    _check_still(posed)
    fractions = _fractions(posed)
    return ravel_pytree(user_parts(mixture))[1](fractions)


@jax.jit
def _fractions(posed: Posed) -> Float[Array, " q"]:
    seen = spectrum(posed, observed(posed))
    slopes = derivatives(user_parts, posed)
    whole = jnp.sum(
        jax.scipy.linalg.solve_triangular(seen.factor, slopes.T, lower=True) ** 2, axis=0
    )
    known = jnp.where(seen.misses(slopes), jnp.inf, jnp.sum((slopes @ seen.root) ** 2, axis=1))
    scale = jnp.sum(slopes**2, axis=1)
    return jnp.where(scale > 0, 1 - whole / jnp.where(scale > 0, known, 1.0), jnp.nan)


class Prediction(NamedTuple):
    """How many EM steps a run should take."""

    by_jacobian: int
    """From the Jacobian applied to the present error, step by step."""
    by_rate: int
    """From the largest rate alone, as if the error lay along its direction."""


def predict_steps(
    optimum: Mixture,
    present: Mixture,
    x: Any,
    tol: float = 1e-8,
    *,
    most: int = 10**6,
    **options: Unpack[Options],
) -> Prediction:
    r"""EM steps from a mixture near an optimum until a step in free coordinates is at most `tol`.

    $e_{t+1} = (\partial M/\partial\theta)\, e_t$ from the present error, until
    $\lVert e_{t+1} - e_t \rVert \le$ tol; and by the rate alone, $\rho^t$ times the first step.

    Args:
        optimum: EM's fixed point, whose components are in the order of those of `present`.
        present: where the run is.
        x: data [n d].
        tol: length of a step in free coordinates at which the run ends.
        most: the largest number that is counted to.
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit.

    Returns:
        A `Prediction`. Neither number knows the early phase of a run, where EM is no linear map.

    Raises:
        ValueError, TypeError: as `fit`; for a mixture on the boundary; for two mixtures that are
            not of one family and size; for a negative tol.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> start = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")
        >>> run = jm.fit(waiting, start, stop=jm.Stop(tol=1e-16), record="all")
        >>> fourth = jm.fit(waiting, start, stop=jm.Stop(max_steps=4)).mixture
        >>> jm.inference.predict_steps(run.mixture, fourth, waiting).by_jacobian
        12

    Source: notes/rates.md, eq. 7.
    """
    check_numbers(tol=tol)
    posed, inside = pose(optimum, x, **options), pose(present, x, **options).mixture
    if jax.tree.structure(inside) != jax.tree.structure(posed.mixture) or len(
        inside.weights
    ) != len(posed.mixture.weights):
        raise ValueError(
            f"present must be of the family and size of the optimum, got {inside.num_components} "
            f"{inside.family.name} components for {optimum.num_components} {optimum.family.name}"
        )
    _check_still(posed)
    matrix = np.asarray(jacobian_of_step(posed))
    error = np.asarray(posed.free.vector(inside) - posed.vector)
    first = np.linalg.norm(matrix @ error - error)
    count, length = 1, first
    while length > tol and count < most:
        error = matrix @ error
        length = np.linalg.norm(matrix @ error - error)
        count += 1
    rate = float(np.max(np.abs(np.linalg.eigvals(matrix))))
    return Prediction(count, _steps_at(rate, float(first), tol, most))


def _steps_at(rate: float, first: float, tol: float, most: int) -> int:
    """Steps until one of length `first` has shrunk to tol, by this factor each."""
    if first <= tol:
        return 1
    if tol == 0 or rate >= 1:
        return most
    return min(most, 1 + math.ceil(math.log(tol / first) / math.log(rate))) if rate > 0 else 2


def _check_still(posed: Posed) -> None:
    """Warn where EM does not stand still, so that no rate describes it."""
    gap = float(posed.problem.evaluate(posed.mixture).gap)
    if not gap <= STILL:
        warnings.warn(
            f"EM still promises {gap:.2g} nats a step here, but rates belong to an optimum; "
            "fit on, to a smaller gap",
            stacklevel=3,
        )
