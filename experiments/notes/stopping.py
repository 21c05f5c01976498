"""What each stopping rule leaves to gain on Old Faithful: the numbers of notes/stopping.md.

Run: python experiments/notes/stopping.py
Three full components, standardized columns, one start. Every rule, at the same tolerance, is read
off the same recorded path, so that a row differs from another by its rule and its method alone.
"""

import warnings
from itertools import pairwise

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import optax  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.problem import build_problem  # noqa: E402
from jaxmix.stopping import RULES, Visit, parameter_vector, resolvable  # noqa: E402

TOLERANCE = 1e-6
METHODS = {
    "EM": (jm.EM(), 1e-14),
    "Adam": (jm.GradientAscent(optax.adam, learning_rate=0.05), 1e-11),
}
"""Each method with the gap at which its recorded path ends."""


def at_step(path: jm.Mixture, step: int) -> jm.Mixture:
    """One mixture of a recorded path."""
    return jax.tree.map(lambda leaf: leaf[step], path)


@jax.jit
def ended(problem: jm.Problem, before: Visit, after: Visit) -> dict[str, jax.Array]:
    """Which rules end a run with this step."""
    return {rule: jm.Stop(rule, TOLERANCE).satisfied(problem, before, after) for rule in RULES}


def first_stops(problem: jm.Problem, result: jm.FitResult) -> dict[str, int]:
    """The step at which each rule would have ended the run that took this path."""
    found: dict[str, int] = {}
    mixtures = (problem.enter(at_step(result.path, step)) for step in result.path_steps)
    visits = (Visit(mixture, problem.evaluate(mixture)) for mixture in mixtures)
    for step, (before, after) in enumerate(pairwise(visits), start=1):
        for rule, satisfied in ended(problem, before, after).items():
            if satisfied:
                found.setdefault(rule, step)
    return {rule: found[rule] for rule in RULES}


def report_stops(problem: jm.Problem, results: dict[str, jm.FitResult]) -> None:
    """A row a rule and method: steps, nats left to gain, gap, largest error of a parameter."""
    print(f"{'rule':<11}{'by':<5}{'steps':>6}{'nats left':>11}{'gap':>9}{'largest error':>15}")
    best = results["EM"]
    for name, result in results.items():
        for rule, step in first_stops(problem, result).items():
            error = parameter_vector(at_step(result.path, step)) - parameter_vector(best.mixture)
            left, gap = best.objective - result.history[step], result.gap_history[step]
            largest = np.max(np.abs(error))
            print(f"{rule:<11}{name:<5}{step:>6}{left:>11.1e}{gap:>9.1e}{largest:>15.1e}")


def report_rate(result: jm.FitResult) -> None:
    """The gap against what EM gains in one step, and against what is left, along EM's path."""
    gains = np.diff(result.history)[:200] / result.gap_history[:200]
    print(f"one EM step gains {gains.min():.3f} to {gains.max():.3f} gaps in steps 1 to 200")
    rate = np.sqrt(result.gap_history[401] / result.gap_history[400])
    print(
        f"EM rate by the gaps of steps 400 and 401: {rate:.4f}; 1/(1 - rate): {1 / (1 - rate):.2f}"
    )
    left = (result.objective - result.history[300]) / result.gap_history[300]
    print(f"left to gain after 300 steps: {left:.2f} gaps")


def report_floors(result: jm.FitResult) -> None:
    """The smallest tolerance of each rule that float32 can tell from rounding."""
    dtype, floors = np.dtype(np.float32), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rule in RULES:
            stop = jm.Stop(rule, 1e-30)
            floor = resolvable(stop, float(result.objective), float(result.total), dtype).tol
            floors.append(f"{rule} {floor:.0e}")
    print("float32 floors:", ", ".join(floors))


def main() -> None:
    z = jm.data.standardize(jm.data.load("faithful").x)[0]
    start, problem = jm.initialize(z, 3, seed=0), jax.jit(build_problem)(z)
    results = {
        name: jm.fit(z, start, method, stop=jm.Stop(tol=tol, max_steps=3000), record="all")
        for name, (method, tol) in METHODS.items()
    }
    report_stops(problem, results)
    report_rate(results["EM"])
    report_floors(results["EM"])


if __name__ == "__main__":
    main()
