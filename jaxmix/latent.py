r"""Generalized EM for a latent-class model that is given only as a function, log p(x, k; theta).

Automatic differentiation supplies what a textbook derives: responsibilities are the gradient of
logsumexp, and the M-step climbs Q by an inner optimizer (notes/families.md, eq. 10 and 11).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer
from jaxtyping import Array, Float

from jaxmix.inputs import as_count, as_sample_weights
from jaxmix.loop import Outcome
from jaxmix.methods import Cost
from jaxmix.numerics import logsumexp
from jaxmix.precision import as_floats
from jaxmix.stopping import Stop

LogJoint = Callable[[Any, Any], Float[Array, "n k"]]

RULES = ("gap", "total", "mean", "relative")
"""The stopping rules that need no more of a model than its log-likelihood and Q."""


class LatentFit(eqx.Module):
    """Fitted parameters of a latent-class model, with what is known about them."""

    theta: Any
    log_likelihood: Float[np.ndarray, ""]
    """Marginal log-likelihood at `theta`, in nats."""
    responsibilities: Float[Array, "n k"]
    gap: float
    """Nats of Q that the last inner optimization found at `theta`."""
    gradient_norm: Float[Array, ""]
    """Norm of the log-likelihood's gradient in theta, a unit of sample weight."""
    history: Float[np.ndarray, " steps"]
    """Log-likelihood after 0, 1, ..., num_steps steps; it never falls."""
    num_steps: int
    outcome: Outcome = eqx.field(static=True)
    cost: Cost


class _Move(eqx.Module):
    """Where one step of generalized EM leads, and what the pass at its start said."""

    theta: Any
    log_likelihood: Float[Array, ""]
    gap: Float[Array, ""]
    evaluations: Array


def fit_latent(
    x: Any,
    log_joint: LogJoint,
    theta: Any,
    *,
    stop: Stop | None = None,
    inner_steps: int = 10,
    sample_weights: Any = None,
) -> LatentFit:
    r"""Fit a latent-class model by generalized EM, with no derivation by hand.

    $r_{ik} = \partial \log\sum_l e^{j_{il}} / \partial j_{ik}$ for $j = $ `log_joint(theta, x)`;
    then $\theta^+$ raises $Q(\theta') = \sum_{ik} s_i r_{ik}\, j_{ik}(\theta')$ by some steps of
    L-BFGS. Whatever raises Q raises the log-likelihood by at least as much; a step that would not
    is not taken.

    Args:
        x: whatever `log_joint` takes as data: an array, or a tuple or dictionary of arrays, all
            with n rows.
        log_joint: a JAX function (theta, x) -> [n k], the logarithm of the joint density of each
            row and each latent class. It is compiled once for an object.
        theta: where to start: any nesting of float arrays, without constraints.
        stop: `Stop()` when left out; the rules "gap" (nats of Q that the inner optimizer finds),
            "total", "mean" and "relative".
        inner_steps: steps of L-BFGS an M-step; more make fewer and dearer steps.
        sample_weights: frequency weights $s_i$ [n]; 1 each when left out.

    Returns:
        A `LatentFit`.

    Raises:
        ValueError, TypeError: if `log_joint` gives no finite log-likelihood at the start, or not
            [n k]; for parameters that are not floats, or a rule that needs more.

    Examples:
        >>> import jax.numpy as jnp, jaxmix as jm
        >>> x = jnp.array([-2.1, -1.9, -2.0, 1.9, 2.0, 2.1])
        >>> def log_joint(means, x):  # two unit normals, equally likely
        ...     return -0.5 * (x[:, None] - means) ** 2
        >>> jm.fit_latent(x, log_joint, jnp.array([-1.0, 1.0])).theta.round(2).tolist()
        [-2.0, 2.0]

    Source: Dempster, Laird & Rubin (1977), JRSS B 39, section 3 (generalized EM).
    """
    stop = Stop() if stop is None else stop
    _check_kinds(x, log_joint, theta, stop)
    x, theta = jax.tree.map(jnp.asarray, x), jax.tree.map(as_floats, theta)
    weights = _checked_weights(x, log_joint, theta, sample_weights)
    inner_steps = as_count(inner_steps, "inner_steps")
    move = partial(_step, log_joint, inner_steps, x, weights)
    history, cost, code = [], Cost(), Outcome.RUNNING
    total = float(jnp.sum(weights))
    here = move(theta)
    while True:
        history.append(float(here.log_likelihood))
        cost = cost + Cost(passes=1 + here.evaluations, gradients=here.evaluations)
        code = _code(stop, history, float(here.gap), total)
        if code != Outcome.RUNNING:
            break
        after = move(here.theta)
        if not np.isfinite(float(after.log_likelihood)):
            code = Outcome.NONFINITE
            break
        theta, here = here.theta, after
    responsibilities, norm = _closing(log_joint, x, weights, theta)
    return LatentFit(
        theta=theta,
        log_likelihood=np.asarray(history[-1]),
        responsibilities=responsibilities,
        gap=float(here.gap),
        gradient_norm=norm,
        history=np.array(history),
        num_steps=len(history) - 1,
        outcome=code,
        cost=cost,
    )


def _check_kinds(x: Any, log_joint: Any, theta: Any, stop: Any) -> None:
    """Raise for arguments of other kinds, and inside a caller's jit or vmap."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((x, theta))):
        raise TypeError(
            "fit_latent decides on the host and runs in no jit or vmap; call it outside"
        )
    if not callable(log_joint):
        raise TypeError(f"log_joint must be a function (theta, x) -> [n k], got {log_joint!r}")
    if not isinstance(stop, Stop):
        raise TypeError(f"stop must be a jaxmix.Stop, got {stop!r}")
    if stop.rule not in RULES:
        raise ValueError(f"the rule {stop.rule!r} needs a mixture; use one of {', '.join(RULES)}")


def _checked_weights(
    x: Any, log_joint: LogJoint, theta: Any, sample_weights: Any
) -> Float[Array, " n"]:
    """Sample weights [n], once the model gives a finite [n k] at the start."""
    joint = log_joint(theta, x)
    if getattr(joint, "ndim", 0) != 2:
        raise ValueError(f"log_joint must give [n k], got shape {np.shape(joint)}")
    if not jnp.issubdtype(joint.dtype, jnp.floating):
        raise TypeError(f"log_joint must give floats, got {joint.dtype}")
    n = len(joint)
    if not bool(jnp.all(jnp.isfinite(logsumexp(joint)))):
        row = int(jnp.argmax(~jnp.isfinite(logsumexp(joint))))
        raise ValueError(f"row {row} has log-likelihood {logsumexp(joint)[row]:g} at the start")
    if sample_weights is None:
        return jnp.ones(n, joint.dtype)
    return jnp.asarray(as_sample_weights(sample_weights, n), joint.dtype)


def _code(stop: Stop, history: list[float], gap: float, total: float) -> Outcome:
    """The outcome of a run that has come this far."""
    change = abs(history[-1] - history[-2]) if len(history) > 1 else np.inf
    if not np.isfinite(gap):
        return Outcome.NONFINITE
    scales = {"gap": 1.0, "total": 1.0, "mean": total, "relative": abs(history[-1])}
    measure = gap if stop.rule == "gap" else change
    if measure <= float(stop.tol) * scales[stop.rule]:
        return Outcome.CONVERGED
    return Outcome.MAX_STEPS if len(history) > int(stop.max_steps) else Outcome.RUNNING


def log_likelihood(
    log_joint: LogJoint, x: Any, weights: Float[Array, " n"], theta: Any
) -> Float[Array, ""]:
    """The marginal log-likelihood of a latent-class model."""
    return weights @ logsumexp(log_joint(theta, x))


@partial(jax.jit, static_argnums=(0, 1))
def _step(
    log_joint: LogJoint, inner_steps: int, x: Any, weights: Float[Array, " n"], theta: Any
) -> _Move:
    """One E-step, and as many steps of L-BFGS on Q as an M-step may take."""
    joint = log_joint(theta, x)
    shares = weights[:, None] * responsibilities(joint)

    def loss(moved: Any) -> Float[Array, ""]:
        terms = jnp.where(shares > 0, log_joint(moved, x), 0.0)
        return -jnp.sum(shares * terms) / jnp.sum(weights)

    optimizer = optax.lbfgs()
    start, slope = jax.value_and_grad(loss)(theta)
    # Where Q has no derivative an optimizer finds nothing, as it would at a maximum.
    unusable = ~jnp.isfinite(optax.tree.norm(slope))

    def climb(carry: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], None]:
        moved, memory, best, least, evaluations = carry
        value, slope = optax.value_and_grad_from_state(loss)(moved, state=memory)
        updates, memory = optimizer.update(
            slope, memory, moved, value=value, grad=slope, value_fn=loss
        )
        moved = optax.apply_updates(moved, updates)
        value = optax.tree.get(memory, "value")
        better = value < least
        best = jax.tree.map(partial(jnp.where, better), moved, best)
        trials = optax.tree.get(memory, "num_linesearch_steps")
        evaluations = evaluations + jnp.asarray(trials, jnp.int32)
        return (moved, memory, best, jnp.where(better, value, least), evaluations), None

    carry = (theta, optimizer.init(theta), theta, start, jnp.zeros((), jnp.int32))
    (_, _, best, least, evaluations), _ = jax.lax.scan(climb, carry, None, inner_steps)
    gain = jnp.sum(weights) * (start - least)
    gain = jnp.where(unusable, jnp.nan, gain)
    return _Move(best, weights @ logsumexp(joint), gain, evaluations + 1)


def responsibilities(joint: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """The gradient of every row's logsumexp: posterior probabilities of the classes."""
    return jax.grad(lambda j: jnp.sum(logsumexp(j)))(joint)


@partial(jax.jit, static_argnums=0)
def _closing(
    log_joint: LogJoint, x: Any, weights: Float[Array, " n"], theta: Any
) -> tuple[Float[Array, "n k"], Float[Array, ""]]:
    slopes = jax.grad(partial(log_likelihood, log_joint, x, weights))(theta)
    norm = optax.tree.norm(slopes) / jnp.sum(weights)
    return responsibilities(log_joint(theta, x)), norm
