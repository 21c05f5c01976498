"""Agreement of two labelings of the same observations."""

from typing import Any

import numpy as np


def confusion(labels: Any, predicted: Any, num_components: int) -> tuple[list[str], np.ndarray]:
    """Counts [classes components] of known classes against predicted components.

    Args:
        labels: known classes [n], numbers or names.
        predicted: components [n], 0 to num_components - 1.
        num_components: the number of columns.

    Returns:
        Names of the classes in sorted order, and the counts.
    """
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.zeros((len(classes), num_components), dtype=int)
    np.add.at(counts, (codes, np.asarray(predicted)), 1)
    return [str(name) for name in classes], counts


def adjusted_rand_index(labels: Any, predicted: Any) -> float:
    r"""Agreement of two partitions, corrected for chance: 1 if equal, near 0 if unrelated.

    With $n_{ij}$ the confusion counts, it is the number of pairs that both put together, less its
    expectation, over the greatest possible value less the expectation.

    Args:
        labels: one labeling [n].
        predicted: another [n].

    Returns:
        A number of at most 1.

    Raises:
        ValueError: if the labelings differ in length.

    Examples:
        >>> import jaxmix as jm
        >>> jm.scores.adjusted_rand_index([0, 0, 1, 1], ["b", "b", "a", "a"])
        1.0

    Source: Hubert & Arabie (1985), Journal of Classification 2, eq. 5.
    """
    if len(labels) != len(predicted):
        raise ValueError(f"labelings must have one length, got {len(labels)} and {len(predicted)}")
    names, codes = np.unique(np.asarray(predicted), return_inverse=True)
    counts = confusion(labels, codes, len(names))[1].astype(float)

    def pairs(sizes: np.ndarray) -> float:
        return float(np.sum(sizes * (sizes - 1)) / 2)

    together, rows, columns = pairs(counts), pairs(counts.sum(1)), pairs(counts.sum(0))
    everything = pairs(np.array([counts.sum()]))
    expected = rows * columns / everything if everything else 0.0
    largest = (rows + columns) / 2
    return 1.0 if largest == expected else (together - expected) / (largest - expected)
