"""What each exercise is asked on small data, and which of its answers are observed.

A case calls a student's function on copies of its arguments and returns named quantities: answers,
and facts such as "changed its arguments", which must equal those of the solution.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxmix.teaching.exercises.structures import from_matrices

Observed = dict[str, Any]
Observe = Callable[[Callable[..., Any], str], Observed]


class Case(NamedTuple):
    """One question to one exercise."""

    name: str
    observe: Observe
    """Takes a student's function and the family of its covariances."""


class Setting(NamedTuple):
    """Data, and a mixture on them whose components differ in everything."""

    x: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    matrices: np.ndarray

    def parameters(self, family: str) -> tuple[np.ndarray, ...]:
        return self.weights, self.means, from_matrices(self.matrices, self.weights, family)


def setting(n: int, k: int, d: int) -> Setting:
    rng = np.random.default_rng(100 * k + d)
    roots = rng.normal(0, 0.5, (k, d, d))
    matrices = roots @ roots.swapaxes(1, 2) + np.eye(d) * np.linspace(1, 3, k)[:, None, None]
    weights = np.arange(1.0, k + 1) / np.sum(np.arange(1, k + 1))
    return Setting(rng.normal(0, 2, (n, d)), weights, rng.normal(0, 2, (k, d)), matrices)


SHAPES = {"k = 3, d = 2": (9, 3, 2), "k = d = 2": (9, 2, 2), "k = 1": (6, 1, 2), "d = 1": (8, 2, 1)}
WORKED = np.array([[0.0, 2.0], [0.0, 0.0], [1.0, 0.0], [5.0, 0.0], [5.0, 2.0]])
NUM_STEPS = 6


def call(f: Callable[..., Any], **arguments: Any) -> tuple[Any, Observed]:
    """A function's answer for copies of its arguments, and which of them it has changed."""
    copies = {name: np.array(value) for name, value in arguments.items()}
    answer = f(*(copies[name] if np.ndim(value) else value for name, value in arguments.items()))
    changed = [n for n, v in arguments.items() if not np.array_equal(copies[n], v, equal_nan=True)]
    return answer, {"changed arguments": ", ".join(changed) or "none"}


def named(answer: Any, *names: str) -> Observed:
    """The parts of an answer by name; one array, also as lists of rows, is the first."""
    parts = (answer,) if not isinstance(answer, tuple | list) or _is_rows(answer) else answer
    return {name: _floats(part) for name, part in zip(names, parts)}


def _floats(part: Any) -> np.ndarray:
    """Single precision, jax's own, stays what it is: it is right to fewer digits."""
    array = np.asarray(part)
    return array if array.dtype == np.float32 else np.asarray(part, dtype=float)


def _is_rows(answer: Any) -> bool:
    """Whether a list holds the rows of one table, and not arrays of several shapes."""
    return isinstance(answer, list) and len({np.shape(row) for row in answer}) == 1


def on_rows(n: int, k: int, d: int) -> Observe:
    def observe(e_step: Any, family: str) -> Observed:
        return _e_step(e_step, setting(n, k, d), family)

    return observe


def _e_step(e_step: Any, at: Setting, family: str) -> Observed:
    weights, means, covariances = at.parameters(family)
    answer, changed = call(e_step, x=at.x, weights=weights, means=means, covariances=covariances)
    return named(answer, "responsibilities", "log-likelihood") | changed


def far_point(e_step: Any, family: str) -> Observed:
    at = setting(5, 2, 2)
    return _e_step(e_step, at._replace(x=np.vstack([at.x, [[1e4, -1e4]]])), family)


def m_step_on(n: int, k: int, d: int) -> Observe:
    def observe(m_step: Any, family: str) -> Observed:
        rows = np.random.default_rng(n).dirichlet(np.ones(k), n)
        answer, changed = call(m_step, x=setting(n, k, d).x, responsibilities=rows)
        return named(answer, "weights", "means", "covariances") | changed

    return observe


def em_steps(em: Any, family: str) -> Observed:
    at, parts = setting(40, 2, 2), ("weights", "means", "covariances")
    given = dict(zip(parts, at.parameters(family)))
    answer, changed = call(em, x=at.x, **given, num_steps=NUM_STEPS)
    return named(answer, *parts, "responsibilities", "log-likelihood") | changed


def em_climbs(em: Any, family: str) -> Observed:
    at = setting(40, 2, 2)
    answers = [em(at.x.copy(), *at.parameters(family), steps) for steps in range(1, NUM_STEPS)]
    if not all(len(answer) == 5 for answer in answers):
        return {}
    values = np.array([np.asarray(answer[4], dtype=float) for answer in answers])
    return {"log-likelihood never decreases": bool(np.all(np.diff(values) >= -1e-9))}


def table(name: str, values: Any) -> Case:
    def observe(f: Any, _: str) -> Observed:
        answer, changed = call(f, x=np.array(values))
        return named((answer,), "result") | changed

    return Case(name, observe)


def clusters_from(x: Any, centers: Any) -> Observe:
    def observe(kmeans: Any, _: str) -> Observed:
        answer, changed = call(kmeans, x=np.array(x), centers=np.array(centers))
        found = named(answer, "centers", "labels", "loss")
        losses = np.atleast_1d(found.pop("loss", np.zeros(1)))
        if len(answer) > 2:
            found["loss"] = losses[-1:]
            found["loss never increases"] = bool(np.all(np.diff(losses) <= 1e-12))
        return found | changed

    return observe


def empty_cluster(kmeans: Any, _: str) -> Observed:
    """Only what holds however an empty cluster is treated."""
    centers, labels = kmeans(WORKED.copy(), np.array([[0.0, 0.0], [50.0, 0.0], [60.0, 0.0]]))[:2]
    centers = np.asarray(centers, dtype=float)
    distances = np.sum((WORKED[:, None] - centers) ** 2, axis=2)
    nearest = distances[np.arange(5), np.asarray(labels)] <= np.min(distances, axis=1)
    return {
        "centers are finite": bool(np.all(np.isfinite(centers))),
        "labels name the nearest center": bool(np.all(nearest)),
    }


def starts(initialize: Any, _: str) -> Observed:
    x, rng = setting(6, 2, 2).x, np.random.default_rng(0)
    draws = [initialize(x.copy(), 6, rng)[:2] for _ in range(20)]
    weights = np.array([np.sum(np.asarray(draw[0], dtype=float)) for draw in draws])
    different = [len(np.unique(np.asarray(means), axis=0)) for _, means in draws]
    few = np.asarray(initialize(x.copy(), 2, rng)[0], dtype=float)
    return {
        "weights of k = n sum to": weights[:1],
        "weights of k = 2 sum to": np.sum(few, keepdims=True),
        "means are different rows": bool(min(different) == 6),
    }


def draws(sample: Any, family: str) -> Observed:
    """Variances of many draws over the true ones, to one decimal: five standard errors."""
    at = Setting(np.zeros((1, 2)), np.ones(1), np.array([[1.0, -1.0]]), 4 * np.eye(2)[None])
    answer = np.asarray(sample(*at.parameters(family), 20000, np.random.default_rng(0)))
    return {
        "shape": str(answer.shape),
        "variances over the true": np.round(answer.var(axis=0) / 4, 1),
    }


def density_at(covariance: Any) -> Observe:
    def observe(density: Any, _: str) -> Observed:
        arguments = {"mean": np.array([1.0, -1.0]), "covariance": np.array(covariance)}
        answer, changed = call(density, x=setting(6, 2, 2).x, **arguments)
        return named((answer,), "density") | changed

    return observe


def singular_covariance(density: Any, _: str) -> Observed:
    return {"refused": _refused(lambda: density(np.eye(2), np.zeros(2), np.ones((2, 2))))}


def _refused(f: Callable[[], Any]) -> bool:
    """Whether a function raises, or answers nothing that is finite."""
    try:
        return not np.any(np.isfinite(np.asarray(f(), dtype=float)))
    except Exception:
        return True


def regression(kernel_regression: Any, _: str) -> Observed:
    x, y = np.array([0.0, 1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0, 5.0])
    at = np.array([0.0, 1.5, 300.0])
    answer, changed = call(kernel_regression, x=x, y=y, at=at, bandwidth=0.5)
    return named((answer,), "prediction") | changed


def true_for(questions: dict[str, tuple[float, ...]]) -> Case:
    """All questions in one case, because a mistake shows in which of them it answers with yes."""

    def observe(f: Any, _: str) -> Observed:
        true = [name for name, arguments in questions.items() if f(*arguments)]
        return {"true for": ", ".join(true) or "nothing"}

    return Case(f"{len(questions)} questions", observe)


def twice(gradient: Any, _: str) -> Observed:
    first = gradient(2.0, 3.0)
    kept = np.array(first, dtype=float)
    gradient(0.0, 0.0)
    return {
        "partial derivatives": kept,
        "first result after a second call": np.asarray(first, dtype=float),
    }


def dual(f: Callable[..., Any]) -> Observe:
    """Value and derivative of f at 2 + d, with the student's class and functions."""

    def observe(kind: Any, _: str) -> Observed:
        answer = f(kind, kind(2.0, 1.0))
        return {
            "value": np.asarray(answer.value, float),
            "derivative": np.asarray(answer.derivative, float),
        }

    return observe


def elementary(name: str, kind: Any, x: Any) -> Any:
    """A method of the class, or a function beside it."""
    module = sys.modules.get(kind.__module__)
    beside = getattr(kind.__init__, "__globals__", {}).get(name)
    function = getattr(kind, name, None) or beside or getattr(module, name, None)
    if function is None:
        raise AttributeError(f"there is no method and no function {name}")
    return function(x)


def outside(name: str) -> Observe:
    def observe(kind: Any, _: str) -> Observed:
        def slope() -> Any:
            return elementary(name, kind, kind(-2.0, 1.0)).derivative

        return {"refused": _refused(slope)}

    return observe


def observed(case: Case, function: Any, family: str) -> Observed:
    """The quantities of a case, or the error that the function raised."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return case.observe(function, family)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
