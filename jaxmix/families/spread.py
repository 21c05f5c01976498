"""Whether data leave Gaussians a density, where no penalty keeps covariances from zero."""

import numpy as np


def check_spread(x: np.ndarray, columns: tuple[str, ...], structure: str) -> None:
    """Raise where columns are constant or dependent, so that no component has a density."""
    if structure == "spherical":
        if np.all(np.isnan(x) | (x == np.nanmin(x, axis=0))):
            raise ValueError("all rows are equal: no variance to fit; set ridge > 0")
        return
    _check_varying(x, columns)
    if structure == "diag" or len(x) < 2 or np.any(np.isnan(x)):
        return
    correlations = np.atleast_2d(np.corrcoef(x.astype(float), rowvar=False))
    resolution = 8 * x.shape[1] * np.finfo(x.dtype).eps
    if np.linalg.eigvalsh(correlations).min() < resolution:
        raise ValueError(
            "columns are linearly dependent (or fewer rows than columns): a full covariance has no "
            "maximum likelihood estimate; leave columns out, use family='diag' or set ridge > 0"
        )


def _check_varying(x: np.ndarray, columns: tuple[str, ...]) -> None:
    for name, column in zip(columns, x.T, strict=True):
        observed = column[~np.isnan(column)]
        if np.all(observed == observed[:1]):
            raise ValueError(
                f"column {name!r} is constant: its variance has no maximum likelihood estimate; "
                "leave the column out or set ridge > 0"
            )
