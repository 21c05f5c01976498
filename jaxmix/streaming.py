"""Data that are read from files whenever a pass comes to them, in the one pass's own loop.

The compiled program asks the host for blocks while it runs, so that every method that makes passes
over an array makes them over a stream, in the same order and to the same bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from jaxmix.blocks import Block, Data, Layout, added, nothing
from jaxmix.data.reading_ahead import ReadAhead
from jaxmix.devices import Devices, over_devices
from jaxmix.sources import Source, as_blocks, blocks_at_once


class Pages:
    """A source's blocks, a few at a time, the next ones read ahead; equal by identity alone.

    Args:
        source: where the rows come from.
        cut: their layout.
        center: what is subtracted from every row [d], in the precision of the blocks.
        mesh: the devices that share the groups; None for one.
    """

    def __init__(
        self,
        source: Source,
        cut: Layout,
        center: Float[np.ndarray, " d"],
        mesh: Mesh | None = None,
    ):
        together = blocks_at_once(cut, len(center), center.itemsize)
        self.devices = None if mesh is None else Devices(mesh, cut.groups)
        self.groups, self.together, self.dtype = cut.groups, together, center.dtype
        self.cut = cut = cut if mesh is None else cut.over(mesh.size)
        self.num_columns = len(center)
        self.failure: Exception | None = None
        pages = [(first, first + together) for first in range(0, cut.blocks, together)]
        self._share = len(pages) // (1 if mesh is None else mesh.size)
        # Every device reads its own share of the pages ahead.
        self._ahead = [
            ReadAhead(
                lambda start, stop: as_blocks(source, cut, center, range(start, stop)),
                pages[first : first + self._share],
            )
            for first in range(0, len(pages), self._share)
        ]

    @property
    def shapes(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Of a page: x [blocks d rows] and weights [blocks rows]."""
        rows = self.cut.rows
        x = jax.ShapeDtypeStruct((self.together, self.num_columns, rows), self.dtype)
        return x, jax.ShapeDtypeStruct((self.together, rows), self.dtype)

    @property
    def one_block(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Of a block: x [d rows] and weights [rows]."""
        x, weights = self.shapes
        return x.update(shape=x.shape[1:]), weights.update(shape=weights.shape[1:])

    def read(self, page: Int[Array, ""]) -> tuple[Array, Array]:
        """One page, asked for by a compiled program."""
        return jax.pure_callback(self._read, self.shapes, page, vmap_method="sequential")

    def _read(self, page: Any) -> tuple[np.ndarray, np.ndarray]:
        try:
            device, place = divmod(int(page), self._share)
            return self._ahead[device].read(place)
        except Exception as error:
            self.failure = error
            raise


class Streamed(Data):
    """Blocks as `Blocks` has them, of which a page at a time is in memory."""

    pages: Pages = eqx.field(static=True)

    @property
    def num_rows(self) -> int:
        return self.pages.cut.rows * self.pages.cut.blocks

    @property
    def groups(self) -> int:
        return self.pages.groups

    def group_sums(self, block: Block, shared: Any) -> Any:
        pages, cut = self.pages, self.pages.cut
        pages_a_group = cut.group // pages.together

        def turn(carry: Any, page: Int[Array, ""]) -> tuple[Any, None]:
            return added(block, shared, carry, *pages.read(page)), None

        def group(number: Int[Array, ""]) -> Any:
            if cut.group == 1:
                return block(shared, *(leaf[0] for leaf in pages.read(number)))
            zero = nothing(block, shared, *pages.one_block)
            turned = number * pages_a_group + jnp.arange(pages_a_group)
            return jax.lax.scan(turn, zero, turned)[0]

        def groups(_: None, numbers: Int[Array, " groups"]) -> Any:
            return jax.lax.map(group, numbers)

        return over_devices(pages.devices, groups, None, jnp.arange(cut.groups))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise what went wrong with a file as itself, where a compiled program met it."""
        try:
            yield
        except jax.errors.JaxRuntimeError:
            if self.pages.failure is None:
                raise
            raise self.pages.failure from None


_pages: WeakValueDictionary[Any, Pages] = WeakValueDictionary()


def streamed(
    source: Source, cut: Layout, center: Float[np.ndarray, " d"], mesh: Mesh | None = None
) -> Streamed:
    """The blocks of a source, the same object for the same ones, so that nothing compiles twice."""
    key = (id(source), cut, center.tobytes(), mesh)
    pages = _pages.get(key)
    if pages is None:
        pages = _pages[key] = Pages(source, cut, center, mesh)
    return Streamed(pages)
