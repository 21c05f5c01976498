"""Which family and how many components: every cell of a table fitted from many starts.

notes/how-to-choose.md says how to read the table.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from jaxmix.criteria import Cell, Selection, check_criterion
from jaxmix.families import Spec
from jaxmix.inputs import as_count
from jaxmix.lanes import run
from jaxmix.methods import Method
from jaxmix.mixture import Mixture
from jaxmix.prior import Prior
from jaxmix.problem import Problem
from jaxmix.restarts import RestartResults, closed, open_study
from jaxmix.starts import check_data
from jaxmix.statistics import expectation
from jaxmix.stopping import Stop


def select(
    x: Any,
    ks: int | Iterable[int] = (1, 2, 3, 4),
    families: Spec | Iterable[Spec] = ("full", "tied", "diag", "spherical"),
    num_starts: int = 50,
    seed: int = 0,
    criterion: str = "bic",
    *,
    start: str = "short_runs",
    method: Method | None = None,
    stop: Stop | None = None,
    prior: Prior | None = None,
    ridge: ArrayLike = 0.0,
    fixed: Iterable[str] = (),
    sample_weights: Any = None,
    missing: bool = False,
) -> Selection:
    r"""Fit every family with every number of components, and compare them.

    $\mathrm{BIC} = p \log n - 2L$, $\mathrm{AIC} = 2p - 2L$ and
    $\mathrm{ICL} = \mathrm{BIC} + 2E$, where L is the log-likelihood without penalties, p the
    number of free parameters, n the sum of the sample weights, and
    $E = -\sum_i s_i \sum_k r_{ik} \log r_{ik}$ the entropy of the soft responsibilities. Lower is
    better. A cell in which every start fails is a row that says so.

    Args:
        x: data [n d], or anything that `fit` takes.
        ks: numbers of components, each at most the number of observations.
        families: what `initialize` takes as family, or several of them.
        num_starts: starts a cell. On Old Faithful the hardest of 16 cells is reached by one start
            in ten: 50 miss it less than once in a hundred times (notes/how-to-choose.md).
        seed: start j of every cell is drawn with seed + j.
        criterion: "bic", "aic" or "icl", by which `.best` is chosen.
        start: a kind of start that `initialize` knows by name. "short_runs" needs far fewer starts
            than the others.
        method: `EM()` when left out.
        stop: `Stop(max_steps=5000)` when left out: good cells may take thousands of steps.
        prior, ridge, fixed, sample_weights, missing: as in `fit`, for every cell.

    Returns:
        A `Selection`: `.best`, `.by("aic")`, `.cells`, `.table`, `.draw()`; printing it gives the
        table.

    Raises:
        ValueError, TypeError: as `fit` and `initialize`, and for an unknown criterion.

    Examples:
        >>> import jaxmix as jm
        >>> galaxies = jm.data.load("galaxies").x
        >>> chosen = jm.select(galaxies, ks=[1, 3], families="full", num_starts=3)
        >>> chosen.best.mixture.num_components, round(chosen.cells[1].bic, 4)
        (3, 441.6122)

    Source: Schwarz (1978); Akaike (1974); Biernacki, Celeux & Govaert (2000), IEEE Transactions on
    Pattern Analysis and Machine Intelligence 22, for ICL with assignments in the place of
    responsibilities; Baudry (2009), Université Paris-Sud, chapter 4, for the entropy used here.
    """
    check_criterion(criterion)
    sizes = _several("ks", ks, int | np.integer, "a number of components")
    kinds = _several("families", families, str | Mapping | type, "a family")
    for name, given in (("ks", sizes), ("families", kinds)):
        if not given:
            raise ValueError(f"{name} is empty; name at least one")
        if any(given.count(one) > 1 for one in given):
            raise ValueError(f"{name} names one twice: {given}")
    as_count(num_starts, "num_starts")
    blanks = [
        [check_data(x, k, family, sample_weights, missing)[2] for k in sizes] for family in kinds
    ]
    names = _told_apart(kinds, [of_one_kind[0].name for of_one_kind in blanks])
    settings = {
        "start": start,
        "stop": Stop(max_steps=5000) if stop is None else stop,
        "prior": prior,
        "ridge": ridge,
        "fixed": fixed if isinstance(fixed, str) else tuple(fixed),
        "sample_weights": sample_weights,
        "missing": missing,
    }
    cells = [
        Cell(name, k, *_fitted(x, k, family, method, num_starts, seed, settings))
        for name, family in zip(names, kinds, strict=True)
        for k in sizes
    ]
    return Selection(tuple(cells), criterion)


def _several(name: str, given: Any, single: Any, what: str) -> list[Any]:
    """A list of what was given, of one where it is one."""
    if isinstance(given, single):
        return [given]
    if isinstance(given, str) or not np.iterable(given):
        raise TypeError(f"{name} must be {what} or a list of such, got {given!r}")
    return list(given)


def _told_apart(kinds: list[Any], names: list[str]) -> list[str]:
    """Names of families, with their columns where products have one name."""

    def spelled(groups: Mapping[str, Any]) -> str:
        return " x ".join(f"{name}({', '.join(map(str, own))})" for name, own in groups.items())

    return [
        spelled(kind) if names.count(name) > 1 and isinstance(kind, Mapping) else name
        for kind, name in zip(kinds, names, strict=True)
    ]


def _fitted(
    x: Any,
    k: int,
    family: Spec,
    method: Method | None,
    num_starts: int,
    seed: int,
    settings: dict[str, Any],
) -> tuple[RestartResults, float]:
    """The fits of one cell, and the entropy of the best one's responsibilities."""
    study = open_study(x, k, method, family, num_starts, seed, **settings)
    runs = closed(run(study, history=True))
    if not runs.usable:
        return runs, np.nan
    best = study.problem.enter(runs.best.mixture)
    return runs, float(responsibilities_entropy(study.problem, best))


@jax.jit
def responsibilities_entropy(problem: Problem, mixture: Mixture) -> Float[Array, ""]:
    """Entropy of the responsibilities of all rows, in nats, without holding them.

    Args:
        problem: the data.
        mixture: in the problem's centered coordinates.
    """
    features, table = problem.features(mixture), mixture.natural()

    def block(table: Array, x: Array, weights: Array) -> Array:
        logs = jax.nn.log_softmax(expectation(features, table, x)[0], axis=0)
        return -jnp.vdot(weights, jnp.sum(jnp.exp(logs) * jnp.maximum(logs, -1e3), axis=0))

    return problem.data.sums(block, table)
