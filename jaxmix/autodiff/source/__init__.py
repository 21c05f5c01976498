"""Automatic differentiation by source transformation: the derivative is a program to read.

`transform` reads the Python source of a function and writes the source of its derivative, in the
forward or the reverse mode that `notes/autodiff.md` derives.
"""

from jaxmix.autodiff.source.grammar import SourceError
from jaxmix.autodiff.source.transform import MODES, Derivative, transform

__all__ = ["MODES", "Derivative", "SourceError", "transform"]
