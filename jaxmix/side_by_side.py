"""Programs of one thread each, run at once on the processors that are there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax


def side_by_side(function: Callable[..., Any], *given: list[Any]) -> list[Any]:
    """What `map` gives, every call in a thread of its own where there are several."""
    if len(given[0]) == 1:
        return list(map(function, *given))
    double = jax.config.read("jax_enable_x64")

    def call(*arguments: Any) -> Any:
        # The switch may be the calling thread's own.
        with jax.enable_x64(double):
            return jax.block_until_ready(function(*arguments))

    with ThreadPoolExecutor(len(given[0])) as pool:
        return list(pool.map(call, *given))
