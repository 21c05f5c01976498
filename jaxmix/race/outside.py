"""Competitors from outside the kit, on the same data, starts and objective: scikit-learn, SciPy.

They offer no state to go on from: each is run from its start to every point of the schedule, as a
user would run it, and the seconds to a point are those of that one call.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from jaxmix.archives import Arrays
from jaxmix.constructors import gaussian_mixture
from jaxmix.families import STRUCTURES
from jaxmix.free import free_coordinates
from jaxmix.loop import Outcome
from jaxmix.methods.em import EM
from jaxmix.mixture import Mixture
from jaxmix.posing import check_problem
from jaxmix.race.runners import History, Spent


class Reached(NamedTuple):
    """Where a number of steps has led a competitor."""

    num_steps: int
    mixture: Mixture
    spent: Spent
    history: History
    outcome: Outcome = Outcome.RUNNING


class FromStart:
    """A `Runner` of a competitor that is run anew to every point.

    Args:
        run: where so many steps lead; called with 0 and 1 first, untimed.
    """

    def __init__(self, run: Callable[[int], Reached]):
        self._run, self._reached = run, run(0)

    @property
    def num_steps(self) -> int:
        """Steps taken."""
        return self._reached.num_steps

    @property
    def spent(self) -> Spent:
        """What they took."""
        return self._reached.spent

    @property
    def outcome(self) -> Outcome:
        """RUNNING, or CONVERGED where it goes no further."""
        return self._reached.outcome

    @property
    def mixture(self) -> Mixture:
        """Where it is."""
        return self._reached.mixture

    @property
    def history(self) -> History:
        """What it has seen of the objective."""
        return self._reached.history

    def prepare(self) -> None:
        """Run a first step, for what is compiled or loaded once."""
        self._run(1)

    def advance(self, steps: int, seconds: float) -> float:
        """Run from the start to so many more steps; the seconds of that call."""
        began = time.perf_counter()
        self._reached = self._run(self.num_steps + steps)
        return max(seconds, time.perf_counter() - began)

    def frozen(self) -> tuple[dict[str, Any], Arrays]:
        """How far it is: all that it takes to go on."""
        return {"num_steps": self.num_steps}, {}

    def thaw(self, header: dict[str, Any], arrays: Arrays) -> None:
        """Run to where it was."""
        self._reached = self._run(header["num_steps"])


Make = Callable[[np.ndarray, Any, Mixture, float], Callable[[int], Reached]]
"""From columns, sample weights, start and ridge to what runs a number of steps."""


def sklearn_em(x: np.ndarray, sample_weights: Any, start: Mixture, ridge: float) -> Any:
    """`sklearn.mixture.GaussianMixture` with reg_covar=0, from given parameters.

    Its iteration is an E-step and then an M-step, and it evaluates once more at its end, which is
    charged to nobody, as with any method of the kit.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    family, k = start.family.name, start.num_components
    _refuse("sklearn", family not in STRUCTURES, f"{family} components")
    _refuse("sklearn", sample_weights is not None, "sample weights")
    _refuse("sklearn", ridge != 0, "a ridge in the likelihood")
    given: dict[str, Any] = {
        "weights_init": np.asarray(start.weights),
        "means_init": np.asarray(start.means),
        "precisions_init": _precisions(np.asarray(start.covariances), family),
    }

    def run(steps: int) -> Reached:
        if steps == 0:
            return Reached(0, start, Spent(0, 0, 0), History(np.zeros(0), None, np.zeros(0, int)))
        model = GaussianMixture(
            k, covariance_type=family, tol=0.0, reg_covar=0.0, max_iter=steps, **given
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x)
        fitted = gaussian_mixture(model.weights_, model.means_, model.covariances_, family)
        bounds = len(x) * np.asarray(getattr(model, "lower_bounds_", ()))
        history = History(bounds, None, np.arange(len(bounds)))
        return Reached(steps, fitted, Spent(steps, 0, 0), history)

    return run


def scipy_lbfgs(x: np.ndarray, sample_weights: Any, start: Mixture, ridge: float) -> Any:
    """`scipy.optimize.minimize(method="L-BFGS-B")` on the kit's objective and gradient.

    In the kit's free coordinates, on minus the objective a unit of sample weight, with SciPy's
    defaults but for the tolerances, which are 0.
    """
    problem, _ = check_problem(x, start, EM(), None, ridge, (), sample_weights)
    free = free_coordinates(problem.enter(start))
    origin = np.asarray(free.vector(problem.enter(start)), np.float64)
    total, dtype = float(problem.total), x.dtype

    @jax.jit
    def climb(vector: Any) -> Any:
        return jax.value_and_grad(lambda v: problem.objective(free.mixture(v)))(vector)

    def lost(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = climb(jnp.asarray(vector, dtype))
        return -float(value) / total, -np.asarray(gradient, np.float64) / total

    def run(steps: int) -> Reached:
        values, passes, evaluations = [], [], 0

        def counted(vector: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal evaluations
            evaluations += 1
            return lost(vector)

        def note(intermediate_result: Any) -> None:
            values.append(intermediate_result.fun)
            passes.append(evaluations - 1)

        # The start's evaluation is charged to nobody, as with any method of the kit.
        first, vector, taken = lost(origin)[0], origin, 0
        if steps:
            options = {"maxiter": steps, "maxfun": 10**9, "ftol": 0.0, "gtol": 0.0}
            kind = {"jac": True, "method": "L-BFGS-B", "options": options}
            found = minimize(counted, origin, callback=note, **kind)
            vector, taken = found.x, int(found.nit)
        history = History(-total * np.array([first, *values]), None, np.array([0, *passes]))
        spent = max(evaluations - 1, 0)
        outcome = Outcome.RUNNING if taken == steps else Outcome.CONVERGED
        mixture = problem.leave(free.mixture(jnp.asarray(vector, dtype)))
        return Reached(taken, mixture, Spent(spent, spent, 0), history, outcome)

    return run


COMPETITORS: dict[str, Make] = {"sklearn": sklearn_em, "scipy-lbfgs": scipy_lbfgs}


def _refuse(name: str, refused: bool, what: str) -> None:
    if refused:
        raise ValueError(f"{name} takes no {what}")


def _precisions(covariances: np.ndarray, family: str) -> np.ndarray:
    """What scikit-learn wants to start from; the inverses are its own interface."""
    return np.linalg.inv(covariances) if family in ("full", "tied") else 1 / covariances
