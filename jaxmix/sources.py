"""Where rows come from, and how the host reads them: an array in memory, or a stream of files.

Every source gives any range of its rows. One reading of all of them says what a problem must know,
in parts that depend on the cut alone; another cuts them into blocks, at once for data in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxmix.blocks import Blocks, Layout, layout
from jaxmix.devices import Devices, divide
from jaxmix.moments import (
    Moments,
    Survey,
    merged,
    moments,
    observed_pairs,
    observed_sums,
    pairwise_covariance,
)

READ_BYTES = 2**25
"""Of the rows that are read at a time, at most, unless one block is larger."""

ALIGNMENT = 64
"""Bytes to whose multiples XLA wants addresses, so that it need not copy."""


@runtime_checkable
class Source(Protocol):
    """Rows with their sample weights, read range by range."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the d columns."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns, (n, d)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        ...

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`, without the latter."""
        ...

    def weights(self, start: int, stop: int) -> np.ndarray | None:
        """Their sample weights; None where each counts once."""
        ...


def check_stream(sample_weights: Any, missing: bool) -> None:
    """Raise TypeError for options that a stream does not take."""
    if missing or sample_weights is not None:
        raise TypeError(
            "a stream takes no missing=True, and its sample weights from a column: "
            "data.stream(path, sample_weights=...)"
        )


class InMemory(NamedTuple):
    """A matrix of valid numbers [n d], with sample weights [n] or None."""

    values: np.ndarray
    sample_weights: np.ndarray | None
    columns: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns, (n, d)."""
        n, d = self.values.shape
        return n, d

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.values.dtype

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`, without the latter."""
        return self.values[start:stop]

    def weights(self, start: int, stop: int) -> np.ndarray | None:
        """Their sample weights; None where each counts once."""
        return None if self.sample_weights is None else self.sample_weights[start:stop]


SAMPLE = 64
"""Blocks of a sample that stands for a stream."""


def sampled(source: Source, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows in order, with their weights, of at most 64 blocks at random places: all of few."""
    cut = layout(*source.shape, source.dtype.itemsize)
    present = -(-source.shape[0] // cut.rows)
    chosen = np.random.default_rng(seed).permutation(present)[:SAMPLE]
    edges = [
        (block * cut.rows, min((block + 1) * cut.rows, source.shape[0])) for block in sorted(chosen)
    ]
    weights = [part for edge in edges if (part := source.weights(*edge)) is not None]
    x = np.concatenate([source.rows(*edge) for edge in edges])
    return x, np.concatenate(weights) if weights else None


def blocks_at_once(cut: Layout, d: int, itemsize: int) -> int:
    """Blocks that are read together: a power of two, which divides a group."""
    block = cut.rows * d * itemsize
    together = 1
    while together < cut.group and 2 * together * block <= READ_BYTES:
        together *= 2
    return together


def parts(source: Source, cut: Layout) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All rows with their weights, in float64, a part at a time."""
    n, d = source.shape
    length = cut.rows * blocks_at_once(cut, d, source.dtype.itemsize)
    for start in range(0, n, length):
        stop = min(start + length, n)
        weights = source.weights(start, stop)
        ones = np.ones(stop - start) if weights is None else weights.astype(float)
        yield source.rows(start, stop).astype(float, copy=False), ones


@np.errstate(over="ignore", invalid="ignore")
def survey(
    source: Source,
    cut: Layout,
    missing: bool,
    inspect: Callable[[np.ndarray], Any] = lambda rows: None,
) -> Survey:
    """One reading of all data, two where entries may be missing.

    Args:
        source: the rows.
        cut: the layout, by which sums are taken.
        missing: whether NaN stand for missing entries.
        inspect: what is shown the rows of positive weight, part by part.
    """
    d, rows, total = source.shape[1], 0, 0.0
    lowest, highest, seen = np.full(d, np.inf), np.full(d, -np.inf), np.full(d, True)
    known: list[Moments] = []
    for x, weights in parts(source, cut):
        if not weights.all():
            x, weights = x[weights > 0], weights[weights > 0]
        if not len(x):
            continue
        inspect(x)
        rows, total = rows + len(x), total + weights.sum()
        lowest, highest = np.fmin(lowest, np.fmin.reduce(x)), np.fmax(highest, np.fmax.reduce(x))
        if missing:
            seen &= ~np.isnan(x).any(axis=0)
        else:
            known.append(moments(x, weights))
    if missing:
        mean, covariance = _observed(source, cut)
    else:
        mean, covariance = (whole := merged(known)).mean, whole.covariance
    return Survey(rows, total, mean, covariance, lowest, highest, ~seen, source.dtype)


def _observed(source: Source, cut: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the entries that are there."""

    def added(several: Iterator[Any]) -> Any:
        return reduce(partial(jax.tree.map, np.add), several)

    sums, counts = added(observed_sums(x, weights) for x, weights in parts(source, cut))
    mean = sums / counts
    pairs = added(observed_pairs(x, weights, mean) for x, weights in parts(source, cut))
    return mean, np.asarray(pairwise_covariance(pairs))


def as_blocks(
    source: Source, cut: Layout, center: Float[np.ndarray, " d"], which: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Some of the blocks: x [blocks d rows] less the center, whose precision it has, and weights.

    Those that follow one another are read together.

    Args:
        source: the rows.
        cut: the layout of all rows.
        center: what is subtracted [d].
        which: the blocks.
    """
    x = aligned_zeros((len(which), len(center), cut.rows), center.dtype)
    sample_weights = aligned_zeros((len(which), cut.rows), center.dtype)
    breaks = (np.flatnonzero(np.diff(which) != 1) + 1).tolist()
    for first, last in pairwise([0, *breaks, len(which)]):
        _fill(x[first:last], sample_weights[first:last], source, cut, center, which[first])
    return x, sample_weights


def _fill(
    x: np.ndarray,
    sample_weights: np.ndarray,
    source: Source,
    cut: Layout,
    center: Float[np.ndarray, " d"],
    first: int,
) -> None:
    """Read the blocks from `first` on into zeros."""
    n = source.shape[0]
    start, stop = (min(edge * cut.rows, n) for edge in (first, first + len(x)))
    rows, weights = source.rows(start, stop), source.weights(start, stop)
    for block in range(-(-len(rows) // cut.rows)):
        mine = slice(block * cut.rows, (block + 1) * cut.rows)
        part = rows[mine].astype(center.dtype, copy=False)
        np.subtract(part.T, center[:, None], out=x[block, :, : len(part)])
        sample_weights[block, : len(part)] = 1.0 if weights is None else weights[mine]


def in_memory(
    source: Source, cut: Layout, center: Float[np.ndarray, " d"], mesh: Mesh | None = None
) -> Blocks:
    """All blocks as arrays of JAX, which takes them over without a copy where it can."""
    make = partial(as_blocks, source, cut, center)
    if mesh is None:
        x, weights = jax.device_put(make(range(cut.blocks)), may_alias=True)
        return Blocks(x, weights, cut.group)
    x, weights = divide(mesh, cut.over(mesh.size).blocks, make)
    return Blocks(x, weights, cut.group, Devices(mesh, cut.groups))


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Zeros at an address that XLA can take over."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % ALIGNMENT
    return memory[offset : offset + size].view(dtype).reshape(shape)
