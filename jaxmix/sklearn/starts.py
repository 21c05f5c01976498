"""Where the estimator starts: as scikit-learn does, with the same draws from `random_state`.

Its kinds of starts are responsibilities, 0 or 1 but for "random", followed by an M-step
(notes/em.md, eq. 6), here block by block, so that a start needs no more memory than a fit.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from sklearn.cluster import KMeans, kmeans_plusplus

from jaxmix.blocks import Blocks, layout
from jaxmix.families import Gaussian, structure
from jaxmix.inputs import column_names
from jaxmix.mixture import Mixture
from jaxmix.prior import penalty
from jaxmix.problem import with_empty_at_origin
from jaxmix.sklearn.parameters import Parameters, in_users_units
from jaxmix.sources import InMemory, in_memory
from jaxmix.starts import equal_weights


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


def as_rows(x: np.ndarray, sample_weights: np.ndarray | None) -> InMemory:
    """The estimator's data in float64, with their sample weights."""
    return InMemory(x.astype(np.float64, copy=False), sample_weights, column_names(x.shape[1]))


def m_step(rows: InMemory, responsibilities: np.ndarray, family: str, ridge: float) -> Parameters:
    """Parameters from responsibilities [n k] of the rows."""
    x, k, cut = rows.values, responsibilities.shape[1], layout(*rows.shape, 8)
    center = np.average(x, axis=0, weights=rows.sample_weights)
    shares = in_memory(InMemory(responsibilities, None, ()), cut, np.zeros(k)).x
    data = in_memory(rows, cut, center)
    mixture, counts = _centered_m_step(data, shares, center, family, ridge)
    (_, means, covariances), counts = in_users_units(center, mixture), np.asarray(counts)
    if family == "tied" and not np.allclose(responsibilities.sum(axis=1), 1):
        # scikit-learn counts the scatter of all rows here, about the origin.
        weighted = x if rows.sample_weights is None else x * rows.sample_weights[:, None]
        scatter = weighted.T @ x - (means.T * counts) @ means
        covariances = scatter / counts.sum() + ridge * np.eye(len(center))
    return Parameters(counts / float(data.total), means, covariances)


@partial(jax.jit, static_argnames="family")
def _centered_m_step(
    data: Blocks,
    shares: Float[Array, "blocks k rows"],
    center: Float[Array, " d"],
    family: str,
    ridge: Float[Array, ""],
) -> tuple[Mixture, Float[Array, " k"]]:
    d, k = data.x.shape[1], shares.shape[1]
    blank = equal_weights(Gaussian.standard(structure(family), k, d, data.x.dtype))

    def add(total: Array, block: tuple[Array, Array, Array]) -> tuple[Array, None]:
        x, weights, share = block
        return total + (share * weights) @ blank.family.features(x).T, None

    nothing = jnp.zeros_like(blank.natural())
    statistics = jax.lax.scan(add, nothing, (data.x, data.sample_weights, shares))[0]
    statistics = with_empty_at_origin(statistics, blank.family, center)
    return blank.maximize(statistics, penalty(None, ridge, jnp.zeros(d))), statistics[:, -1]
