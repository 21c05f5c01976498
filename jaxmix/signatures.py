"""What tells a method from others in another process: its settings, and local functions by code.

A function of a module goes by its name. A local one, such as a ready optimizer or a learning rate's
schedule, shares its name with all that its factory makes: it goes by its code and what it captured.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import equinox as eqx
import numpy as np

from jaxmix.methods import Method


def signature(method: Method) -> str:
    """The method with its settings, and a digest of all its parts where a function is local."""
    written = _written(method)
    if not re.search("<locals>|<lambda>", written):
        return written
    parts = "\n".join(_told(method, frozenset()))
    return f"{written} by functions {hashlib.sha256(parts.encode()).hexdigest()[:16]}"


def _written(value: Any) -> str:
    with np.printoptions(floatmode="unique", threshold=10**6):
        written = eqx.tree_pformat(value, width=10**6, short_arrays=False)
    return re.sub(r" at 0x[0-9a-f]+", "", written)


def _told(value: Any, around: frozenset[int]) -> Iterator[str]:
    """Every part of a value in words; one that is `around` itself is told once."""
    if id(value) in around:
        return
    parts = _parts(value)
    if parts is None:
        yield _written(value)
        return
    yield type(value).__name__
    for part in parts:
        yield from _told(part, around | {id(value)})


def _parts(value: Any) -> Iterable[Any] | None:
    """What a value is made of, where local functions may be in it."""
    if isinstance(value, FunctionType) and "<" in value.__qualname__:
        return value.__qualname__, value.__code__, value.__defaults__, _captured(value)
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, value.co_consts
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, eqx.Module):
        return vars(value).values()
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    return value if isinstance(value, tuple | list) else None


def _captured(function: FunctionType) -> list[Any]:
    captured = []
    for cell in function.__closure__ or ():
        try:
            captured.append(cell.cell_contents)
        except ValueError:  # nothing is in it yet
            continue
    return captured
