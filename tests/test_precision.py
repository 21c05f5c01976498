"""Data far from the origin, float32, extreme units, and JAX's 64-bit switch.

The reference of a fit at an offset is the fit of the same stored numbers, centered in float64.
"""

import subprocess
import sys
import textwrap
import warnings

import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import jaxmix as jm

FAMILIES = ("full", "tied", "diag", "spherical")
FAR = {
    "float64 at 1e6": (np.float64, 1e6, 1e-6),
    "float32 at 1e3": (np.float32, 1e3, 5e-3),
}
STANDARDIZED = jm.data.standardize(jm.data.load("faithful").x)[0]


def in_float64(mixture, center):
    weights, means, covariances = (
        np.asarray(part, np.float64)
        for part in (mixture.weights, mixture.means, mixture.covariances)
    )
    weights = weights / weights.sum()
    return jm.gaussian_mixture(weights, means - center, covariances, mixture.family.name)


def scipy_log_likelihood(mixture, x):
    """In float64 from SciPy's density of one Gaussian."""
    matrices = np.asarray(mixture.family.matrices, np.float64)
    means, log_weights = (np.asarray(a, np.float64) for a in (mixture.means, mixture.log_weights))
    joint = [
        log_weight + multivariate_normal(mean, matrix).logpdf(np.asarray(x, np.float64))
        for log_weight, mean, matrix in zip(log_weights, means, matrices, strict=True)
    ]
    return logsumexp(joint, axis=0).sum()


@pytest.mark.parametrize(("dtype", "offset", "accuracy"), FAR.values(), ids=FAR)
def test_far_data_reach_the_fit_of_the_centered_numbers(dtype, offset, accuracy):
    x = (STANDARDIZED + np.array([offset, -2 * offset])).astype(dtype)
    start = jm.initialize(x, 2, seed=0)
    far = jm.fit(x, start)

    stored = x.astype(np.float64)
    center = stored.mean(axis=0)
    near = jm.fit(stored - center, in_float64(start, center))

    assert far.outcome.name == near.outcome.name == "CONVERGED"
    means = np.asarray(far.mixture.means, np.float64) - center
    np.testing.assert_allclose(means, near.mixture.means, rtol=0, atol=accuracy)
    np.testing.assert_allclose(far.mixture.weights, near.mixture.weights, rtol=0, atol=accuracy)
    resolution = float(np.finfo(dtype).eps)
    likelihood = scipy_log_likelihood(far.mixture, x)
    assert jm.log_likelihood(far.mixture, x) == pytest.approx(likelihood, rel=16 * resolution)
    assert far.log_likelihood == pytest.approx(float(near.log_likelihood), rel=64 * resolution)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_change_the_likelihood_by_their_logarithm_alone(unit):
    plain = jm.fit(STANDARDIZED, jm.initialize(STANDARDIZED, 2, seed=0))
    x = STANDARDIZED * unit
    scaled = jm.fit(x, jm.initialize(x, 2, seed=0))
    assert scaled.outcome.name == "CONVERGED"
    assert scaled.num_steps == plain.num_steps
    expected = float(plain.log_likelihood) - x.size * np.log(unit)
    assert scaled.log_likelihood == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(scaled.mixture.means / unit, plain.mixture.means, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_float32_survives_extreme_units(unit):
    x = (STANDARDIZED * unit).astype(np.float32)
    start = jm.initialize(x, 2, seed=0)
    scaled = jm.fit(x, start)
    stored = x.astype(np.float64)
    reference = jm.fit(stored, in_float64(start, 0.0))
    assert scaled.outcome.name == "CONVERGED"
    difference = np.asarray(scaled.mixture.means, np.float64) - np.asarray(reference.mixture.means)
    np.testing.assert_allclose(difference / unit, 0.0, atol=5e-3)


def test_float32_data_give_float32_results():
    x = STANDARDIZED.astype(np.float32)
    start = jm.initialize(x, 2, seed=0)
    result = jm.fit(x, start, record="all")
    numbers = (start, result.mixture, result.path, result.objective, result.log_likelihood)
    numbers += (result.gap, result.gradient_norm, result.history, result.gap_history)
    numbers += (result.mixture.log_prob(x), result.mixture.responsibilities(x))
    numbers += (result.mixture.sample(3)[0], jm.log_likelihood(result.mixture, x))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(numbers)} == {"float32"}


@pytest.mark.parametrize("rule", ["gap", "total"])
def test_a_tolerance_below_rounding_is_raised_aloud(rule):
    x = STANDARDIZED.astype(np.float32)
    with pytest.warns(UserWarning, match=f"below what float32 resolves for the rule '{rule}'"):
        result = jm.fit(x, jm.initialize(x, 2, seed=0), stop=jm.Stop(rule, tol=1e-30))
    assert result.stop.tol > 1e-30
    assert result.outcome.name == "CONVERGED"


def test_a_tolerance_that_float64_resolves_stays_as_it_is():
    stop = jm.Stop(tol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = jm.fit(STANDARDIZED, jm.initialize(STANDARDIZED, 2, seed=0), stop=stop)
    assert result.stop.tol == 1e-12
    assert result.gap <= 1e-12


SWITCH = textwrap.dedent(
    """
    import sys
    import warnings

    import jax
    import numpy as np

    import jaxmix as jm

    def messages(x):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = jm.initialize(x, 2, "spherical", seed=0)
            result = jm.fit(x, start)
            jm.log_likelihood(result.mixture, x)
            result.mixture.predict(x)
        return result, [str(warning.message) for warning in caught]

    x = np.random.default_rng(0).normal(size=(40, 2))
    x[:20] += 6.0

    # The silent cases first: the warning comes once a process.
    jax.config.update("jax_enable_x64", True)
    result, said = messages(x)
    print(result.mixture.means.dtype, len(said))
    jax.config.update("jax_enable_x64", False)
    result, said = messages(x.astype(np.float32))
    print(result.mixture.means.dtype, len(said))
    result, said = messages(x)
    print(result.mixture.means.dtype, len(said), *said)
    assert not jax.config.read("jax_enable_x64")
    """
)


def test_lost_precision_is_said_exactly_once():
    run = subprocess.run(
        [sys.executable, "-c", SWITCH], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    switched_on, narrow, switched_off = run.stdout.splitlines()
    assert switched_on == "float64 0"
    assert narrow == "float32 0"
    assert switched_off.startswith("float32 1 float64 data, but JAX's 64-bit mode is off")
    assert 'jax.config.update("jax_enable_x64", True)' in switched_off
