"""Least squares on basis functions, by QR, as a linear smoother.

notes/density.md, eq. 17 to 19.
"""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from jaxmix.density.smoothers import Smoother, read_points, read_response, read_rows
from jaxmix.inputs import as_count

Function = Callable[[Array], Any]


class Polynomials(eqx.Module):
    """Chebyshev polynomials on the data's range: all polynomials of a degree, well conditioned."""

    center: Float[Array, ""]
    half_range: Float[Array, ""]
    degree: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, "m d"]) -> Float[Array, "m p"]:
        """Every polynomial at every row: $T_0 = 1$, $T_1 = u$, $T_{j+1} = 2 u T_j - T_{j-1}$."""
        u = (x[:, 0] - self.center) / self.half_range
        columns = [jnp.ones_like(u), u]
        while len(columns) <= self.degree:
            columns.append(2 * u * columns[-1] - columns[-2])
        return jnp.stack(columns[: self.degree + 1], axis=1)


class Functions(eqx.Module):
    """A user's own functions, of a vector [m] where x has one column, of [m d] otherwise."""

    functions: tuple[Function, ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "m d"]) -> Float[Array, "m p"]:
        """Every function at every row; a constant counts for all rows."""
        argument = x[:, 0] if x.shape[1] == 1 else x
        columns = [jnp.asarray(function(argument), x.dtype) for function in self.functions]
        for function, column in zip(self.functions, columns, strict=True):
            if column.shape not in ((), (len(x),)):
                name = getattr(function, "__name__", repr(function))
                raise ValueError(
                    f"basis function {name} must return one value a row, [{len(x)}], got "
                    f"{column.shape}; it is called with {argument.shape}"
                )
        return jnp.stack([jnp.broadcast_to(column, len(x)) for column in columns], axis=1)


class LeastSquares(Smoother):
    """The combination of basis functions closest to the observed values."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    basis: Polynomials | Functions
    q: Float[Array, "n p"]
    r: Float[Array, "p p"]

    @property
    def coefficients(self) -> Float[Array, " p"]:
        """What multiplies each basis function; for a degree these are Chebyshev polynomials."""
        return solve_triangular(self.r, self.q.T @ self.y)

    @property
    def loo_score(self) -> Float[Array, ""]:
        """Mean squared error of each value predicted from the others.

        Infinite where a row alone determines a coefficient, so that without it there is no fit.
        """
        leverages = jnp.sum(self.q**2, axis=1)
        alone = 1 - leverages <= len(self.x) * jnp.finfo(self.x.dtype).eps
        residuals = self.y - self.q @ (self.q.T @ self.y)
        left_out = jnp.where(alone, jnp.inf, residuals / jnp.where(alone, 1.0, 1 - leverages))
        return jnp.mean(left_out**2)

    def predict(self, x: Any) -> Float[Array, " m"]:
        """The fitted function at every row of x [m d]."""
        return self.basis(read_points(x, self.x)) @ self.coefficients

    def smoother(self, x: Any) -> Float[Array, "m n"]:
        r"""Weights $l(x)^\top = \phi(x)^\top R^{-1} Q^\top$."""
        features = self.basis(read_points(x, self.x))
        return solve_triangular(self.r, features.T, trans="T").T @ self.q.T


def least_squares(x: Any, y: Any, basis: int | Sequence[Function] = 1) -> LeastSquares:
    r"""The fit $\hat y(x) = \phi(x)^\top c$ with the least $\sum_i (y_i - \phi(x_i)^\top c)^2$.

    Args:
        x: data [n d], or anything that `fit` takes.
        y: the values [n] observed there.
        basis: the degree of a polynomial in one column, 1 when left out (a line), or a list of
            functions written with jax.numpy, each of which takes x ([m], or [m d] where d > 1) and
            returns [m].

    Returns:
        A `LeastSquares` with `.coefficients`, `.loo_score`, `.predict(x)` and `.smoother(x)`.

    Raises:
        ValueError, TypeError: for bad data, a basis that is neither, or functions that are linearly
            dependent on these rows, as any n + 1 functions are.

    Examples:
        >>> import jax.numpy as jnp, jaxmix as jm
        >>> line = jm.density.least_squares([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
        >>> [round(float(value), 6) for value in line.predict([3.0])]
        [7.0]
        >>> waves = jm.density.least_squares([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [jnp.sin, jnp.cos])
        >>> waves.smoother([0.0]).shape
        (1, 3)

    Source: Allen (1974), Technometrics 16, for the score; notes/density.md, eq. 17 to 19.
    """
    rows = read_rows(x)
    values = read_response(y, rows)
    functions = as_basis(basis, rows)
    q, r = jnp.linalg.qr(functions(rows))
    check_independent(np.asarray(r), len(rows), len(functions(rows[:1])[0]))
    return LeastSquares(rows, values, functions, q, r)


def as_basis(basis: Any, x: Float[Array, "n d"]) -> Polynomials | Functions:
    """Basis functions from a degree or a list of functions."""
    if isinstance(basis, list | tuple):
        if not basis or not all(callable(function) for function in basis):
            raise TypeError("basis must be a degree or a list of functions of x, got other entries")
        return Functions(tuple(basis))
    degree = as_count(basis, "basis, a degree or a list of functions", least=0)
    if x.shape[1] != 1:
        raise ValueError(
            f"a degree is for one column, x has {x.shape[1]}; give a list of functions of x [m d]"
        )
    low, high = jnp.min(x), jnp.max(x)
    half_range = jnp.where(high > low, (high - low) / 2, 1.0).astype(x.dtype)
    return Polynomials((low + high) / 2, half_range, degree)


def check_independent(r: np.ndarray, n: int, p: int) -> None:
    """Raise where the functions do not determine their coefficients on these rows."""
    if not np.isfinite(r).all():
        raise ValueError("a basis function is NaN or infinite at a row of x; leave it out")
    sizes = np.linalg.norm(r, axis=0)
    scaled = r / np.where(sizes > 0, sizes, 1.0)
    if n < p or np.linalg.svd(scaled, compute_uv=False).min() < n * np.finfo(r.dtype).eps:
        raise ValueError(
            f"the {p} basis functions are linearly dependent on these {n} rows; use fewer of them, "
            "a lower degree or more data"
        )
