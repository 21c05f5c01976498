"""Where fits start: seeded centers, clusters, random points, responsibilities or labels.

Every start is drawn from the seed's own stream, so that adding a method or a data set never changes
it. The draws are plain JAX functions of a key, so that thousands run in one program.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxmix.checks import check_k
from jaxmix.clustering import lloyd, seed_rows, squared_distances
from jaxmix.families import Family, Spec, standard
from jaxmix.inputs import (
    OUT_OF_RANGE,
    as_incomplete,
    as_matrix,
    as_sample_weights,
    check_observed,
)
from jaxmix.linalg import has_no_factor
from jaxmix.mixture import Mixture
from jaxmix.moments import moments
from jaxmix.precision import to_jax
from jaxmix.prior import Prior, penalty
from jaxmix.problem import build_problem
from jaxmix.sources import Source, check_stream, sampled
from jaxmix.streams import stream
from jaxmix.suggestions import unknown

FLOOR = 1e-3
"""Share of the data's covariance added to a start's, so that no start has a flat component."""

SHORT_RUNS, SHORT_STEPS = 20, 5
"""How many short runs of EM one start chooses from, and how many steps each takes."""

SUBSAMPLE = 20
"""Rows of a subsample for each component and each column."""

Draw = Callable[..., Mixture]


def from_responsibilities(
    x: Float[Array, "n d"],
    weights: Float[Array, " n"],
    responsibilities: Float[Array, "n k"],
    blank: Family,
    prior: Prior | None = None,
) -> Mixture:
    """The M-step from responsibilities, on data as the problem of a fit holds them."""
    shares = responsibilities.astype(x.dtype) * weights[:, None]
    statistics = shares.T @ blank.features(x.T).T
    origin = jnp.zeros_like(x[0])
    penalties = penalty(prior, 0.0, origin, weights @ x / jnp.sum(weights))
    return equal_weights(blank).maximize(statistics, penalties)


def equal_weights(family: Family) -> Mixture:
    """These components, all of one weight."""
    k = family.shape[0]
    dtype = jnp.result_type(*jax.tree.leaves(family))
    return Mixture(jnp.full(k, -np.log(k), dtype), family)


def spread(x: Float[Array, "n d"], weights: Float[Array, " n"]) -> Float[Array, "d d"]:
    """Covariance of the data, made positive definite where columns are dependent."""
    covariance = moments(x, weights).covariance + for_constant_columns(x, weights)
    floor = FLOOR * jnp.diag(jnp.diagonal(covariance))
    thin = has_no_factor(covariance - 1e-6 * floor)
    return jnp.where(thin, covariance + floor, covariance)


def for_constant_columns(
    x: Float[Array, "n d"], weights: Float[Array, " n"]
) -> Float[Array, "d d"]:
    """Variances for columns that have none, about as large as a ridge may be.

    Only with a ridge can they be fitted. Far below it gradients are so steep that a step in their
    direction loses the components, and far above it is a long way down.
    """
    variances = jnp.diagonal(moments(x, weights).covariance)
    usual = jnp.where(jnp.any(variances > 0), jnp.max(variances), 1.0)
    return jnp.diag(jnp.where(variances > 0, 0.0, FLOOR * usual))


def at_points(
    x: Float[Array, "n d"],
    weights: Float[Array, " n"],
    points: Float[Array, "k d"],
    covariance: Float[Array, "d d"],
    blank: Family,
) -> Mixture:
    """Equal weights, and components about the points with one covariance where they have any."""
    return equal_weights(blank.about(points, weights @ x / jnp.sum(weights), covariance))


def seeded(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], blank: Family
) -> Mixture:
    """k-means++ centers, with the covariance of all points about their nearest centers."""
    embedded = blank.embed(x)
    rows = seed_rows(key, embedded, weights, blank.shape[0])
    centers = x[rows]
    nearest = jnp.argmin(squared_distances(embedded, embedded[rows]), axis=1)
    residuals = x - centers[nearest]
    within = (residuals * weights[:, None]).T @ residuals / jnp.sum(weights)
    wide_enough = within + FLOOR * spread(x, weights) + for_constant_columns(x, weights)
    return at_points(x, weights, centers, wide_enough, blank)


def clustered(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], blank: Family
) -> Mixture:
    """Weights and components of k-means clusters, shrunk where one has too few rows."""
    embedded, k = blank.embed(x), blank.shape[0]
    seeds = seed_rows(key, embedded, weights, k)
    labels = lloyd(embedded, weights, embedded[seeds]).labels
    members = _without_empty(jax.nn.one_hot(labels, k, dtype=x.dtype), weights, seeds)
    pooled, none = spread(x, weights), penalty(None, 0.0, jnp.zeros_like(x[0]))
    exact = from_responsibilities(x, weights, members, blank)
    # What is impossible at a start remains so: pseudo-observations keep it from its boundary.
    bounded = exact.family.at_boundary
    prior = Prior(
        covariance_scale=pooled,
        covariance_strength=1.0,
        mean_strength=jnp.where(bounded, 1.0, 0.0),
        weight_concentration=2.0,
    )
    shrunk = from_responsibilities(x, weights, members, blank, prior)
    thin = exact.family.collapsed(FLOOR**2 * 1e8 * pooled, 0 * pooled, ())
    few = jnp.any(weights @ members < exact.family.minimum_count(none, ()))
    return jax.tree.map(lambda a, b: jnp.where(bounded | thin | few, b, a), exact, shrunk)


def _without_empty(
    members: Float[Array, "n k"], weights: Float[Array, " n"], seeds: Int[Array, " k"]
) -> Float[Array, "n k"]:
    """Membership, of which an empty cluster gets a share of its seed: rows may coincide."""
    empty = weights @ members == 0
    shared = members.at[seeds, jnp.arange(len(seeds))].add(empty.astype(members.dtype))
    return shared / jnp.sum(shared, axis=1, keepdims=True)


def subsampled(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], blank: Family
) -> Mixture:
    """k-means++ on 20 (k + d) rows drawn without replacement, which keep their weights."""
    row_key, seed_key = jax.random.split(key)
    order = jax.random.uniform(row_key, weights.shape) + (weights > 0)
    rows = jax.lax.top_k(order, min(len(x), SUBSAMPLE * sum(blank.shape)))[1]
    return seeded(seed_key, x[rows], weights[rows], blank)


def best_of_short_runs(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], blank: Family
) -> Mixture:
    """Where the best of 20 runs of five EM steps from k-means++ seeds has come.

    The best is of highest log-likelihood among those that are not degenerate; where all are, it is
    the first seed. One run after another, so that they hold no more memory than one.

    Source: Biernacki, Celeux & Govaert (2003), Computational Statistics & Data Analysis 41,
    section 3.2.
    """
    problem = build_problem(x, weights, centered=blank.centered)

    def visit(mixture: Mixture, _: None) -> tuple[Mixture, tuple[Mixture, Array, Array]]:
        evaluation = problem.evaluate(mixture)
        return evaluation.em_step, (mixture, evaluation.objective, evaluation.statistics[:, -1])

    def run(one: PRNGKeyArray) -> tuple[Mixture, Array]:
        seed = problem.enter(seeded(one, x, weights, blank))
        _, path = jax.lax.scan(visit, seed, length=SHORT_STEPS + 1)
        end, objective, counts = jax.tree.map(lambda leaf: leaf[-1], path)
        usable = jnp.isfinite(objective) & end.is_finite & ~problem.is_degenerate(end, counts)
        end = jax.tree.map(partial(jnp.where, usable), end, seed)
        return end, jnp.where(usable, objective, -jnp.inf)

    ends, reached = jax.lax.map(run, jax.random.split(key, SHORT_RUNS))
    return problem.leave(jax.tree.map(lambda leaf: leaf[jnp.argmax(reached)], ends))


def random_from_data(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], blank: Family
) -> Mixture:
    """k different observations as centers, with the covariance of all the data."""
    order = jax.random.gumbel(key, weights.shape, x.dtype) + jnp.log(weights)
    return at_points(x, weights, x[_largest(order, blank.shape[0])], spread(x, weights), blank)


def _largest(values: Float[Array, " n"], count: int) -> Int[Array, " count"]:
    """Where the largest stand, one after another: of few, sooner than `top_k`, which sorts."""

    def pick(left: Array, _: None) -> tuple[Array, Array]:
        row = jnp.argmax(left)
        return left.at[row].set(-jnp.inf), row

    return jax.lax.scan(pick, values, length=count)[1]


def random_normal(
    key: PRNGKeyArray, x: Float[Array, "n d"], weights: Float[Array, " n"], blank: Family
) -> Mixture:
    """Centers from a normal distribution with the data's mean and covariance, which all share."""
    covariance, mean = spread(x, weights), weights @ x / jnp.sum(weights)
    noise = jax.random.normal(key, (blank.shape[0], x.shape[1]), x.dtype)
    points = mean + noise @ jnp.linalg.cholesky(covariance).T
    return at_points(x, weights, points, covariance, blank)


STARTS: dict[str, Draw] = {
    "kmeans++": seeded,
    "kmeans": clustered,
    "short_runs": best_of_short_runs,
    "subsample": subsampled,
    "random_from_data": random_from_data,
    "random_normal": random_normal,
}


def initialize(
    x: Any,
    k: int,
    family: Spec = "full",
    start: Any = "kmeans++",
    seed: int = 0,
    sample_weights: Any = None,
    missing: bool = False,
) -> Mixture:
    """A mixture to start a fit from.

    Args:
        x: data [n d], or anything that `fit` takes. Of a stream, a start sees at most 64 blocks of
            some thousand rows, drawn at random.
        k: number of components, at most the number of observations.
        family: Gaussian components with covariances "full", "tied", "diag" or "spherical";
            "poisson", "bernoulli" or "categorical" ones; for mixed data a dictionary that gives
            each family its columns, by name or else by number, as in
            `{"diag": ["age", "income"], "categorical": ["region"]}`; or your own class.
        start: "kmeans++" (seeded centers, the covariance within their clusters), "kmeans" (the
            clusters' weights, means and covariances), "short_runs" (where the best of 20 runs of
            five EM steps from k-means++ seeds has come), "subsample" (k-means++ on 20 (k + d) rows
            drawn without replacement: the same cost for any n), "random_from_data" (observations
            as means, the covariance of all data), "random_normal" (means drawn around the data), or
            an array: responsibilities [n k], or integer labels [n] in 0..k-1. Counts and categories
            start halfway between such a center and the whole data, where nothing is impossible.
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
    if isinstance(x, Source):
        check_stream(sample_weights, missing)
        if not isinstance(start, str):
            raise TypeError("the start of a stream is drawn from some of its rows; give it a name")
        x, sample_weights = sampled(x, seed)
    values, weights, blank = check_data(x, k, family, sample_weights, missing)
    center = origin(values, weights, blank)
    centered, counts = to_jax(values - center), to_jax(weights)
    if isinstance(start, str):
        mixture = compiled_draw(stream(seed, "start"), centered, counts, blank, start)
    else:
        responsibilities = as_responsibilities(start, len(values), k)
        mixture = compiled_m_step(centered, counts, responsibilities, blank)
        check_m_step(mixture, centered, counts)
    if not mixture.is_finite:
        raise ValueError(OUT_OF_RANGE)
    return mixture.translate(to_jax(center))


def origin(x: np.ndarray, weights: np.ndarray, family: Family) -> np.ndarray:
    """The mean [d] of columns that may have another origin, 0 for the others."""
    center = np.average(x, axis=0, weights=weights).astype(x.dtype)
    return np.where(np.array(family.centered), center, np.zeros_like(center))


def check_m_step(mixture: Mixture, x: Float[Array, "n d"], weights: Float[Array, " n"]) -> None:
    """Raise where an M-step on centered data left a component without a covariance."""
    pooled = moments(x, weights).covariance
    if not mixture.is_finite or mixture.family.collapsed(pooled, 0 * pooled, ()):
        raise ValueError(
            f"a component has too few different rows for {mixture.family.name} components; merge "
            "it with another, or use a family with fewer parameters"
        )


def check_data(
    x: Any, k: int, family: Spec, sample_weights: Any, missing: bool = False
) -> tuple[np.ndarray, np.ndarray, Family]:
    """Valid data and sample weights in one precision, and k blank components for them.

    What is missing has its column's mean.
    """
    values, columns = as_incomplete(x) if missing else as_matrix(x)
    weights = np.ones(len(values))
    if sample_weights is not None:
        weights = as_sample_weights(sample_weights, len(values))
    check_k(k, min(float(weights.sum()), int(np.count_nonzero(weights))))
    # A blank needs no more of what is missing than that it is there.
    blank = standard(family, np.nan_to_num(values), k, columns)
    if missing:
        blank.require_incomplete()
        check_observed(values[weights > 0], columns)
        observed = np.ma.masked_invalid(values)
        means = np.ma.average(observed, axis=0, weights=weights)
        values = np.where(np.isnan(values), np.asarray(means, values.dtype), values)
    blank.check(values, columns)
    return values, weights.astype(values.dtype), blank


def draw(
    key: PRNGKeyArray,
    x: Float[Array, "n d"],
    weights: Float[Array, " n"],
    blank: Family,
    start: str,
) -> Mixture:
    """One start of the named kind, on centered data; a plain JAX function of its key."""
    if start not in STARTS:
        raise unknown("start", start, STARTS)
    return STARTS[start](key, x, weights, blank)


compiled_draw = jax.jit(draw, static_argnames="start")
compiled_m_step = jax.jit(from_responsibilities)


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
