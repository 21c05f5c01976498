"""What a gradient is and costs on Old Faithful: the numbers of notes/gradient.md.

Run: python experiments/notes/gradient.py
Arithmetic is XLA's own count for one compiled block of 2048 rows, d=16, k=32, in units of what the
log-likelihood alone takes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.problem import OBJECTIVES, STATISTICS, build_problem  # noqa: E402


def report_agreement(problem: jm.Problem, mixture: jm.Mixture) -> None:
    """Fisher's derivative in natural parameters against the reverse sweep's."""
    tables = [
        jax.jit(statistics, static_argnums=0)(
            mixture.family.features, problem.enter(mixture).natural(), problem.data
        )[1]
        for statistics in STATISTICS.values()
    ]
    difference = jnp.max(jnp.abs(tables[0] - tables[1])) / jnp.max(jnp.abs(tables[0]))
    print("Fisher and reverse sweep agree to 1e-12 of the largest entry:", bool(difference < 1e-12))


@jax.jit
def curvatures(problem: jm.Problem, mixture: jm.Mixture) -> jax.Array:
    """Absolute eigenvalues of the objective's Hessian in free coordinates, in rising order."""
    flat, unravel = ravel_pytree(mixture.unconstrain())

    def objective(v: jax.Array) -> jax.Array:
        return problem.objective(mixture.constrain(unravel(v)))

    return jnp.sort(jnp.abs(jnp.linalg.eigvalsh(jax.hessian(objective)(flat))))


def condition_number(x: np.ndarray, mixture: jm.Mixture) -> float:
    """Largest over smallest curvature at an optimum, without the flat direction."""
    problem = jax.jit(build_problem)(x)
    _, smallest, *_, largest = curvatures(problem, problem.enter(mixture))
    return float(largest / smallest)


def arithmetic(function: Callable[..., Any], *arguments: Any) -> tuple[float, float]:
    """XLA's count of operations and of exponentials in a compiled function."""
    counts = jax.jit(function).lower(*arguments).compile().cost_analysis()
    return counts["flops"], counts["transcendentals"]


def report_cost() -> None:
    """Arithmetic of a gradient and of a Hessian-vector product, in log-likelihoods."""
    rng = np.random.default_rng(0)
    problem = jax.jit(build_problem)(rng.normal(size=(2048, 16)))
    mixture = jm.gaussian_mixture(np.full(32, 1 / 32), rng.normal(size=(32, 16)), 1.0)
    features, table = mixture.family.features, mixture.natural()
    along = rng.normal(size=table.shape)
    slope = jax.grad(partial(OBJECTIVES["fisher"], features))
    functions = {
        "log-likelihood": partial(OBJECTIVES["autodiff"], features),
        "EM statistics": partial(STATISTICS["fisher"], features),
        "Fisher gradient": jax.value_and_grad(partial(OBJECTIVES["fisher"], features)),
        "reverse by blocks": partial(STATISTICS["autodiff"], features),
        "reverse sweep": jax.value_and_grad(partial(OBJECTIVES["autodiff"], features)),
        "+ Hessian product": lambda w, data: jax.jvp(lambda v: slope(v, data), (w,), (along,)),
    }
    unit = arithmetic(functions["log-likelihood"], table, problem.data)[0]
    pairs = problem.data.num_rows * mixture.num_components
    for name, function in functions.items():
        operations, exponentials = arithmetic(function, table, problem.data)
        ratios = f"{operations / unit:12.1f}{exponentials / pairs:14.1f}"
        print(f"{name:18}{ratios}")


def main() -> None:
    x = jm.data.load("faithful").x
    z, center, scale = jm.data.standardize(x)
    start = jm.initialize(z, 2, seed=0)
    report_agreement(jax.jit(build_problem)(z), start)
    best = jm.fit(z, start, stop=jm.Stop(tol=1e-12)).mixture
    numbers = condition_number(z, best), condition_number(x, best.affine(scale, center))
    print("condition number: standardized {:.0f}, minutes {:.0f}".format(*numbers))
    print(f"{'':18}{'operations':>12}{'exponentials':>14}")
    with jax.default_device(jax.devices("cpu")[0]):
        report_cost()


if __name__ == "__main__":
    main()
