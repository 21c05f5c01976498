"""Plain values, as TOML and JSON give them, read into frozen dataclasses.

A key that no field has is an error with a suggestion, and so is a value of another type; a message
says where the value stands, as in "problems[2].k".
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from jaxmix.suggestions import unknown

Read = TypeVar("Read")


def read_into(kind: type[Read], values: Any, where: str = "") -> Read:
    """An instance of a dataclass from a mapping of its fields.

    Args:
        kind: a dataclass whose fields are str, bool, int, float, dict, dataclasses, tuples of one
            of these (`tuple[int, ...]`), or one of several types (`int | tuple[int, ...]`).
        values: a mapping, as a TOML reader returns it.
        where: the mapping's place, for messages.

    Raises:
        ValueError: for an unknown or a missing key, with the place.
        TypeError: for a value of another type.

    Examples:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class Budget:
        ...     passes: int
        >>> read_into(Budget, {"passes": 3})
        Budget(passes=3)
        >>> read_into(Budget, {"pases": 3}, "budget")
        Traceback (most recent call last):
        ValueError: unknown key of budget 'pases'; did you mean 'passes'? Known: passes
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{where or 'the file'} must be a table of keys, got {_shown(values)}")
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)  # type: ignore[arg-type]
    known = [field.name for field in fields]
    for key in values:
        if key not in known:
            raise unknown(f"key of {where}" if where else "key", key, known)
    for field in fields:
        if field.name not in values and _has_no_default(field):
            raise ValueError(f"{where or 'the file'} has no key {field.name!r}; add it")
    place = f"{where}." if where else ""
    return kind(**{key: _as(hints[key], value, place + key) for key, value in values.items()})


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _as(hint: Any, value: Any, where: str) -> Any:
    """A value as a type, which may be one of several."""
    if isinstance(hint, types.UnionType):
        for one in typing.get_args(hint):
            if _fits(one, value):
                return _as(one, value, where)
    if not _fits(hint, value):
        raise TypeError(f"{where} must be {_named(hint)}, got {_shown(value)}")
    if dataclasses.is_dataclass(hint):
        return read_into(hint, value, where)  # type: ignore[arg-type]
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_as(inner, one, f"{where}[{j}]") for j, one in enumerate(value))
    if hint is float and not math.isfinite(value):
        raise ValueError(f"{where} must be finite, got {value}")
    return float(value) if hint is float else value


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value is of a type as far as can be seen without looking into it."""
    if typing.get_origin(hint) is tuple:
        return isinstance(value, list | tuple)
    if typing.get_origin(hint) is dict or dataclasses.is_dataclass(hint):
        return isinstance(value, Mapping)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint is Any or (isinstance(hint, type) and isinstance(value, hint))


def _named(hint: Any) -> str:
    """A type in words."""
    if isinstance(hint, types.UnionType):
        return " or ".join(_named(one) for one in typing.get_args(hint) if one is not type(None))
    if typing.get_origin(hint) is tuple:
        return f"a list, each entry {_named(typing.get_args(hint)[0])}"
    words = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
    return words.get(hint, "a table of keys")


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
