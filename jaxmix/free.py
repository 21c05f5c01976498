"""A mixture as one vector of its free coordinates, and back.

Unconstrained coordinates have directions along which no density moves: k log-weights under a
softmax have one. Curvatures, Jacobians and their inverses are taken without them, in an orthonormal
basis of the rest (notes/rates.md, eq. 1).
"""

from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix.mixture import Mixture
from jaxmix.problem import Problem


class Free(eqx.Module):
    """Mixtures like a template, as vectors [p] of the free coordinates of the parts that may move.

    The order is that of `Mixture.unconstrain`: contrasts of log-weights, then the family's parts.
    """

    template: Mixture
    """Gives the parts that stay as they are."""
    basis: Float[Array, "raw p"]
    """Orthonormal columns, without the flat directions of the raw coordinates."""
    fixed: tuple[str, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        """The number p of free coordinates."""
        return self.basis.shape[1]

    def vector(self, mixture: Mixture) -> Float[Array, " p"]:
        """The free coordinates of a mixture."""
        return ravel(mixture, self.fixed) @ self.basis

    def mixture(self, vector: Float[Array, " p"]) -> Mixture:
        """The mixture with these free coordinates."""
        return unravel(self.template, self.basis @ vector, self.fixed)


def free_coordinates(mixture: Mixture, fixed: tuple[str, ...] = ()) -> Free:
    """Free coordinates of mixtures of this family and shape.

    Raises:
        ValueError: for a rate or a probability on the boundary, which has no coordinates.
    """
    mixture.unconstrain(fixed)
    leaves, structure = jax.tree.flatten(jax.eval_shape(lambda: mixture))
    shapes = tuple((leaf.shape, leaf.dtype.name) for leaf in leaves)
    basis = _basis(structure, shapes, fixed)
    return Free(mixture, jnp.asarray(basis, mixture.log_weights.dtype), fixed)


def em_map(problem: Problem, free: Free, vector: Float[Array, " p"]) -> Float[Array, " p"]:
    """Where one EM step leads, in free coordinates."""
    return free.vector(problem.evaluate(free.mixture(vector)).em_step)


def ravel(mixture: Mixture, fixed: tuple[str, ...] = ()) -> Float[Array, " raw"]:
    """Unconstrained coordinates one after the other: of the weights, then of each part."""
    coordinates = mixture.coordinates(fixed)
    return jnp.concatenate([jnp.ravel(coordinates[name]) for name in _parts(mixture, fixed)])


def unravel(
    template: Mixture, vector: Float[Array, " raw"], fixed: tuple[str, ...] = ()
) -> Mixture:
    """The mixture at these unconstrained coordinates, with the template's fixed parts."""
    blanks, names = jax.eval_shape(lambda: template.coordinates(fixed)), _parts(template, fixed)
    pieces = jnp.split(vector, np.cumsum([blanks[name].size for name in names])[:-1])
    return template.constrain({n: v.reshape(blanks[n].shape) for n, v in zip(names, pieces)})


def _parts(mixture: Mixture, fixed: tuple[str, ...]) -> list[str]:
    return [name for name in ("weights", *mixture.family.parts) if name not in fixed]


@cache
def _basis(structure: Any, shapes: tuple[Any, ...], fixed: tuple[str, ...]) -> np.ndarray:
    """What no flat direction has a part in, for all mixtures of a family and shape.

    Coordinates of the mixture at given coordinates differ from these along flat directions alone,
    so that the derivative of this map is a projector whose null space they span.
    """

    def raw(blanks: list[Any]) -> Array:
        return ravel(jax.tree.unflatten(structure, blanks), fixed)

    @jax.jit
    def derivative(blanks: list[Any], vector: Array) -> Array:
        template = jax.tree.unflatten(structure, blanks)
        return jax.jacfwd(lambda vector: ravel(unravel(template, vector, fixed), fixed))(vector)

    blanks = [np.zeros(shape, dtype) for shape, dtype in shapes]
    origin = jax.eval_shape(raw, blanks)
    with jax.ensure_compile_time_eval():
        projector = np.asarray(derivative(blanks, np.zeros(origin.shape, origin.dtype)))
    _, stretches, directions = np.linalg.svd(projector)
    flat = directions[stretches < 0.5]
    # Householder reflections leave every coordinate alone in which no flat direction has a part.
    return np.linalg.qr(flat.T, mode="complete")[0][:, len(flat) :]
