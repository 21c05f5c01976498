"""What a run leaves behind becomes a `FitResult`: its trace, joined, and its last mixture."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxmix.loop import Closing, Loop, Trace
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.problem import Terms
from jaxmix.result import FitResult
from jaxmix.stopping import Stop


def start_trace(loop: Loop) -> Trace:
    """The trace of a run before its first step: one entry."""
    return Trace(*_as_columns((loop.evaluation.objective, loop.evaluation.gap, loop.cost.passes)))


@jax.jit
def _as_columns(values: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(jnp.atleast_1d(value) for value in values)


def joined(traces: list[Trace]) -> Trace:
    """One trace of several that follow each other."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *traces)


def corrected(traces: list[Trace], last: Trace) -> Trace:
    """The trace of a run whose last step has been evaluated anew, to these numbers."""
    return joined([jax.tree.map(lambda column: column[:-1], joined(traces)), last])


def result_trace(result: FitResult) -> Trace:
    """The trace that an earlier result holds."""
    history = (result.history, result.gap_history, result.pass_history)
    return Trace(*(jnp.asarray(column) for column in history))


def blanked(trace: Trace, num_steps: Array) -> Trace:
    """A trace whose entries past the last step are NaN, or the last count."""
    past = jnp.arange(trace.objective.shape[-1]) >= num_steps
    return Trace(
        jnp.where(past, jnp.nan, trace.objective), jnp.where(past, jnp.nan, trace.gap), trace.passes
    )


def assemble(
    terms: Terms,
    method: Method,
    stop: Stop,
    loop: Loop,
    closing: Closing,
    trace: Trace,
    path: dict[int, Mixture] | None = None,
    columns: tuple[str, ...] = (),
) -> FitResult:
    """The result of a run that has ended."""
    path = {} if path is None else path
    return FitResult(
        mixture=closing.mixture,
        objective=loop.evaluation.objective,
        log_likelihood=closing.log_likelihood,
        gap=loop.evaluation.gap,
        gradient_norm=closing.gradient_norm,
        history=trace.objective,
        gap_history=trace.gap,
        pass_history=trace.passes,
        num_steps=loop.num_steps,
        code=loop.code,
        cost=loop.cost,
        total=terms.total,
        path=jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *path.values())
        if path
        else None,
        path_steps=tuple(path),
        state=loop,
        method=method,
        stop=stop,
        columns=columns,
        fixed=terms.fixed,
        form=terms.form,
    )
