"""Every mistake of notes/common-mistakes.md beside the right version: what each of them changes.

Run: python experiments/notes/mistakes.py
"""

import numpy as np

import jaxmix as jm
from jaxmix.teaching.exercises import MISTAKES, Mistake, check
from jaxmix.teaching.exercises import consequences as after

SEEDS = (0, 0, 1, 2, 3)
DEVIATIONS = (1e-3, 1e-6, 1e-9)


def first_difference(mistake: Mistake) -> str:
    """What `check` finds first in the wrong version, and in which case."""
    report = check(**{mistake.part: getattr(mistake.version(), mistake.part)})
    finding = next(finding for finding in report.findings if not finding.passed)
    return f"{finding.part} ({finding.case}): {finding.differences[0]}"


def in_a_fit(mistake: Mistake, x: np.ndarray) -> str:
    """What ten EM steps on Old Faithful become, or one step with a far point."""
    moved, excess = after.consequence(mistake, x)
    if np.isinf(moved):
        return "the fit fails"
    parameters = f"parameters off by {moved:.3g}" if moved > 1e-9 else "the same parameters"
    likelihood = f"log-likelihood off by {excess:.1f}" if abs(excess) > 1e-9 else "likelihood"
    return f"{parameters} and {likelihood}"


def main() -> None:
    """Print all mistakes, and the wrong claims as numbers."""
    x = jm.data.load("faithful").x
    for number, mistake in enumerate(MISTAKES, start=1):
        print(f"{number}. {mistake.name}: changes {mistake.changes}")
        print(f"   {first_difference(mistake)}")
        if mistake.part in after.IN_A_FIT:
            print(f"   ten EM steps on Old Faithful: {in_a_fit(mistake, x)}")
    report_claims(x)


def report_claims(x: np.ndarray) -> None:
    """Where EM stays, what has no maximum, which way Jensen goes, and what a seed shows."""
    saddle = after.saddle(x)
    still = "not move" if saddle.moved < 1e-12 else f"move by {saddle.moved:.0e}"
    print(f"\nequal components: in an EM step the means do {still}; log-likelihood there")
    print(f"   {saddle.log_likelihood:.2f}, with the means apart {saddle.apart:.2f}")
    heights = after.unbounded(x[:, 1], DEVIATIONS)
    print("a component narrows around one observation: " + ", ".join(f"{h:.1f}" for h in heights))
    print("log of the mean, mean of the logs: {:.4f}, {:.4f}".format(*after.jensen(x[:, 1])))
    losses = ", ".join(f"{loss:.4f}" for loss in after.losses(x, 4, SEEDS))
    print(f"k-means, k = 4, seeds {', '.join(map(str, SEEDS))}: {losses}")


if __name__ == "__main__":
    main()
