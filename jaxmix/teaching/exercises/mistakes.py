"""Mistakes in circulation, each as one place of solution.py written wrongly.

`check` names a student's mistake by running the wrong version on the same cases: the mistake whose
outcome equals the student's is the one they made. notes/common-mistakes.md shows all of them.
"""

from functools import cache
from pathlib import Path
from textwrap import dedent, indent
from types import SimpleNamespace
from typing import Any, NamedTuple

from jaxmix.teaching.exercises.structures import constrain

SOLUTION = Path(__file__).with_name("solution.py")

FIT = "the fit"
LIKELIHOOD = "only the reported likelihood"
LOSS = "only the reported loss"
PICTURE = "only the picture"
NOTHING = "by luck nothing"
TIME = "only the time it takes"
PREDICTION = "the prediction"
DERIVATIVE = "the derivative"


class Mistake(NamedTuple):
    """One wrong place, and what gives it away."""

    name: str
    part: str
    """The exercise whose result it changes, a function or class of solution.py."""
    right: str
    wrong: str
    changes: str
    signature: str
    """How its result differs from the right one."""

    def lines(self) -> tuple[str, str]:
        """The whole lines, the wrong ones and the right ones."""
        before, after = _source().split(self.right)
        begin, end = before.rpartition("\n")[2], after.partition("\n")[0]
        return f"{begin}{self.wrong}{end}", f"{begin}{self.right}{end}"

    def to_text(self) -> str:
        """The mistake in words, and both versions of its place."""
        wrong, right = (indent(dedent(lines), "    ") for lines in self.lines())
        said = f"{self.name}: {self.signature}.\nIt changes {self.changes}."
        return f"{said} Not\n{wrong}\nbut\n{right}\n"

    def version(self, family: str = "full") -> SimpleNamespace:
        """The solution with this mistake in it."""
        return _defined_by(_source().replace(self.right, self.wrong), family)


@cache
def _source() -> str:
    return SOLUTION.read_text()


@cache
def _defined_by(source: str, family: str) -> SimpleNamespace:
    """What a version of the solution defines; the source is this package's own."""
    names: dict[str, Any] = {"__name__": "solution"}
    exec(compile(source, SOLUTION.name, "exec"), names)
    if family != "full":
        constrain(names, family)
    return SimpleNamespace(**names)


def right_version(family: str = "full") -> SimpleNamespace:
    """The solution as it stands."""
    return _defined_by(_source(), family)


MISTAKES = (
    Mistake(
        "log(pi) for log(2 pi)",
        "e_step",
        "np.log(2 * np.pi)",
        "np.log(np.pi)",
        LIKELIHOOD,
        "the log-likelihood is too high by n d/2 log 2, and BIC too low by n d log 2",
    ),
    Mistake(
        "a variance taken for a standard deviation by the normalizer",
        "e_step",
        "- log_deviations -",
        "- 2 * log_deviations -",
        FIT,
        "log|Sigma| is subtracted where it should be halved: narrow components get too much",
    ),
    Mistake(
        "a variance taken for a standard deviation by the sampler",
        "sample",
        "factors = np.linalg.cholesky(covariances)",
        "factors = covariances",
        PICTURE,
        "samples have the squares of the variances",
    ),
    Mistake(
        "the log-likelihood as logsumexp of responsibility-weighted log-densities",
        "e_step",
        "np.sum(logsumexp(joint))",
        "np.sum(logsumexp(responsibilities * joint))",
        LIKELIHOOD,
        "neither the marginal log-likelihood nor the expected complete-data one",
    ),
    Mistake(
        "responsibilities formed from exponentials",
        "e_step",
        "responsibilities = softmax(joint)",
        "responsibilities = np.exp(joint) / np.sum(np.exp(joint), axis=1, keepdims=True)",
        FIT,
        "a far point gives 0/0, NaN; near points are right",
    ),
    Mistake(
        "a softmax that overwrites its argument",
        "softmax",
        "shifted = x - np.max(x, axis=1, keepdims=True)",
        "shifted = x\n    shifted -= np.max(x, axis=1, keepdims=True)",
        LIKELIHOOD,
        "its argument has changed: here the log-likelihood that is computed from it afterwards",
    ),
    Mistake(
        "a logsumexp that adds [n] to [n 1]",
        "logsumexp",
        "largest[:, None]), axis=1))",
        "largest[:, None]), axis=1, keepdims=True))",
        LIKELIHOOD,
        "the result is [n n], and its sum n times too large",
    ),
    Mistake(
        "gamma[:, None] * x[:, None, :]",
        "m_step",
        "responsibilities[:, :, None] * x[:, None, :]",
        "responsibilities[:, None] * x[:, None, :]",
        FIT,
        "an error unless k = d, and there coordinate j of every mean is weighted by component j",
    ),
    Mistake(
        "the sum left out of the soft mean update",
        "m_step",
        "np.sum(responsibilities[:, :, None] * x[:, None, :], axis=0) / counts[:, None]",
        "responsibilities[:, :, None] * x[:, None, :] / counts[:, None]",
        FIT,
        "means are [n k d], one term for each observation",
    ),
    Mistake(
        "an M-step that overwrites its argument",
        "m_step",
        "shares = responsibilities / counts",
        "shares = responsibilities\n    shares /= counts",
        NOTHING,
        "whoever gave it the responsibilities has others now: here columns sum to 1, not rows",
    ),
    Mistake(
        "a fit that overwrites the arrays it was given",
        "em",
        "weights, means, covariances = m_step(x, responsibilities)",
        "weights[:], means[:], covariances[:] = m_step(x, responsibilities)",
        NOTHING,
        "the start is now the finished fit: whatever starts from it next agrees with it at once",
    ),
    Mistake(
        "responsibilities from before the last M-step",
        "em",
        "    responsibilities, log_likelihood = e_step(x, weights, means, covariances)\n"
        "    return weights",
        "    log_likelihood = e_step(x, weights, means, covariances)[1]\n    return weights",
        NOTHING,
        "they belong to other parameters than those beside them",
    ),
    Mistake(
        "initial weights 1/n",
        "initialize",
        "np.full(k, 1 / k)",
        "np.full(k, 1 / len(x))",
        NOTHING,
        "weights sum to k/n, a constant that cancels in the first E-step",
    ),
    Mistake(
        "centers drawn with replacement",
        "initialize",
        "replace=False",
        "replace=True",
        FIT,
        "the same row may be drawn twice",
    ),
    Mistake(
        "the mean of an empty cluster",
        "kmeans",
        "x[labels == j] if np.any(labels == j) else c[None]",
        "x[labels == j]",
        FIT,
        "0/0: a center is NaN, and argmin sends every point to it",
    ),
    Mistake(
        "the sum left out of the hard mean update",
        "kmeans",
        "np.sum(rows, axis=0) / len(rows)",
        "rows[-1] / len(rows)",
        FIT,
        "centers are one observation of their cluster over its size",
    ),
    Mistake(
        "a loss that is a sum and not a mean",
        "kmeans",
        "np.mean(np.min(distances, axis=1))",
        "np.mean(np.sum(np.min(distances, axis=1)))",
        LOSS,
        "the loss is n times too large, as is the mean of a sum, which is one number",
    ),
    Mistake(
        "a stopping test that calls a decrease converged",
        "converged",
        "abs(current - previous) <= tol * abs(current)",
        "current - previous <= tol * abs(current)",
        FIT,
        "a step that went wrong ends the fit as its success",
    ),
    Mistake(
        "a change relative to a negative value",
        "converged",
        "abs(current - previous) <= tol * abs(current)",
        "(current - previous) / previous <= tol",
        FIT,
        "log-likelihoods are mostly negative, so that every increase looks converged",
    ),
    Mistake(
        "a tolerance below rounding",
        "converged",
        "abs(current - previous) <= tol * abs(current)",
        "abs(current - previous) <= tol",
        TIME,
        "one rounding of a large log-likelihood exceeds it: the fit may never end",
    ),
    Mistake(
        "looking for NaN with `in`",
        "failed",
        "not np.isfinite(log_likelihood)",
        "log_likelihood in [np.nan, np.inf, -np.inf]",
        FIT,
        "NaN equals nothing, itself included: only the very object np.nan is found",
    ),
    Mistake(
        "a softmax over squared distances without its minus",
        "kernel_regression",
        "softmax(-(scaled**2) / 2)",
        "softmax(scaled**2 / 2)",
        PREDICTION,
        "the farthest observations have all the weight",
    ),
    Mistake(
        "a correlation divided twice by the deviations",
        "density",
        "correlation = covariance[0, 1] / (deviations[0] * deviations[1])",
        "correlation = covariance[0, 1] / (deviations[0] * deviations[1]) ** 2",
        PICTURE,
        "with deviations above 1 the contours have too little tilt",
    ),
    Mistake(
        "a density for a singular covariance",
        "density",
        'raise ValueError("a singular covariance has no density")',
        "correlation = np.clip(correlation, -0.999999, 0.999999)",
        FIT,
        "a finite number where there is no density: it is as large as the clipping lets it be",
    ),
    Mistake(
        "the value lost from a dual product",
        "Dual",
        "Dual(self.value * other.value, slope)",
        "Dual(0.0, slope)",
        DERIVATIVE,
        "derivatives of a product are right, those of a product of products are not",
    ),
    Mistake(
        "log and sqrt for x != 0 where x > 0 is meant",
        "Dual",
        "if number <= 0:",
        "if number == 0:",
        DERIVATIVE,
        "log of a negative number has the slope 1/x beside a value that does not exist",
    ),
    Mistake(
        "a generated derivative that returns one array again and again",
        "gradient",
        "partials = np.empty(2)",
        "partials = vars(gradient).setdefault('static', np.empty(2))",
        DERIVATIVE,
        "the second call overwrites the result of the first, as C does with a local array",
    ),
)
