"""Data that are read from files whenever a pass comes to them, in the one pass's own loop.

The compiled program asks the host for blocks while it runs, so that every method that makes passes
over an array makes them over a stream, in the same order and to the same bits.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from jaxmix.blocks import Block, Blocks, Data, Layout, added, in_order, nothing
from jaxmix.data.reading_ahead import ReadAhead
from jaxmix.devices import Devices, over_devices
from jaxmix.sources import Source, as_blocks, blocks_at_once


class Pages:
    """A source's blocks, a few at a time, the next ones read ahead; equal by identity alone.

    A pass reads pages of blocks that follow one another, an epoch in batches pools of one block of
    each group.

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
        self._share = cut.blocks // (1 if mesh is None else mesh.size)
        # Every device reads its own share of the blocks ahead.
        self._ahead = [
            ReadAhead[Sequence[int], Any](lambda which: as_blocks(source, cut, center, which))
            for _ in range(0, cut.blocks, self._share)
        ]

    def shapes(self, *blocks: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Of some blocks: x [blocks d rows] and weights [blocks rows]; of one without a number."""
        rows = self.cut.rows
        x = jax.ShapeDtypeStruct((*blocks, self.num_columns, rows), self.dtype)
        return x, jax.ShapeDtypeStruct((*blocks, rows), self.dtype)

    def page(self, number: Int[Array, ""]) -> tuple[Array, Array]:
        """The blocks of a page, asked for by a compiled program."""
        return self._ask(self._page, self.together, number)

    def pool(
        self, which: Int[Array, " blocks"], following: Int[Array, " blocks"]
    ) -> tuple[Array, Array]:
        """These blocks of one device, and those that it will ask for next: none if the same."""
        return self._ask(self._pool, len(which), which, following)

    def _ask(self, host: Callable[..., Any], blocks: int, *numbers: Array) -> tuple[Array, Array]:
        def answer(*numbers: Any) -> tuple[np.ndarray, np.ndarray]:
            try:
                return host(*numbers)
            except Exception as error:
                self.failure = error
                raise

        return jax.pure_callback(answer, self.shapes(blocks), *numbers, vmap_method="sequential")

    def _page(self, number: Any) -> tuple[np.ndarray, np.ndarray]:
        first = int(number) * self.together
        device, begin = divmod(first, self._share)
        after = first - begin + (begin + self.together) % self._share
        return self._ahead[device].read(self._blocks(first), self._blocks(after))

    def _pool(self, which: Any, following: Any) -> tuple[np.ndarray, np.ndarray]:
        wanted, coming = tuple(np.asarray(which).tolist()), tuple(np.asarray(following).tolist())
        device = wanted[0] // self._share
        # An evaluation follows an epoch.
        after = self._blocks(device * self._share) if coming == wanted else coming
        return self._ahead[device].read(wanted, after)

    def _blocks(self, first: int) -> range:
        """Of the page that begins with this one."""
        return range(first, first + self.together)


class Streamed(Data):
    """Blocks as `Blocks` has them, of which a page or a pool at a time is in memory."""

    pages: Pages = eqx.field(static=True)
    present: Float[Array, ""]
    """Rows of positive sample weight."""

    @property
    def num_present(self) -> Float[Array, ""]:
        return self.present

    @property
    def num_pools(self) -> int:
        return self.pages.cut.group

    @property
    def num_rows(self) -> int:
        return self.pages.cut.rows * self.pages.cut.blocks

    @property
    def groups(self) -> int:
        return self.pages.groups

    def added_up(self, block: Block, shared: Any) -> Any:
        pages, cut = self.pages, self.pages.cut
        pages_a_group = cut.group // pages.together

        def turn(carry: Any, page: Int[Array, ""]) -> tuple[Any, None]:
            return added(lambda one: block(shared, *one), carry, pages.page(page)), None

        def group(_: None, numbers: tuple[Int[Array, ""]]) -> Any:
            (number,) = numbers
            if cut.group == 1:
                return block(shared, *(leaf[0] for leaf in pages.page(number)))
            zero = nothing(block, shared, *pages.shapes())
            turned = number * pages_a_group + jnp.arange(pages_a_group)
            return jax.lax.scan(turn, zero, turned)[0]

        return in_order(pages.devices, group, None, jnp.arange(cut.groups))

    def pool(self, places: Int[Array, " groups"], following: Int[Array, " groups"]) -> Blocks:
        pages, cut = self.pages, self.pages.cut

        def blocks(places: Int[Array, " groups"]) -> Int[Array, " all"]:
            padded = jnp.pad(places, (0, cut.groups - len(places)))
            return jnp.arange(cut.groups) * cut.group + padded

        def read(_: None, which: Array, following: Array) -> tuple[Array, Array]:
            return pages.pool(which, following)

        parts = over_devices(pages.devices, read, None, blocks(places), blocks(following))
        return Blocks(*(part[: self.groups] for part in parts))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise what went wrong with a file as itself, where a compiled program met it."""
        try:
            yield
        except (jax.errors.JaxRuntimeError, ValueError):
            # A callback's failure comes as either, from one call of a program or another.
            if self.pages.failure is None:
                raise
            raise self.pages.failure from None


_pages: WeakValueDictionary[Any, Pages] = WeakValueDictionary()


def streamed(
    source: Source,
    cut: Layout,
    center: Float[np.ndarray, " d"],
    num_present: int,
    mesh: Mesh | None = None,
) -> Streamed:
    """The blocks of a source, the same object for the same ones, so that nothing compiles twice.

    Args:
        source: where the rows come from.
        cut: their layout.
        center: what is subtracted from every row [d], in the precision of the blocks.
        num_present: rows of positive sample weight.
        mesh: the devices that share the groups; None for one.
    """
    key = (id(source), cut, center.tobytes(), mesh)
    pages = _pages.get(key)
    if pages is None:
        pages = _pages[key] = Pages(source, cut, center, mesh)
    return Streamed(pages, jnp.asarray(num_present, center.dtype))
