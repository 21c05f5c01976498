"""Checkpoints: runs that are killed or interrupted end in the bits of those that are not."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import X

import jaxmix as jm
from jaxmix import checkpoint, fitting
from jaxmix.methods import Info
from jaxmix.signatures import signature

START = jm.gaussian_mixture([0.5, 0.5], [[5.5, -3.0], [6.0, -2.0]], 4.0, "spherical")
STOP = jm.Stop("gap", 1e-20, 7)


class OwnState(eqx.Module):
    """Leaves of every kind that a method of a user's own may have."""

    mixture: jm.Mixture
    key: Any
    flag: Any
    low: Any


class Shaken(jm.Method):
    """EM whose means move a little at random."""

    scale: float = 1e-3

    def init(self, problem, mixture):
        return OwnState(mixture, jax.random.key(3), jnp.array(True), jnp.ones(2, jnp.bfloat16))

    def step(self, problem, state):
        key, now = jax.random.split(state.key)
        mixture = problem.evaluate(state.mixture).em_step
        noise = self.scale * jax.random.normal(now, mixture.means.shape, mixture.means.dtype)
        noise = jnp.where(state.flag, noise, 0.0) * state.low[0]
        mixture = eqx.tree_at(lambda m: m.family.means, mixture, mixture.family.means + noise)
        state = OwnState(mixture, key, ~state.flag, state.low * 1.5)
        return state, Info(problem.evaluate(mixture), jm.Cost(passes=2))

    def finish(self, state):
        return state.mixture


METHODS = {
    "em": jm.EM(),
    "squarem": jm.SQUAREM(),
    "lbfgs": jm.GradientAscent(optax.lbfgs),
    "adam": jm.GradientAscent(optax.adam, learning_rate=0.05),
    "newton": jm.Newton(),
    "stochastic": jm.StochasticGradient(optax.adam, batch_size=20, seed=1),
    "own": Shaken(),
}


def bits(result):
    """Every number of a result, with its type."""
    leaves = [leaf for leaf in jax.tree.leaves(result) if eqx.is_array(leaf)]
    keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    plain = [jax.random.key_data(leaf) if key else leaf for leaf, key in zip(leaves, keys)]
    return [(leaf.shape, leaf.dtype, np.asarray(leaf).tobytes()) for leaf in plain]


class Interrupted(Exception):
    """What a test raises in the middle of a fit."""


def until(step):
    """An `on_step` that ends the fit after a step."""

    def on_step(progress):
        if progress.num_steps == step:
            raise Interrupted

    return on_step


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file that is written after every segment."""
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    return tmp_path / "fit.npz"


@pytest.mark.parametrize("name", METHODS)
def test_an_interrupted_fit_ends_in_the_same_bits(name, file):
    call = {"method": METHODS[name], "stop": STOP, "record": [0, 1, 3, 6]}
    whole = jm.fit(X, START, **call)
    for step in (2, 4):
        with pytest.raises(Interrupted):
            jm.fit(X, START, **call, on_step=until(step), checkpoint=file)
    assert bits(jm.fit(X, START, **call, checkpoint=file)) == bits(whole)
    told = []
    again = jm.fit(X, START, **call, on_step=told.append, checkpoint=file)
    assert (bits(again), told) == (bits(whole), [])


def saved_run(file, **call):
    """A run of three steps in a file."""
    return jm.fit(X, START, stop=jm.Stop("gap", 1e-20, 3), checkpoint=file, **call)


def test_a_later_limit_or_tolerance_goes_on(file):
    saved_run(file)
    assert bits(jm.fit(X, START, stop=STOP, checkpoint=file)) == bits(jm.fit(X, START, stop=STOP))
    coarse = jm.Stop("gap", 1e-3, 300)
    assert jm.fit(X, START, stop=coarse, checkpoint=file).outcome.name == "CONVERGED"


def test_a_fit_begins_as_resume_says_where_there_is_no_file(file):
    whole, first = jm.fit(X, START, stop=STOP), jm.fit(X, START, stop=jm.Stop("gap", 1e-20, 3))
    call = {"stop": STOP, "resume": first, "checkpoint": file}
    with pytest.raises(Interrupted):
        jm.fit(X, START, **call, on_step=until(5))
    told = []
    assert bits(jm.fit(X, START, **call, on_step=told.append)) == bits(whole)
    assert [progress.num_steps for progress in told] == [5, 6, 7]


def test_the_file_is_removed_from_what_a_kill_left(file):
    litter, other = file.with_name(f".fit.npz.{'a' * 32}"), file.with_name(".fit.npz.mine")
    for path in (litter, other):
        path.write_text("half")
    saved_run(file)
    assert (litter.exists(), other.exists()) == (False, True)


def test_a_stream_goes_on_too(file, tmp_path):
    np.save(tmp_path / "x.npy", X)
    with jm.data.stream(tmp_path / "x.npy") as rows:
        with pytest.raises(Interrupted):
            jm.fit(rows, START, stop=STOP, on_step=until(4), checkpoint=file)
        assert bits(jm.fit(rows, START, stop=STOP, checkpoint=file)) == bits(
            jm.fit(rows, START, stop=STOP)
        )


SCRIPT = """
import os, signal, stat, sys
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
import jaxmix as jm
from jaxmix import checkpoint, whole_files

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def half_written(descriptor):
    of = os.fstat(descriptor)
    sizes.extend([of.st_size] * stat.S_ISREG(of.st_mode))
    if len(sizes) == 4:
        os.truncate(descriptor, sizes[-1] // 2)
        kill()

def fit(moment):
    x, start, file = np.load(sys.argv[1]), jm.load_mixture(sys.argv[2]), sys.argv[3]
    if moment == "writing":
        whole_files.os.fsync = half_written
    at_five = lambda progress: progress.num_steps == 5 and kill()
    on_step = at_five if moment == "step 5" else None
    stop = jm.Stop("gap", 1e-20, 7)
    jm.fit(x, start, stop=stop, record=[0, 1, 3, 6], on_step=on_step, checkpoint=file)

checkpoint.SECONDS, sizes = 0.0, []
for moment in ("writing", "step 5"):
    child = os.fork()
    if not child:
        fit(moment)
    status = os.waitpid(child, 0)[1]
    with np.load(sys.argv[3]) as archive:
        print(-os.waitstatus_to_exitcode(status), len(archive["trace.0"]) - 1)
"""


def test_killed_processes_go_on_to_the_same_bits(file, tmp_path):
    """One is killed while it writes, the next between two writings."""
    np.save(tmp_path / "x.npy", X)
    START.save(tmp_path / "start.npz")
    given = [str(tmp_path / "x.npy"), str(tmp_path / "start.npz"), str(file)]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *given], capture_output=True, text=True, timeout=300
    )
    assert run.stdout == f"{signal.SIGKILL:d} 2\n{signal.SIGKILL:d} 4\n", run.stderr[-3000:]
    call = {"stop": STOP, "record": [0, 1, 3, 6]}
    assert bits(jm.fit(X, START, **call, checkpoint=file)) == bits(jm.fit(X, START, **call))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit.npz", "start.npz", "x.npy"]


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "data": ({"x": X * 1.001}, "data, start or penalties"),
    "start": ({"start": START.affine(1.01, 0.0)}, "data, start or penalties"),
    "sample weights": ({"sample_weights": np.full(len(X), 2.0)}, "data, start or penalties"),
    "ridge": ({"ridge": 1e-3}, "data, start or penalties"),
    "fixed": ({"fixed": "weights"}, r"fixed is \[\], and that of this fit \['weights'\]"),
    "family": ({"start": jm.gaussian_mixture([1.0], [[5.0, 0.0]], 1.0, "diag")}, "mixture is Mix"),
    "method": ({"method": jm.SQUAREM()}, r"method is EM\(\), and that of this fit SQUAREM\(\)"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_checkpoint_of_another_fit_is_refused(name, file):
    saved_run(file)
    kept = file.read_bytes()
    other, said = OTHERS[name]
    with pytest.raises(ValueError, match=f"cannot go on from {file}: .*{said}.*or remove this one"):
        jm.fit(**{"x": X, "start": START, "stop": STOP, "checkpoint": file, **other})
    assert file.read_bytes() == kept


def test_another_setting_is_another_method(file):
    adam = {"optimizer": optax.adam, "learning_rate": 0.05}
    saved_run(file, method=jm.GradientAscent(**adam))
    with pytest.raises(ValueError, match=r"0\.05.*and that of this fit .*0\.06"):
        saved_run(file, method=jm.GradientAscent(**adam | {"learning_rate": 0.06}))


def decay(power):
    return lambda step: 0.05 / (1 + step) ** power


LOCAL = {
    "ready": lambda number: jm.GradientAscent(optax.adam(number)),
    "schedule": lambda number: jm.GradientAscent(optax.adam, learning_rate=decay(number)),
    "in a ready one": lambda number: jm.GradientAscent(optax.sgd(decay(number))),
    "array": lambda number: jm.GradientAscent(optax.sgd(lambda step: np.full((), number))),
}


def test_local_functions_are_told_apart_by_what_they_hold():
    halves, quarters = ({name: signature(LOCAL[name](n)) for name in LOCAL} for n in (0.5, 0.25))
    assert not {*halves.values()} & {*quarters.values()}
    assert halves == {name: signature(LOCAL[name](0.5)) for name in LOCAL}
    again = "from test_checkpoint import *; [print(signature(LOCAL[n](0.5))) for n in LOCAL]"
    said = subprocess.run(
        [sys.executable, "-c", again], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert said.stdout.splitlines() == [*halves.values()], said.stderr


def rewritten(file, header=None, **arrays):
    with np.load(file) as archive:
        content = {name: archive[name] for name in archive.files} | arrays
    known = json.loads(str(content["header"])) | (header or {})
    np.savez(file, **content | {"header": np.array(json.dumps(known))})


DAMAGES = {
    "empty": (lambda file: file.write_bytes(b""), "not a complete file of a checkpoint"),
    "torn": (lambda file: file.write_bytes(file.read_bytes()[:-99]), "not a complete file"),
    "objects": (
        lambda file: np.savez(file, header=np.array([{}, 1], dtype=object), allow_pickle=True),
        "not a complete file",
    ),
    "a mixture": (START.save, "not a checkpoint that fit wrote"),
    "newer": (lambda file: rewritten(file, {"version": 2}), "newer than 1; update jaxmix"),
    "no run": (lambda file: rewritten(file, {"run": [1]}), "its header has no run"),
    "no stop": (lambda file: rewritten(file, {"stop": None}), "its header has no stop"),
    "no rule": (lambda file: rewritten(file, {"stop": {"rule": "gapp"}}), "did you mean 'gap'"),
    "steps of text": (lambda file: rewritten(file, {"path_steps": ["a"]}), "a recorded step"),
    "a path that is none": (lambda file: rewritten(file, {"path_steps": [1]}), "got nothing"),
    "too few steps": (
        lambda file: rewritten(file, **{"trace.1": np.zeros(2)}),
        r"its array trace.1 must be float64 \(4,\), got float64 \(2,\)",
    ),
    "another type": (lambda file: rewritten(file, **{"loop.0": np.zeros(2, "f4")}), "float32"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_files_are_refused(damage, file):
    saved_run(file)
    spoil, said = DAMAGES[damage]
    spoil(file)
    with pytest.raises(ValueError, match=f"cannot go on from {file}: .*{said}"):
        saved_run(file)


def test_a_file_that_cannot_be_written_is_said_before_the_first_step(tmp_path):
    with pytest.raises(ValueError, match=r"cannot write to .*no/fit.npz"):
        jm.fit(X, START, stop=STOP, checkpoint=tmp_path / "no" / "fit.npz", on_step=until(1))


def test_a_traced_fit_keeps_no_checkpoint(file):
    with pytest.raises(TypeError, match="checkpoint"):
        jax.jit(lambda x: jm.fit(x, START, checkpoint=file))(X)


@pytest.mark.parametrize(("seconds", "at"), [(7.0, [0, 5, 10, 15, 20]), (1e-3, [0, 20])])
def test_writings_are_half_a_minute_apart(seconds, at, file, monkeypatch):
    """By a clock that every step moves on by so many seconds."""
    now, written = [0.0], []
    write, compiled = checkpoint.write_archive, fitting.compiled_advance

    def watched(path, kind, header, arrays):
        written.append(len(arrays["trace.0"]) - 1)
        write(path, kind, header, arrays)

    def slow(*size):
        def program(method, problem, stop, loop, steps, length):
            now[0] += seconds * min(steps, 20 - int(loop.num_steps))
            return compiled(*size)(method, problem, stop, loop, steps, length=length)

        return program

    monkeypatch.setattr(checkpoint, "SECONDS", 30.0)
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint, "write_archive", watched)
    monkeypatch.setattr(fitting, "compiled_advance", slow)
    jm.fit(X, START, stop=jm.Stop("gap", 1e-25, 20), checkpoint=file)
    assert written == at
