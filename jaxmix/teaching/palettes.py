r"""Few colors for an image: k-means' palette, and that of a Gaussian mixture.

k-means minimizes the squared error of the image itself; the mixture maximizes the likelihood of its
colors and never asks for that error (notes/em.md, eq. 13, has what the two share).
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from scipy.cluster.vq import vq

from jaxmix.blocks import in_blocks
from jaxmix.clustering import compiled_lloyd, lloyd, seed_centers
from jaxmix.families import Gaussian
from jaxmix.families.full import Full
from jaxmix.loop import Outcome, advance, begin
from jaxmix.methods import EM
from jaxmix.precision import to_jax
from jaxmix.problem import build_problem
from jaxmix.starts import equal_weights
from jaxmix.stopping import Stop
from jaxmix.streams import stream
from jaxmix.teaching.colors import Colors, gathered

STARTS, START_CELLS = 64, 2**12
"""How many k-means++ starts are tried, on how many cells of the color cube at most. With 16 colors
one start in ten ends within 1 % of the best, and costs 5 ms."""

FIT_CELLS = 2**17
"""Most rows that are fitted: the different colors of a photograph of some megapixels."""

MOST_STEPS, GAP = 500, 0.1
"""EM's limit on steps; it ends where one more gains 0.1 nats, and moves no color by a level."""


class Choice(NamedTuple):
    """A palette, which of its colors each different color of an image takes, and how it ended."""

    palette: Float[np.ndarray, "k 3"]
    labels: Int[np.ndarray, " n"]
    num_steps: int
    outcome: Outcome


def by_kmeans(known: Colors, k: int, seed: int) -> Choice:
    """The best of many starts on a coarse grid, improved on a fine one, then on all colors."""
    coarse, fine = (gathered(known, most) for most in (START_CELLS, FIT_CELLS))
    keys = jax.random.split(stream(seed, "start"), STARTS)
    first = best_of_starts(keys, centered(coarse, known), to_jax(coarse.counts), k)
    found = compiled_lloyd(centered(fine, known), to_jax(fine.counts), first)
    labels, _ = vq(known.values, np.asarray(found.centers) + known.mean)
    return Choice(known.means_of(labels, k), labels, int(found.num_steps), found.outcome)


@partial(jax.jit, static_argnames="k")
def best_of_starts(
    keys: Array, x: Float[Array, "n 3"], weights: Float[Array, " n"], k: int
) -> Float[Array, "k 3"]:
    """Centers of least loss among those that k-means finds from every key."""
    runs = jax.lax.map(lambda key: lloyd(x, weights, seed_centers(key, x, weights, k)), keys)
    return runs.centers[jnp.argmin(runs.loss)]


def by_both(known: Colors, k: int, seed: int) -> tuple[Choice, Choice]:
    """k-means, and the mixture that starts from its clusters and compiles beside it."""
    fine = gathered(known, FIT_CELLS)
    x, counts, every = centered(fine, known), to_jax(fine.counts), centered(known, known)
    labels = jax.ShapeDtypeStruct(counts.shape, jnp.int32)
    with ThreadPoolExecutor(max_workers=1) as pool:
        program = pool.submit(fit_mixture.lower(x, counts, labels, 0.0, every, k=k).compile)
        clusters = by_kmeans(known, k, seed)
    labels, _ = vq(fine.values, clusters.palette)
    given = x, counts, labels.astype(np.int32), fine.width**2 / 12, every
    means, taken, num_steps, code = program.result()(*given)
    palette = np.asarray(means) + known.mean
    mixture = Choice(palette, np.asarray(taken), int(num_steps), Outcome(int(code)))
    return clusters, mixture


def centered(colors: Colors, known: Colors) -> Array:
    """Colors about the mean of the image."""
    return to_jax(colors.values - known.mean)


@partial(jax.jit, static_argnames="k")
def fit_mixture(
    x: Float[Array, "n 3"],
    weights: Float[Array, " n"],
    labels: Int[Array, " n"],
    ridge: ArrayLike,
    every: Float[Array, "m 3"],
    k: int,
) -> tuple[Float[Array, "k 3"], Int[Array, " m"], Int[Array, ""], Int[Array, ""]]:
    r"""EM from labeled colors, with full covariances.

    A level stands for all that round to it. Over a cell of width $w$ the mean of a Gaussian's
    log-density is that of its middle minus $\frac{w^2}{24}\operatorname{tr}\Sigma^{-1}$: a ridge
    of $w^2/12$, with which a component of one flat color, such as white paper, keeps a density.

    Returns:
        The means, the most probable component of every color of `every`, steps, and the outcome's
        code.
    """
    problem = build_problem(x, weights, ridge=ridge)
    # A component as narrow as the rounding is a flat color here, and not a collapse.
    problem = eqx.tree_at(lambda one: one.floor, problem, jnp.zeros_like(problem.floor))
    blank = equal_weights(Gaussian.standard(Full, k, 3, x.dtype))
    features = blank.family.features
    rows = features((x - problem.center).T).T * weights[:, None]
    start = blank.maximize(jax.ops.segment_sum(rows, labels, k), problem.penalty)
    method, stop = EM(), Stop(tol=GAP, max_steps=MOST_STEPS)
    loop = begin(method, problem, stop, start, watched=False)
    loop, _ = advance(method, problem, stop, loop, jnp.asarray(MOST_STEPS), MOST_STEPS, False)
    mixture = method.finish(loop.state)
    table, blocks = mixture.natural(), in_blocks(every - problem.center).x
    taken = jax.lax.map(lambda block: jnp.argmax(table @ features(block), axis=0), blocks)
    taken = taken.ravel()[: len(every)]
    return problem.leave(mixture).means, taken, loop.num_steps, loop.code
