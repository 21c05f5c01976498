"""Coordinates in which gradient methods move a mixture, by name.

Every family has its own, log-Cholesky for covariances; the others write full covariances anew, so
that coordinates can be compared (notes/coordinates.md, eq. 1). augmented.py has those whose frame
moves along.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.families import factors
from jaxmix.families.base import Coordinates
from jaxmix.families.full import Full
from jaxmix.families.gaussian import Gaussian
from jaxmix.linalg import diagonal, each_matrix
from jaxmix.mixture import Mixture


class Chart(eqx.Module):
    """A way to write mixtures as unconstrained coordinates, in a frame that may move along."""

    @abstractmethod
    def begin(self, mixture: Mixture, fixed: tuple[str, ...]) -> tuple[Any, Coordinates]:
        """The frame at a mixture, and its coordinates there.

        Raises:
            ValueError, TypeError: for mixtures without such coordinates.
        """

    @abstractmethod
    def mixture(self, frame: Any, coordinates: Coordinates) -> Mixture:
        """The mixture whose objective an optimizer sees at coordinates."""

    @abstractmethod
    def settle(self, frame: Any, coordinates: Coordinates) -> tuple[Mixture, Any]:
        """The mixture that a step to coordinates hands out, and the frame for the next."""


Packed = Float[Array, " q"]
Factor = Float[Array, "d d"]


class Still(Chart):
    """Coordinates whose frame, the mixture that has the fixed parts, changes no number."""

    write: Callable[[Factor], Packed] | None = eqx.field(static=True, default=None)
    """Coordinates of a covariance's factor; the family's own when left out."""
    read: Callable[[Packed, int], Factor] | None = eqx.field(static=True, default=None)

    def begin(self, mixture: Mixture, fixed: tuple[str, ...]) -> tuple[Mixture, Coordinates]:
        coordinates = mixture.unconstrain(fixed)
        if self.write is not None and "covariances" not in fixed:
            present = full_factors(mixture)
            coordinates["covariances"] = each_matrix(self.write, present.shape[-1], present)
        return mixture, coordinates

    def mixture(self, frame: Mixture, coordinates: Coordinates) -> Mixture:
        if self.read is None or "covariances" not in coordinates:
            return frame.constrain(coordinates)
        d, read = frame.family.shape[1], self.read
        found = each_matrix(lambda packed: read(packed, d), d, coordinates["covariances"])
        others = {name: part for name, part in coordinates.items() if name != "covariances"}
        return with_factors(frame.constrain(others), found)

    def settle(self, frame: Mixture, coordinates: Coordinates) -> tuple[Mixture, Mixture]:
        mixture = self.mixture(frame, coordinates)
        return mixture, mixture


def full_factors(mixture: Mixture) -> Float[Array, "k d d"]:
    """Cholesky factors of full Gaussian components; TypeError for any others."""
    family = mixture.family
    if not (isinstance(family, Gaussian) and isinstance(family.structure, Full)):
        raise TypeError(
            f"these coordinates are those of full covariances, got {family.name} components; "
            'leave out coordinates=, or use family="full"'
        )
    return family.structure.factors


def with_factors(mixture: Mixture, found: Float[Array, "k d d"]) -> Mixture:
    """A mixture with other covariances."""
    return eqx.tree_at(lambda one: one.family.structure.factors, mixture, found)


def entries(factor: Factor) -> Packed:
    """A lower triangle row by row."""
    return factor[np.tril_indices(len(factor))]


def from_entries(packed: Packed, d: int) -> Factor:
    """The factor with this lower triangle, whose columns turn to a positive diagonal."""
    triangle = jnp.zeros((d, d), packed.dtype).at[np.tril_indices(d)].set(packed)
    return triangle * jnp.where(diagonal(triangle) < 0, -1.0, 1.0).astype(packed.dtype)


def precision_coordinates(factor: Factor) -> Packed:
    """Log-Cholesky coordinates of the inverse of a factor."""
    return factors.coordinates(factors.inverse(factor))


def from_precision_coordinates(packed: Packed, d: int) -> Factor:
    """The factor whose inverse has these coordinates."""
    return factors.inverse(factors.from_coordinates(packed, d))
