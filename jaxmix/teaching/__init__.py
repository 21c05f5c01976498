"""What an instructor shows of mixtures and EM, and what checks students' exercises.

notes/teaching.md builds a lecture from it. Modules load on first use, so that a student's process
imports only NumPy.
"""

from importlib import import_module
from typing import Any

_MODULE_OF = {"check": "exercises", "check_file": "exercises", "quantize": "quantizing"}
_MODULES = ("bounds", "clusters", "demonstrations", "exercises", "means_only", "mixtures")

__all__ = sorted([*_MODULE_OF, *_MODULES, "quantizing"])


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"jaxmix.teaching.{_MODULE_OF[name]}"), name)
    if name in __all__:
        return import_module(f"jaxmix.teaching.{name}")
    raise AttributeError(f"module 'jaxmix.teaching' has no attribute {name!r}")
