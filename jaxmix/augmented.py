"""Hosseini and Sra's coordinates: a mean and its covariance as one positive definite matrix.

Each component is S = [[s, s mu'], [s mu, Sigma + s mu mu']] on the manifold of such matrices, where
it becomes one centered Gaussian of (1, x). Its frame E, S = E E', moves along with every step, so
that an optimizer's memory of past gradients stays comparable (notes/coordinates.md, eq. 2 to 6).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from jaxmix.charts import Chart, full_factors, with_factors
from jaxmix.families.base import Coordinates
from jaxmix.linalg import cholesky
from jaxmix.mixture import Mixture

Squares = Float[Array, "k m m"]
"""A matrix of m = d + 1 rows for each component."""


class Frame(eqx.Module):
    """A mixture, whose factors L times a rotation Q are the frame E, and where that is."""

    mixture: Mixture
    rotations: Squares
    origin: Squares
    """Coordinates of the components at the mixture: the sum of all steps."""


class Augmented(Chart):
    """Coordinates V of S = E (I + V + V^2 / 2) E', to second order the geodesic E exp(V) E'."""

    def begin(self, mixture: Mixture, fixed: tuple[str, ...]) -> tuple[Frame, Coordinates]:
        k, m = len(full_factors(mixture)), mixture.family.shape[1] + 1
        if set(fixed) - {"weights"}:
            raise ValueError(
                "augmented coordinates move means and covariances together; expected neither in "
                f"fixed, got {', '.join(sorted(fixed))}"
            )
        dtype = mixture.log_weights.dtype
        origin = jnp.zeros((k, m, m), dtype)
        frame = Frame(mixture, origin + jnp.eye(m, dtype=dtype), origin)
        weights = {} if "weights" in fixed else {"weights": mixture.log_weights}
        return frame, {"components": origin, **weights}

    def mixture(self, frame: Frame, coordinates: Coordinates) -> Mixture:
        """With weights that are too small where s is not 1, as the augmented density has it."""
        moved = cholesky(_stretches(frame, coordinates))
        mixture, logs = _read(frame, coordinates, moved)
        lost = logs + jnp.expm1(-2 * logs) / 2
        return Mixture(mixture.log_weights - lost, mixture.family)

    def settle(self, frame: Frame, coordinates: Coordinates) -> tuple[Mixture, Frame]:
        """With s at 1, which lowers no objective: the augmented one is largest there."""
        stretches = _stretches(frame, coordinates)
        moved = cholesky(stretches)
        rotations = _turned(moved, stretches, frame.rotations)
        mixture, _ = _read(frame, coordinates, moved)
        return mixture, Frame(mixture, rotations, coordinates["components"])


def _stretches(frame: Frame, coordinates: Coordinates) -> Squares:
    """Q (I + V + V^2 / 2) Q' = L^-1 S L^-T, positive definite whatever V."""
    v = coordinates["components"] - frame.origin
    turned = frame.rotations @ v @ jnp.swapaxes(frame.rotations, 1, 2)
    return jnp.eye(v.shape[-1], dtype=v.dtype) + turned + turned @ turned / 2


def _read(
    frame: Frame, coordinates: Coordinates, moved: Squares
) -> tuple[Mixture, Float[Array, " k"]]:
    """The mixture whose augmented factors are L times these, at s = 1, and log(s) / 2 there."""
    present = full_factors(frame.mixture)
    scales, shifts = moved[:, 0, 0], moved[:, 1:, 0]
    means = frame.mixture.means + jnp.einsum("kij,kj->ki", present, shifts) / scales[:, None]
    weights = {name: part for name, part in coordinates.items() if name == "weights"}
    mixture = frame.mixture.constrain({"means": means, **weights})
    return with_factors(mixture, present @ moved[:, 1:, 1:]), jnp.log(scales)


def _turned(moved: Squares, stretches: Squares, rotations: Squares) -> Squares:
    """Rotations of the next frame E M^(1/2), with the symmetric root: what is carried along the
    geodesic keeps its coordinates."""

    def one(given: tuple[Array, Array, Array]) -> Array:
        factor, stretch, rotation = given
        values, vectors = jnp.linalg.eigh(stretch)
        root = (vectors * jnp.sqrt(values)) @ vectors.T
        return solve_triangular(factor, root @ rotation, lower=True)

    return jax.lax.map(one, (moved, stretches, rotations))
