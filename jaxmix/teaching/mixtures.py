"""EM for the general mixture, step by step, and the four structures of its covariances."""

import jax
import numpy as np

from jaxmix import data
from jaxmix.families import STRUCTURES, Gaussian
from jaxmix.fitting import fit
from jaxmix.loop import Outcome
from jaxmix.report.demonstration import Demonstration
from jaxmix.report.panels import EARLY_STEPS
from jaxmix.report.writers import Table
from jaxmix.starts import initialize
from jaxmix.teaching.clusters import num_classes
from jaxmix.teaching.figures import draw_mixtures


def em(table: data.Table) -> Demonstration:
    """Weights, means and log-likelihood at the start, after steps 1 to 6 and 20, and at the end."""
    start = initialize(table.x, num_classes(table), "full", "random_from_data", seed=0)
    result = fit(table.x, start, record=EARLY_STEPS)
    assert result.path is not None
    rows, mixtures = [], {}
    for position, step in enumerate(result.path_steps):
        mixture = jax.tree.map(lambda leaf, at=position: leaf[at], result.path)
        last = "" if step < int(result.num_steps) else f": {result.outcome.name}"
        mixtures[f"step {step}{last}" if step else f"start{last}"] = mixture
        value = float(result.history[step])
        for k, (weight, mean) in enumerate(zip(mixture.weights, mixture.means), start=1):
            rows.append((step, value, k, float(weight), *map(float, mean)))
    columns = ("step", "log-likelihood", "component", "weight", *table.columns)
    caption = f"{table.name}: full covariances, from random observations; {result.outcome.name}."
    shown = Table(columns, tuple(rows), caption)
    return Demonstration((shown,), lambda: draw_mixtures(table, mixtures))


def covariances(table: data.Table) -> Demonstration:
    """The same data under four covariance structures: parameters, fit, and each component's axes.

    A standard deviation along an axis is the square root of an eigenvalue of the covariance.
    """
    k, d = num_classes(table), table.x.shape[1]
    rows, mixtures = [], {}
    for family in STRUCTURES:
        result = fit(table.x, initialize(table.x, k, family, "kmeans"))
        ended = "" if result.outcome == Outcome.CONVERGED else f": {result.outcome.name}"
        mixtures[f"{family}{ended}"] = result.mixture
        components = result.mixture.family
        assert isinstance(components, Gaussian)
        for number, matrix in enumerate(components.matrices, start=1):
            axes = np.sqrt(np.linalg.eigvalsh(np.asarray(matrix))[::-1])
            numbers = map(float, (result.num_parameters, result.log_likelihood, result.bic))
            rows.append((family, *numbers, result.outcome.name, number, *axes.tolist()))
    along = (f"axis {axis + 1}" for axis in range(d))
    columns = ("covariances", "parameters", "log-likelihood", "BIC", "outcome", "component", *along)
    caption = f"{table.name}: k = {k}; standard deviations along the principal axes."
    shown = Table(columns, tuple(rows), caption)
    return Demonstration((shown,), lambda: draw_mixtures(table, mixtures))
