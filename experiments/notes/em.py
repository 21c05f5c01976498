"""A saddle, and what a ridge does to the log-likelihood, on Old Faithful: numbers of notes/em.md.

Run: python experiments/notes/em.py
Both columns in minutes, two full components.
"""

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402

RIDGE = 0.01
"""In squared minutes: a sixth of the smallest variance of either component."""

STOP = jm.Stop(tol=1e-10, max_steps=5000)


def report_saddle(x: np.ndarray) -> jm.FitResult:
    """EM from two equal components, and from the same means a little apart."""
    covariances = np.tile(np.cov(x, rowvar=False, bias=True), (2, 1, 1))
    for shift in (0.0, 1e-3):
        means = np.mean(x, axis=0) + shift * np.array([[-1.0, 0.0], [1.0, 0.0]])
        result = jm.fit(x, jm.gaussian_mixture([0.5, 0.5], means, covariances), stop=STOP)
        words = f"{result.outcome.name} in {int(result.num_steps)} steps"
        print(f"means {2 * shift:g} apart: {words}, log-likelihood {result.log_likelihood:.5f}")
    return result


def with_ridge_added(x: np.ndarray, mixture: jm.Mixture) -> jm.Mixture:
    """The common recipe: a plain EM step, then the ridge on every variance."""
    step = jm.em_step(x, mixture)
    covariances = step.covariances + RIDGE * np.eye(x.shape[1])
    return jm.gaussian_mixture(step.weights, step.means, covariances)


def report_ridge(x: np.ndarray, best: jm.Mixture) -> None:
    """Both uses of a ridge, from the fit without one to where each stands still."""
    ours = jm.fit(x, best, ridge=RIDGE, stop=STOP)
    print(f"objective, from the fit without a ridge: {ours.history[0]:.5f} to {ours.objective:.5f}")
    theirs = best
    for _ in range(30):
        theirs = with_ridge_added(x, theirs)
    for name, mixture in {"ridge=": ours.mixture, "added": theirs}.items():
        smallest = float(np.min(np.linalg.eigvalsh(mixture.covariances)))
        at = jm.fit(x, mixture, ridge=RIDGE, stop=jm.Stop(max_steps=0))
        numbers = f"log-likelihood {at.log_likelihood:.5f}, objective {at.objective:.5f}"
        print(f"{name:7}{numbers}, smallest variance {smallest:.5f}, gap {at.gap:.5f}")


def main() -> None:
    x = jm.data.load("faithful").x
    report_ridge(x, report_saddle(x).mixture)


if __name__ == "__main__":
    main()
