"""EM against gradient ascent on Old Faithful, from the same starts, in public API only.

Run: python experiments/old_faithful.py [--starts 20]
Prints, for each method, how many starts reach the best log-likelihood and what that costs.
"""

import argparse

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import optax  # noqa: E402

import jaxmix as jm  # noqa: E402

METHODS = {
    "EM": jm.EM(),
    "L-BFGS": jm.GradientAscent(optax.lbfgs),
    "Adam (jax.grad)": jm.GradientAscent(optax.adam, learning_rate=0.05, gradient="autodiff"),
    "Adam (Fisher)": jm.GradientAscent(optax.adam, learning_rate=0.05),
    "SGD with momentum": jm.GradientAscent(optax.sgd, learning_rate=0.1, momentum=0.9),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=20)
    num_starts = parser.parse_args().starts
    x, _, scale = jm.data.standardize(jm.data.load("faithful").x)
    units = -len(x) * np.sum(np.log(scale))
    runs = {
        name: jm.fit_restarts(x, 2, method, num_starts=num_starts, stop=jm.Stop(max_steps=5000))
        for name, method in METHODS.items()
    }
    best = max(float(run.best.log_likelihood) for run in runs.values())
    print(f"best log-likelihood {best + units:.5f}")
    for name, run in runs.items():
        reached = [r for r in run.usable if float(r.log_likelihood) > best - 1e-3]
        passes = np.median([int(r.cost.passes) for r in reached]) if reached else np.nan
        print(f"{name:18} reached by {len(reached)} of {num_starts}, median passes {passes:g}")


if __name__ == "__main__":
    main()
