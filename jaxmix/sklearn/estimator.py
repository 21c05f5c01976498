"""`GaussianMixture`: scikit-learn's estimator, fitted by the kit's methods.

Predictions, scores, samples and messages are those of the class that it extends; the fits are the
kit's, in float64 whatever JAX's 64-bit switch says, without touching it.
"""

import warnings
from typing import Any, ClassVar

import jax
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearnGaussianMixture
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from jaxmix.inputs import as_sample_weights
from jaxmix.methods import Method
from jaxmix.sklearn.parameters import (
    Given,
    Parameters,
    check_given,
    precision_factors,
    precisions,
    with_given,
)
from jaxmix.sklearn.running import Run, Settings, as_method, climb, update
from jaxmix.sklearn.starts import as_rows, draw_responsibilities, m_step
from jaxmix.sources import InMemory


class GaussianMixture(ScikitLearnGaussianMixture):
    r"""scikit-learn's `GaussianMixture`, with a choice of solver and with sample weights.

    Arguments, attributes, methods, warnings and errors are scikit-learn's, and the same data and
    `random_state` give the same fit to rounding. What is more:

    - `solver`: what climbs. "em" takes scikit-learn's steps. Other methods climb the objective of
      `jaxmix.fit` with `ridge=reg_covar`, a lower bound of the log-likelihood, which is what
      `lower_bounds_` then holds, a unit of sample weight; scale the data first, as for any gradient
      method, and raise `max_iter`.
    - `fit(X, sample_weight=...)`: frequency weights: a row of weight 2 counts as two rows.
    - `partial_fit(X)`: one step of online EM, for data that come in batches.

    Args:
        n_components: k.
        covariance_type: "full", "tied", "diag" or "spherical".
        tol: a run has converged when the mean log-likelihood changes by less, in nats.
        reg_covar: added to the variances in every M-step, in squared units of the data.
        max_iter: the most iterations of a run; 0 gives the start.
        n_init: runs, of which the one with the highest lower bound is kept.
        init_params: "kmeans", "k-means++", "random" or "random_from_data".
        weights_init: weights [k] to start from.
        means_init: means [k d] to start from.
        precisions_init: inverse covariances to start from, in the shape of `covariances_`.
        random_state: an integer, a `RandomState`, or None for fresh draws every time.
        warm_start: whether `fit` goes on from where the last one ended.
        verbose: 1 prints iterations, 2 their times too.
        verbose_interval: iterations between two messages.
        solver: "em", "lbfgs", "adam(learning_rate=0.02)" or another name that
            `jaxmix.race.contenders` reads, or a `jaxmix.Method` such as
            `jaxmix.GradientAscent(optax.adam)`.

    Attributes are scikit-learn's: `weights_`, `means_`, `covariances_`, `precisions_`,
    `precisions_cholesky_`, `converged_`, `n_iter_`, `lower_bound_`, `lower_bounds_`,
    `n_features_in_`, `feature_names_in_`; NumPy arrays in the precision of the data. As there,
    `lower_bound_` of EM is the mean log-likelihood before the last of the `n_iter_` M-steps; of
    other solvers it belongs to the parameters.

    Raises:
        ValueError: for data or settings that cannot be used, and where a fit fails: under EM when
            a covariance has no Cholesky factor, under other solvers when `jaxmix.fit` ends as
            DEGENERATE or NONFINITE.

    Examples:
        >>> import jaxmix as jm
        >>> rows = [[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]]
        >>> mixture = jm.sklearn.GaussianMixture(2, random_state=0).fit(rows)
        >>> mixture.predict([[0, 0], [12, 3]]).tolist()
        [1, 0]

    Source: scikit-learn's user guide, section 2.1; notes/em.md, eq. 3 to 11.
    """

    _parameter_constraints: ClassVar[dict] = {
        **ScikitLearnGaussianMixture._parameter_constraints,
        "solver": [str, Method],
    }

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        tol=1e-3,
        reg_covar=1e-6,
        max_iter=100,
        n_init=1,
        init_params="kmeans",
        weights_init=None,
        means_init=None,
        precisions_init=None,
        random_state=None,
        warm_start=False,
        verbose=0,
        verbose_interval=10,
        solver="em",
    ):
        super().__init__(
            n_components,
            covariance_type=covariance_type,
            tol=tol,
            reg_covar=reg_covar,
            max_iter=max_iter,
            n_init=n_init,
            init_params=init_params,
            weights_init=weights_init,
            means_init=means_init,
            precisions_init=precisions_init,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            verbose_interval=verbose_interval,
        )
        self.solver = solver

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "GaussianMixture":
        """Fit the mixture.

        Args:
            X: data [n d], at least two rows and as many as components.
            y: ignored, as scikit-learn has it.
            sample_weight: frequency weights [n]; 1 each when left out.
        """
        x, sample_weights = self._checked(X, sample_weight, first=True)
        with jax.enable_x64(True):
            run = self._best_run(x, sample_weights)
        self._keep(run, len(run.lower_bounds), x.dtype)
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(
                "no convergence: the limit on iterations was reached; raise max_iter or tol, or "
                "use another start",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit the mixture, then label every row with its most probable component."""
        return self.fit(X, y, sample_weight).predict(X)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "GaussianMixture":
        r"""Move the mixture by one step of online EM, whatever the solver.

        The mean expected statistics move towards those of the batch by a share of
        $(t + 2)^{-0.6}$ after $t + 1$ iterations, those of an earlier `fit` included; the first
        batch counts in full, from the start that `fit` would choose.

        Args:
            X: a batch [n d] of any length; the first holds as many rows as components.
            y: ignored, as scikit-learn has it.
            sample_weight: frequency weights [n], compared within the batch alone.

        Source: Cappe & Moulines (2009), JRSS B 71, section 2.4.
        """
        first = not hasattr(self, "weights_")
        x, sample_weights = self._checked(X, sample_weight, first)
        with jax.enable_x64(True):
            rows = as_rows(x, sample_weights)
            rng = check_random_state(self.random_state)
            start = self._start(x, sample_weights, rows, rng) if first else self._present()
            done = 0 if first else self.n_iter_
            step_size = (done + 1) ** -0.6
            moved, mean = update(rows, start, self.covariance_type, self.reg_covar, step_size)
        self._keep(Run(moved, [mean], mean, False), done + 1, x.dtype)
        return self

    def _checked(
        self, X: Any, sample_weight: Any, first: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Valid rows in their precision, and valid sample weights if any are given."""
        self._validate_params()
        least = 2 if first else 1
        x: Any = validate_data(
            self, X, dtype=[np.float64, np.float32], ensure_min_samples=least, reset=first
        )
        weights = None if sample_weight is None else as_sample_weights(sample_weight, len(x))
        counted = len(x) if weights is None else np.count_nonzero(weights)
        if first and counted < self.n_components:
            raise ValueError(
                f"n_components={self.n_components}, but only n_samples={counted}"
                f"{'' if weights is None else ' of positive sample_weight'}; expected "
                "n_samples >= n_components"
            )
        return x, weights

    def _best_run(self, x: np.ndarray, sample_weights: np.ndarray | None) -> Run:
        say = self._print_verbose_msg_iter_end if self.verbose else None
        numbers = self.reg_covar, self.tol, self.max_iter
        settings = Settings(as_method(self.solver), self.covariance_type, *numbers, say)
        rng, rows = check_random_state(self.random_state), as_rows(x, sample_weights)
        if self.warm_start and hasattr(self, "converged_"):
            return self._run(0, rows, self._present(), settings, self.lower_bound_)
        runs = (
            self._run(j, rows, self._start(x, sample_weights, rows, rng), settings)
            for j in range(self.n_init)
        )
        return max(runs, key=lambda run: run.lower_bound)

    def _run(
        self, j: int, rows: InMemory, start: Parameters, settings: Settings, before: float = -np.inf
    ) -> Run:
        self._print_verbose_msg_init_beg(j)
        if self.max_iter == 0:
            return Run(start, [], -np.inf, False)
        run = climb(rows, start, settings, before)
        self._print_verbose_msg_init_end(run.lower_bound, run.converged)
        return run

    def _start(
        self,
        x: np.ndarray,
        sample_weights: np.ndarray | None,
        rows: InMemory,
        rng: np.random.RandomState,
    ) -> Parameters:
        """One start: what the user gives, and the M-step from drawn responsibilities."""
        k, family = self.n_components, self.covariance_type
        given = Given(self.weights_init, self.means_init, self.precisions_init)
        given, drawn = check_given(given, k, x.shape[1], family), None
        if any(part is None for part in given):
            shares = draw_responsibilities(x, sample_weights, k, self.init_params, rng)
            drawn = m_step(rows, shares, family, self.reg_covar)
        return with_given(drawn, given, family)

    def _present(self) -> Parameters:
        asked = self.n_components, self.covariance_type
        fitted = getattr(self, "_fitted_as", asked)
        if asked != fitted:
            raise ValueError(
                f"the mixture was fitted with n_components={fitted[0]} and covariance_type="
                f"{fitted[1]!r}, and cannot go on with {asked[0]} and {asked[1]!r}; fit anew, "
                "without warm_start"
            )
        parts = Parameters(self.weights_, self.means_, self.covariances_)
        return Parameters(*(np.asarray(part, dtype=np.float64) for part in parts))

    def _keep(self, run: Run, n_iter: int, dtype: np.dtype) -> None:
        """Hand out a run, with the precisions, in the precision of the data."""
        factors = precision_factors(run.parameters.covariances, self.covariance_type)
        self.weights_, self.means_, self.covariances_ = (
            np.asarray(part, dtype=dtype) for part in run.parameters
        )
        self.precisions_cholesky_ = factors.astype(dtype)
        self.precisions_ = precisions(factors, self.covariance_type).astype(dtype)
        self._fitted_as = self.n_components, self.covariance_type
        self.converged_, self.n_iter_ = run.converged, n_iter
        self.lower_bound_, self.lower_bounds_ = run.lower_bound, run.lower_bounds

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = False
        return tags
