"""What derivatives are for, each in a few lines: equations, minima, inverse problems, nets, ODEs.

All derivatives come from dual numbers, so that users write programs for values only
(notes/autodiff.md, eq. 11 to 15).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from jaxmix import dual
from jaxmix.autodiff import iterations
from jaxmix.autodiff.iterations import Function, Iterates, solved, stacked

START_DAMPING = 1e-3


def newton(f: Function, x: Any, tol: float = 1e-12, max_steps: int = 50) -> Iterates:
    """Solve f(x) = 0 by Newton's method, x - J(x)^-1 f(x).

    Args:
        f: from numbers to numbers, or from [n] to [n]; built from functions of jaxmix.dual.
        x: where to start.
        tol: the step, relative to 1 + |x|, at which to stop.
        max_steps: steps after which to give up.

    Returns:
        The iterates; not converged where steps ran out or a Jacobian was singular.

    Raises:
        ValueError: unless f gives as many numbers as it takes.

    Examples:
        >>> round(float(newton(lambda x: x * x - 2, 1.0).x), 12)
        1.414213562373

    Source: notes/autodiff.md, eq. 11.
    """

    def step(x: np.ndarray) -> tuple[Any, Any]:
        y = np.asarray(stacked(f(x)))
        if y.size != x.size:
            advice = "see least_squares and minimize for other numbers of them"
            raise ValueError(f"newton got {y.size} equations for {x.size} unknowns; {advice}")
        slopes = dual.jacobian(lambda x: stacked(f(x)))(x)
        move = np.reshape(-solved(slopes, y) if np.any(y) else 0 * y, x.shape)
        return move, move

    return iterations.iterate(step, x, tol, max_steps)


def minimize(f: Function, x: Any, tol: float = 1e-12, max_steps: int = 100) -> Iterates:
    """Minimize f by Newton's method on its gradient, with steps that must go down.

    Where the Hessian is not positive definite, its eigenvalues count by their size; where a step
    would not lower f, it is halved.

    Args:
        f: from a number or [n] to a number; built from functions of jaxmix.dual.
        x: where to start.
        tol: the step, relative to 1 + |x|, at which to stop.
        max_steps: steps after which to give up.

    Returns:
        The iterates; converged at a stationary point, which steps reach downhill.

    Examples:
        >>> rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        >>> minimize(rosenbrock, [-1.2, 1.0]).x.round(9).tolist()
        [1.0, 1.0]

    Source: notes/autodiff.md, eq. 12; Nocedal & Wright (2006), Numerical Optimization, ch. 3.4.
    """

    def step(x: np.ndarray) -> tuple[Any, Any]:
        slope = np.atleast_1d(dual.jacobian(f)(x))
        curvature, directions = np.linalg.eigh(np.reshape(dual.hessian(f)(x), (slope.size,) * 2))
        usable = np.maximum(np.abs(curvature), 1e-10 * np.abs(curvature).max())
        usable[usable == 0] = 1.0  # on a plane any step down will do
        down = -directions @ ((directions.T @ slope.ravel()) / usable)
        move = np.reshape(down, x.shape)
        return _halved(f, x, move, float(down @ slope.ravel())), move

    return iterations.iterate(step, x, tol, max_steps)


def _halved(f: Function, x: np.ndarray, move: Any, slope: float) -> Any:
    """The longest of move, move / 2, ... that lowers f by a share of what its slope promises.

    NaN where none does.
    """
    here = f(x)
    for _ in range(60):
        if f(x + move) <= here + 1e-4 * slope + 1e-15 * abs(here):
            return move
        move, slope = move / 2, slope / 2
    return np.full_like(move, np.nan)


def least_squares(
    residuals: Function, x: Any, tol: float = 1e-12, max_steps: int = 200
) -> Iterates:
    """Minimize a sum of squares by Levenberg and Marquardt's method: an inverse problem.

    Args:
        residuals: from a parameter or parameters [p] to differences of model and data [n].
        x: where to start.
        tol: the step, relative to 1 + |x|, at which to stop.
        max_steps: steps after which to give up.

    Returns:
        The iterates; converged at a stationary point of the sum. Parameters that have no effect
        stay where they are.

    Examples:
        >>> t = np.linspace(0.0, 2.0, 9)
        >>> data = 3.0 * np.exp(-1.5 * t)
        >>> fit = least_squares(lambda p: p[0] * dual.exp(-p[1] * t) - data, [1.0, 1.0])
        >>> fit.x.round(9).tolist()
        [3.0, 1.5]

    Source: notes/autodiff.md, eq. 13; Nocedal & Wright (2006), Numerical Optimization, ch. 10.3.
    """
    damping = START_DAMPING

    def step(x: np.ndarray) -> tuple[Any, Any]:
        nonlocal damping
        damped, goes_down = iterations.normal_equations(lambda p: stacked(residuals(p)), x)
        for _ in range(60):
            if goes_down(move := damped(damping)):
                damping = max(damping / 10, 1e-15)
                return move, damped(START_DAMPING)
            damping = damping * 10
        return np.full_like(x, np.nan), damped(START_DAMPING)

    return iterations.iterate(step, x, tol, max_steps)


class Network(NamedTuple):
    """A network with one hidden layer: its parameters, and its loss after every step."""

    parameters: np.ndarray
    hidden: int
    losses: np.ndarray

    def __call__(self, x: np.ndarray) -> Any:
        """Outputs [n] for inputs [n d]."""
        d = (len(self.parameters) - 1) // self.hidden - 2
        return _network(self.parameters, _inputs(x, d), self.hidden)


def train_network(
    x: np.ndarray,
    y: np.ndarray,
    hidden: int = 4,
    steps: int = 500,
    learning_rate: float = 0.2,
    seed: int = 0,
) -> Network:
    """Train a two-layer network by gradient descent, on gradients from dual numbers.

    Forward mode pays a tangent a parameter: that it works is the point, and that reverse mode is
    for this is the lesson.

    Args:
        x: inputs [n d].
        y: outputs [n].
        hidden: units of the hidden layer, tanh.
        steps: gradient steps.
        learning_rate: their length, on the mean squared error.
        seed: of the starting parameters.

    Returns:
        The trained network, which can be called.

    Raises:
        ValueError: for inputs that are no matrix, or targets that are not one for each of them.

    Examples:
        >>> inputs = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> net = train_network(inputs, np.array([0.0, 1.0, 1.0, 0.0]))
        >>> (net(inputs) > 0.5).tolist()
        [False, True, True, False]

    Source: notes/autodiff.md, eq. 14.
    """
    x, y = _inputs(x), np.asarray(y, float)
    if y.shape != x.shape[:1]:
        got = f"got {[*y.shape]}; ravel a column"
        raise ValueError(f"targets must be [{len(x)}], one an input, {got}")
    count = hidden * (x.shape[1] + 2) + 1
    parameters = np.random.default_rng(seed).normal(size=count)

    def loss(p: Any) -> Any:
        return dual.mean((_network(p, x, hidden) - y) ** 2)

    slope, losses = dual.gradient(loss), [loss(parameters)]
    for _ in range(steps):
        parameters = parameters - learning_rate * slope(parameters)
        losses.append(loss(parameters))
    return Network(parameters, hidden, np.array(losses))


def _inputs(x: Any, d: int | None = None) -> np.ndarray:
    """Inputs as a matrix, with as many columns as the network was trained on."""
    x = np.asarray(x, float)
    if x.ndim != 2 or d not in (None, x.shape[1]):
        shape = f"[n {'d' if d is None else d}]"
        raise ValueError(f"inputs must be {shape}, got {[*x.shape]}; one number each is x[:, None]")
    return x


def _network(p: Any, x: np.ndarray, hidden: int) -> Any:
    d = x.shape[1]
    first, rest = p[: hidden * d].reshape(hidden, d), p[hidden * d :]
    inside = dual.tanh(x @ first.T + rest[:hidden])
    return inside @ rest[hidden : 2 * hidden] + rest[2 * hidden]


def implicit_euler(
    f: Callable[[float, Any], Any], y: Any, times: np.ndarray, tol: float = 1e-12
) -> np.ndarray:
    """Solve the stiff equation y' = f(t, y) by implicit steps, each by Newton's method.

    Args:
        f: the right side, from a time and a state (a number or [n]) to the state's rate.
        y: the state at the first time.
        times: increasing times [m], at which the state is wanted.
        tol: of Newton's method.

    Returns:
        States [m ...].

    Raises:
        ArithmeticError: where Newton's method finds no state; take smaller steps.

    Examples:
        >>> y = implicit_euler(lambda t, y: -1e6 * (y - np.cos(t)), 0.0, np.linspace(0, 1, 11))
        >>> round(float(y[-1]), 4)
        0.5403

    Source: notes/autodiff.md, eq. 15; Hairer & Wanner (1996), Solving ODEs II, section IV.3.
    """
    states = [np.asarray(y, float)]
    for before, now in pairwise(times):
        last, h = states[-1], now - before
        found = newton(lambda y, t=now, last=last, h=h: y - last - h * stacked(f(t, y)), last, tol)
        if not found.converged:
            raise ArithmeticError(f"no state found at time {now:g}; take smaller steps")
        states.append(found.x)
    return np.stack(states)
