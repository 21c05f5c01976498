"""What automatic differentiation says about a fit: information, standard errors, rates, identities,
and what each observation does to it.

Nothing here is derived by hand: observed information is a Hessian, the rate of EM an eigenvalue of
the Jacobian of one of its steps. notes/standard-errors.md, notes/rates.md and
notes/em-as-gradient.md say which.
"""

from jaxmix.inference.curvature import information
from jaxmix.inference.identities import (
    Identity,
    fisher,
    louis,
    oakes,
    responsibilities_gradient,
)
from jaxmix.inference.observations import (
    Influence,
    LeaveOneOut,
    infinitesimal_jackknife,
    influence,
    leave_one_out,
)
from jaxmix.inference.preconditioner import em_preconditioner
from jaxmix.inference.rates import em_jacobian, em_rate, missing_information, predict_steps
from jaxmix.inference.resampling import Bootstrap, bootstrap
from jaxmix.inference.steps_as_gradients import gap_metric, mirror_descent, natural_gradient
from jaxmix.inference.uncertainty import (
    StandardErrors,
    delta_method,
    newton_decrement,
    standard_errors,
)

__all__ = [
    "Bootstrap",
    "Identity",
    "Influence",
    "LeaveOneOut",
    "StandardErrors",
    "bootstrap",
    "delta_method",
    "em_jacobian",
    "em_preconditioner",
    "em_rate",
    "fisher",
    "gap_metric",
    "infinitesimal_jackknife",
    "influence",
    "information",
    "leave_one_out",
    "louis",
    "mirror_descent",
    "missing_information",
    "natural_gradient",
    "newton_decrement",
    "oakes",
    "predict_steps",
    "responsibilities_gradient",
    "standard_errors",
]
