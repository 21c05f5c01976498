"""Automatic differentiation from the inside: differences, source transformation, graphs.

Three realizations of one idea beside `jaxmix.dual`, and what they are measured against
(notes/autodiff.md).
"""

from jaxmix.autodiff import (
    accuracy,
    applications,
    costs,
    differences,
    graph,
    likelihood,
    source,
    studies,
    symbolic,
)

__all__ = [
    "accuracy",
    "applications",
    "costs",
    "differences",
    "graph",
    "likelihood",
    "source",
    "studies",
    "symbolic",
]
