"""From a fitted scikit-learn estimator to a `Mixture` and back, without fitting anything.

Parts have scikit-learn's shapes on both sides; precisions come from `parameters.py`.
"""

from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture as ScikitLearnGaussianMixture
from sklearn.utils.validation import check_is_fitted

from jaxmix.constructors import gaussian_mixture
from jaxmix.families import STRUCTURES
from jaxmix.mixture import Mixture
from jaxmix.sklearn.parameters import precision_factors, precisions


def from_sklearn(estimator: Any) -> Mixture:
    """The mixture that a fitted scikit-learn `GaussianMixture` holds.

    Args:
        estimator: scikit-learn's `GaussianMixture` or `jaxmix.sklearn.GaussianMixture`, fitted.

    Returns:
        A `Mixture` in the precision of the estimator, as far as JAX's 64-bit switch allows; in
        float64 its `log_prob` and `responsibilities` are the estimator's to rounding.

    Raises:
        TypeError: for any other estimator; a `BayesianGaussianMixture` averages over parameters.
        NotFittedError: if it is not fitted, a ValueError of scikit-learn's.

    Examples:
        >>> import jaxmix as jm
        >>> from sklearn.mixture import GaussianMixture
        >>> rows = [[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]
        >>> estimator = GaussianMixture(2, random_state=0).fit(rows)
        >>> sorted(jm.sklearn.from_sklearn(estimator).means[:, 0].round(6).tolist())
        [1.0, 10.0]
    """
    if not isinstance(estimator, ScikitLearnGaussianMixture):
        raise TypeError(
            "expected a GaussianMixture of scikit-learn or jaxmix.sklearn, got "
            f"{type(estimator).__name__}"
        )
    check_is_fitted(estimator, "weights_")
    weights = np.asarray(estimator.weights_)
    # In float32 the weights of many components sum to 1 only roughly.
    weights = (weights / np.sum(weights, dtype=np.float64)).astype(weights.dtype)
    family = estimator.covariance_type
    return gaussian_mixture(weights, estimator.means_, estimator.covariances_, family)


def to_sklearn(mixture: Mixture) -> ScikitLearnGaussianMixture:
    """A fitted scikit-learn `GaussianMixture` with a mixture's parameters.

    The class is scikit-learn's own, so that it can be pickled, sent and used where jaxmix is not
    installed. What only a fit knows (`converged_`, `n_iter_`, `lower_bound_`) is left out.

    Args:
        mixture: a Gaussian mixture.

    Returns:
        An estimator that predicts, scores and samples; its arrays are float64.

    Raises:
        ValueError: for a mixture of another family, or a covariance without a Cholesky factor.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.gaussian_mixture([0.5, 0.5], [[0.0], [4.0]], 1.0)
        >>> jm.sklearn.to_sklearn(mixture).predict([[0.5], [3.0]]).tolist()
        [0, 1]
    """
    family = mixture.family.name
    if family not in STRUCTURES:
        raise ValueError(
            f"scikit-learn has Gaussian mixtures only ({', '.join(STRUCTURES)}), got {family}"
        )
    weights, means, covariances = (
        np.asarray(part, np.float64)
        for part in (mixture.weights, mixture.means, mixture.covariances)
    )
    estimator: Any = ScikitLearnGaussianMixture(mixture.num_components, covariance_type=family)
    estimator.weights_, estimator.means_ = weights / weights.sum(), means
    estimator.covariances_ = covariances
    estimator.precisions_cholesky_ = precision_factors(covariances, family)
    estimator.precisions_ = precisions(estimator.precisions_cholesky_, family)
    estimator.n_features_in_ = means.shape[1]
    return estimator
