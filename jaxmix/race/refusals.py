"""What statistics of comparisons ask of the numbers they are given; messages name the entry."""

from typing import Any

import numpy as np


def as_costs(values: Any, name: str, shape: str) -> np.ndarray:
    """Check numbers >= 0, inf among them; raises ValueError for others."""
    costs = as_numbers(values, name, shape)
    refuse(~(costs >= 0), costs, name, "costs >= 0")
    return costs


def as_numbers(values: Any, name: str, shape: str) -> np.ndarray:
    """Floats with as many dimensions as the shape names, such as "runs g"; ValueError if not."""
    array = np.asarray(values, float)
    if array.ndim != len(shape.split()):
        raise ValueError(f"expected {name} of shape [{shape}], got {list(array.shape)}")
    return array


def refuse(bad: np.ndarray, array: np.ndarray, name: str, expected: str) -> None:
    """Raise ValueError that names the first bad entry, if there is one."""
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        place = ", ".join(map(str, at))
        raise ValueError(f"expected {expected}, got {name}[{place}] = {array[at]:g}")


def check_lengths(one: np.ndarray, other: np.ndarray, name: str, other_name: str) -> None:
    """Raise ValueError unless there are as many of both."""
    if len(one) != len(other):
        counts = f"{len(one)} and {len(other)}"
        raise ValueError(f"expected as many {name} as {other_name}, got {counts}")
