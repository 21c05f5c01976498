"""When a run ends: six rules, each a measure compared with a tolerance.

notes/stopping.md derives the gap (eq. 1 to 6) and says what each of the other rules certifies.
"""

import math
import warnings
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from jaxmix.linalg import pack
from jaxmix.mixture import Mixture
from jaxmix.problem import Evaluation, Problem
from jaxmix.suggestions import unknown


class Visit(eqx.Module):
    """A mixture that a run has visited, in centered coordinates, with its evaluation."""

    mixture: Mixture
    evaluation: Evaluation


Rule = Callable[[Problem, Visit, Visit], tuple[Float[Array, ""], Float[Array, ""] | float]]


def _gap(problem: Problem, before: Visit, after: Visit) -> tuple[Float[Array, ""], float]:
    return after.evaluation.gap, 1.0


def _change(before: Visit, after: Visit) -> Float[Array, ""]:
    return jnp.abs(after.evaluation.objective - before.evaluation.objective)


def _total(problem: Problem, before: Visit, after: Visit) -> tuple[Float[Array, ""], float]:
    return _change(before, after), 1.0


def _mean(problem: Problem, before: Visit, after: Visit) -> tuple[Float[Array, ""], Array]:
    return _change(before, after), problem.total


def _relative(problem: Problem, before: Visit, after: Visit) -> tuple[Float[Array, ""], Array]:
    return _change(before, after), jnp.abs(after.evaluation.objective)


def _gradient(problem: Problem, before: Visit, after: Visit) -> tuple[Float[Array, ""], float]:
    return problem.gradient_norm(after.mixture, after.evaluation.statistics), 1.0


def _parameters(problem: Problem, before: Visit, after: Visit) -> tuple[Float[Array, ""], Array]:
    old = parameter_vector(problem.leave(before.mixture))
    new = parameter_vector(problem.leave(after.mixture))
    return jnp.linalg.norm(new - old), jnp.linalg.norm(old)


RULES: dict[str, Rule] = {
    "gap": _gap,
    "mean": _mean,
    "total": _total,
    "relative": _relative,
    "gradient": _gradient,
    "parameters": _parameters,
}
"""Each rule as (measure, scale): a run has converged when measure <= tol * scale."""

AT_A_POINT = ("gap", "gradient")
"""Rules that need no step before, so that a start at an optimum takes none."""


def parameter_vector(mixture: Mixture) -> Float[Array, " p"]:
    """First k - 1 weights, then every part of the components, matrices by upper triangles."""
    family, coordinates = mixture.family, mixture.family.unconstrain()
    # A part with more entries than coordinates holds symmetric matrices; k by d means never do.
    parts = [
        part if part.shape == coordinates[name].shape else pack(part)
        for name, part in ((name, family.part(name)) for name in family.parts)
    ]
    return jnp.concatenate([mixture.weights[:-1], *(jnp.ravel(part) for part in parts)])


class Stop(eqx.Module):
    r"""When a run ends: a rule, its tolerance, and a limit on steps.

    | rule | a run has converged when |
    |---|---|
    | "gap" | one more EM step promises at most `tol` nats |
    | "mean" | the objective changed by at most `tol` nats a unit of sample weight |
    | "total" | the objective changed by at most `tol` nats |
    | "relative" | the objective changed by at most `tol` of its absolute value |
    | "gradient" | the gradient in free coordinates, a unit of weight, is at most `tol` long |
    | "parameters" | the step was at most `tol` of the length of the parameters before it |

    Args:
        rule: the default certifies a stationary point, in nats, whatever the method and the units;
            the others measure a change, which a short step makes small anywhere.
        tol: the tolerance, > 0; 1e-8 nats leave nothing to gain that data could show.
        max_steps: the most steps; 0 evaluates the start.

    Raises:
        ValueError: for an unknown rule, a tolerance that is not positive, or a negative limit.

    Examples:
        >>> import jaxmix as jm
        >>> jm.Stop("total", tol=1e-6).rule
        'total'

    Source: notes/stopping.md, eq. 1 to 6.
    """

    rule: str = eqx.field(static=True, default="gap")
    tol: float | Array = 1e-8
    max_steps: int | Array = 1000

    def __check_init__(self) -> None:
        if not isinstance(self.rule, str) or self.rule not in RULES:
            raise unknown("rule", self.rule, RULES)
        for name in ("tol", "max_steps"):
            _check_limit(name, getattr(self, name))

    def satisfied(self, problem: Problem, before: Visit, after: Visit) -> Bool[Array, ""]:
        """Whether the step from `before` to `after` ends the run."""
        measure, scale = RULES[self.rule](problem, before, after)
        return measure <= self.tol * scale

    def satisfied_at(self, problem: Problem, start: Visit) -> Bool[Array, ""]:
        """Whether a run ends where it starts."""
        if self.rule not in AT_A_POINT:
            return jnp.array(False)
        return self.satisfied(problem, start, start)

    def describe(self) -> str:
        """The rule in words."""
        return WORDS[self.rule].format(tol=float(self.tol))


WORDS = {
    "gap": "gap <= {tol:g} nats",
    "mean": "objective changed by <= {tol:g} nats an observation",
    "total": "objective changed by <= {tol:g} nats",
    "relative": "objective changed by <= {tol:g} of its size",
    "gradient": "gradient norm <= {tol:g}",
    "parameters": "parameters changed by <= {tol:g} of their size",
}


def _check_limit(name: str, value: object) -> None:
    if isinstance(value, Tracer):
        return
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or isinstance(value, list | tuple):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if name == "tol" and not np.all(array > 0):
        raise ValueError(f"tol must be positive, got {value!r}; max_steps fixes the number")
    if name == "max_steps" and not np.all(
        np.isfinite(array) & (array >= 0) & (array == np.floor(array))
    ):
        raise ValueError(f"max_steps must be a whole number of at least 0, got {value!r}")


def resolvable(stop: Stop, objective: float, total: float, dtype: np.dtype) -> Stop:
    """The rule with a tolerance raised to what this precision can resolve, with a warning.

    Changes of the objective are known to a rounding of the objective; the gap, a sum of squares, to
    the square of the parameters' rounding, times the sample weight.
    """
    epsilon = float(np.finfo(dtype).eps)
    floors = {
        "gap": total * (16 * epsilon) ** 2,
        "total": abs(objective) * epsilon,
        "mean": abs(objective) * epsilon / total,
        "relative": epsilon,
        "gradient": epsilon,
        "parameters": epsilon,
    }
    floor = floors[stop.rule]
    if not math.isfinite(floor) or float(stop.tol) >= floor:
        return stop
    warnings.warn(
        f"tol={float(stop.tol):g} is below what {dtype.name} resolves for the rule "
        f"{stop.rule!r}; using {floor:.2g}. Use float64 data with 64-bit mode for more",
        stacklevel=3,
    )
    return Stop(stop.rule, floor, stop.max_steps)
