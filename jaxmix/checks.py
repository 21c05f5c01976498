"""What `fit` asks of its arguments before anything is compiled; every message says what to do."""

from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike

from jaxmix.families import Family
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.prior import Prior, check_penalty
from jaxmix.stopping import Stop
from jaxmix.suggestions import unknown


def check_columns(start: Any, d: int) -> None:
    """Raise unless `start` is a mixture of the data's columns."""
    if not isinstance(start, Mixture):
        raise TypeError(
            f"start must be a Mixture, got {type(start).__name__}; jaxmix.initialize makes one"
        )
    columns = start.family.shape[1]
    if columns != d:
        raise ValueError(f"the start has {columns} columns, the data have {d}")


def check_start(start: Mixture, total: float) -> None:
    """Raise unless a mixture is finite and has no more components than the data observations."""
    if any(not np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(start)):
        raise ValueError("the start must be finite with positive weights, got NaN or infinity")
    check_k(start.family.shape[0], total)


def check_penalty_of(family: Family, prior: Prior | None, ridge: ArrayLike) -> None:
    """Raise for a prior or a ridge that no fit of this family can use."""
    check_penalty(prior, ridge, family.shape[1], family.parts)
    mean = None if prior is None else prior.mean
    if mean is not None and not isinstance(mean, Tracer):
        family.check_prior_mean(np.broadcast_to(np.asarray(mean, float), family.shape[1]))


def check_k(k: Any, total: float) -> None:
    """Raise unless k is a number of components that the observations can carry."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise TypeError(f"k must be a whole number, got {k!r}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if k > total:
        raise ValueError(f"k={k} components, but only {total:g} observations; use a smaller k")


def check_method(method: Any, stop: Any) -> None:
    """Raise unless method and stop are objects of their kinds."""
    if isinstance(method, type) and issubclass(method, Method):
        raise TypeError(f"method must be an object; write {method.__name__}()")
    if not isinstance(method, Method):
        raise TypeError(f"method must be a jaxmix Method such as EM(), got {method!r}")
    if not isinstance(stop, Stop):
        raise TypeError(f"stop must be a jaxmix.Stop, got {stop!r}")


def check_fixed(fixed: tuple[str, ...], family: Family) -> None:
    """Raise unless `fixed` names parts of the mixture and leaves at least one free."""
    parts = ("weights", *family.parts)
    for name in fixed:
        if name not in parts:
            raise unknown("part to fix", name, parts)
    if set(parts) <= set(fixed):
        raise ValueError("every part is fixed; nothing is left to fit")
