"""A scikit-learn estimator over the kit: `GaussianMixture`, with `solver=` and sample weights.

`from_sklearn` and `to_sklearn` turn fitted ones, theirs or ours, into mixtures and back.
scikit-learn is an optional extra, asked for here and nowhere else in the package.
"""

try:
    from sklearn.utils.validation import validate_data as _since_version_1_6  # noqa: F401
except ImportError:
    raise ImportError(
        "jaxmix.sklearn needs scikit-learn 1.6 or newer; install it with: pip install scikit-learn"
    ) from None

from jaxmix.sklearn.conversion import from_sklearn, to_sklearn
from jaxmix.sklearn.estimator import GaussianMixture

__all__ = ["GaussianMixture", "from_sklearn", "to_sklearn"]
