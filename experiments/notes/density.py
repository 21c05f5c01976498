"""What leaving one out says of widths and bandwidths: the numbers of notes/density.md.

Run: python experiments/notes/density.py
"""

import warnings

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402
from jaxmix.density.kernel_densities import compiled_score  # noqa: E402

SIZE, DECIMALS = 100, 2
"""A sample that all differs, and the same sample as a coarse instrument would write it."""


def sample() -> np.ndarray:
    """Values on [0, 1] around two places, none twice."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.beta(4, 16, SIZE // 2), rng.beta(16, 8, SIZE // 2)])


def report_histograms(x: np.ndarray) -> None:
    """The three behaviors of the two scores as the width shrinks."""
    eruptions = jm.data.load("faithful").x[:, 0]
    scores = jm.density.scores
    print(f"{'':>9}{'all differ':>24}{'eruptions':>12}")
    print(f"{'h':>9}{'plain':>12}{'left out':>12}{'left out':>12}")
    for width in (0.5, 0.2, 0.1, 0.05, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        numbers = (
            scores.plain(x, width),
            scores.leave_one_out(x, width),
            scores.leave_one_out(eruptions, width, None),
        )
        print(f"{width:>9.0e}" + "".join(f"{number:>12.3g}" for number in numbers))


def report_widths(x: np.ndarray) -> None:
    """Widths chosen, and the share of repeats beside the share that is too many."""
    faithful = jm.data.load("faithful").x
    columns = {"all differ": x, "eruptions": faithful[:, 0], "waiting": faithful[:, 1]}
    print(f"\n{'':<12}{'sum p^2':>9}{'2/(n+1)':>9}{'gap':>10}{'width':>10}{'bins':>6}")
    for name, column in columns.items():
        values, counts = np.unique(column, return_counts=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chosen = jm.density.histogram(column, interval=None)
        print(
            f"{name:<12}{np.sum((counts / len(column)) ** 2):>9.4f}{2 / (len(column) + 1):>9.4f}"
            f"{np.diff(values).min():>10.2g}{float(chosen.width):>10.3g}{len(chosen.heights):>6}"
        )


def report_bandwidths(x: np.ndarray) -> None:
    """The bandwidth by the derivative, beside a fine grid's, and the derivative there."""
    eruptions, waiting = jm.data.load("faithful").x.T
    twins = np.repeat(np.round(x, DECIMALS), 2)
    print(f"\n{'density of':<22}{'h':>9}{'grid':>9}{'score':>9}{'slope':>9}")
    for name, rows in {"all differ": x, "eruptions": eruptions, "every row twice": twins}.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = jm.density.kernel_density(rows)
        chosen = float(fitted.bandwidth)
        grid = np.geomspace(chosen / 2, chosen * 2, 401)
        scores = [float(compiled_score(h, fitted.x)) for h in grid]
        slope = jax.grad(compiled_score)(fitted.bandwidth, fitted.x)
        print(
            f"{name:<22}{chosen:>9.4f}{grid[np.argmin(scores)]:>9.4f}"
            f"{float(fitted.loo_score):>9.4f}{abs(float(slope)):>9.0e}"
        )
    print(f"\n{'waiting on eruptions':<22}{'h':>9}{'score':>9}")
    kernel = jm.density.kernel_regression(eruptions, waiting)
    print(f"{'kernel':<22}{float(kernel.bandwidth):>9.4f}{float(kernel.loo_score):>9.4f}")
    for degree in (1, 3, 5):
        score = float(jm.density.least_squares(eruptions, waiting, degree).loo_score)
        print(f"{f'degree {degree}':<22}{'':>9}{score:>9.4f}")


if __name__ == "__main__":
    data = sample()
    report_histograms(data)
    report_widths(data)
    report_bandwidths(data)
