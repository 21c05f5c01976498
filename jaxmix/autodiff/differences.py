"""Divided differences and complex steps: derivatives of a function known only by its values.

A difference trades truncation against rounding, and no step is good at both; a complex step and a
dual number have no step to choose. The error against the step, with the branches that theory
predicts, is the lecture's first picture (notes/autodiff.md, eq. 1 to 4).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmix import dual

Function = Callable[[Any], Any]

EPSILON = float(np.finfo(float).eps)
STEPS = tuple(10.0 ** (-k / 2) for k in range(1, 33))
"""The lecture's grid: half powers of ten down to the rounding of 1."""

COMPLEX_STEP = 1e-30
"""Its square is lost beside 1, and nothing is subtracted: any step as small would do."""


def forward(f: Function, x: Any, h: float | None = None) -> Any:
    """Forward differences, (f(x + h) - f(x)) / h, with an error of order h.

    Args:
        f: a function of a number or an array.
        x: where; of an array, the entries are moved one at a time.
        h: the step; by default the square root of the rounding in the precision of x, relative to
            each entry.

    Returns:
        The derivative; for an array x the partial derivatives, [*f *x].

    Raises:
        ValueError: unless the step is positive and finite.

    Examples:
        >>> forward(lambda x: x**2, 3.0, h=0.5)
        6.5

    Source: notes/autodiff.md, eq. 1.
    """
    here = f(x)
    return _by_entry(lambda move, step: (f(x + move) - here) / step, x, h, 1 / 2)


def central(f: Function, x: Any, h: float | None = None) -> Any:
    """Central differences, (f(x + h) - f(x - h)) / 2h, with an error of order h^2.

    Args:
        f: a function of a number or an array.
        x: where; of an array, the entries are moved one at a time.
        h: the step; by default the cube root of the rounding in the precision of x, relative to
            each entry.

    Returns:
        The derivative; for an array x the partial derivatives, [*f *x].

    Raises:
        ValueError: unless the step is positive and finite.

    Examples:
        >>> central(lambda x: x**2, 3.0, h=0.5)
        6.0

    Source: notes/autodiff.md, eq. 2.
    """
    return _by_entry(lambda move, step: (f(x + move) - f(x - move)) / (2 * step), x, h, 1 / 3)


def complex_step(f: Function, x: Any, h: float = COMPLEX_STEP) -> Any:
    """The complex step, Im f(x + ih) / h, exact to rounding for analytic programs.

    Args:
        f: built from functions that take complex numbers and are analytic: no abs, no comparison.
        x: where; of an array, the entries are moved one at a time.
        h: the step.

    Returns:
        The derivative; for an array x the partial derivatives, [*f *x].

    Raises:
        ValueError: unless the step is positive and finite.

    Examples:
        >>> complex_step(lambda x: x**2, 3.0)
        6.0

    Source: notes/autodiff.md, eq. 4; Squire & Trapp (1998), SIAM Review 40(1), eq. 4.
    """
    return _by_entry(lambda move, step: np.imag(f(x + 1j * move)) / step, x, h, 1)


def _by_entry(slope: Callable[[Any, Any], Any], x: Any, h: float | None, power: float) -> Any:
    """A difference for every entry of x, which `slope` is given as a move of x."""
    if h is not None and not 0 < h < math.inf:
        raise ValueError(
            f"a step must be positive and finite, got {h}; leave it out for a good one"
        )
    relative = _rounding(x) ** power
    if np.ndim(x) == 0:
        step = relative * max(abs(x), 1.0) if h is None else h
        return slope(step, step)
    x = np.asarray(x) * 1.0
    steps = relative * np.maximum(np.abs(x), 1.0) if h is None else np.full_like(x, h)
    slopes = []
    for index in np.ndindex(x.shape):
        move = np.zeros_like(x)
        move[index] = steps[index]
        slopes.append(slope(move, steps[index]))
    stacked = np.stack(slopes, axis=-1)
    return stacked.reshape(*stacked.shape[:-1], *x.shape)


def _rounding(x: Any) -> float:
    """The spacing of floats beside 1 in the precision of x; that of Python's for integers."""
    dtype: Any = getattr(x, "dtype", None)
    return float(np.finfo(dtype).eps) if getattr(dtype, "kind", "") == "f" else EPSILON


class ErrorRow(NamedTuple):
    """Absolute errors of the differences at one step, and what theory predicts."""

    h: float
    forward: float
    forward_predicted: float
    central: float
    central_predicted: float


class ErrorStudy(NamedTuple):
    """The error of differences against the step, and the errors of methods without a step."""

    rows: tuple[ErrorRow, ...]
    best_forward_step: float
    best_central_step: float
    complex_step: float
    dual: float


def error_study(f: Function, x: float, steps: Sequence[float] = STEPS) -> ErrorStudy:
    r"""How wrong differences are at each step: a V in doubly logarithmic axes.

    Predicted are $|f''| h / 2 + 2 \epsilon |f| / h$ forward and
    $|f'''| h^2 / 6 + \epsilon |f| / h$ central: truncation, which falls with the step, and
    rounding, which grows as it falls. Their minima lie at the best steps. Where x is practically a
    root of f, $|f| < \sqrt{\epsilon} |x f'|$, the rounding is that of x + h, and $|x f'|$ takes the
    place of $|f|$.

    Args:
        f: built from functions of jaxmix.dual, which also take complex numbers.
        x: where.
        steps: steps h.

    Returns:
        A row a step, the predicted best steps, and the errors of the complex step and of dual
        numbers. The reference is the Taylor series of f.

    Examples:
        >>> study = error_study(lambda x: x**3, 1.0)
        >>> min((row.forward, row.h) for row in study.rows)
        (3.972047579736682e-09, 1e-08)

    Source: notes/autodiff.md, eq. 1 to 4.
    """
    series = [float(coefficient) for coefficient in dual.taylor(f, x, 3)]
    exact, (value, half, sixth) = series[1], (abs(series[j]) for j in (0, 2, 3))
    if value < math.sqrt(EPSILON) * abs(x * exact):
        value = abs(x * exact)
    rows = tuple(
        ErrorRow(
            h,
            abs(forward(f, x, h) - exact),
            half * h + 2 * EPSILON * value / h,
            abs(central(f, x, h) - exact),
            sixth * h**2 + EPSILON * value / h,
        )
        for h in steps
    )
    return ErrorStudy(
        rows,
        best_forward_step=math.sqrt(2 * EPSILON * value / half) if half else math.inf,
        best_central_step=(EPSILON * value / (2 * sixth)) ** (1 / 3) if sixth else math.inf,
        complex_step=abs(float(complex_step(f, x)) - exact),
        dual=abs(float(dual.derivative(f)(x)) - exact),
    )


def logarithmic_slope(h: Sequence[float], error: Sequence[float]) -> float:
    """The least-squares slope of log error against log h, errors of exactly 0 left out."""
    across, up = np.log([(a, b) for a, b in zip(h, error) if b > 0]).T
    return float(np.polyfit(across, up, 1)[0])
