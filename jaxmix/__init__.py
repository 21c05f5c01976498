"""jaxmix: one mixture model, fitted by EM and by gradient ascent, compared fairly.

Public names load their modules on first use, so that importing the package costs nothing; the
contract is the table below.
"""

from itertools import chain

from jaxmix.first_use import on_first_use

__version__ = "0.1.0"

_HOMES = {
    "mixture": ("Mixture",),
    "constructors": (
        "bernoulli_mixture",
        "categorical_mixture",
        "gaussian_mixture",
        "poisson_mixture",
    ),
    "saving": ("load_mixture",),
    "fitting": ("fit", "Progress"),
    "differentiable": ("differentiable_fit",),
    "latent": ("LatentFit", "fit_latent"),
    "fixed_points": ("FixedPoint", "fixed_point"),
    "restarts": ("RestartResults", "fit_restarts"),
    "optima": ("Census", "Optimum", "census"),
    "selection": ("select",),
    "criteria": ("Selection",),
    "result": ("FitFailed", "FitResult"),
    "loop": ("Outcome",),
    "stopping": ("Stop",),
    "prior": ("Prior",),
    "problem": ("Evaluation", "Problem"),
    "starts": ("initialize",),
    "clustering": ("kmeans",),
    "matching": ("match",),
    "methods": (
        *("DAAREM", "EM", "SQUAREM", "Cost", "GradientAscent", "Hybrid", "IncrementalEM", "Info"),
        *("Method", "NaturalGradient", "Newton", "OnlineEM", "StochasticGradient"),
    ),
    "numerics": ("logsumexp", "pairwise_distances", "softmax"),
    "steps": (
        "e_step",
        "em_step",
        "expected_log_likelihood",
        "log_likelihood",
        "lower_bound",
        "m_step",
        "maximum_likelihood",
    ),
}
_NAMESPACES = (
    *("autodiff", "data", "density", "dual", "families", "inference", "plot", "race"),
    *("report", "scores", "sklearn", "teaching"),
)

# A star import asks for no optional extra.
__all__ = sorted({*chain(*_HOMES.values()), *_NAMESPACES} - {"sklearn"})

__getattr__ = on_first_use(__name__, _HOMES, _NAMESPACES)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
