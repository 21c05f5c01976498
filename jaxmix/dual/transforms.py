"""Directional derivatives, Jacobians and Hessians, by sweeps of as many partials as fit the cache.

Beside `derivative` and `gradient` of core.py, which the lecture needs (notes/dual.md, eq. 11).
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxmix.dual.arrays import concatenate, moveaxis, reshape, shape, where
from jaxmix.dual.core import Dual, gradient, sweep

CHUNK = 64
"""Partials carried at once: more would outgrow the cache, fewer repeat the program more often."""


def jvp(
    f: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    strong_zero: bool = False,
) -> tuple[Any, Any]:
    """f and its derivative along one direction, by one run of f.

    Args:
        f: takes as many numbers or arrays as there are primals, returns one.
        primals: where.
        tangents: the direction; shapes as the primals'.
        strong_zero: whether a zero tangent stays 0 times an infinite slope, where it would be NaN.

    Returns:
        f(*primals), and the sum over the arguments of slope times tangent.

    Raises:
        TypeError: for tangents of other shapes.

    Examples:
        >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
        (np.float64(6.0), np.float64(3.0))
    """
    primals, tangents = [_array(x) for x in primals], [_array(t) for t in tangents]
    if [shape(x) for x in primals] != [shape(t) for t in tangents]:
        raise TypeError(
            f"tangents must have the shapes of the primals, {[shape(x) for x in primals]}, got "
            f"{[shape(t) for t in tangents]}; give one tangent for each argument"
        )
    times = _strong_times if strong_zero else operator.mul
    value, partials = _swept(f, primals, [t[None] for t in tangents], times)
    return value, partials[0]


def jacobian(f: Callable[[Any], Any], chunk: int = CHUNK) -> Callable[[Any], Any]:
    """All derivatives of an array by an array, in sweeps of `chunk` partials.

    Args:
        f: takes a number or an array x, returns a number or an array.
        chunk: partials carried at once.

    Returns:
        A function of x that gives df_i/dx_j, of shape [*f *x].

    Examples:
        >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
    """

    def jacobian_of_f(x: Any) -> Any:
        x = _array(x)
        n, sweeps = int(np.prod(shape(x))), []
        for first in range(0, max(n, 1), chunk):
            rows = np.eye(min(chunk, n - first), n, first)
            y, partials = _swept(f, [x], [rows.reshape(len(rows), *shape(x))])
            sweeps.append(partials)
        columns = moveaxis(concatenate(sweeps), 0, -1)
        return reshape(columns, (*shape(y), *shape(x)))

    return jacobian_of_f


def hessian(f: Callable[[Any], Any], chunk: int = CHUNK) -> Callable[[Any], Any]:
    """All second derivatives of a number by an array: the Jacobian of the gradient.

    Args:
        f: takes a number or an array x, returns a number.
        chunk: partials carried at once, on the outside.

    Returns:
        A function of x that gives d2f/dx_i dx_j, of shape [*x *x].

    Examples:
        >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0])).tolist()
        [[4.0, 2.0], [2.0, 0.0]]
    """
    return jacobian(gradient(f), chunk)


def _swept(f: Callable[..., Any], args: Any, seeds: Any, times: Any = operator.mul) -> Any:
    """As `sweep`, where a function's value must be an array."""
    y, partials = sweep(f, args, seeds, times)
    if callable(y):
        raise TypeError(
            f"expected a number or an array from the function, got {y!r}; see derivative"
        )
    return y, partials


def _array(x: Any) -> Any:
    """A number or an array of floats as one that has a shape."""
    x = x if hasattr(x, "shape") else np.asarray(x)
    return x * 1.0


def _strong_times(slope: Any, partials: Any) -> Any:
    return where(_vanishes(partials), 0.0, slope * partials)


def _vanishes(x: Any) -> Any:
    """Whether a number and all its perturbations are 0."""
    if isinstance(x, Dual):
        return _vanishes(x.value) & _vanishes(x.partials).all(0)
    return x == 0
