"""Bootstrap standard errors: hundreds of refits to resampled rows, in one compiled program.

A resample is a vector of frequency weights, so that no row is copied and no shape changes. Refits
start from the fitted mixture and run one after another: most take few steps, and side by side all
would wait for the longest (notes/standard-errors.md, eq. 10 and 11).
"""

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, Int, Key

from jaxmix import checks
from jaxmix.compiling import compiler_options, is_small
from jaxmix.fitting import as_names
from jaxmix.inference.parts import ByPart, Errors, Parts, user_parts
from jaxmix.inference.posing import Options
from jaxmix.inputs import as_count, as_incomplete, as_level, as_matrix, as_sample_weights
from jaxmix.lane_programs import take
from jaxmix.loop import Outcome, advance, begin
from jaxmix.matching import match
from jaxmix.methods import EM, Method
from jaxmix.mixture import Mixture
from jaxmix.posing import check_problem
from jaxmix.precision import cast, to_jax
from jaxmix.prior import Prior
from jaxmix.problem import build_problem
from jaxmix.result import REMEDY, FitFailed
from jaxmix.stopping import Stop, resolvable
from jaxmix.streams import stream

MOST_DRAWS = 10**9
"""Observations of a resample: its draws take 8 bytes each, and are counted in 32 bits."""


class Limits(ByPart):
    """One end of confidence intervals, in the shapes of a mixture's own parameters."""

    parts: Parts


class Bootstrap(Errors):
    """Standard errors and intervals from refits, in the shapes of a mixture's own parameters."""

    parts: Parts
    """Standard deviations over the refits, by name as in `StandardErrors`; 0 of fixed parts."""
    covariance: Float[Array, "q q"]
    """Of all entries of `parts`, each raveled, in their order."""
    mixtures: Mixture
    """The refits that ended well, stacked, each with its components in the order of the fit's."""
    codes: Int[np.ndarray, " resamples"]
    """How every refit ended, as a number of `Outcome`."""

    @property
    def kind(self) -> str:
        """What the errors come from."""
        return f"bootstrap, {len(self.codes) - self.num_failed} refits"

    @property
    def num_failed(self) -> int:
        """How many refits ended DEGENERATE or NONFINITE, and are left out."""
        return int(np.sum(~_usable(self.codes)))

    def interval(self, level: float = 0.95) -> tuple[Limits, Limits]:
        r"""Percentile intervals: quantiles $(1 \mp \text{level}) / 2$ of the refits.

        Args:
            level: the nominal coverage; the further out the ends, the more refits they ask for, of
                which 1,000 leave about 25 beyond each end of 0.95.

        Returns:
            Lower and upper ends, read as `.means` and so on.

        Source: Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.
        """
        tail, values = (1 - as_level(level)) / 2, _values(self.mixtures)
        ends = [
            jax.tree.map(lambda part, q=q: jnp.quantile(part, q, axis=0), values)
            for q in (tail, 1 - tail)
        ]
        return Limits(ends[0]), Limits(ends[1])


class Refitting(eqx.Module):
    """A fitted mixture and the rows to resample."""

    mixture: Mixture
    x: Float[Array, "n d"]
    cumulative: Int[Array, " n"]
    """How many observations the rows up to each one are."""
    method: Method
    stop: Stop
    prior: Prior | None
    ridge: ArrayLike
    fixed: tuple[str, ...] = eqx.field(static=True)
    missing: bool = eqx.field(static=True)
    draws: int = eqx.field(static=True)
    """How many observations there are in all, and in a resample."""
    small: bool = eqx.field(static=True)
    """Whether a pass is short, by the measure of compiling.py."""


def bootstrap(
    mixture: Mixture,
    x: Any,
    num_resamples: int = 200,
    seed: int = 0,
    method: Method | None = None,
    stop: Stop | None = None,
    **options: Unpack[Options],
) -> Bootstrap:
    r"""Standard errors of a fitted mixture from refits to resampled rows.

    $\operatorname{se}(\theta)^2 = \frac{1}{B-1} \sum_b (\theta_b - \bar\theta)^2$, where $\theta_b$
    is fitted, from the mixture on, to as many observations as there are, drawn from them with
    replacement. It takes no derivative, and the objective for no parabola, so it checks what does.

    Args:
        mixture: the result of a fit that converged.
        x: the data [n d] that it was fitted to.
        num_resamples: the number of refits B. The relative error of a standard error is about
            1 / sqrt(2 B): 5% at the default of 200. Intervals ask for 1,000.
        seed: of the resamples.
        method: of the refits; `EM()` when left out.
        stop: when each refit ends; `Stop()` when left out.
        **options: prior, ridge, fixed, sample_weights, missing, as in the fit. Sample weights must
            be whole numbers: weight 2 is two rows, of which a resample may hold either.

    Returns:
        A `Bootstrap`: standard errors as `.means` and so on, `.interval(level)`, the refits as
        `.mixtures`, `.num_failed`. Refits that end DEGENERATE or NONFINITE are left out, with a
        warning; another warning counts those that reach the limit on steps.

    Raises:
        ValueError, TypeError: as `fit`; for sample weights that are no whole numbers.
        FitFailed: if fewer than two refits end well.

    Examples:
        >>> import jaxmix as jm
        >>> waiting = jm.data.load("faithful").x[:, 1]
        >>> fit = jm.fit(waiting, jm.initialize(waiting, 2, family="tied"))
        >>> refits = jm.inference.bootstrap(fit.mixture, waiting, num_resamples=100)
        >>> refits.means.shape, refits.mixtures.means.shape, refits.num_failed
        ((2, 1), (100, 2, 1), 0)

    Source: Efron (1979), Annals of Statistics 7; notes/standard-errors.md, eq. 10 and 11.
    """
    num_resamples = as_count(num_resamples, "num_resamples", least=2)
    study = _open(mixture, x, method, stop, **options)
    keys = jax.random.split(stream(seed, "bootstrap"), num_resamples)
    mixtures, codes = _program(study.small)(study, keys)
    codes = np.asarray(codes)
    _report(codes)
    rows = np.flatnonzero(_usable(codes))
    orders = np.stack([match(take(mixtures, row), study.mixture) for row in rows])
    matched = _reordered(jax.tree.map(lambda leaf: leaf[rows], mixtures), orders)
    covariance = _covariance(_values(matched))
    back = ravel_pytree(user_parts(study.mixture))[1]
    return Bootstrap(back(jnp.sqrt(jnp.diagonal(covariance))), covariance, matched, codes)


def _open(
    mixture: Mixture,
    x: Any,
    method: Method | None,
    stop: Stop | None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
    sample_weights: Any = None,
    missing: bool = False,
) -> Refitting:
    """What valid arguments of `bootstrap` ask for."""
    method, names = EM() if method is None else method, as_names(fixed)
    stop = Stop() if stop is None else stop
    checks.check_method(method, stop)
    problem, _ = check_problem(x, mixture, method, prior, ridge, names, sample_weights, missing)
    values, _ = as_incomplete(x) if missing else as_matrix(x)
    counts = np.ones(len(values))
    if sample_weights is not None:
        counts = as_sample_weights(sample_weights, len(values))
    if np.any(counts != np.floor(counts)):
        row = int(np.argmax(counts != np.floor(counts)))
        raise ValueError(
            f"sample_weights[{row}] is {counts[row]:g}; a resample draws whole observations, so "
            'expected whole numbers. standard_errors(..., kind="sandwich") takes any weights'
        )
    if np.sum(counts) > MOST_DRAWS:
        raise ValueError(
            f"sample_weights sum to {np.sum(counts):g}, expected at most {MOST_DRAWS:.0e}, since a "
            "resample draws each observation; standard_errors takes any number"
        )
    cumulative = np.cumsum(counts.astype(int))
    start = cast(mixture, problem.center.dtype)
    first = problem.evaluate(problem.enter(start))
    total, dtype = float(problem.total), problem.center.dtype
    return Refitting(
        mixture=start,
        x=to_jax(values),
        cumulative=jax.device_put(cumulative),
        method=method,
        stop=resolvable(stop, float(first.objective), total, dtype),
        prior=prior,
        ridge=ridge,
        fixed=names,
        missing=missing,
        draws=int(cumulative[-1]),
        small=is_small(problem, first.statistics.size),
    )


@cache
def _program(small: bool) -> jax.stages.Wrapped:
    """All refits, compiled by the route that suits the size of one."""
    return jax.jit(_refits, compiler_options=compiler_options(small))


def _refits(
    study: Refitting, keys: Key[Array, " resamples"]
) -> tuple[Mixture, Int[Array, " resamples"]]:
    """The mixtures that refits lead to, in the units of the data, and how each ended."""
    return jax.lax.map(lambda key: _refit(study, key), keys)


def resample(key: Array, cumulative: Int[Array, " n"], draws: int) -> Int[Array, " n"]:
    """How often each row is drawn, where as many observations are drawn as there are."""
    drawn = jax.random.randint(key, (draws,), 0, draws)
    return jnp.bincount(jnp.searchsorted(cumulative, drawn, side="right"), length=len(cumulative))


def _refit(study: Refitting, key: Array) -> tuple[Mixture, Int[Array, ""]]:
    method, stop, family = study.method, study.stop, study.mixture.family
    problem = build_problem(
        study.x,
        resample(key, study.cumulative, study.draws).astype(study.x.dtype),
        study.prior,
        study.ridge,
        study.fixed,
        method.hard,
        missing=study.missing,
        centered=family.centered,
    )
    loop = begin(method, problem, stop, problem.enter(study.mixture), watched=False)
    # A trace of one entry: what is written beyond it is dropped, and nobody reads it.
    loop, _ = advance(method, problem, stop, loop, jnp.asarray(stop.max_steps), 1, watched=False)
    return problem.leave(method.finish(loop.state)), loop.code


_reordered = jax.jit(jax.vmap(Mixture.take))
"""Stacked mixtures, the components of each in another order."""


@jax.jit
def _values(mixtures: Mixture) -> Parts:
    return jax.vmap(user_parts)(mixtures)


@jax.jit
def _covariance(values: Parts) -> Float[Array, "q q"]:
    moves = jax.vmap(lambda one: ravel_pytree(one)[0])(values)
    # From one of them first, so that what is the same in all has exactly 0.
    moves = moves - moves[0]
    moves = moves - jnp.mean(moves, axis=0)
    return moves.T @ moves / (len(moves) - 1)


def _usable(codes: np.ndarray) -> np.ndarray:
    return ~np.isin(codes, (Outcome.NONFINITE, Outcome.DEGENERATE))


def _report(codes: np.ndarray) -> None:
    """Warn the caller's caller of refits that are no optimum; raise where hardly any is left."""
    failed, limited = np.sum(~_usable(codes)), np.sum(codes == Outcome.MAX_STEPS)
    if len(codes) - failed < 2:
        raise FitFailed(f"{failed} of {len(codes)} refits ended DEGENERATE or NONFINITE; {REMEDY}")
    if failed:
        warnings.warn(
            f"{failed} of {len(codes)} refits ended DEGENERATE or NONFINITE and are left out, so "
            f"that errors may be too small; {REMEDY}",
            stacklevel=3,
        )
    if limited:
        warnings.warn(
            f"{limited} of {len(codes)} refits reached the limit on steps before they converged, "
            "so that errors may be too small; raise max_steps of the stop",
            stacklevel=3,
        )
