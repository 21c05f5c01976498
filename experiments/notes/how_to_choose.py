"""Criteria, basins and ridges on two published tables: the numbers of notes/how-to-choose.md.

Run: python experiments/notes/how_to_choose.py
"""

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402

STARTS = 64
RIDGES = (0.0, 1e-6, 1e-3)
"""Shares of the variance of all data."""


def report_criteria(x: np.ndarray) -> None:
    """What three criteria say of two and of three full components."""
    found = jm.select(x, (2, 3), "full", STARTS, start="kmeans++")
    for cell in found.cells:
        numbers = f"BIC {cell.bic:.1f}, AIC {cell.aic:.1f}, ICL {cell.icl:.1f}"
        print(f"faithful, full, k = {cell.k}: {numbers}, entropy {cell.entropy:.1f} nats")


def report_basins(x: np.ndarray) -> None:
    """The optima of three full components."""
    found = jm.census(x, 3, STARTS)
    for one in found.optima:
        print(f"optimum {one.log_likelihood:.3f} from {one.count} of {STARTS} starts")
    needed = np.ceil(np.log(0.01) / np.log1p(-found.optima[0].share))
    print(f"starts that miss the best once in a hundred times: {needed:.0f}")


def report_ridges(x: np.ndarray) -> None:
    """How runs of five components of galaxies end, by ridge, and the best of them."""
    for share in RIDGES:
        runs = jm.fit_restarts(x, 5, num_starts=STARTS, ridge=share * np.var(x))
        best = runs.best
        count = float(best.total) * float(np.min(best.mixture.weights))
        width = float(np.sqrt(np.min(best.mixture.covariances)))
        print(
            f"galaxies, k = 5, ridge {share:g} of the variance: {runs.num_degenerate} degenerate; "
            f"BIC {float(best.bic):.2f}, smallest count {count:.1f}, least deviation {width:.3f}"
        )


def main() -> None:
    faithful = jm.data.load("faithful").x
    report_criteria(faithful)
    report_basins(faithful)
    report_ridges(jm.data.load("galaxies").x)


if __name__ == "__main__":
    main()
