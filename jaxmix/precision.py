"""Arrays in the precision of the data, as JAX's 64-bit switch allows it.

JAX turns float64 into float32 without a word while 64-bit mode is off; here it is said, once.
"""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

_said: list[bool] = []


def precision_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What JAX makes of this precision, with one warning a process where float64 is lost."""
    if dtype == np.float64 and not jax.config.read("jax_enable_x64") and not _said:
        _said.append(True)
        warnings.warn(
            "float64 data, but JAX's 64-bit mode is off: computing in float32. Put "
            'jax.config.update("jax_enable_x64", True) first, or pass float32 data to be silent',
            stacklevel=5,
        )
    return np.dtype(jax.dtypes.canonicalize_dtype(dtype))


def to_jax(values: np.ndarray) -> Array:
    """A NumPy array as a JAX array, in the precision that JAX makes of its own."""
    precision_of(values.dtype)
    # A copy to the device; `jnp.asarray` compiles a program for every new shape.
    return jax.device_put(values, may_alias=False)


def as_floats(leaf: Any) -> Array:
    """An array among a user's parameters, as floats; a traced one as it is."""
    if isinstance(leaf, Tracer) and jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    array = np.empty(0, object) if isinstance(leaf, Tracer) else np.asarray(leaf)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"theta must be nested arrays of numbers, got {leaf!r}")
    return to_jax(array if array.dtype.kind == "f" else array.astype(float))


def cast(tree: Any, dtype: Any) -> Any:
    """A module with every floating array in this precision."""

    def convert(leaf: Array) -> Array:
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(convert, tree)


def agree(one: Any, other: Any, dtype: Any) -> bool:
    """Whether two numbers may be one sum over the data, taken in different orders."""
    tolerance = 4096 * float(jnp.finfo(dtype).eps)
    return bool(np.isclose(one, other, rtol=tolerance, atol=0, equal_nan=True))
