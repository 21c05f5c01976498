"""What an instructor shows of mixtures and EM, and what checks students' exercises.

notes/teaching.md builds a lecture from it. Modules load on first use, so that a student's process
imports only NumPy.
"""

from itertools import chain

from jaxmix.first_use import on_first_use

_HOMES = {"exercises": ("check", "check_file"), "quantizing": ("quantize",)}
_MODULES = (
    *("bounds", "clusters", "demonstrations", "exercises", "means_only", "mixtures"),
    "quantizing",
)

__all__ = sorted([*chain(*_HOMES.values()), *_MODULES])

__getattr__ = on_first_use(__name__, _HOMES, _MODULES)
