"""Which method is quickest where: passes to a gap of 1e-8 nats against separation.

Run: python experiments/crossover.py
Every method starts from the parameters that the data were drawn from. Writes
results/crossover.json beside itself and notes/gallery/crossover.png, and prints the medians.
"""

import json
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import optax  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

import jaxmix as jm  # noqa: E402

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "crossover.json"
PICTURE = HERE.parent / "notes" / "gallery" / "crossover.png"
SEPARATIONS, SEEDS, ROWS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0), range(24), 2000
BUDGET, PRODUCT = 20_000, 2
"""Passes that a run may take, and those that a Hessian-vector product counts as."""

STOP = jm.Stop(tol=1e-8, max_steps=BUDGET)

METHODS: dict[str, jm.Method] = {
    "EM": jm.EM(),
    "natural gradient, 1.5": jm.NaturalGradient(1.5),
    "SQUAREM": jm.SQUAREM(),
    "DAAREM": jm.DAAREM(),
    "L-BFGS": jm.GradientAscent(optax.lbfgs),
    "L-BFGS, augmented": jm.GradientAscent(optax.lbfgs, coordinates="augmented"),
    "Newton": jm.Newton(),
    "hybrid": jm.Hybrid(),
    "Adam": jm.GradientAscent(optax.adam, learning_rate=0.05),
}


def problem(separation: float, seed: int) -> tuple[np.ndarray, jm.Mixture]:
    """Two round components in the plane, standardized, and the truth."""
    table, truth = jm.data.mixture_sample(ROWS, 2, 2, separation, weights=(0.4, 0.6), seed=seed)
    x, center, scale = jm.data.standardize(table.x)
    start = jm.gaussian_mixture(*truth)
    return x, start.affine(1 / scale, -center / scale)


def passes_of(run: jm.FitResult) -> float | None:
    """What a run cost, or None where it did not get there."""
    cost = float(run.cost.passes + PRODUCT * run.cost.hessian_products)
    return cost if run.outcome == jm.Outcome.CONVERGED and cost <= BUDGET else None


def predicted(optimum: jm.Mixture, start: jm.Mixture, x: np.ndarray) -> tuple[float, float]:
    """EM's rate at its limit, and the passes that it foretells from the gap at the start."""
    rate = jm.inference.em_rate(optimum, x)
    gap = float(jm.fit(x, start, stop=jm.Stop(max_steps=0)).gap)
    return rate, max(1.0, np.log(STOP.tol / gap) / (2 * np.log(rate)))


def study(separation: float) -> dict[str, Any]:
    """All methods on all problems of one separation."""
    passes: dict[str, list[float | None]] = {name: [] for name in METHODS}
    lower, rates, foretold = dict.fromkeys(METHODS, 0), [], []
    for seed in SEEDS:
        x, start = problem(separation, seed)
        runs = {name: jm.fit(x, start, method, stop=STOP) for name, method in METHODS.items()}
        best = max(float(run.objective) for run in runs.values())
        for name, run in runs.items():
            passes[name].append(passes_of(run))
            lower[name] += int(passes[name][-1] is not None and run.objective < best - 1e-3)
        if runs["EM"].outcome == jm.Outcome.CONVERGED:
            close = jm.fit(x, runs["EM"].mixture, jm.Newton(), stop=jm.Stop(tol=1e-14)).mixture
            rate, steps = predicted(close, start, x)
            rates.append(rate)
            foretold.append(steps)
    return {
        "separation": separation,
        "passes": passes,
        "median": {name: median(counts) for name, counts in passes.items()},
        "failed": {name: counts.count(None) for name, counts in passes.items()},
        "lower": lower,
        "em_rate": float(np.median(rates)),
        "predicted": float(np.median(foretold)),
    }


def median(counts: list[float | None]) -> float | None:
    """The median with failures as infinity; None where that is infinite."""
    middle = float(np.median([np.inf if count is None else count for count in counts]))
    return middle if np.isfinite(middle) else None


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Median passes against separation; a method's line ends where half of its runs fail."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    panel = figure.subplots()
    separations = [row["separation"] for row in rows]
    for index, name in enumerate(METHODS):
        heights = [row["median"][name] for row in rows]
        values = [np.nan if height is None else height for height in heights]
        panel.plot(separations, values, "o-", markersize=3.5, color=f"C{index}", label=name)
    foretold = [row["predicted"] for row in rows]
    panel.plot(separations, foretold, "--", color="black", label="EM, from its rate")
    panel.set(yscale="log", xlabel="separation (standard deviations)")
    panel.set_ylabel("passes to a gap of 1e-8 nats")
    panel.grid(axis="y", alpha=0.3)
    panel.legend(frameon=False, ncols=2, fontsize=8)
    return figure


def table(rows: list[dict[str, Any]]) -> str:
    """Medians as text, with how many runs of all failed where any did."""
    lines = [f"{'separation':<24}" + "".join(f"{row['separation']:>10g}" for row in rows)]
    lines.append(f"{'rate of EM':<24}" + "".join(f"{row['em_rate']:>10.4f}" for row in rows))
    lines.append(f"{'EM, from its rate':<24}" + "".join(f"{r['predicted']:>10.0f}" for r in rows))
    lines += [f"{name:<24}" + "".join(_cell(row, name) for row in rows) for name in METHODS]
    return "\n".join(lines)


def _cell(row: dict[str, Any], name: str) -> str:
    middle, failed = row["median"][name], row["failed"][name]
    number = "inf" if middle is None else f"{middle:.0f}"
    return f"{f'({failed}) {number}' if failed else number:>10}"


def main() -> None:
    rows = [study(separation) for separation in SEPARATIONS]
    content = {"rows": ROWS, "problems": len(SEEDS), "tol": STOP.tol, "studies": rows}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    draw(rows).savefig(PICTURE, dpi=150)
    print(table(rows))


if __name__ == "__main__":
    main()
