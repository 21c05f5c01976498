"""Where the estimator starts: as scikit-learn does, with the same draws from `random_state`.

Its kinds of starts are responsibilities, 0 or 1 but for "random", followed by an M-step
(notes/em.md, eq. 6), here block by block, so that a start needs no more memory than a fit.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from sklearn.cluster import KMeans, kmeans_plusplus

from jaxmix.blocks import block_length, in_blocks
from jaxmix.families import Gaussian, structure
from jaxmix.mixture import Mixture
from jaxmix.prior import penalty
from jaxmix.problem import with_empty_at_origin
from jaxmix.sklearn.parameters import Parameters, in_users_units
from jaxmix.starts import equal_weights

FEWEST = 256
"""Rows of the smallest fit, padding included, so that all small data share compiled programs."""


class Rows(NamedTuple):
    """Data in float64 with their sample weights, padded with rows of weight 0."""

    x: Any
    sample_weights: Any


def padded(x: np.ndarray, sample_weights: np.ndarray | None) -> Rows:
    """Data in whole blocks: a fit to as many rows, or somewhat fewer, compiles nothing anew."""
    n, d = x.shape
    padding = -n % block_length(max(n, FEWEST), d, 8)
    counts = np.ones(n) if sample_weights is None else sample_weights
    # Copies of a row, since zeros may lie far outside the data.
    repeated = np.concatenate([x, np.repeat(x[:1], padding, axis=0)]).astype(np.float64)
    return Rows(repeated, np.pad(counts, (0, padding)))


def draw_responsibilities(
    x: np.ndarray,
    sample_weights: np.ndarray | None,
    k: int,
    init_params: str,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Responsibilities [n k]; where single rows are drawn, the others belong to no component."""
    n = len(x)
    if init_params == "random":
        draws = rng.uniform(size=(n, k))
        return draws / draws.sum(axis=1, keepdims=True)
    if init_params == "kmeans":
        once: dict[str, Any] = {"n_init": 1, "random_state": rng}
        clusters = KMeans(k, **once).fit(x, sample_weight=sample_weights)
        return np.eye(k)[clusters.labels_]
    if init_params == "k-means++":
        rows = kmeans_plusplus(x, k, sample_weight=sample_weights, random_state=rng)[1]
    else:
        shares = None if sample_weights is None else sample_weights / sample_weights.sum()
        rows = rng.choice(n, size=k, replace=False, p=shares)
    responsibilities = np.zeros((n, k))
    responsibilities[rows, np.arange(k)] = 1
    return responsibilities


def m_step(rows: Rows, responsibilities: np.ndarray, family: str, ridge: float) -> Parameters:
    """Parameters from responsibilities [n k] of the rows before their padding."""
    n, total = len(responsibilities), rows.sample_weights.sum()
    whole = np.pad(responsibilities, ((0, len(rows.x) - n), (0, 0)))
    center = np.average(rows.x, axis=0, weights=rows.sample_weights)
    centered = rows._replace(x=rows.x - center)
    mixture, counts = _centered_m_step(centered, whole, center, family, ridge)
    (_, means, covariances), counts = in_users_units(center, mixture), np.asarray(counts)
    if family == "tied" and not np.allclose(responsibilities.sum(axis=1), 1):
        # scikit-learn counts the scatter of all rows here, about the origin.
        scatter = (rows.x.T * rows.sample_weights) @ rows.x - (means.T * counts) @ means
        covariances = scatter / counts.sum() + ridge * np.eye(len(center))
    return Parameters(counts / total, means, covariances)


@partial(jax.jit, static_argnames="family")
def _centered_m_step(
    rows: Rows,
    responsibilities: Float[Array, "n k"],
    center: Float[Array, " d"],
    family: str,
    ridge: Float[Array, ""],
) -> tuple[Mixture, Float[Array, " k"]]:
    (_, d), k = rows.x.shape, responsibilities.shape[1]
    blank = equal_weights(Gaussian.standard(structure(family), k, d, rows.x.dtype))
    data = in_blocks(rows.x, rows.sample_weights)
    shares = in_blocks(responsibilities, rows.sample_weights, data.x.shape[-1]).x

    def add(total: Array, block: tuple[Array, Array, Array]) -> tuple[Array, None]:
        x, weights, share = block
        return total + (share * weights) @ blank.family.features(x).T, None

    nothing = jnp.zeros_like(blank.natural())
    statistics = jax.lax.scan(add, nothing, (data.x, data.sample_weights, shares))[0]
    statistics = with_empty_at_origin(statistics, blank.family, center)
    return blank.maximize(statistics, penalty(None, ridge, jnp.zeros(d))), statistics[:, -1]
