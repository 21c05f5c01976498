"""300 fits of odd data: experiments/fuzz.py says what they look like and what is owed to each."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "experiments"))

import fuzz

GAUSSIAN = [(method, family) for method in fuzz.METHODS for family in fuzz.GAUSSIAN]
DISCRETE = [("em", family) for family in ("poisson", "bernoulli", "categorical")]
"""With two components and columns, whose programs other tests share; the command has the rest."""


def test_odd_data_end_in_honest_outcomes_or_clear_errors():
    pairs, starts = (*GAUSSIAN, *DISCRETE), ("kmeans++",)
    counts = fuzz.run(300, shapes=((2, 2),), pairs=pairs, starts=starts)
    assert all(counter["failed"] == 0 for counter in counts.values()), counts
    assert sum(counter.total() for counter in counts.values()) >= 290
    assert fuzz.share_that_ends_well(counts["ordinary, owed a fit"]) >= 0.95, counts
