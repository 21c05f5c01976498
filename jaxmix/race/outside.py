"""Competitors from outside the kit, on the same data, starts and objective: scikit-learn, SciPy.

scikit-learn goes on by warm starts. SciPy offers no state to go on from: it is run from its start
to every point of the schedule, and the seconds to a point are those of that one call.
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
from jaxmix.race.runners import History, Runner, Spent


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


class ScikitLearnEM:
    """A `Runner` of `sklearn.mixture.GaussianMixture` with reg_covar=0, from given parameters.

    Its iteration is an E-step and then an M-step. A warm start goes on from where it was; at the
    end of each call scikit-learn evaluates once more, which is charged to nobody, as with any
    method of the kit, but takes its time.

    Args:
        x: columns [n d].
        sample_weights: None, because it takes none.
        start: Gaussian components.
        ridge: 0, because its own is no part of the likelihood.
    """

    outcome = Outcome.RUNNING

    def __init__(self, x: np.ndarray, sample_weights: Any, start: Mixture, ridge: float):
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
        kind: dict[str, Any] = {"tol": 0.0, "reg_covar": 0.0, "warm_start": True}
        self._model = GaussianMixture(k, covariance_type=family, **kind, **given)
        self._x, self._start, self.num_steps, self._bounds = x, start, 0, np.zeros(0)

    @property
    def spent(self) -> Spent:
        """A pass a step."""
        return Spent(self.num_steps, 0, 0)

    @property
    def mixture(self) -> Mixture:
        """Where it is."""
        model = self._model
        if self.num_steps == 0:
            return self._start
        parts = model.weights_, model.means_, model.covariances_
        return gaussian_mixture(*parts, self._start.family.name)

    @property
    def history(self) -> History:
        """Its lower bounds of every step, where this version keeps them."""
        return History(len(self._x) * self._bounds, None, np.arange(len(self._bounds)))

    def prepare(self) -> None:
        """Take a first step elsewhere, for what is loaded once."""
        from sklearn.base import clone

        _fitted(clone(self._model), self._x, 1)

    def advance(self, steps: int, seconds: float) -> float:
        """Go on by so many steps."""
        began = time.perf_counter()
        _fitted(self._model, self._x, steps)
        seconds += time.perf_counter() - began
        self.num_steps += steps
        bounds = np.asarray(getattr(self._model, "lower_bounds_", ()), np.float64)
        self._bounds = np.append(self._bounds, bounds)
        return seconds

    def frozen(self) -> tuple[dict[str, Any], Arrays]:
        """What it has fitted."""
        names = FITTED if self.num_steps else ()
        arrays = {name: np.asarray(getattr(self._model, name)) for name in names}
        return {"num_steps": self.num_steps}, {"bounds": self._bounds, **arrays}

    def thaw(self, header: dict[str, Any], arrays: Arrays) -> None:
        """Go on from what was fitted."""
        self.num_steps, self._bounds = header["num_steps"], arrays["bounds"]
        for name in FITTED if self.num_steps else ():
            setattr(self._model, name, arrays[name])
        # It is by this attribute that scikit-learn tells a warm start from a cold one.
        self._model.converged_ = False


FITTED = ("weights_", "means_", "covariances_", "precisions_cholesky_", "lower_bound_")
"""What a warm start of scikit-learn goes on from."""


def _fitted(model: Any, x: np.ndarray, steps: int) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_params(max_iter=steps).fit(x)


def scipy_lbfgs(x: np.ndarray, sample_weights: Any, start: Mixture, ridge: float) -> FromStart:
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

    return FromStart(run)


COMPETITORS: dict[str, Callable[[np.ndarray, Any, Mixture, float], Runner]] = {
    "sklearn": ScikitLearnEM,
    "scipy-lbfgs": scipy_lbfgs,
}
"""From columns, sample weights, start and ridge to a competitor's runner, by name."""


def _refuse(name: str, refused: bool, what: str) -> None:
    if refused:
        raise ValueError(f"{name} takes no {what}")


def _precisions(covariances: np.ndarray, family: str) -> np.ndarray:
    """What scikit-learn wants to start from; the inverses are its own interface."""
    return np.linalg.inv(covariances) if family in ("full", "tied") else 1 / covariances
