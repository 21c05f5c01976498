"""k-means: seeding by squared distance and Lloyd's iterations, for the starts and on its own.

notes/em.md, eq. 13: the limit of EM with equal weights and one fixed spherical covariance.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxmix.checks import check_k
from jaxmix.inputs import as_matrix
from jaxmix.loop import Outcome
from jaxmix.precision import to_jax
from jaxmix.streams import stream


class KMeans(eqx.Module):
    """Cluster centers with their assignment; `history` holds the loss after each assignment."""

    centers: Float[Array, "k d"]
    labels: Int[Array, " n"]
    loss: Float[Array, ""]
    """Mean squared distance to the nearest center."""
    history: Float[Array, " steps"]
    num_steps: Int[Array, ""]
    code: Int[Array, ""]

    @property
    def outcome(self) -> Outcome:
        """CONVERGED or MAX_STEPS."""
        return Outcome(int(self.code))


def squared_distances(x: Float[Array, "n d"], centers: Float[Array, "k d"]) -> Float[Array, "n k"]:
    """Squared Euclidean distances, from differences, so that near points keep their digits."""
    return jnp.stack([jnp.sum((x - center) ** 2, axis=1) for center in centers], axis=1)


def seed_rows(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], k: int
) -> Int[Array, " k"]:
    """k-means++: each next row is drawn in proportion to its squared distance from the others.

    Source: Arthur & Vassilvitskii (2007), SODA, section 2.2.
    """
    keys = jax.random.split(key, k)

    def add(nearest: Float[Array, " n"], next_key: PRNGKeyArray) -> tuple[Array, Array]:
        mass = weights * nearest
        mass = jnp.where(jnp.sum(mass) > 0, mass, weights)
        row = jax.random.categorical(next_key, jnp.log(mass))
        return jnp.minimum(nearest, jnp.sum((x - x[row]) ** 2, axis=1)), row

    first = jax.random.categorical(keys[0], jnp.log(weights))
    _, others = jax.lax.scan(add, jnp.sum((x - x[first]) ** 2, axis=1), keys[1:])
    return jnp.concatenate([first[None], others])


def seed_centers(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], k: int
) -> Float[Array, "k d"]:
    """The rows that k-means++ draws."""
    return x[seed_rows(key, x, weights, k)]


def lloyd(
    x: Float[Array, "n d"],
    weights: Float[Array, " n"],
    centers: Float[Array, "k d"],
    tol: float = 1e-10,
    max_steps: int = 100,
) -> KMeans:
    """Lloyd's iterations from given centers; an empty cluster keeps its center.

    Ends when both the absolute and the relative change of the loss are at most `tol`.
    """
    total = jnp.sum(weights)

    def assign(centers: Float[Array, "k d"]) -> tuple[Array, Array]:
        distances = squared_distances(x, centers)
        return jnp.argmin(distances, axis=1), weights @ jnp.min(distances, axis=1) / total

    def update(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        centers, labels, loss, history, step, _ = carry
        members = jax.nn.one_hot(labels, len(centers), axis=0, dtype=x.dtype) * weights
        counts = jnp.sum(members, axis=1, keepdims=True)
        centers = jnp.where(counts > 0, members @ x / jnp.where(counts > 0, counts, 1), centers)
        labels, new = assign(centers)
        change = jnp.abs(loss - new)
        done = (change <= tol) & (change <= tol * loss)
        return centers, labels, new, history.at[step + 1].set(new), step + 1, done

    labels, loss = assign(centers)
    history = jnp.full(max_steps + 1, jnp.nan, x.dtype).at[0].set(loss)
    start = (centers, labels, loss, history, jnp.zeros((), jnp.int32), jnp.array(False))
    centers, labels, loss, history, step, done = jax.lax.while_loop(
        lambda carry: ~carry[-1] & (carry[-2] < max_steps), update, start
    )
    code = jnp.where(done, Outcome.CONVERGED, Outcome.MAX_STEPS)
    return KMeans(centers, labels, loss, history, step, code)


compiled_lloyd = jax.jit(lloyd, static_argnames="max_steps")
compiled_seeds = jax.jit(seed_centers, static_argnames="k")


def kmeans(x: Any, k: int, centers: Any = None, seed: int = 0) -> KMeans:
    r"""k-means by Lloyd's iterations, which never raise $\frac1n\sum_i\min_k\|x_i-c_k\|^2$.

    Args:
        x: data [n d], or anything that `fit` takes.
        k: number of clusters.
        centers: [k d] to start from; k-means++ when left out.
        seed: an integer for k-means++.

    Returns:
        A `KMeans` with `.centers`, `.labels`, `.loss`, `.history`, `.num_steps` and `.outcome`.

    Raises:
        ValueError: if k is not between 1 and n, or the centers have another shape.

    Examples:
        >>> import jaxmix as jm
        >>> points = [[0.0, 2.0], [0.0, 0.0], [1.0, 0.0], [5.0, 0.0], [5.0, 2.0]]
        >>> jm.kmeans(points, 2, centers=[[0.0, 0.0], [5.0, 0.0]]).centers.tolist()
        [[0.33..., 0.66...], [5.0, 1.0]]

    Source: Lloyd (1982), IEEE Transactions on Information Theory 28.
    """
    values = to_jax(as_matrix(x)[0])
    check_k(k, len(values))
    origin = jnp.mean(values, axis=0)
    centered, weights = values - origin, jnp.ones(len(values), values.dtype)
    if centers is None:
        first = compiled_seeds(stream(seed, "start"), centered, weights, k=k)
    else:
        first = to_jax(as_matrix(centers, "centers")[0]).astype(values.dtype) - origin
        if first.shape != (k, values.shape[1]):
            raise ValueError(f"centers must be [{k} {values.shape[1]}], got {first.shape}")
    result = compiled_lloyd(centered, weights, first)
    history = result.history[: int(result.num_steps) + 1]
    return KMeans(
        result.centers + origin, result.labels, result.loss, history, result.num_steps, result.code
    )
