"""Fits on meshes of virtual devices: the bits of one device, whatever their number.

Devices are chosen when a process starts, so that one of its own does the work.
"""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = r"""
import hashlib, json, math, pathlib, re, tempfile
import jax, numpy as np
from contextlib import nullcontext
jax.config.update("jax_enable_x64", True)
import jaxmix as jm
from jaxmix import blocks
from jaxmix.devices import data_mesh, on
from jaxmix.posing import check_problem

blocks.MOST_ROWS, blocks.FEWEST_ROWS, blocks.GROUPS = 64, 32, 16
rng = np.random.default_rng(0)
X = rng.normal(size=(1500, 2)) + 4.0 * rng.integers(0, 2, (1500, 1)) + 100.0

class Table:
    columns, dtype, shape = ("x1", "x2"), np.dtype(float), X.shape
    def rows(self, start, stop): return X[start:stop]
    def weights(self, start, stop): return None

class Fewer(Table):
    shape = (1150, 2)

def mesh_of(devices):
    some = jax.devices()[:devices]
    return jax.make_mesh((devices,), ("rows",), devices=some) if some else None

def bits(leaves):
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).hexdigest()

def pool(data, devices):
    mesh, start = mesh_of(devices), jm.initialize(X, 2, seed=0)
    with nullcontext() if mesh is None else jax.set_mesh(mesh):
        mesh = data_mesh()
    with on(mesh):
        data = check_problem(data, start, jm.EM(), None, 0.0, (), None, mesh=mesh)[0].data
        places = np.arange(data.groups) // 2 % data.num_pools
        pool = jax.jit(lambda data, places: data.pool(places, places))(data, places)
    assert (data.groups, data.num_pools) == (9, 2)
    return bits((pool.x, pool.sample_weights))

def digest(data, devices):
    mesh = mesh_of(devices)
    with nullcontext() if mesh is None else jax.set_mesh(mesh):
        start = jm.initialize(X, 2, seed=0)
        short, long = (jm.Stop("gap", 1e-9, steps) for steps in (4, 8))
        result = jm.fit(data, start, stop=long, resume=jm.fit(data, start, stop=short))
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "fit.npz")
            jm.fit(data, start, stop=short, checkpoint=file)
            kept = jm.fit(data, start, stop=long, checkpoint=file)
    leaves, again = (
        jax.tree.leaves((one.mixture, one.history, one.gap, one.log_likelihood))
        for one in (result, kept)
    )
    assert all(leaf.sharding.num_devices == 1 for leaf in jax.tree.leaves(result.mixture))
    assert all(np.array_equal(*pair) for pair in zip(leaves, again, strict=True))
    return bits(leaves)

def gathered():
    # Numbers that four devices send one another in a pass.
    mesh, start = jax.sharding.Mesh(jax.devices(), ("rows",)), jm.initialize(X, 2, seed=0)
    with jax.set_mesh(mesh):
        problem, _ = check_problem(X, start, jm.EM(), None, 0.0, (), None, mesh=mesh)
        program = jax.jit(lambda problem: problem.evaluate(start)).lower(problem).compile()
    kinds = re.findall(r"= (.*?) (all-\w+|collective-\w+|reduce-scatter)\(", program.as_text())
    shapes = [re.fullmatch(r"f64\[([0-9,]*)\]\S*", kind).group(1) for kind, _ in kinds]
    assert {name for _, name in kinds} == {"all-gather"}
    return sum(math.prod(map(int, shape.split(","))) for shape in shapes)

table = Table()
print(json.dumps({
    "array": [digest(X, devices) for devices in (0, 2, 4)],
    "few rows": [digest(X[:100], devices) for devices in (0, 4)],
    "stream": [digest(table, devices) for devices in (0, 4)],
    "gathered": gathered(),
    "pools": [pool(data, devices) for data in (X[:1150], Fewer()) for devices in (0, 4)],
}))
"""


@pytest.fixture(scope="module")
def digests():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize("data", ["array", "few rows", "stream", "pools"])
def test_the_number_of_devices_changes_no_bit(digests, data):
    assert len(set(digests[data])) == 1


def test_a_stream_on_devices_has_the_bits_of_an_array(digests):
    assert digests["stream"] == digests["array"][1:]


def test_a_pass_sends_the_sums_of_groups_alone(digests):
    """24 blocks in 12 groups, each with k f statistics and a log-likelihood (notes/scaling.md)."""
    assert digests["gathered"] == 12 * (2 * 6 + 1)
