"""Checkpoints: a run that is killed goes on from a file, to the bits of one that is not.

The format, version 1: an npz archive as `archives.py` writes it, whose header has

    format      "jaxmix checkpoint"
    version     1
    run         what the run is: `method`, `mixture` (family and shapes), `fixed`, `missing`
    form        how its passes read rows by then: "features" or "recentered"
    stop        its stopping rule: `rule`, `tol`, `max_steps`
    path_steps  the steps whose mixtures are recorded

and whose arrays are leaves in JAX's order, numbered from 0: of the `Loop` (`loop.0`, ...), of the
`Trace` of all steps (`trace.0` objectives, `trace.1` gaps, `trace.2` passes), and of the recorded
mixtures, stacked (`path.0`, ...). The run that reads a file says what shapes and types they have.
"""

import os
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxmix.archives import Arrays, Kind, content_of, read_archive, write_archive
from jaxmix.devices import from_first, several_processes
from jaxmix.inputs import as_count
from jaxmix.loop import Loop, Outcome, Trace, reopen
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.precision import agree
from jaxmix.problem import Problem
from jaxmix.signatures import signature
from jaxmix.stopping import Stop
from jaxmix.whole_files import tidy

KIND = Kind("jaxmix checkpoint", 1, of="a checkpoint", writer="fit")

SECONDS = 30.0
"""Between two writings: what a kill may lose, against the milliseconds that a writing takes."""

Run = tuple[Problem, Loop, list[Trace], dict[int, Mixture]]
"""A run at one moment: its problem in its form, the loop, the traces of its steps so far, and its
recorded mixtures by their steps."""


class Checkpoint:
    """The file of one run, and when to write it next.

    Args:
        path: the file; of several processes the first alone reads and writes it.
        method, stop: what the run is about.
        mesh: the devices that share the run; None for one.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        method: Method,
        stop: Stop,
        mesh: Mesh | None,
    ):
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"checkpoint must be the path of a file, got {path!r}")
        self.path, self._shared = Path(path), several_processes(mesh)
        self._method, self._stop = method, stop
        self._pace, self._done = 0.0, 0
        self._seen = self._due = time.monotonic()

    def open(self, run: Run) -> Run:
        """The run as the file has it; where there is no file, this one, which is then written."""
        content = self._content()
        if content is not None:
            try:
                run = self._read(content, run)
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"the fit cannot go on from {self.path}: {error}. Name another file as its "
                    "checkpoint, or remove this one to begin anew"
                ) from None
        else:
            self._write(run)
        if self._writes:
            tidy(self.path)
        self._seen, self._done = time.monotonic(), int(run[1].num_steps)
        self._due = self._seen + SECONDS
        return run

    def steps(self) -> int:
        """How many steps to take until the file is due, at the pace of the last ones; at first 1,
        which says how long one takes."""
        left = self._due - time.monotonic()
        steps = min(max(1, int(left / self._pace)), 2**31 - 1) if self._pace else 1
        # Processes whose clocks differ must make one number of steps together.
        return int.from_bytes(from_first(steps.to_bytes(4))) if self._shared else steps

    def visit(self, run: Run) -> None:
        """Write a run that has gone on, where that is due or the run has ended."""
        now, done = time.monotonic(), int(run[1].num_steps)
        self._pace = (now - self._seen) / max(done - self._done, 1)
        if now >= self._due or int(run[1].code) != Outcome.RUNNING:
            self._write(run)
            self._due = now + SECONDS
        self._seen, self._done = time.monotonic(), done

    @property
    def _writes(self) -> bool:
        return not self._shared or jax.process_index() == 0

    def _content(self) -> bytes | None:
        """What the file holds, in every process; None where there is none."""
        exists = self._writes and self.path.exists()
        content = b"." + content_of(self.path) if exists else b""
        content = from_first(content) if self._shared else content
        return content[1:] if content else None

    def _write(self, run: Run) -> None:
        if not self._writes:
            return
        (problem, loop, traces, path), (rule, tol, max_steps) = run, settings(self._stop)
        header = {
            "run": described(problem, self._method, loop),
            "form": problem.form,
            "stop": {"rule": rule, "tol": tol, "max_steps": max_steps},
            "path_steps": list(path),
        }
        trace = jax.tree.map(lambda *parts: np.concatenate(parts), *traces)
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *path.values()) if path else None
        arrays = numbered("loop", loop) | numbered("trace", trace) | numbered("path", stacked)
        write_archive(self.path, KIND, header, arrays)

    def _read(self, content: bytes, run: Run) -> Run:
        """The run of a file; ValueError or TypeError unless it is this one, which begins."""
        problem, blank, (begun, *_), _ = run
        header, arrays = read_archive(content, KIND)
        saved = _part(header, "run", dict)
        for name, here in described(problem, self._method, blank).items():
            if saved.get(name) != here:
                raise ValueError(f"its {name} is {saved.get(name)}, and that of this fit {here}")
        loop = filled("loop", blank, arrays)
        if int(loop.code) not in list(Outcome):
            raise ValueError(f"its outcome {int(loop.code)} is none")
        columns = several(int(loop.num_steps) + 1, jax.tree.map(itemgetter(0), begun))
        trace, objective = filled("trace", columns, arrays), begun.objective
        if not agree(trace.objective[0], objective[0], objective.dtype):
            raise ValueError("its data, start or penalties are not those of this fit")
        steps = [as_count(j, "a recorded step", least=0) for j in _part(header, "path_steps", list)]
        mixtures = several(len(steps), blank.evaluation.em_step) if steps else None
        stacked = filled("path", mixtures, arrays)
        path = {step: jax.tree.map(itemgetter(j), stacked) for j, step in enumerate(steps)}
        loop = jax.tree.map(on_device, blank, loop)
        problem = problem.in_form(_part(header, "form", str))
        then, now = Stop(**_part(header, "stop", dict)), self._stop
        same = settings(then) == settings(now)
        loop = loop if same else reopen(loop, then, now, problem, self._method)
        return problem, loop, [trace], path


def _part(header: dict[str, Any], name: str, kind: type) -> Any:
    """A part of a header, of this type."""
    if not isinstance(header.get(name), kind):
        raise ValueError(f"its header has no {name}")
    return header[name]


def described(problem: Problem, method: Method, loop: Loop) -> dict[str, Any]:
    """What tells one run from another, apart from numbers of the data."""
    return {
        "method": signature(method),
        "mixture": eqx.tree_pformat(loop.evaluation.em_step, width=10**6),
        "fixed": list(problem.fixed),
        "missing": problem.missing,
    }


def settings(stop: Stop) -> tuple[str, float, int]:
    """A stopping rule in plain values."""
    return stop.rule, float(stop.tol), int(stop.max_steps)


def several(number: int, tree: Any) -> Any:
    """Shapes and types of so many trees, stacked."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((number, *leaf.shape), leaf.dtype), tree)


def numbered(name: str, tree: Any) -> Arrays:
    """The leaves of a tree, as a file can hold them."""
    return {f"{name}.{j}": plain(leaf) for j, leaf in enumerate(jax.tree.leaves(tree))}


def plain(leaf: Any) -> np.ndarray:
    """A leaf in a type of NumPy's own: keys as their data, bfloat16 and its like as bits."""
    array = np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)
    return array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array


def is_key(leaf: Any) -> bool:
    """Whether a leaf holds keys of random numbers."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def filled(name: str, blank: Any, arrays: Arrays) -> Any:
    """What `numbered` took apart, a tree like `blank` of NumPy arrays; ValueError for others."""
    leaves, structure = jax.tree.flatten(blank)
    found = [arrays.get(f"{name}.{j}") for j in range(len(leaves))]
    for j, (leaf, array) in enumerate(zip(leaves, found)):
        expected = _plain_like(leaf)
        if array is None or (array.shape, array.dtype) != (expected.shape, expected.dtype):
            got = "nothing" if array is None else f"{array.dtype} {array.shape}"
            wanted = f"{expected.dtype} {expected.shape}"
            raise ValueError(f"its array {name}.{j} must be {wanted}, got {got}")
    return jax.tree.unflatten(structure, found)


def _plain_like(leaf: Any) -> jax.ShapeDtypeStruct:
    """Shape and type of `plain(leaf)`."""
    shown = jax.eval_shape(jax.random.key_data, leaf) if is_key(leaf) else leaf
    dtype = np.dtype(shown.dtype)
    return jax.ShapeDtypeStruct(
        shown.shape, np.dtype(f"u{dtype.itemsize}") if dtype.kind == "V" else dtype
    )


def on_device(blank: Any, array: np.ndarray) -> Any:
    """A leaf as JAX has it, from what `plain` made of one like `blank`."""
    if is_key(blank):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(blank))
    return jax.device_put(array.view(blank.dtype), may_alias=False)
