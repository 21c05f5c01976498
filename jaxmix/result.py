"""FitResult: what a fit hands back, every number at the mixture that it holds."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from jaxmix.loop import Loop, Outcome
from jaxmix.methods import Cost
from jaxmix.mixture import Mixture
from jaxmix.stopping import Stop

Values = Array | np.ndarray

REMEDY = (
    "use fewer components, another start, a larger ridge or a prior, or a smaller learning rate"
)
"""Against components that collapse or lose their observations."""

ADVICE = {
    Outcome.RUNNING: "still running",
    Outcome.CONVERGED: "the stopping rule is met",
    Outcome.MAX_STEPS: "not converged: the limit on steps was reached; raise max_steps, or resume",
    Outcome.NONFINITE: "failed: a number was no longer finite; use a smaller learning rate, or "
    "standardize the data. These are the last finite parameters",
    Outcome.DEGENERATE: f"failed: a component collapsed or lost its observations; {REMEDY}. These "
    "are the last usable parameters",
}


class FitFailed(RuntimeError):
    """A fit ended as NONFINITE or DEGENERATE."""


class FitResult(eqx.Module):
    """A fitted mixture, with what is known about it and how it was reached.

    Printing it gives one screen. Inside `jax.vmap` or `jax.jit` every array has the batch's axes,
    and `history` is padded with NaN.
    """

    mixture: Mixture
    """The fitted mixture, in the units of the data."""
    objective: Float[Values, "..."]
    """Log-likelihood plus penalties at `mixture` (classification log-likelihood for hard EM)."""
    log_likelihood: Float[Values, "..."]
    """Marginal log-likelihood at `mixture`, in nats."""
    gap: Float[Values, "..."]
    """Nats that one more EM step promises."""
    gradient_norm: Float[Values, "..."]
    """Norm of the gradient in free coordinates, a unit of sample weight."""
    history: Float[Values, "... steps"]
    """Objective after 0, 1, ..., num_steps steps."""
    gap_history: Float[Values, "... steps"]
    """Gap after 0, 1, ..., num_steps steps."""
    pass_history: Int[Values, "... steps"]
    """Passes spent until then."""
    num_steps: Int[Values, "..."]
    code: Int[Values, "..."]
    """The outcome as a number."""
    cost: Cost
    """Passes over the data, gradients and Hessian-vector products spent."""
    total: Float[Values, "..."]
    """The sum of the sample weights: the n of means and BIC."""
    path: Mixture | None
    """Recorded mixtures, stacked along a leading axis."""
    path_steps: tuple[int, ...] = eqx.field(static=True)
    """The step of each mixture in `path`."""
    state: Loop
    """All that `resume` needs."""
    method: Any
    stop: Stop
    columns: tuple[str, ...] = eqx.field(static=True)
    fixed: tuple[str, ...] = eqx.field(static=True)
    form: str = eqx.field(static=True)
    """How the last passes read rows: "features", or "recentered" where those lose digits."""

    @property
    def outcome(self) -> Any:
        """How the run ended: an `Outcome`, or their codes where results are batched or traced."""
        single = not isinstance(self.code, Tracer) and np.ndim(self.code) == 0
        return Outcome(int(self.code)) if single else self.code

    @property
    def num_parameters(self) -> int:
        """Free parameters, without the fixed parts."""
        first = (0,) * np.ndim(self.code)
        mixture = jax.tree.map(lambda leaf: leaf[first], self.mixture)
        sizes = mixture.family.sizes | {"weights": mixture.num_components - 1}
        return sum(size for name, size in sizes.items() if name not in self.fixed)

    @property
    def bic(self) -> Any:
        """Bayesian information criterion, p ln n - 2 log-likelihood; lower is better."""
        return self.num_parameters * np.log(self.total) - 2 * self.log_likelihood

    @property
    def aic(self) -> Any:
        """Akaike's information criterion, 2 p - 2 log-likelihood; lower is better."""
        return 2 * self.num_parameters - 2 * self.log_likelihood

    def raise_if_failed(self) -> "FitResult":
        """This result, or `FitFailed` with advice where the outcome is NONFINITE or DEGENERATE."""
        for outcome in (Outcome.NONFINITE, Outcome.DEGENERATE):
            if np.any(np.asarray(self.code) == outcome):
                raise FitFailed(f"{outcome.name}: {ADVICE[outcome]}")
        return self

    def summary(self, errors: Any = None) -> str:
        """One screen: the fit, how it ended and what to do, and a table of the components.

        Args:
            errors: what `jaxmix.inference.standard_errors` or `bootstrap` says of `.mixture`, to
                stand beside the parameters; the first adds what the data leave unknown.
        """
        from jaxmix.summary import text

        return text(self, errors)

    def _repr_html_(self) -> str:
        from jaxmix.summary import html

        return html(self)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return self.summary()
