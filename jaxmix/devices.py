"""Data on several devices, and processes: each sums its own groups of blocks, in their order.

The devices are those of the mesh that `jax.set_mesh` sets around a call. Sums of groups are
gathered and added in the order that one device takes, so that the number of devices does not change
a bit (notes/scaling.md).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental.multihost_utils import broadcast_one_to_all
from jax.sharding import Mesh, NamedSharding, PartitionSpec


class Devices(NamedTuple):
    """Who sums which groups of blocks."""

    mesh: Mesh
    """The devices, all of whose axes divide the groups."""
    groups: int
    """Groups, without those of padding that make all devices equal."""


def data_mesh() -> Mesh | None:
    """The mesh that is set around the caller; None without."""
    mesh = jax.sharding.get_mesh()
    return None if mesh.empty else Mesh(mesh.devices, mesh.axis_names)


def on(mesh: Mesh | None) -> AbstractContextManager[Any]:
    """Within it, programs may run on a mesh of this module's."""
    return nullcontext() if mesh is None else jax.set_mesh(mesh)


def at_home(tree: Any) -> Any:
    """Arrays that all devices of a mesh have, as this process's own."""
    return jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf)), tree)


def several_processes(mesh: Mesh | None) -> bool:
    """Whether processes share this mesh."""
    return mesh is not None and mesh.is_multi_process


def from_first(content: bytes) -> bytes:
    """What the first of several processes has, in all of them, which must call this together."""
    length = int(broadcast_one_to_all(np.int32(len(content))))
    known = np.zeros(length, np.uint8)
    if jax.process_index() == 0:
        known[:] = np.frombuffer(content, np.uint8)
    return np.asarray(broadcast_one_to_all(known)).tobytes()


def apart(mesh: Mesh) -> NamedSharding:
    """Arrays of which every device holds a part of the leading axis."""
    return NamedSharding(mesh, PartitionSpec(mesh.axis_names))


def over_devices(
    devices: Devices | None, groups: Callable[..., Any], shared: Any, *divided: Any
) -> Any:
    """`groups(shared, *divided)`, each device with its part of the leading axes, gathered on all.

    Args:
        devices: None for one, which needs no words.
        groups: maps along the leading axes.
        shared: what all devices have.
        divided: arrays whose leading axes are as long as a multiple of the number of devices.
    """
    if devices is None:
        return groups(shared, *divided)
    mesh = devices.mesh
    whole, part = PartitionSpec(), PartitionSpec(mesh.axis_names)
    specs = (whole, *(part for _ in divided))
    each = jax.shard_map(groups, mesh=mesh, in_specs=specs, out_specs=part, check_vma=False)
    sums = each(shared, *divided)
    everywhere = NamedSharding(mesh, whole)
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, everywhere), sums)


def divide(mesh: Mesh, length: int, make: Callable[[range], Any]) -> Any:
    """Arrays with a leading axis of this length, of which each device gets the part made for it.

    Args:
        mesh: the devices, of this process and of others.
        length: a multiple of their number.
        make: NumPy arrays for a range of the leading axis; asked for this process's devices alone.
    """
    share, place = length // mesh.size, apart(mesh)
    parts = [
        jax.device_put(make(range(number * share, (number + 1) * share)), device, may_alias=True)
        for number, device in enumerate(mesh.devices.flat)
        if device.process_index == jax.process_index()
    ]

    def whole(*leaves: Any) -> jax.Array:
        shape = (length, *np.shape(leaves[0])[1:])
        return jax.make_array_from_single_device_arrays(shape, place, list(leaves))

    return jax.tree.map(whole, *parts)
