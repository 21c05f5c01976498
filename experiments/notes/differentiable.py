"""Derivatives of fits on Old Faithful: the numbers of notes/differentiable-em.md.

Run: python experiments/notes/differentiable.py
Two full components. First the derivative of one mean in all data, by mode and steps; then what the
deletion of every row does, by refits, by influence and by one Newton step.
"""

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402

STEPS = (5, 10, 20)


def scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def slopes(x: np.ndarray, start: jm.Mixture, mode: str, steps: int) -> np.ndarray:
    """The derivative of the first mean in every entry of the data."""

    def mean(x: jax.Array) -> jax.Array:
        return jm.differentiable_fit(x, start, mode, max_steps=steps).means[0, 0]

    return np.asarray(jax.jit(jax.grad(mean))(jnp.asarray(x)))


def report_modes(x: np.ndarray, start: jm.Mixture, fit: jm.FitResult) -> None:
    exact = slopes(x, start, "implicit", 1000)
    size = np.linalg.norm(exact)

    def off(mode: str, steps: int) -> float:
        return float(np.linalg.norm(slopes(x, start, mode, steps) - exact) / size)

    print(f"rate of EM {jm.inference.em_rate(fit.mixture, x):.2f}")
    print(f"one step off by {off('one_step', 1000):.2f}")
    for steps in STEPS:
        print(f"unrolled, {steps:2d} steps, off by {off('unrolled', steps):.0e}")


def vector(mixture: jm.Mixture) -> jax.Array:
    packed = mixture.covariances[:, [0, 0, 1], [0, 1, 1]]
    return jnp.concatenate([mixture.weights[:1], mixture.means.ravel(), packed.ravel()])


def report_deletions(x: np.ndarray, mixture: jm.Mixture) -> None:
    stop = jm.Stop(tol=1e-26, max_steps=200)

    @jax.jit
    @jax.vmap
    def refit(weights: jax.Array) -> jm.Mixture:
        return jm.fit(x, mixture, stop=stop, sample_weights=weights).mixture

    deleted = refit(1 - np.eye(len(x)))
    log_density = jax.vmap(lambda one, row: one.log_prob(row[None])[0])
    exact = float(jnp.sum(mixture.log_prob(x) - log_density(deleted, jnp.asarray(x))))
    influence = jm.inference.influence(mixture, x)
    left_out = jm.inference.leave_one_out(mixture, x)
    whole, rows = vector(mixture), jax.vmap(vector)
    moves = {"influence": -rows(influence), "Newton step": rows(left_out.mixtures) - whole}
    truth = np.asarray(rows(deleted) - whole)
    for name, move in moves.items():
        errors = np.linalg.norm(move - truth, axis=1) / np.linalg.norm(truth, axis=1)
        print(f"{name:<12} median error {np.median(errors):.4f}, largest {errors.max():.2f}")
    print(f"nats to correct {exact:.2f}, Newton step {float(left_out.correction):.2f}", end=", ")
    print(f"leverage {float(jnp.sum(influence.leverage)):.2f}")


def main() -> None:
    x = scaled(jm.data.load("faithful").x)
    start = jm.gaussian_mixture([0.4, 0.6], [[-1.3, -1.2], [0.7, 0.7]], 0.1, family="full")
    fit = jm.fit(x, start, stop=jm.Stop(tol=1e-24))
    report_modes(x, start, fit)
    report_deletions(x, fit.mixture)


if __name__ == "__main__":
    main()
