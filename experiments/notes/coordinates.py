"""L-BFGS in four systems of coordinates: prints what notes/coordinates.md quotes.

Run: python experiments/notes/coordinates.py
Condition numbers are those of the objective's Hessian at the optimum, without flat directions.
"""

from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.methods.gradient import CHARTS  # noqa: E402
from jaxmix.problem import build_problem  # noqa: E402

STOP = jm.Stop(tol=1e-8, max_steps=5000)


def curvatures(problem: jm.Problem, mixture: jm.Mixture, name: str) -> Any:
    """Absolute eigenvalues of the objective's Hessian in some coordinates, in rising order."""
    chart = CHARTS[name]
    frame, coordinates = chart.begin(problem.enter(mixture), ())
    flat, unravel = ravel_pytree(coordinates)

    def objective(v: jax.Array) -> jax.Array:
        return problem.objective(chart.mixture(frame, unravel(v)))

    return jnp.sort(jnp.abs(jnp.linalg.eigvalsh(jax.jit(jax.hessian(objective))(flat))))


def condition_number(x: np.ndarray, mixture: jm.Mixture, name: str) -> float:
    """Largest over smallest curvature at an optimum, without flat directions."""
    values = curvatures(jax.jit(build_problem)(x), mixture, name)
    k, d = mixture.means.shape
    free = k - 1 + k * ((d + 1) * (d + 2) // 2 if name == "augmented" else d * (d + 3) // 2)
    return float(values[-1] / values[-free])


def compare(title: str, x: np.ndarray, k: int) -> None:
    """One line for each system of coordinates, from the start that all share."""
    start = jm.initialize(x, k, seed=1)
    em = jm.fit(x, start, stop=STOP)
    optimum = jm.fit(x, em.mixture, jm.Newton(), stop=jm.Stop(tol=1e-20)).mixture
    print(f"{title:<24} {'EM':<19} {'':>10} {int(em.num_steps):>6} {int(em.cost.passes):>6}")
    for name in CHARTS:
        run = jm.fit(x, start, jm.GradientAscent(optax.lbfgs, coordinates=name), stop=STOP)
        same = abs(float(run.objective - em.objective)) < 1e-3
        number = condition_number(x, optimum, name)
        steps = f"{int(run.num_steps):>6} {int(run.cost.passes):>6}" if same else "elsewhere"
        failed = "" if run.outcome.name == "CONVERGED" else run.outcome.name
        print(f"{title:<24} {name:<19} {number:>10.0f} {steps} {failed}".rstrip())


def main() -> None:
    print(f"{'':<24} {'':<19} {'condition':>10} {'steps':>6} {'passes':>6}")
    faithful = jm.data.load("faithful").x
    compare("Old Faithful, sd", jm.data.standardize(faithful)[0], 2)
    compare("Old Faithful, minutes", faithful, 2)
    compare("iris", jm.data.load("iris").x, 3)
    for separation in (1.0, 2.0, 4.0):
        x = jm.data.mixture_sample(5000, 3, 4, separation, eccentricity=5.0)[0].x
        compare(f"separation {separation:g}", x, 3)


if __name__ == "__main__":
    main()
