"""Functions of whole arrays: shapes, sums, selections, and the methods that arrays have.

A linear map acts on the value and on every partial alike; partials have one axis more, in front
(notes/dual.md, eq. 7). Products and factorizations are in linalg.py.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxmix.dual.core import FUNCTIONS, Dual, Tag, exp, log

Shape = int | tuple[int, ...]


def opened(*args: Any) -> tuple[Tag | None, list[Any], list[Any]]:
    """The innermost perturbation among arguments, their values without it, and their partials.

    A partial is None where an argument does not carry the perturbation; there is no perturbation
    where all of them are plain, or where those that they carry have ended.
    """
    args = tuple(np.asarray(arg) if isinstance(arg, list) else arg for arg in args)
    tags = [arg.tag for arg in args if isinstance(arg, Dual)]
    if not tags:
        return None, list(args), [None] * len(args)
    tag = sorted(tags, key=lambda tag: tag.number)[-1]
    mine = [isinstance(arg, Dual) and arg.tag is tag for arg in args]
    values = [arg.value if own else arg for arg, own in zip(args, mine)]
    if not tag.alive:
        return opened(*values)
    return tag, values, [arg.partials if own else None for arg, own in zip(args, mine)]


def home_of(*args: Any) -> Any:
    """The library of plain arguments: jax.numpy where one is a jax array, else NumPy."""
    homes = [arg.__array_namespace__() for arg in args if hasattr(arg, "__array_namespace__")]
    return next((home for home in homes if home is not np), np)


def shape(x: Any) -> tuple[int, ...]:
    """The shape of a number, an array, a list or a dual number."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


def aligned(partials: Any, rank: int) -> Any:
    """Partials whose axes after the first broadcast as those of a value of this rank do."""
    missing = rank + 1 - len(shape(partials))
    return partials[(slice(None), *[None] * missing)] if missing else partials


def _linear(name: str, on_partials: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's linear map of this name; `on_partials(partials, value, ...)` leaves axis 0 alone.

    The parameters of `on_partials` are those that dual numbers take: others raise in its name.
    """
    on_partials.__qualname__ = name

    def function(x: Any, *args: Any, **options: Any) -> Any:
        tag, (x,), (partials,) = opened(x)
        if tag is None:
            return getattr(home_of(x), name)(x, *args, **options)
        value = function(x, *args, **options)
        return Dual(value, on_partials(partials, value, *args, **options), tag)

    function.__name__ = name
    return FUNCTIONS.setdefault(name, function)


def _after(axis: Any) -> Any:
    """An axis of the value as an axis of the partials."""
    if isinstance(axis, tuple | list | range):
        return tuple(_after(one) for one in axis)
    return axis if axis < 0 else axis + 1


def _as_value(partials: Any, value: Any) -> Any:
    return reshape(partials, (len(partials), *shape(value)))


def _axes(rank: int, axis: Any) -> Any:
    return tuple(range(rank)) if axis is None else axis


def _each_sum(partials: Any, value: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return sum(partials, axis=_after(_axes(len(shape(partials)) - 1, axis)), keepdims=keepdims)


def _each_mean(partials: Any, value: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mean(partials, axis=_after(_axes(len(shape(partials)) - 1, axis)), keepdims=keepdims)


def _each_transpose(partials: Any, value: Any, axes: Any = None) -> Any:
    axes = range(len(shape(value)))[::-1] if axes is None else axes
    return transpose(partials, (0, *(axis % len(shape(value)) + 1 for axis in axes)))


def _each_cumsum(partials: Any, value: Any, axis: int | None = None) -> Any:
    if axis is None:
        return cumsum(_as_value(partials, value), 1)
    return cumsum(partials, _after(axis))


def _each_broadcast(partials: Any, value: Any, *args: Any, **options: Any) -> Any:
    return broadcast_to(aligned(partials, len(shape(value))), (len(partials), *shape(value)))


reshape = _linear("reshape", lambda p, value, shape: _as_value(p, value))
ravel = _linear("ravel", lambda p, value: _as_value(p, value))
squeeze = _linear("squeeze", lambda p, value, axis=None: _as_value(p, value))
expand_dims = _linear("expand_dims", lambda p, value, axis: _as_value(p, value))
sum = _linear("sum", _each_sum)
mean = _linear("mean", _each_mean)
cumsum = _linear("cumsum", _each_cumsum)
transpose = _linear("transpose", _each_transpose)
moveaxis = _linear(
    "moveaxis",
    lambda p, value, source, destination: moveaxis(p, _after(source), _after(destination)),
)
swapaxes = _linear(
    "swapaxes", lambda p, value, axis1, axis2: swapaxes(p, _after(axis1), _after(axis2))
)
broadcast_to = _linear("broadcast_to", _each_broadcast)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; the partials are taken, never multiplied by 0."""
    while isinstance(condition, Dual):
        condition = condition.value
    tag, values, partials = opened(x, y)
    if tag is None:
        return home_of(condition, *values).where(condition, *values)
    value = where(condition, *values)
    rank, given = len(shape(value)), next(p for p in partials if p is not None)
    chosen = where(condition, *(0.0 if p is None else aligned(p, rank) for p in partials))
    return Dual(value, broadcast_to(chosen, (len(given), *shape(value))), tag)


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an axis, or flat without one; dual numbers among them or not."""
    if axis is None:
        return concatenate([ravel(array) for array in arrays])
    tag, values, partials = opened(*arrays)
    if tag is None:
        return home_of(*values).concatenate(values, axis)
    given = next(p for p in partials if p is not None)
    every = [
        np.zeros((len(given), *shape(v)), given.dtype) if p is None else p
        for v, p in zip(values, partials)
    ]
    return Dual(concatenate(values, axis), concatenate(every, _after(axis)), tag)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Numbers or arrays of one shape, along a new axis."""
    return concatenate([_new_axis(array, axis) for array in arrays], axis)


def _new_axis(x: Any, axis: int) -> Any:
    return expand_dims(x if hasattr(x, "shape") else np.asarray(x), axis)


def prod(x: Any, axis: int | None = None) -> Any:
    """The product along an axis, factor by factor: its slopes are right where a factor is 0."""
    x = ravel(x) if axis is None else moveaxis(x, axis, 0)
    result = ones_like(sum(x, axis=0))
    for factor in x:
        result = result * factor
    return result


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest entry along an axis; equal ones share the slope."""
    return _extreme("max", x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest entry along an axis; equal ones share the slope."""
    return _extreme("min", x, axis, keepdims)


def _extreme(name: str, x: Any, axis: Any, keepdims: bool) -> Any:
    tag, (x,), (partials,) = opened(x)
    if tag is None:
        return getattr(home_of(x), name)(x, axis=axis, keepdims=keepdims)
    hits, axes = x == _extreme(name, x, axis, True), _axes(len(shape(x)), axis)
    shared = sum(where(hits, partials, 0.0), axis=_after(axes), keepdims=keepdims)
    count = hits.sum(axis=axes, keepdims=keepdims).astype(shared.dtype)
    return Dual(_extreme(name, x, axis, keepdims), shared / count, tag)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) along an axis, without overflow."""
    largest = x
    while isinstance(largest, Dual):
        largest = largest.value
    largest = max(largest, axis=axis, keepdims=True)
    largest = where(abs(largest) < np.inf, largest, 0.0)
    total = log(sum(exp(x - largest), axis=axis, keepdims=keepdims))
    return total + reshape(largest, shape(total))


def zeros_like(x: Any) -> Any:
    """Zeros with the shape of x, and its perturbation: where a loop's carry starts."""
    tag, (x,), (partials,) = opened(x)
    return (
        home_of(x).zeros_like(x) if tag is None else Dual(zeros_like(x), zeros_like(partials), tag)
    )


def ones_like(x: Any) -> Any:
    """Ones with the shape of x, and its perturbation."""
    return zeros_like(x) + 1.0


for _function in (where, concatenate, stack, prod, max, min, logsumexp, zeros_like, ones_like):
    FUNCTIONS[_function.__name__] = _function
FUNCTIONS |= {"amax": max, "amin": min, "shape": shape}
FUNCTIONS |= {"ndim": lambda x: len(shape(x)), "size": lambda x: math.prod(shape(x))}
