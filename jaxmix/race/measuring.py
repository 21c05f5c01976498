"""What a study measures besides its races: a function of a user's file, on every problem.

The function is called with the opened problem (`.x`, `.table`, `.units`, `.start(seed,
precision)`), a seed and its settings, and returns a dictionary of numbers, texts, lists and arrays.
"""

import inspect
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxmix.race.execution import Found
from jaxmix.race.problems import Opened, function_of
from jaxmix.suggestions import unknown


def measured(config: Mapping[str, Any], problem: Opened, study_folder: Path) -> Found:
    """What a user's function says of a problem: arrays apart, the rest as plain values."""
    file, _, name = config["method"]["name"].rpartition(":")
    settings, function = config["method"]["settings"], function_of(study_folder / file, name)
    known = inspect.signature(function).parameters
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {name}", setting, known)
    began = time.perf_counter()
    said = function(problem, config["seed"], **settings)
    if not isinstance(said, Mapping):
        raise TypeError(f"{name} must return a dictionary, got {type(said).__name__}")
    arrays = {f"measured.{key}": v for key, v in said.items() if isinstance(v, np.ndarray)}
    for key, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name}: {key.removeprefix('measured.')} must hold numbers or texts")
    values = {str(key): _plain(v) for key, v in said.items() if not isinstance(v, np.ndarray)}
    json.dumps(values)  # raises where something is no plain value
    seconds = time.perf_counter() - began
    about = {"outcome": "MEASURED", "error": None, "measured": values, "seconds": seconds}
    return Found([], arrays, about)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value
