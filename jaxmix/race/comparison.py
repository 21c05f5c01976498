"""The main job: several methods on one mixture, from the same starts, measured alike.

It works on standardized columns (one common scale for spherical components), where a learning rate
means the same on any data, and reports in the user's units. The dictionary that it returns is the
content of result.json, from which every table, figure and page is made.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmix.circumstances import circumstances, fingerprint
from jaxmix.data import Table
from jaxmix.families import STRUCTURES
from jaxmix.fitting import fit
from jaxmix.inputs import as_count
from jaxmix.loop import Outcome
from jaxmix.matching import covariance_matrices, distance, match
from jaxmix.mixture import Mixture
from jaxmix.race.named_methods import Contender, contenders
from jaxmix.race.two_means import two_means
from jaxmix.race.units import Units, standardized
from jaxmix.result import FitResult
from jaxmix.scores import adjusted_rand_index, confusion
from jaxmix.starts import initialize
from jaxmix.stopping import Stop
from jaxmix.suggestions import unknown

MOST_POINTS = 2000
"""Points kept for the pictures."""

EVERY_STEP = 60
"""Steps recorded one by one; later ones at ever longer distances."""

REPEATS = 3
"""Timed runs, of which the median counts, where one takes less than a second."""

Say = Callable[[str], None]


class Run(NamedTuple):
    """One method from one start: its fit and what it took."""

    contender: Contender
    start: int
    result: FitResult
    compile_seconds: float
    run_seconds: float


def compare(
    table: Table,
    k: int,
    family: str = "full",
    methods: tuple[Contender, ...] = (),
    num_starts: int = 1,
    seed: int = 0,
    stop: Stop | None = None,
    say: Say = lambda message: None,
) -> dict[str, Any]:
    """Fit one mixture by every method from the same starts, and measure them alike.

    Args:
        table: data, as `jaxmix.data.load` or `jaxmix.data.read` give them.
        k: number of components.
        family: "full", "tied", "diag" or "spherical".
        methods: what to compare, from `contenders`; the default ones when left out.
        num_starts: starts a method; start j is `initialize` on standardized columns with seed + j.
        seed: an integer.
        stop: one rule for all; a gap of 1e-8 nats or 5000 steps when left out.
        say: told what is being done.

    Returns:
        A dictionary of plain numbers, lists and text: the content of result.json.

    Raises:
        ValueError, TypeError: as `fit` and `initialize`.

    Examples:
        >>> import jaxmix as jm
        >>> entry = jm.race.contenders("em")
        >>> outcome = jm.race.compare(jm.data.load("faithful"), 2, methods=entry)
        >>> round(outcome["rows"][0]["log_likelihood"], 3)
        -1130.264
    """
    stop, methods = stop or Stop(max_steps=5000), methods or contenders()
    as_count(num_starts, "num_starts")
    _check(table, methods, family)
    z, units = standardized(table, family)
    starts = [
        initialize(z, k, family, seed=seed + j, sample_weights=table.sample_weights)
        for j in range(num_starts)
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        study = pool.submit(two_means, table, methods, stop)
        say("compiling what all methods share")
        fit(z, starts[0], stop=Stop(max_steps=0), sample_weights=table.sample_weights)
        seconds = pool.map(lambda one: _compile(one, z, starts[0], stop, table, say), methods)
        compiled = list(zip(methods, seconds, strict=True))
        two_parameter = study.result()
    runs = [run for one, took in compiled for run in _race(one, took, z, starts, stop, table, say)]
    best = _best(runs)
    reference = units.mixture(best.result.mixture)
    first = [run for run in runs if run.start == 0]
    paths = [_path(run, z, starts[0], stop, table, units, reference) for run in first]
    return {
        "schema": 1,
        "seed": seed,
        "k": k,
        "family": family,
        "stop": {"rule": stop.rule, "tol": float(stop.tol), "max_steps": int(stop.max_steps)},
        **circumstances(),
        "data": _describe(table, units),
        "classes": _classes(table),
        "best": {
            "method": best.contender.title,
            "start": best.start,
            "log_likelihood": _log_likelihood(best, units),
        },
        "methods": [one.title for one in methods],
        "settings": {one.title: one.settings for one in methods},
        "rows": [_row(run, units, reference, table) for run in runs],
        "traces": [_trace(run, units) for run in runs],
        "paths": paths,
        "two_parameter": two_parameter,
    }


def _check(table: Table, methods: tuple[Contender, ...], family: str) -> None:
    """Raise unless there is a table, a family with covariances, and one objective for all."""
    if not isinstance(table, Table):
        raise TypeError(f"expected a jaxmix.data.Table, got {type(table).__name__}")
    if family not in STRUCTURES:
        known = unknown("family to compare", family, STRUCTURES)
        raise ValueError(f"{known}; fit counts and categories by jaxmix fit, a method at a time")
    for one in methods:
        if one.method.hard:
            raise ValueError(
                f"{one.title} climbs the classification log-likelihood, another objective; leave "
                "it out, or fit it by jaxmix.fit"
            )


def _total(table: Table) -> int | float:
    """Observations, rows counted as often as their sample weights say."""
    weights = table.sample_weights
    total = float(len(table.x) if weights is None else np.sum(weights))
    return int(total) if total.is_integer() else total


def _timed(
    one: Contender, z: np.ndarray, start: Mixture, stop: Stop, table: Table
) -> tuple[FitResult, float]:
    began = time.perf_counter()
    result = fit(z, start, one.method, stop=stop, sample_weights=table.sample_weights)
    jax.block_until_ready(result.mixture)
    return result, time.perf_counter() - began


def _compile(
    one: Contender, z: np.ndarray, start: Mixture, stop: Stop, table: Table, say: Say
) -> float:
    """Seconds until a method has taken its first step; two methods compile at a time."""
    say(f"compiling {one.title}")
    return _timed(one, z, start, Stop(stop.rule, stop.tol, 1), table)[1]


def _race(
    one: Contender,
    compile_seconds: float,
    z: np.ndarray,
    starts: list[Mixture],
    stop: Stop,
    table: Table,
    say: Say,
) -> list[Run]:
    """One compiled method from every start, alone on the machine."""
    say(f"running {one.title}")
    runs = []
    for j, start in enumerate(starts):
        result, first = _timed(one, z, start, stop, table)
        repeats = REPEATS - 1 if first < 1 else 0
        again = [_timed(one, z, start, stop, table)[1] for _ in range(repeats)]
        runs.append(Run(one, j, result, compile_seconds, float(np.median([first, *again]))))
    return runs


def _best(runs: list[Run]) -> Run:
    """The run of highest log-likelihood among those that did not fail."""
    usable = [r for r in runs if r.result.outcome in (Outcome.CONVERGED, Outcome.MAX_STEPS)]
    return max(usable or runs, key=lambda run: float(run.result.log_likelihood))


def _log_likelihood(run: Run, units: Units) -> float:
    return float(run.result.log_likelihood) + units.shift(float(run.result.total))


def _row(run: Run, units: Units, reference: Mixture, table: Table) -> dict[str, Any]:
    result, mixture = run.result, units.mixture(run.result.mixture)
    order = match(mixture, reference)
    row = {
        "method": run.contender.title,
        "start": run.start,
        "log_likelihood": _log_likelihood(run, units),
        "gap": float(result.gap),
        "num_steps": int(result.num_steps),
        "passes": int(result.cost.passes),
        "gradients": int(result.cost.gradients),
        "hessian_products": int(result.cost.hessian_products),
        "compile_seconds": run.compile_seconds,
        "run_seconds": run.run_seconds,
        "outcome": result.outcome.name,
        "distance": distance(mixture, reference, units.scale),
        "weights": np.asarray(mixture.weights)[order].tolist(),
        "adjusted_rand_index": None,
        "confusion": None,
    }
    if table.labels is not None:
        predicted = np.asarray(mixture.take(order).predict(table.x))
        row["adjusted_rand_index"] = adjusted_rand_index(table.labels, predicted)
        row["confusion"] = confusion(table.labels, predicted, mixture.num_components)[1].tolist()
    return row


def _trace(run: Run, units: Units) -> dict[str, Any]:
    """Objective, gap, passes and seconds after every step; a pass is taken to last the same."""
    passes = np.asarray(run.result.pass_history)
    seconds = run.run_seconds * passes / max(int(passes[-1]), 1)
    shift = units.shift(float(run.result.total))
    return {
        "method": run.contender.title,
        "start": run.start,
        "objective": (np.asarray(run.result.history) + shift).tolist(),
        "gap": np.asarray(run.result.gap_history).tolist(),
        "passes": passes.tolist(),
        "seconds": seconds.tolist(),
    }


def recorded_steps(num_steps: int) -> list[int]:
    """Every early step, later ones at distances that grow, and the last."""
    early = range(min(num_steps, EVERY_STEP) + 1)
    late = np.geomspace(EVERY_STEP, max(num_steps, EVERY_STEP + 1), 40).astype(int)
    return sorted({*early, *(int(t) for t in late if t <= num_steps), num_steps})


def _path(
    run: Run,
    z: np.ndarray,
    start: Mixture,
    stop: Stop,
    table: Table,
    units: Units,
    reference: Mixture,
) -> dict[str, Any]:
    """The same run again, bit for bit, with its iterates, components in the reference's order."""
    steps = recorded_steps(int(run.result.num_steps))
    again = fit(
        z, start, run.contender.method, stop=stop, sample_weights=table.sample_weights, record=steps
    )
    order = match(units.mixture(again.mixture), reference)
    weights, means, matrices = _stacked(again.path)
    return {
        "method": run.contender.title,
        "start": run.start,
        "steps": list(again.path_steps),
        "weights": weights[:, order].tolist(),
        "means": (means * units.scale + units.center)[:, order].tolist(),
        "covariances": (matrices * np.outer(units.scale, units.scale))[:, order].tolist(),
    }


def _stacked(path: Mixture | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and covariance matrices of stacked mixtures, along their leading axis."""
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, path))
    # One at a time, by programs that `match` has compiled; all at once would compile another.
    rows = jax.device_put(list(zip(*leaves, strict=True)))
    mixtures = [jax.tree.unflatten(structure, row) for row in rows]
    parts = [(one.weights, one.means, covariance_matrices(one)) for one in mixtures]
    weights, means, matrices = (np.stack(part) for part in zip(*parts, strict=True))
    return weights, means, matrices


def thinned(x: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Indices of at most `most` rows, evenly spaced."""
    return np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).round().astype(int))


def _describe(table: Table, units: Units) -> dict[str, Any]:
    kept = thinned(table.x)
    return {
        "name": table.name,
        "source": table.source,
        "n": _total(table),
        "columns": list(table.columns),
        "sha256": fingerprint(table.x),
        "center": units.center.tolist(),
        "scale": units.scale.tolist(),
        "points": table.x[kept].tolist(),
        "labels": None if table.labels is None else [str(table.labels[i]) for i in kept],
    }


def _classes(table: Table) -> dict[str, Any] | None:
    if table.labels is None:
        return None
    return {"names": [str(name) for name in np.unique(np.asarray(table.labels))]}
