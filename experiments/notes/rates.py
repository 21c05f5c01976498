"""Rates of EM, published, by quadrature and foretold; prints what notes/rates.md quotes."""

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.free import em_map  # noqa: E402
from jaxmix.inference.posing import pose  # noqa: E402

SEPARATIONS, SEEDS = (0.5, 1.0, 2.0, 4.0), range(5)
NEAR, TOL, ROWS, MOST = 1e-2, 1e-8, 5000, 100_000


def published() -> None:
    waiting = jm.data.load("faithful").x[:, 1]
    start = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")
    fit = jm.fit(waiting, start, stop=jm.Stop(tol=1e-18))
    print(f"Old Faithful, waiting: {jm.inference.em_rate(fit.mixture, waiting):.8f}")
    deaths, start = jm.data.load("hasselblad"), jm.poisson_mixture([0.3, 0.7], [1.0, 2.5])
    weights, stop = deaths.sample_weights, jm.Stop(tol=1e-22)
    fit = jm.fit(deaths.x, start, jm.Newton(), stop=stop, sample_weights=weights)
    rate = jm.inference.em_rate(fit.mixture, deaths.x, sample_weights=weights)
    print(f"Hasselblad: {rate:.9f}")


def by_quadrature(m: float) -> float:
    """The rate of the symmetric pair at its population."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    x, weights = m + nodes, weights / weights.sum()
    return float(jm.fixed_point(lambda mean: weights @ (x * jnp.tanh(mean * x)), m).rate)


def by_sample(m: float) -> float:
    """The rate at a sample of a million, at that sample's own optimum."""
    x = m + np.random.default_rng(0).normal(size=10**6)
    return float(jm.fixed_point(lambda mean: jnp.mean(x * jnp.tanh(mean * x)), m).rate)


def symmetric_pair() -> None:
    print("    m  by quadrature  by a sample")
    for m in (0.5, 1.0, 1.5, 2.0, 3.0):
        print(f"{m:5.1f}  {by_quadrature(m):13.6f}  {by_sample(m):11.6f}")


@jax.jit
def iterate(posed):
    """Iterates of EM until a step is shorter than `TOL`, and their number."""

    def going_on(carry):
        path, count = carry
        short = jnp.linalg.norm(path[count] - path[count - 1]) <= TOL
        return (count < MOST) & ~((count > 0) & short)

    def step(carry):
        path, count = carry
        return path.at[count + 1].set(em_map(posed.problem, posed.free, path[count])), count + 1

    path = jnp.zeros((MOST + 1, posed.vector.size)).at[0].set(posed.vector)
    return jax.lax.while_loop(going_on, step, (path, 0))


def steps_of_runs() -> None:
    print("separation  observed  by the Jacobian  by the rate  share before")
    for separation in SEPARATIONS:
        rows = [steps_of(separation, seed) for seed in SEEDS]
        for observed, foretold, share in rows:
            steps = f"{observed:8}  {foretold.by_jacobian:15}  {foretold.by_rate:11}"
            print(f"{separation:10.1f}  {steps}  {share:12.0%}")


def steps_of(separation, seed):
    """Observed and foretold steps of one run, and the share of the early phase."""
    rng = np.random.default_rng(seed)
    labels = rng.random(ROWS) < 0.4
    x = rng.normal(size=(ROWS, 2)) + separation * labels[:, None] * np.array([1.0, 0.0])
    start = jm.gaussian_mixture([0.5, 0.5], [[0.0, 0.0], [separation, 0.0]], 1.0, "spherical")
    options = {"fixed": ("covariances",)}
    posed = pose(start, x, **options)
    path, last = iterate(posed)
    limit = posed.user_mixture(path[last])
    optimum = jm.fit(x, limit, jm.Newton(), stop=jm.Stop(tol=1e-22), **options).mixture
    end = posed.free.vector(posed.problem.enter(optimum))
    near = int(jnp.argmax(jnp.linalg.norm(path - end, axis=1) <= NEAR))
    present = posed.user_mixture(path[near])
    foretold = jm.inference.predict_steps(optimum, present, x, TOL, **options)
    return int(last) - near, foretold, near / int(last)


def main() -> None:
    published()
    symmetric_pair()
    steps_of_runs()


if __name__ == "__main__":
    main()
