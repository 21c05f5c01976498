"""What inference says about a mixture's parameters, in the shapes in which users write them.

The delta method carries it from free coordinates to those shapes (notes/standard-errors.md, eq. 7).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from jaxmix.families.gaussian import MATRICES, Gaussian
from jaxmix.inference.posing import Posed
from jaxmix.mixture import Mixture

Parts = dict[str, Array]


class ByPart(eqx.Module):
    """Numbers beside a mixture's parameters, read as in `Mixture`."""

    parts: eqx.AbstractVar[Parts]

    @property
    def weights(self) -> Float[Array, "*n k"]:
        """Of the mixing proportions."""
        return self.part("weights")

    @property
    def means(self) -> Float[Array, "*n k d"]:
        """Of the means, in the units of the data."""
        return self.part("means")

    @property
    def covariances(self) -> Float[Array, "..."]:
        """Of the covariances, entry by entry."""
        return self.part("covariances")

    @property
    def rates(self) -> Float[Array, "*n k d"]:
        """Of Poisson rates."""
        return self.part("rates")

    @property
    def probabilities(self) -> Float[Array, "..."]:
        """Of Bernoulli or categorical probabilities."""
        return self.part("probabilities")

    @property
    def correlations(self) -> Float[Array, "*n k d d"]:
        """Of the correlations of columns within each component."""
        return self.part("correlations")

    def part(self, name: str) -> Array:
        """Of the parameters of this name."""
        if name not in self.parts:
            raise AttributeError(f"these components have {', '.join(self.parts)}, not {name}")
        return self.parts[name]


class Errors(ByPart):
    """Standard errors beside a mixture's parameters, with their covariance."""

    covariance: eqx.AbstractVar[Float[Array, "q q"]]

    @property
    def mean_covariances(self) -> Float[Array, "k d d"]:
        """Of each component's mean, as an estimate; infinite where the data do not pin it down."""
        errors = self.means
        (k, d), components = errors.shape, np.arange(errors.shape[0])
        own = {name: np.full(part.shape, name == "means") for name, part in self.parts.items()}
        places = np.flatnonzero(ravel_pytree(own)[0])
        whole = self.covariance[np.ix_(places, places)].reshape(k, d, k, d)
        unknown = jnp.isinf(errors[:, :, None]) | jnp.isinf(errors[:, None, :])
        return jnp.where(unknown, jnp.inf, whole[components, :, components])


@jax.jit
def user_parts(mixture: Mixture) -> Parts:
    """All that inference speaks about, as users write it."""
    family = mixture.family
    parts = {"weights": mixture.weights} | {name: family.part(name) for name in family.parts}
    if isinstance(family, Gaussian) and family.name in MATRICES:
        variances = jnp.diagonal(family.matrices, axis1=1, axis2=2)
        deviations = jnp.sqrt(variances)
        parts["correlations"] = family.matrices / deviations[:, :, None] / deviations[:, None, :]
    return parts


@partial(jax.jit, static_argnums=0)
def derivatives(function: Callable[[Mixture], Any], posed: Posed) -> Float[Array, "q p"]:
    """Of a function of the mixture in the user's units, in free coordinates."""
    return jax.jacrev(lambda vector: ravel_pytree(function(posed.user_mixture(vector)))[0])(
        posed.vector
    )
