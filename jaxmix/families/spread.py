"""Whether data leave Gaussians a density, where no penalty keeps covariances from zero."""

import numpy as np

from jaxmix.moments import Survey


def check_spread(seen: Survey, columns: tuple[str, ...], structure: str) -> None:
    """Raise where columns are constant or dependent, so that no component has a density."""
    constant = seen.lowest == seen.highest
    if structure == "spherical":
        if constant.all():
            raise ValueError("all rows are equal: no variance to fit; set ridge > 0")
        return
    if constant.any():
        raise ValueError(
            f"column {columns[int(np.argmax(constant))]!r} is constant: its variance has no "
            "maximum likelihood estimate; leave the column out or set ridge > 0"
        )
    if structure == "diag" or seen.rows < 2 or seen.missing.any():
        return
    deviations = np.sqrt(np.diagonal(seen.covariance))
    correlations = seen.covariance / np.outer(deviations, deviations)
    resolution = 8 * len(columns) * np.finfo(seen.dtype).eps
    if np.linalg.eigvalsh(correlations).min() < resolution:
        raise ValueError(
            "columns are linearly dependent (or fewer rows than columns): a full covariance has no "
            "maximum likelihood estimate; leave columns out, use family='diag' or set ridge > 0"
        )
