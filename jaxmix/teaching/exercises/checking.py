"""A student's E-step, M-step, k-means or dual class against the solution, mistakes by name.

Where an answer differs, the mistakes in circulation are made on the same case: the one whose
answer equals the student's is named. notes/common-mistakes.md shows them.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from jaxmix.report.writers import Table
from jaxmix.suggestions import unknown
from jaxmix.teaching.exercises.cases import EXERCISES
from jaxmix.teaching.exercises.mistakes import MISTAKES, Mistake, right_version
from jaxmix.teaching.exercises.questions import Case, Observed, observed
from jaxmix.teaching.exercises.structures import check_family

OPTIONAL = ("log-likelihood", "log-likelihood never decreases", "loss", "loss never increases")
"""Quantities that a student's function need not return."""


class Finding(NamedTuple):
    """What one case of one exercise showed."""

    part: str
    case: str
    differences: tuple[str, ...]
    """What is wrong, in words; empty where nothing is."""

    mistakes: tuple[str, ...]
    """Names of the mistakes in circulation that give the same wrong answer."""

    @property
    def passed(self) -> bool:
        """Whether every quantity is right."""
        return not self.differences


class Report(NamedTuple):
    """All findings, in the order of the exercises."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(finding.passed for finding in self.findings)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The mistakes named, each once."""
        names = {name for finding in self.findings for name in finding.mistakes}
        return tuple(mistake for mistake in MISTAKES if mistake.name in names)

    def table(self) -> Table:
        """One row a case: the exercise, the case, and right or what is wrong."""
        rows = [
            (part, case, "; ".join(differences) or "right")
            for part, case, differences, _ in self.findings
        ]
        return Table(("exercise", "case", "found"), tuple(rows))

    def to_text(self) -> str:
        """The table, each mistake by name with the line to write instead, and what was expected."""
        wrong = dict.fromkeys(finding.part for finding in self.findings if not finding.passed)
        said = [mistake.to_text() for mistake in self.mistakes]
        expected = "".join(f"Expected: {EXERCISES[part].signature}\n" for part in wrong)
        return "\n".join([self.table().to_text(), *said, expected or "Every case is right.\n"])


def check(
    e_step: Callable[..., Any] | None = None,
    m_step: Callable[..., Any] | None = None,
    kmeans: Callable[..., Any] | None = None,
    dual: type | None = None,
    family: str = "full",
    **others: Callable[..., Any],
) -> Report:
    """Compare a student's functions with the solution on small data, and name their mistakes.

    Args:
        e_step: (x, weights, means, covariances) -> responsibilities [n k], or those and the
            log-likelihood.
        m_step: (x, responsibilities) -> weights [k], means [k d], covariances.
        kmeans: (x, centers) -> centers [k d], labels [n], and the loss or its history if wanted.
        dual: a class with `.value` and `.derivative`, made by (value, derivative).
        family: "full", "tied", "diag" or "spherical": the shape of all covariances.
        others: other exercises by name, as `EXERCISES` lists them with their signatures.

    Returns:
        A `Report` with `.passed`, `.findings`, `.mistakes` and `.to_text()`. The functions run
        here and now, without a time limit; `jaxmix check FILE` sets one.

    Raises:
        ValueError: for an unknown exercise or family, or without any.

    Examples:
        >>> def e_step(x, weights, means, covariances):
        ...     joint = np.log(weights) - np.sum((x[:, None] - means) ** 2, axis=2) / 2
        ...     return np.exp(joint) / np.sum(np.exp(joint), axis=1, keepdims=True)
        >>> check(e_step).passed
        False
    """
    given = {"e_step": e_step, "m_step": m_step, "kmeans": kmeans, "Dual": dual} | others
    given = {name: function for name, function in given.items() if function is not None}
    if not given:
        raise ValueError(f"nothing to check; the exercises are {', '.join(EXERCISES)}")
    return Report(tuple(findings(given, family)))


def findings(
    given: dict[str, Any], family: str, begin: Callable[[str, str], None] = lambda part, case: None
) -> Iterator[Finding]:
    """Check the exercises in their order, saying which case begins."""
    check_family(family)
    for name in given:
        if name not in EXERCISES:
            raise unknown("exercise", name, EXERCISES)
    for part, exercise in EXERCISES.items():
        trusted = True
        for case in exercise.cases if part in given else ():
            begin(part, case.name)
            finding = _finding(part, case, given[part], family, trusted)
            trusted = trusted and (finding.passed or bool(finding.mistakes))
            yield finding


def _finding(part: str, case: Case, function: Any, family: str, trusted: bool) -> Finding:
    """Compare one case; facts name a mistake only where nothing before stayed unexplained."""
    answer = observed(case, function, family)
    right = _of_version(None, part, case, family)
    wrong = [name for name in answer if not _equal(answer[name], right.get(name))]
    missing = () if "error" in answer else (set(right) - set(answer)).difference(OPTIONAL)
    differences = (
        *(f"{name}: none returned" for name in sorted(missing)),
        *(_difference(name, answer[name], right.get(name)) for name in wrong),
    )
    telling = {
        name: answer[name] for name in wrong if trusted or isinstance(answer[name], np.ndarray)
    }
    return Finding(part, case.name, differences, _explanations(part, case, family, telling))


@cache
def _of_version(mistake: Mistake | None, part: str, case: Case, family: str) -> Observed:
    version = right_version(family) if mistake is None else mistake.version(family)
    return observed(case, getattr(version, part), family)


def _explanations(part: str, case: Case, family: str, wrong: Observed) -> tuple[str, ...]:
    """Mistakes that give the same wrong answers, those first that give more of them."""
    names: list[str] = []
    right = _of_version(None, part, case, family)
    while wrong:
        matches = {}
        for mistake in MISTAKES:
            theirs = _of_version(mistake, part, case, family)
            matches[mistake.name] = [
                name
                for name, value in wrong.items()
                if name in theirs
                and not _equal(theirs[name], right.get(name))
                and _equal(theirs[name], value)
            ]
        best = max(matches, key=lambda name: len(matches[name]))
        if not matches[best]:
            break
        names.append(best)
        wrong = {name: value for name, value in wrong.items() if name not in matches[best]}
    return tuple(names)


def _equal(a: Any, b: Any) -> bool:
    """Equal to rounding; errors are equal if they say the same."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        rtol, atol = (1e-4, 1e-5) if np.float32 in (a.dtype, b.dtype) else (1e-7, 1e-9)
        return a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    return type(a) is type(b) and bool(a == b)


def _difference(name: str, answer: Any, right: Any) -> str:
    """What is wrong with a quantity, in words."""
    if name == "error":
        return f"raises {answer}"
    if name == "changed arguments":
        return f"overwrites its argument {answer}"
    if not isinstance(answer, np.ndarray) or right is None:
        return f"{name}: {answer}, right is {right}"
    if answer.shape != right.shape:
        return f"{name}: shape {answer.shape}, right is {right.shape}"
    if np.any(np.isnan(answer)):
        return f"{name}: {np.sum(np.isnan(answer))} of {answer.size} are NaN"
    return _distance(name, answer, right)


def _distance(name: str, answer: np.ndarray, right: np.ndarray) -> str:
    if answer.size == 1:
        excess = float((answer - right).ravel()[0])
        side = "high" if excess > 0 else "low"
        return f"{name}: {answer.item():.8g}, too {side} by {abs(excess):.6g}"
    distances = abs(answer - right)
    # Two responsibilities that sum to 1 are equally wrong: the first, however they were rounded.
    at = tuple(np.argwhere(distances >= (1 - 1e-9) * np.max(distances))[0])
    place = ", ".join(map(str, at))
    return f"{name}: {answer[at]:.8g} at [{place}], right is {right[at]:.8g}"
