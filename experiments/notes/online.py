"""How far one pass of online EM comes, and how it goes on: the numbers of notes/online.md.

Run: python experiments/notes/online.py
Three full components in two columns, 100,000 rows, whose separations are in standard deviations;
batches of 100 and step sizes (t + 1)^-0.6, the defaults.
Differences are in nats, summed over the rows, from batch EM's fit from the same start.
"""

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.problem import Problem, build_problem  # noqa: E402

N, K, D, FIRST = 100_000, 3, 2, 2000
SEPARATIONS, SEEDS, EPOCHS = (3.0, 5.0), (1, 2, 3), (1, 2, 4, 8)
STARTS = ("kmeans++", "random_from_data")
ENOUGH = jm.Stop(tol=1e-3)
"""Where batch EM ends: the differences reported are thousands of times its gap."""

compiled_problem = jax.jit(build_problem)


def sample(separation: float, seed: int) -> np.ndarray:
    """Rows of a random mixture."""
    return jm.data.mixture_sample(N, K, D, separation, eccentricity=3.0, seed=seed)[0].x


def from_first_rows(x: np.ndarray, seed: int) -> jm.Mixture:
    """Batch EM on the first rows, from k-means."""
    few = x[:FIRST]
    return jm.fit(few, jm.initialize(few, K, start="kmeans", seed=seed), stop=ENOUGH).mixture


def online(x: np.ndarray, start: jm.Mixture, seed: int, epochs: int = 1) -> jm.FitResult:
    """Some passes of online EM with its default settings."""
    return jm.fit(x, start, jm.OnlineEM(seed=seed), stop=jm.Stop(max_steps=epochs))


def below(problem: Problem, best: jm.FitResult, mixture: jm.Mixture) -> float:
    """Nats that a mixture, in the problem's coordinates, lacks to the best one."""
    return float(best.objective - problem.evaluate(mixture).objective)


def report_one_pass() -> None:
    """The start, the last batch of one pass, and its average: the worst of three samples each."""
    print(f"{'separation':<12}{'start':>8}{'last batch':>12}{'average':>9}{'allowed':>9}")
    for separation in SEPARATIONS:
        rows = []
        for seed in SEEDS:
            x = sample(separation, seed)
            start, problem = from_first_rows(x, seed), compiled_problem(x)
            best, one = jm.fit(x, start, stop=ENOUGH), online(x, start, seed)
            last = one.state.state.running.mixture
            reached = (problem.enter(start), last, problem.enter(one.mixture))
            rows.append([below(problem, best, mixture) for mixture in reached])
        start, last, average = np.max(rows, axis=0)
        allowed = best.mixture.num_parameters
        print(f"{separation:<12}{start:>8.1f}{last:>12.1f}{average:>9.1f}{allowed:>9}")


def report_worse_starts() -> None:
    """The same from starts that no fit has prepared: three samples each, in order."""
    print("after one pass from worse starts, separation 3.0")
    for kind in STARTS:
        lacks = []
        for seed in SEEDS:
            x = sample(3.0, seed)
            start = jm.initialize(x, K, start=kind, seed=seed)
            best, one = jm.fit(x, start, stop=ENOUGH), online(x, start, seed)
            lacks.append(float(best.objective - one.objective))
        print(f"{kind:<18}" + "".join(f"{value:>8.1f}" for value in sorted(lacks)))


def report_more_passes() -> None:
    """How it goes on: the batches' noise cancels wherever the average covers whole passes."""
    x = sample(3.0, 1)
    start = from_first_rows(x, 1)
    best, history = jm.fit(x, start), online(x, start, 1, max(EPOCHS)).history
    lacks = ", ".join(f"{float(best.objective - history[t]):.2f}" for t in EPOCHS)
    print(f"after {', '.join(map(str, EPOCHS))} passes, separation 3.0: {lacks}")


def main() -> None:
    report_one_pass()
    report_worse_starts()
    report_more_passes()


if __name__ == "__main__":
    main()
