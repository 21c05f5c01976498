"""Fits of odd data by every family and method: nothing but honest outcomes and clear errors.

Hypothesis draws seeds, and each seed what the data look like: shapes, scales, duplicates, constant
columns, huge and tiny values. `check` states what any fit of them owes. The suite runs 300 cases of
two columns; the command runs as many as asked of all shapes and writes what came of them.

    python experiments/fuzz.py --cases 10000 --out experiments/results/fuzz.json
"""

import argparse
import json
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import optax  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import jaxmix as jm  # noqa: E402

METHODS = {
    "em": jm.EM(),
    "hard em": jm.EM(hard=True),
    "lbfgs": jm.GradientAscent(optax.lbfgs),
    "adam": jm.GradientAscent(optax.adam, learning_rate=0.05),
}
GAUSSIAN = ("full", "tied", "diag", "spherical")
FAMILIES = (*GAUSSIAN, "poisson", "bernoulli", "categorical")
PATTERNS = ("clusters", "uniform", "skewed", "duplicates", "constant column")
ATOMS = ("few values", "heavy tails", "one far row")
"""Data on which a likely optimum has a component on one row or value: DEGENERATE, rightly."""

ENOUGH = 10
"""Rows a component for each of its means and one more, below which it may well end on one row."""

ROWS = 100
"""Rows of every case, those beyond its own with sample weight 0, so that programs are shared."""

MESSAGE = 20
"""Letters that it takes to say what to do."""

STOP = jm.Stop(max_steps=100)


class Case(NamedTuple):
    """What the data of one fit look like."""

    method: str
    family: str
    start: str
    pattern: str
    k: int
    d: int
    n: int
    exponents: tuple[int, ...]
    offset: float
    ridge: float
    seed: int


def drawn(seed: int, shapes, pairs, starts) -> Case:
    """The case of a seed, each trait drawn with equal chances from all its values."""
    rng = np.random.default_rng(seed)
    k, d = shapes[rng.integers(len(shapes))]
    method, family = pairs[rng.integers(len(pairs))]
    units = rng.integers(-90, 91) + rng.integers(-10, 11, size=d)
    return Case(
        method=method,
        family=family,
        start=str(rng.choice(starts)),
        pattern=str(rng.choice((*PATTERNS, *ATOMS))),
        k=k,
        d=d,
        n=int(rng.integers(k, ROWS)),
        exponents=tuple(units.tolist()),
        offset=float(rng.choice((0.0, 1.0, -1e3, 1e8))),
        ridge=float(rng.choice((0.0, 1e-6, 1e-3, 1e-2))),
        seed=seed,
    )


def data_of(case: Case) -> np.ndarray:
    """Rows [ROWS d] of the case; counts and categories are whole and small."""
    rng = np.random.default_rng(case.seed)
    shape = (ROWS, case.d)
    x = {
        "clusters": lambda: rng.normal(size=shape) + 3 * rng.integers(case.k, size=(ROWS, 1)),
        "uniform": lambda: rng.uniform(size=shape),
        "skewed": lambda: rng.exponential(size=shape),
        "duplicates": lambda: rng.normal(size=shape)[rng.integers(ROWS // 3, size=ROWS)],
        "few values": lambda: rng.integers(3, size=shape).astype(float),
        "heavy tails": lambda: rng.standard_cauchy(size=shape),
        "one far row": lambda: np.where(np.arange(ROWS)[:, None] == 0, 1e6, rng.normal(size=shape)),
        "constant column": lambda: rng.normal(size=shape) * (np.arange(case.d) > 0),
    }[case.pattern]()
    if case.family in GAUSSIAN:
        x = (x + case.offset) * 10.0 ** np.array(case.exponents)
        # Steps of gradient methods have the columns' units, and are meant for standard ones.
        climbs = isinstance(METHODS[case.method], jm.GradientAscent)
        one_scale = case.family == "spherical"
        return jm.data.standardize(x, one_scale)[0] if climbs else x
    most = {"poisson": 1e6, "bernoulli": 1.0, "categorical": 4.0}[case.family]
    x = np.clip(np.floor(np.abs(x)), 0, most)
    # The last row, which never counts, shows all levels, so that all cases have the same.
    return np.concatenate([x[:-1], np.full((1, case.d), min(most, 4.0))])


def fitted(case: Case) -> jm.FitResult:
    """The fit of a case; its ridge is a share of the mean variance."""
    x, weights = data_of(case), (np.arange(ROWS) < case.n).astype(float)
    # From the first row, so that the variance of a constant is 0 and not of rounding.
    variance = float(np.mean(np.var(x[: case.n] - x[0], axis=0)))
    ridge = case.ridge * (variance if variance > 0 else 1.0)
    start = jm.initialize(
        x, case.k, case.family, case.start, seed=case.seed % 1000, sample_weights=weights
    )
    method = METHODS[case.method]
    return jm.fit(x, start, method, stop=STOP, ridge=ridge, sample_weights=weights)


def is_owed_a_fit(case: Case) -> bool:
    """Whether an error would be a failure: for k different rows, and a ridge where it counts."""
    x = data_of(case)[: case.n]
    different = len(np.unique(x, axis=0)) >= case.k
    if case.family in GAUSSIAN:
        return different and case.ridge > 0
    # A rate of 0 has no logarithm, and a gradient method says so.
    return different and (case.method.endswith("em") or bool(np.all(x.sum(axis=0) > 0)))


KINDS = ("ordinary", "few rows", "atoms", "not owed a fit")


def kind(case: Case) -> str:
    """Which of `KINDS` the case is: the first three are owed a fit, ordinary ones a good end."""
    if not is_owed_a_fit(case):
        return "not owed a fit"
    if case.pattern in ATOMS:
        return "atoms"
    return "ordinary" if case.n >= ENOUGH * case.k * (case.d + 1) else "few rows"


def check(case: Case) -> str:
    """The outcome's name, or "refused" for a clear error; AssertionError where neither is owed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = fitted(case)
    except (ValueError, TypeError) as error:
        if is_owed_a_fit(case) or len(str(error)) < MESSAGE:
            raise AssertionError(f"refused: {error}") from error
        return "refused"
    numbers = [result.objective, result.log_likelihood, *jax.tree.leaves(result.mixture)]
    assert all(np.all(np.isfinite(number)) for number in numbers), result.outcome.name
    if result.outcome == jm.Outcome.CONVERGED:
        assert float(result.gap) <= float(result.stop.tol), "the rule is met where it is said to be"
        assert float(result.gap) >= 0
    return result.outcome.name


STARTS = ("kmeans++", "kmeans", "random_from_data")
SHAPES = ((2, 2), (1, 1), (3, 1), (5, 3))
PAIRS = tuple((method, family) for method in METHODS for family in FAMILIES)


def run(num_cases: int, shapes=SHAPES, pairs=PAIRS, starts=STARTS) -> dict[str, Counter]:
    """Outcomes, counted apart by `kind`; always the same cases."""
    counts = {name: Counter() for name in KINDS}

    @settings(
        max_examples=num_cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32 - 1))
    def each(seed: int) -> None:
        case = drawn(seed, shapes, pairs, starts)
        try:
            counts[kind(case)][check(case)] += 1
        except Exception as error:
            counts[kind(case)]["failed"] += 1
            print(f"{case}\n    {type(error).__name__}: {str(error)[:200]}", flush=True)

    each()
    return counts


def share_that_ends_well(counts: Counter) -> float:
    """The share of CONVERGED and MAX_STEPS."""
    return (counts["CONVERGED"] + counts["MAX_STEPS"]) / counts.total()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    counts = run(arguments.cases)
    counts["owed a fit"] = sum((counts[name] for name in KINDS[:3]), Counter())
    report = {name: dict(counter.most_common()) for name, counter in counts.items()}
    shares = {name: round(share_that_ends_well(counter), 4) for name, counter in counts.items()}
    text = json.dumps({"outcomes": report, "share CONVERGED or MAX_STEPS": shares}, indent=2)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
