"""Methods: one algorithm a file, each hyperparameters with `init`, `step` and `finish`."""

from jaxmix.methods.base import Cost, Info, Method
from jaxmix.methods.daarem import DAAREM
from jaxmix.methods.em import EM
from jaxmix.methods.gradient import GradientAscent
from jaxmix.methods.hybrid import Hybrid
from jaxmix.methods.incremental import IncrementalEM
from jaxmix.methods.natural import NaturalGradient
from jaxmix.methods.newton import Newton
from jaxmix.methods.online import OnlineEM
from jaxmix.methods.squarem import SQUAREM
from jaxmix.methods.stochastic import StochasticGradient

__all__ = [
    "DAAREM",
    "EM",
    "SQUAREM",
    "Cost",
    "GradientAscent",
    "Hybrid",
    "IncrementalEM",
    "Info",
    "Method",
    "NaturalGradient",
    "Newton",
    "OnlineEM",
    "StochasticGradient",
]
