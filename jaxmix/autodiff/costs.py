"""What derivatives cost: sweeps against the function, reverse mode's memory, three realizations.

Compile time is apart from run time, results are blocked, seconds are medians of repeats
(notes/autodiff.md, eq. 16 and 17).
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmix import dual
from jaxmix.autodiff.graph import trace
from jaxmix.autodiff.source import transform
from jaxmix.report.writers import Table

REPEATS = 7
SHAPES = ((1000, 1), (300, 10), (100, 100), (10, 300), (1, 1000))
LENGTHS = (16, 64, 256, 1024)
STATE = 32
"""Numbers that the loop of the memory study carries."""


def seconds(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median time of a call, after one that warms up."""
    jax.block_until_ready(run())
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(run())
        took.append(time.perf_counter() - began)
    return float(np.median(took))


def sweeps(shapes: Sequence[tuple[int, int]] = SHAPES, repeats: int = REPEATS) -> Table:
    r"""A forward and a reverse sweep, and whole Jacobians, against the function itself.

    The function is $f(x) = B \tanh(A x)$ from n numbers to m, with 200 numbers between.

    Args:
        shapes: pairs (n, m).
        repeats: of which the median is taken.

    Returns:
        A row a shape: seconds of f, the sweeps as multiples of f, and seconds of the Jacobian
        column by column (`jax.jacfwd`) and row by row (`jax.jacrev`).
    """
    rows = []
    for n, m in shapes:
        a, b = (np.random.default_rng(0).normal(size=size) for size in ((200, n), (m, 200)))
        x, u, v = np.ones(n), np.ones(n), np.ones(m)

        def f(x: Any, a: Any = a, b: Any = b) -> Any:
            return b @ jnp.tanh(a @ x)

        programs = (
            f,
            lambda x, f=f, u=u: jax.jvp(f, (x,), (u,)),
            lambda x, f=f, v=v: jax.vjp(f, x)[1](v),
            jax.jacfwd(f),
            jax.jacrev(f),
        )
        took = []
        for program in programs:
            compiled = jax.jit(program)
            took.append(seconds(lambda g=compiled, x=x: g(x), repeats))
        rows.append((n, m, took[0], took[1] / took[0], took[2] / took[0], took[3], took[4]))
    columns = (
        "n", "m", "run seconds", "forward sweep", "reverse sweep", "jacfwd seconds",
        "jacrev seconds",
    )  # fmt: skip
    caption = "Sweeps as multiples of the function; run seconds without compilation."
    return Table(columns, tuple(rows), caption)


def reverse_memory(lengths: Sequence[int] = LENGTHS) -> Table:
    """Temporary memory of a gradient through a loop, by the loop's length.

    The compiled program's own analysis, not a measurement: what a run keeps between the forward
    and the backward sweep.

    Args:
        lengths: of the loop, squares of whole numbers.

    Returns:
        A row a length: bytes with everything kept, with the loop's state kept at every step and the
        rest computed again (`jax.checkpoint`), and with the state kept at every square root of the
        length only.
    """
    rows = []
    for length in lengths:
        plain, step, segment = (
            _temporary_bytes(lambda x, f=form, length=length: f(x, length))
            for form in (_kept, _again_by_step, _again_by_segment)
        )
        rows.append((length, plain, step, segment))
    columns = ("length", "all kept", "states kept", "few states kept")
    return Table(columns, tuple(rows), "Bytes of temporary memory of one gradient.")


def _step(x: Any, _: Any = None) -> tuple[Any, None]:
    for _ in range(4):
        x = jnp.sin(x) * jnp.cosh(x / 3)
    return x, None


def _kept(x: Any, length: int) -> Any:
    return jnp.sum(jax.lax.scan(_step, x, None, length)[0])


def _again_by_step(x: Any, length: int) -> Any:
    return jnp.sum(jax.lax.scan(jax.checkpoint(_step), x, None, length)[0])


def _again_by_segment(x: Any, length: int) -> Any:
    inner = round(length**0.5)
    if inner**2 != length:
        raise ValueError(f"expected a length that is a square, got {length}")

    @jax.checkpoint
    def segment(x: Any, _: Any) -> tuple[Any, None]:
        return jax.lax.scan(jax.checkpoint(_step), x, None, inner)[0], None

    return jnp.sum(jax.lax.scan(segment, x, None, inner)[0])


def _temporary_bytes(f: Callable[[Any], Any]) -> int:
    analysis = jax.jit(jax.grad(f)).lower(jnp.ones(STATE)).compile().memory_analysis()
    assert analysis is not None, "this device's compiler tells no memory"
    return int(analysis.temp_size_in_bytes)


def realizations(f: Callable[..., Any], *args: float, repeats: int = REPEATS) -> Table:
    """Lines of code, and seconds a gradient, of the realizations for one program.

    Args:
        f: a program of numbers that `source.transform` accepts, whose functions are jaxmix.dual's.
        *args: numbers at which to run it.
        repeats: of which the median is taken.

    Returns:
        A row a realization: lines of the program that it runs, seconds before the first gradient
        (to transform, or to compile) and seconds a gradient; empty where the program does not run
        on the numbers that the realization needs.

    Raises:
        SourceError: for a program that cannot be transformed.
    """
    inputs, floats = range(len(args)), [float(arg) for arg in args]

    def all_tangents(derivative: Callable[..., Any]) -> list[float]:
        return [derivative(*args, *(float(i == j) for j in inputs))[1] for i in inputs]

    def compiled() -> Any:
        return jax.jit(jax.grad(lambda a: f(*a))).lower(floats).compile()

    forward, forward_seconds = _once(lambda: transform(f))
    reverse, reverse_seconds = _once(lambda: transform(f, "reverse"))
    by_jax, jax_seconds = _once(compiled)
    recorded, _ = _once(lambda: trace(f, *args))
    rows = (
        ("forward source", _lines(forward.source), forward_seconds, lambda: all_tangents(forward)),
        ("reverse source", _lines(reverse.source), reverse_seconds, lambda: reverse(*args)),
        ("dual numbers", None, None, lambda: dual.gradient(f)(*args)),
        ("graph", recorded and len(recorded.lines), None, lambda: trace(f, *args).gradient),
        ("jax.grad", None, jax_seconds, lambda: by_jax(floats)),
    )
    timed = tuple((*row[:3], _seconds_or_none(row[3], repeats)) for row in rows)
    columns = ("program", "lines", "compile seconds", "run seconds")
    caption = "Lines, seconds to transform or to compile, and seconds a gradient."
    return Table(columns, timed, caption)


def _lines(text: str) -> int:
    return len(text.splitlines())


def _once(make: Callable[[], Any]) -> tuple[Any, float | None]:
    """What is made and the seconds it took, or nothing where the program does not run so."""
    began = time.perf_counter()
    try:
        return make(), time.perf_counter() - began
    except TypeError:
        return None, None


def _seconds_or_none(run: Callable[[], Any], repeats: int) -> float | None:
    try:
        return seconds(run, repeats)
    except TypeError:
        return None
