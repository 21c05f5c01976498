"""Evaluations of accelerated EM on Hasselblad's deaths: the numbers of notes/acceleration.md.

Run: python experiments/notes/acceleration.py
Two Poisson components, from 100 starts: p ~ U(0, 1), rates ~ U(0, 4). A run ends where one more EM
step would move (p, l1, l2) by less than 1e-7. Medians are rounded to tens, because the last digit
is that of the starts.
"""

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402

TABLE = jm.data.load("hasselblad")
X, COUNTS = TABLE.x[:, 0], TABLE.sample_weights
MLE = np.array([0.3598853969849, 1.2560951012244, 2.6634043566325])
STARTS = np.random.default_rng(2).uniform(0, [1, 4, 4], (100, 3))
STOP = jm.Stop(tol=1e-7, max_steps=2000)


def joint(theta: jax.Array) -> jax.Array:
    """Log joint densities of both components, up to a constant of the data; NaN outside."""
    log_weights = jnp.log(jnp.array([theta[0], 1 - theta[0]]))
    return log_weights[:, None] - theta[1:, None] + jnp.log(theta[1:, None]) * X


def em_step(theta: jax.Array) -> jax.Array:
    shares = jax.nn.softmax(joint(theta), axis=0) * COUNTS
    totals = jnp.sum(shares, axis=1)
    return jnp.concatenate([totals[:1] / np.sum(COUNTS), shares @ X / totals])


def log_likelihood(theta: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(joint(theta), axis=0) @ COUNTS


def to_free(theta: jax.Array) -> jax.Array:
    return jnp.log(jnp.array([theta[0] / (1 - theta[0]), theta[1], theta[2]]))


def from_free(free: jax.Array) -> jax.Array:
    return jnp.array([jax.nn.sigmoid(free[0]), jnp.exp(free[1]), jnp.exp(free[2])])


FREE = (to_free, from_free)
STUDIES = {
    "SQUAREM": (jm.SQUAREM(), None),
    "SQUAREM, free": (jm.SQUAREM(), FREE),
    "DAAREM": (jm.DAAREM(), None),
    "DAAREM, free": (jm.DAAREM(), FREE),
    "DAAREM(0.01), free": (jm.DAAREM(max_decrease=0.01), FREE),
}


def errors(theta: np.ndarray) -> np.ndarray:
    """Largest distance to the optimum, the component of the smaller rate first."""
    other = np.stack([1 - theta[:, 0], theta[:, 2], theta[:, 1]], axis=1)
    return np.abs(np.where(theta[:, 1:2] > theta[:, 2:], other, theta) - MLE).max(axis=1)


def main() -> None:
    print(f"{'':20}{'evaluations':>12}{'elsewhere':>12}")
    for name, (method, coordinates) in STUDIES.items():

        def run(start, method=method, coordinates=coordinates):
            settings = {"stop": STOP, "coordinates": coordinates}
            return jm.fixed_point(em_step, start, method, log_likelihood, **settings)

        ends = jax.vmap(run)(STARTS)
        converged = np.asarray(ends.code) == jm.Outcome.CONVERGED
        away = errors(np.asarray(ends.theta))[converged] > 1e-4
        median = np.median(ends.num_evaluations[converged])
        print(f"{name:20}{10 * round(median / 10):12}{'some' if np.any(away) else 'none':>12}")
    em = jm.fixed_point(em_step, np.array([0.4, 1.0, 2.0]), stop=STOP)
    print(f"EM from (0.4, 1, 2): {em.num_evaluations}, at a rate of {float(em.rate):.4f}")


if __name__ == "__main__":
    main()
