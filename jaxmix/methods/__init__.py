"""Methods: one algorithm a file, each hyperparameters with `init`, `step` and `finish`."""

from jaxmix.methods.base import Cost, Info, Method
from jaxmix.methods.em import EM
from jaxmix.methods.gradient import GradientAscent

__all__ = ["EM", "Cost", "GradientAscent", "Info", "Method"]
