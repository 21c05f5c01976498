"""One integer seed becomes named streams of random numbers: no use shifts another."""

import jax
from jax.core import Tracer
from jaxtyping import ArrayLike, PRNGKeyArray

from jaxmix.inputs import as_count

STREAMS = ("data", "start", "method", "batches", "sample", "bootstrap")


def stream(seed: ArrayLike, name: str) -> PRNGKeyArray:
    """The key of a named stream of this seed; raises unless it is a whole number >= 0."""
    if not isinstance(seed, Tracer) and as_count(seed, "seed", least=0) >= 2**63:
        raise ValueError(f"seed must be below 2**63, got {seed}")
    return jax.random.fold_in(jax.random.key(seed), STREAMS.index(name))
