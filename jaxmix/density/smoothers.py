"""What every nonparametric estimate is: a weighted sum over the rows that it was fitted to.

notes/density.md, eq. 1 and 2; also how these estimates read data and a positive number.
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from jaxmix.inputs import as_matrix
from jaxmix.mixture import as_rows
from jaxmix.precision import to_jax

BLOCK = 256
"""Rows evaluated at a time, so that no array of all rows by all rows is ever held."""


class Smoother(eqx.Module):
    r"""An estimate $\hat y(x) = \sum_i l_i(x) y_i$; a density has $y_i = 1$."""

    @property
    @abc.abstractmethod
    def loo_score(self) -> Float[Array, ""]:
        """The leave-one-out score; lower is better."""

    @abc.abstractmethod
    def predict(self, x: Any) -> Float[Array, " m"]:
        """The estimate at every row of x [m d] (or [m], one column)."""

    @abc.abstractmethod
    def smoother(self, x: Any) -> Float[Array, "m n"]:
        """The weights $l_i(x)$ of the n fitted rows at every row of x."""


def read_rows(x: Any, least: int = 2) -> Float[Array, "n d"]:
    """Rows to fit, of which leaving one out must keep some."""
    rows = to_jax(as_matrix(x)[0])
    if len(rows) < least:
        raise ValueError(
            f"expected at least {least} rows of x, got {len(rows)}: leaving one out must keep "
            "enough to estimate from; give more data"
        )
    return rows


def read_response(y: Any, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """The values observed at the rows of x, in their precision."""
    response = as_matrix(y, "y")[0]
    if response.shape != (len(x), 1):
        raise ValueError(f"expected {len(x)} values of y, one a row of x, got {np.shape(y)}")
    return to_jax(response[:, 0].astype(x.dtype))


def read_points(x: Any, fitted: Float[Array, "n d"]) -> Float[Array, "m d"]:
    """Rows at which to evaluate, in the precision and the columns of the fitted ones."""
    points = as_rows(x, fitted.dtype)
    if points.shape[1] != fitted.shape[1]:
        raise ValueError(f"the estimate has {fitted.shape[1]} columns, x has {points.shape[1]}")
    return points


def read_positive(value: Any, name: str) -> float | Array:
    """A positive number; a traced one as it is."""
    if isinstance(value, Tracer):
        return value
    if isinstance(value, bool | str | bytes) or np.ndim(value) != 0 or value is None:
        raise TypeError(f"{name} must be a positive number, got {value!r}")
    if not 0 < float(value) < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {float(value):g}")
    return float(value)


def squares_in_bandwidths(
    x: Float[Array, "n d"], point: Float[Array, " d"], bandwidth: Float[Array, ""]
) -> Float[Array, " n"]:
    """Squared distances of all rows to a point, in bandwidths, and no larger than floats hold."""
    squares = (((x - point) / bandwidth) ** 2).sum(axis=1)
    return jnp.minimum(squares, jnp.finfo(x.dtype).max / 4)


def map_rows(function: Any, rows: Any) -> Any:
    """A function of one row over all rows, in blocks, whose derivative holds a block at most."""
    return jax.lax.map(jax.checkpoint(function), rows, batch_size=BLOCK)
