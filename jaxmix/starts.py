"""Where fits start: seeded centers, clusters, random points, responsibilities or labels.

Every start is drawn from the seed's own stream, so that adding a method or a data set never changes
it. The draws are plain JAX functions of a key, so that thousands run in one program.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxmix.checks import check_k
from jaxmix.clustering import lloyd, seed_centers, squared_distances
from jaxmix.families import Gaussian, standard, structure
from jaxmix.inputs import as_incomplete, as_matrix, as_sample_weights, check_observed
from jaxmix.mixture import Mixture
from jaxmix.numerics import has_no_factor
from jaxmix.precision import to_jax
from jaxmix.prior import Prior, penalty
from jaxmix.streams import stream
from jaxmix.suggestions import unknown

FLOOR = 1e-3
"""Share of the data's covariance added to a start's, so that no start has a flat component."""


Draw = Callable[..., Mixture]


def from_responsibilities(
    x: Float[Array, "n d"],
    weights: Float[Array, " n"],
    responsibilities: Float[Array, "n k"],
    family: str,
    prior: Prior | None = None,
) -> Mixture:
    """The M-step from responsibilities, on centered data."""
    d = x.shape[1]
    blank = standard_mixture(family, responsibilities.shape[1], d, x.dtype)
    shares = responsibilities.astype(x.dtype) * weights[:, None]
    statistics = shares.T @ blank.family.features(x.T).T
    return blank.maximize(statistics, penalty(prior, 0.0, jnp.zeros(d, x.dtype)))


def standard_mixture(family: str, k: int, d: int, dtype: Any) -> Mixture:
    """Equal weights and k standard components, from which an M-step makes the rest."""
    log_weights = jnp.full(k, -np.log(k), jax.dtypes.canonicalize_dtype(dtype))
    return Mixture(log_weights, standard(family, k, d, log_weights.dtype))


def at_points(points: Float[Array, "k d"], covariance: Float[Array, "d d"], family: str) -> Mixture:
    """Equal weights, means at the points, and one covariance for all in the family's structure."""
    k, d = points.shape
    template = standard(family, k, d, points.dtype)
    packed = jnp.tile(template.structure.packed(covariance), (k, 1))
    zero = jnp.zeros_like(packed[0])
    common = template.structure.maximize(packed, jnp.ones_like(points[:, 0]), zero, zero[0], d)
    return Mixture(jnp.full(k, -np.log(k), points.dtype), Gaussian(points, common))


def spread(x: Float[Array, "n d"], weights: Float[Array, " n"]) -> Float[Array, "d d"]:
    """Covariance of centered data, made positive definite where columns are dependent."""
    covariance = (x * weights[:, None]).T @ x / jnp.sum(weights)
    variances = jnp.diagonal(covariance)
    usual = jnp.where(jnp.any(variances > 0), jnp.max(variances), 1.0)
    floor = FLOOR * jnp.diag(jnp.where(variances > 0, variances, usual))
    thin = has_no_factor(covariance - 1e-6 * floor)
    return jnp.where(thin, covariance + floor, covariance)


def seeded(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], k: int, family: str
) -> Mixture:
    """k-means++ centers, with the covariance of all points about their nearest centers."""
    centers = seed_centers(key, x, weights, k)
    nearest = centers[jnp.argmin(squared_distances(x, centers), axis=1)]
    residuals = x - nearest
    within = (residuals * weights[:, None]).T @ residuals / jnp.sum(weights)
    return at_points(centers, within + FLOOR * spread(x, weights), family)


def clustered(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], k: int, family: str
) -> Mixture:
    """Weights, means and covariances of k-means clusters, shrunk where one has no covariance."""
    clusters = lloyd(x, weights, seed_centers(key, x, weights, k))
    members = jax.nn.one_hot(clusters.labels, k, dtype=x.dtype)
    pooled, none = spread(x, weights), penalty(None, 0.0, jnp.zeros_like(x[0]))
    exact = from_responsibilities(x, weights, members, family)
    prior = Prior(covariance_scale=pooled, covariance_strength=1.0, weight_concentration=2.0)
    shrunk = from_responsibilities(x, weights, members, family, prior)
    thin = exact.family.collapsed(FLOOR**2 * 1e8 * pooled, 0 * pooled, ())
    few = jnp.any(weights @ members < exact.family.minimum_count(none, ()))
    return jax.tree.map(lambda a, b: jnp.where(thin | few, b, a), exact, shrunk)


def random_from_data(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], k: int, family: str
) -> Mixture:
    """k different observations as means, with the covariance of all the data."""
    order = jax.random.gumbel(key, weights.shape, x.dtype) + jnp.log(weights)
    return at_points(x[jax.lax.top_k(order, k)[1]], spread(x, weights), family)


def random_normal(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], k: int, family: str
) -> Mixture:
    """Means from a normal distribution with the data's mean and covariance, which all share."""
    covariance = spread(x, weights)
    noise = jax.random.normal(key, (k, x.shape[1]), x.dtype)
    return at_points(noise @ jnp.linalg.cholesky(covariance).T, covariance, family)


STARTS: dict[str, Draw] = {
    "kmeans++": seeded,
    "kmeans": clustered,
    "random_from_data": random_from_data,
    "random_normal": random_normal,
}


def initialize(
    x: Any,
    k: int,
    family: str = "full",
    start: Any = "kmeans++",
    seed: int = 0,
    sample_weights: Any = None,
    missing: bool = False,
) -> Mixture:
    """A mixture to start a fit from.

    Args:
        x: data [n d], or anything that `fit` takes.
        k: number of components, at most the number of observations.
        family: "full", "tied", "diag" or "spherical".
        start: "kmeans++" (seeded centers, the covariance within their clusters), "kmeans" (the
            clusters' weights, means and covariances), "random_from_data" (observations as means,
            the covariance of all data), "random_normal" (means drawn around the data), or an array:
            responsibilities [n k], or integer labels [n] in 0..k-1.
        seed: an integer; the same seed gives the same start.
        sample_weights: frequency weights [n]; 1 each when left out.
        missing: whether NaN stand for missing entries; a start has their columns' means instead.

    Returns:
        A `Mixture` in the units of the data.

    Raises:
        ValueError, TypeError: for bad data, k, or an unknown family or start.

    Examples:
        >>> import jaxmix as jm
        >>> faithful = jm.data.load("faithful").x
        >>> jm.initialize(faithful, k=3, family="diag").means.shape
        (3, 2)
    """
    values, weights = check_data(x, k, sample_weights, missing)
    structure(family)
    center = np.average(values, axis=0, weights=weights).astype(values.dtype)
    centered, counts = to_jax(values - center), to_jax(weights)
    if isinstance(start, str):
        mixture = compiled_draw(stream(seed, "start"), centered, counts, k, family, start)
    else:
        responsibilities = as_responsibilities(start, len(values), k)
        mixture = compiled_m_step(centered, counts, responsibilities, family)
        check_m_step(mixture, centered, counts)
    if not mixture.is_finite:
        raise ValueError("squares of the data leave the range of floats; see data.standardize")
    return mixture.translate(to_jax(center))


def check_m_step(mixture: Mixture, x: Float[Array, "n d"], weights: Float[Array, " n"]) -> None:
    """Raise where an M-step on centered data left a component without a covariance."""
    pooled = (x * weights[:, None]).T @ x / jnp.sum(weights)
    if not mixture.is_finite or mixture.family.collapsed(pooled, 0 * pooled, ()):
        raise ValueError(
            f"a component has too few different rows for a {mixture.family.name} covariance; merge "
            "it with another, or use a family with fewer parameters"
        )


def check_data(
    x: Any, k: int, sample_weights: Any, missing: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Valid data and sample weights in one precision, for k components; means for what misses."""
    values, columns = as_incomplete(x) if missing else as_matrix(x)
    weights = np.ones(len(values))
    if sample_weights is not None:
        weights = as_sample_weights(sample_weights, len(values))
    if missing:
        check_observed(values[weights > 0], columns)
        observed = np.ma.masked_invalid(values)
        means = np.ma.average(observed, axis=0, weights=weights)
        values = np.where(np.isnan(values), np.asarray(means, values.dtype), values)
    check_k(k, min(float(weights.sum()), int(np.count_nonzero(weights))))
    return values, weights.astype(values.dtype)


def draw(
    key: PRNGKeyArray,
    x: Float[Array, "n d"],
    weights: Float[Array, " n"],
    k: int,
    family: str,
    start: str,
) -> Mixture:
    """One start of the named kind, on centered data; a plain JAX function of its key."""
    if start not in STARTS:
        raise unknown("start", start, STARTS)
    return STARTS[start](key, x, weights, k, family)


compiled_draw = jax.jit(draw, static_argnames=("k", "family", "start"))
compiled_m_step = jax.jit(from_responsibilities, static_argnames="family")


def as_responsibilities(start: Any, n: int, k: int) -> Array:
    """Responsibilities [n k] from themselves or from labels [n]."""
    array = np.asarray(start)
    if array.shape == (n,) and array.dtype.kind in "iu":
        if array.min() < 0 or array.max() >= k:
            raise ValueError(f"labels must be 0 to {k - 1}, got {array.min()} to {array.max()}")
        return jax.nn.one_hot(array, k)
    if array.shape != (n, k) or array.dtype.kind != "f":
        raise ValueError(f"start must be a name, labels [{n}] or responsibilities [{n} {k}]")
    if array.min() < 0 or not np.allclose(array.sum(axis=1), 1, atol=1e-5):
        raise ValueError("responsibilities must be non-negative with rows that sum to 1")
    return jnp.asarray(array)
