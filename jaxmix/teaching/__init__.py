"""What an instructor shows of mixtures and EM, and what checks students' exercises.

notes/teaching.md builds a lecture from it. Modules load on first use, so that a student's process
imports only NumPy.
"""

from importlib import import_module
from typing import Any

_FUNCTIONS = ("check", "check_file")
_MODULES = ("bounds", "clusters", "demonstrations", "exercises", "means_only", "mixtures")

__all__ = sorted([*_FUNCTIONS, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module("jaxmix.teaching.exercises"), name)
    if name in _MODULES:
        return import_module(f"jaxmix.teaching.{name}")
    raise AttributeError(f"module 'jaxmix.teaching' has no attribute {name!r}")
