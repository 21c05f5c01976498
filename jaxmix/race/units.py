"""The map between standardized columns, where methods run, and the user's units, where results are.

On standardized columns a learning rate means the same on any data.
"""

from typing import NamedTuple

import numpy as np

from jaxmix.data import Table, standardize
from jaxmix.families import STRUCTURES
from jaxmix.mixture import Mixture


class Units(NamedTuple):
    """The map from standardized columns to the user's units, z -> scale z + center."""

    center: np.ndarray
    scale: np.ndarray

    def mixture(self, fitted: Mixture) -> Mixture:
        """A mixture of standardized columns, in the user's units."""
        if fitted.family.name not in STRUCTURES:
            return fitted
        scale = self.scale[0] if fitted.family.name == "spherical" else self.scale
        return fitted.affine(scale, self.center)

    def shift(self, total: float) -> float:
        """What standardizing rows of this total weight adds to every log-likelihood, the logarithm
        of its Jacobian."""
        return -total * float(np.sum(np.log(self.scale)))


def standardized(table: Table, family: str) -> tuple[np.ndarray, Units]:
    """A table's standardized columns, with one common scale for spherical components."""
    z, center, scale = standardize(table.x, family == "spherical", table.sample_weights)
    return z, Units(center, scale)


def as_they_are(table: Table) -> tuple[np.ndarray, Units]:
    """A table's columns in the user's units."""
    d = table.x.shape[1]
    return table.x, Units(np.zeros(d), np.ones(d))
