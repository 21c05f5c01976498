"""One integer seed becomes named streams of random numbers: no use shifts another."""

import jax
from jaxtyping import PRNGKeyArray

STREAMS = ("data", "start", "method", "batches", "sample")


def stream(seed: int, name: str) -> PRNGKeyArray:
    """The key of a named stream of this seed."""
    return jax.random.fold_in(jax.random.key(seed), STREAMS.index(name))
