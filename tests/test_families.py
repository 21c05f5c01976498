"""Counts, yes or no, categories and products: each quantity against SciPy, each method alike."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from helpers import compiled_problem
from scipy import stats
from scipy.special import logsumexp, xlogy

import jaxmix as jm
from jaxmix.numerics import divergence_terms
from jaxmix.user_files import defined_in

WAITING = Path(__file__).parents[1] / "notes/examples/exponential.py"

RNG = np.random.default_rng(5)
N = 90
CLASSES = RNG.integers(2, size=N)
FRAME = pd.DataFrame(
    {
        "visits": RNG.poisson(1.0 + 4 * CLASSES),
        "calls": RNG.poisson(6.0 - 3 * CLASSES),
        "smoker": (RNG.random(N) < 0.2 + 0.6 * CLASSES).astype(float),
        "owner": (RNG.random(N) < 0.7 - 0.3 * CLASSES).astype(float),
        "region": np.where(RNG.random(N) < 0.3, 2, CLASSES),
        "age": 2.0 + 1.5 * CLASSES + RNG.normal(size=N),
        "pulse": -1.0 + CLASSES + 0.7 * RNG.normal(size=N),
    }
)
MIXED = {"full": ["pulse", "age"], "categorical": ["region"], "poisson": [0], "bernoulli": [3]}
PARTS = {
    "poisson": ["visits", "calls"],
    "bernoulli": ["smoker", "owner"],
    "categorical": ["region", "owner"],
    "mixed": ["visits", "pulse", "region", "owner", "age"],
}
SPECS = {name: name for name in PARTS} | {"mixed": MIXED}
X = {name: FRAME[columns].to_numpy(float) for name, columns in PARTS.items()}
WEIGHTS = np.where(np.arange(N) % 3 == 0, 2.0, 1.0)
PRIOR = jm.Prior(mean_strength=1.5, weight_concentration=2.0)
PROBLEMS = {
    "plain": {},
    "penalized": {"sample_weights": WEIGHTS, "prior": PRIOR},
}
METHODS = {"em": jm.EM(), "lbfgs": jm.GradientAscent(optax.lbfgs)}
CASES = [(family, problem) for family in PARTS for problem in PROBLEMS]


def start_of(family):
    return jm.initialize(FRAME[PARTS[family]], 2, SPECS[family], seed=1)


def pseudo_rows(family):
    """Statistics of the prior's pseudo-observations: the data's mean, or equal probabilities."""
    if family == "poisson":
        return np.average(X[family], axis=0, weights=WEIGHTS)
    return np.array([0.5, 0.5]) if family == "bernoulli" else None


def log_densities(family, mixture, x):
    """log p_k(x_i) by SciPy, one component after the other."""
    if family == "poisson":
        return np.stack([stats.poisson(rate).logpmf(x).sum(1) for rate in mixture.rates], 1)
    if family == "bernoulli":
        return np.stack([stats.bernoulli(p).logpmf(x).sum(1) for p in mixture.probabilities], 1)
    if family == "categorical":
        return np.stack([levels_logpmf(p, x) for p in np.asarray(mixture.probabilities)], 1)
    groups, columns = mixture.family.groups, PARTS["mixed"]
    gaussians = [
        stats.multivariate_normal(mean, cov).logpdf(x[:, [columns.index(c) for c in MIXED["full"]]])
        for mean, cov in zip(groups["full"].means, groups["full"].covariances)
    ]
    region = [levels_logpmf(p, x[:, [2]]) for p in groups["categorical"].part("probabilities")]
    counts = [stats.poisson(rate).logpmf(x[:, 0]) for rate in groups["poisson"].expectations[:, 0]]
    owner = [stats.bernoulli(p).logpmf(x[:, 3]) for p in groups["bernoulli"].expectations[:, 0]]
    return np.stack(gaussians, 1) + np.stack(region, 1) + np.stack(counts, 1) + np.stack(owner, 1)


def levels_logpmf(probabilities, x):
    return sum(np.log(p[x[:, j].astype(int)]) for j, p in enumerate(np.asarray(probabilities)))


def objective(family, mixture, sample_weights=None, prior=None):
    """What every method climbs, by SciPy; the mixed family's penalty is that of its groups."""
    x, weights = X[family], np.ones(N) if sample_weights is None else sample_weights
    value = weights @ logsumexp(np.log(mixture.weights) + log_densities(family, mixture, x), axis=1)
    if prior is None:
        return value
    kappa, p = prior.mean_strength, None
    value += (prior.weight_concentration - 1) * np.sum(np.log(mixture.weights))
    if family == "poisson":
        rates, mean = np.asarray(mixture.rates), pseudo_rows("poisson")
        return value + kappa * np.sum(xlogy(mean, rates) - rates)
    p = np.asarray(mixture.probabilities)
    if family == "bernoulli":
        return value + kappa * np.sum(np.log(p) + np.log(1 - p)) / 2
    levels = np.array([3, 2])
    safe = np.where(p > 0, p, 1.0)
    return value + kappa * np.sum(np.log(safe) / levels[:, None])


@pytest.fixture(scope="module")
def fits():
    """Every method on every family and problem, once."""
    return {
        (method, family, problem): jm.fit(
            FRAME[PARTS[family]],
            start_of(family),
            METHODS[method],
            stop=jm.Stop(tol=1e-11, max_steps=3000),
            **PROBLEMS[problem],
        )
        for family, problem in CASES
        for method in methods_of(family)
    }


def methods_of(family):
    """Both methods where that tells more: the mixed family has a part of every kind."""
    return list(METHODS) if family == "mixed" else ["em"]


@pytest.mark.parametrize("family", PARTS)
def test_densities_are_scipys(family):
    mixture, x = start_of(family), X[family]
    expected = log_densities(family, mixture, x)
    expected += np.log(mixture.weights)
    np.testing.assert_allclose(mixture.joint_log_prob(jnp.asarray(x)), expected, rtol=1e-12)
    whole = logsumexp(expected, axis=1)
    np.testing.assert_allclose(mixture.log_prob(FRAME[PARTS[family]]), whole, rtol=1e-12)
    assert jm.log_likelihood(mixture, x) == pytest.approx(whole.sum(), rel=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("family", PARTS)
def test_em_and_gradients_climb_one_objective(fits, family, problem):
    results = [fits[method, family, problem] for method in methods_of(family)]
    assert np.all(np.diff(results[0].history) >= -1e-9)
    for result in results:
        assert result.outcome == jm.Outcome.CONVERGED
        assert result.objective == pytest.approx(float(results[0].objective), abs=1e-6)
        if family != "mixed" or problem == "plain":
            expected = objective(family, result.mixture, **PROBLEMS[problem])
            assert result.objective == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("family", PARTS)
def test_the_gap_is_what_an_em_step_gains_in_q(family, problem):
    mixture, x = start_of(family), X[family]
    weights, prior = PROBLEMS[problem].get("sample_weights"), PROBLEMS[problem].get("prior")
    centered = mixture.family.centered
    problem = compiled_problem(jnp.asarray(x), weights, prior, 0.0, centered=centered)
    here = problem.enter(mixture)
    evaluation = problem.evaluate(here)

    def q(at):
        table = at.natural(problem.penalty.ridge)
        return jnp.vdot(evaluation.statistics, table) + at.log_penalty(table, problem.penalty)

    assert evaluation.gap == pytest.approx(float(q(evaluation.em_step) - q(here)), rel=1e-8)
    slope = jax.jit(jax.grad(lambda c: q(evaluation.em_step.constrain(c))))
    slopes = slope(evaluation.em_step.unconstrain())
    for name, slope in slopes.items():
        np.testing.assert_allclose(slope, 0.0, atol=1e-9, err_msg=name)
    by_autodiff = problem.evaluate(here, "autodiff")
    np.testing.assert_allclose(evaluation.statistics, by_autodiff.statistics, rtol=1e-9)


def test_m_steps_are_shares_of_counts():
    """Poisson and Bernoulli: weighted means; categorical: weighted frequencies; pseudo-counts."""
    r = np.random.default_rng(0).dirichlet([1.0, 1.0], size=N)
    counts = r.sum(0)
    for family in ("poisson", "bernoulli"):
        part = jm.m_step(X[family], r, family).family.expectations
        np.testing.assert_allclose(part, r.T @ X[family] / counts[:, None], rtol=1e-12)
    region = jm.m_step(FRAME[["region"]], r, "categorical").probabilities[:, 0]
    by_level = np.stack([r.T @ (FRAME["region"] == level) for level in range(3)], axis=1)
    np.testing.assert_allclose(region, by_level / counts[:, None], rtol=1e-12)


def test_pseudo_counts_pull_as_many_observations_would(fits):
    mixture, prior = fits["em", "poisson", "penalized"].mixture, PRIOR
    r = WEIGHTS[:, None] * np.asarray(mixture.responsibilities(X["poisson"]))
    pull = prior.mean_strength
    sums = r.T @ X["poisson"] + pull * pseudo_rows("poisson")
    np.testing.assert_allclose(mixture.rates, sums / (r.sum(0) + pull)[:, None], rtol=1e-5)


@pytest.mark.parametrize("family", PARTS)
def test_weights_count_rows(fits, family):
    # As many rows in all as the table has, so that repeated ones compile nothing anew.
    counts = np.array([2, 1, 0])[np.arange(N) % 3]
    repeated = FRAME[PARTS[family]].loc[np.repeat(np.arange(N), counts)]
    weights = counts.astype(float)
    start, stop = start_of(family), jm.Stop(tol=1e-11, max_steps=20)
    for method in METHODS.values():
        weighted = jm.fit(FRAME[PARTS[family]], start, method, stop=stop, sample_weights=weights)
        plain = jm.fit(repeated, start, method, stop=stop)
        np.testing.assert_allclose(weighted.history, plain.history, rtol=1e-12)


def test_many_starts_are_inside_and_lead_to_fits():
    mixture = jm.initialize(FRAME[PARTS["mixed"]], 2, MIXED, "random_normal")
    assert not mixture.family.at_boundary
    spec = {"poisson": ["visits"], "categorical": ["region"]}
    runs = jm.fit_restarts(FRAME[["visits", "region"]], 2, family=spec, num_starts=3)
    assert runs.best.outcome == jm.Outcome.CONVERGED


def test_probabilities_may_reach_their_boundary_in_em():
    """No row of the first component has the second column set: its probability is exactly 0."""
    x = np.array([[1, 0], [0, 0], [1, 0], [0, 1], [1, 1], [0, 1]] * 5, float)
    start = jm.bernoulli_mixture([0.5, 0.5], [[0.5, 0.0], [0.5, 1.0]])
    result = jm.fit(x, start)
    assert result.outcome == jm.Outcome.CONVERGED
    assert result.mixture.probabilities[:, 1].tolist() == [0.0, 1.0]
    # The second column says which component; two rows of three agree in the first.
    expected = 30 * np.log(1 / 2) + 20 * np.log(2 / 3) + 10 * np.log(1 / 3)
    assert result.log_likelihood == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(result.gradient_norm)
    with pytest.raises(ValueError, match=r"boundary.*Prior\(mean_strength"):
        result.mixture.unconstrain()
    with pytest.raises(ValueError, match=r"boundary.*Prior\(mean_strength"):
        jm.fit(x, start, jm.GradientAscent(optax.adam))
    with pytest.raises(ValueError, match="probability 0 under the start"):
        jm.fit(x, jm.bernoulli_mixture([0.5, 0.5], [[0.5, 0.0], [0.5, 0.0]]))
    with pytest.raises(ValueError, match=r"row \[0.0, 1.0\] has probability 0 under the mixture"):
        jm.bernoulli_mixture([1.0], [[0.5, 0.0]]).responsibilities([[0, 1]])
    inside = jm.fit(x, jm.initialize(x, 2, "bernoulli"), prior=jm.Prior(mean_strength=1.0))
    assert not inside.mixture.family.at_boundary


@pytest.mark.parametrize("family", PARTS)
def test_samples_follow_the_mixture(fits, family):
    mixture = fits["em", family, "plain"].mixture
    x, labels = mixture.sample(20_000, seed=3)
    assert x.dtype == jnp.float64
    mixture.family.check(np.asarray(x), tuple(PARTS[family]))
    np.testing.assert_allclose(np.bincount(labels) / len(x), mixture.weights, atol=0.02)
    # A fit of the data has their means; a sample of the fit then does.
    deviations = X[family].std(0) / np.sqrt(len(x))
    np.testing.assert_allclose(x.mean(0), X[family].mean(0), atol=5 * deviations.max())


def test_parameters_are_counted():
    expected = {"poisson": 1 + 4, "bernoulli": 1 + 4, "categorical": 1 + 2 * (2 + 1)}
    expected["mixed"] = 1 + 2 * (5 + 2 + 1 + 1)
    for family, number in expected.items():
        assert start_of(family).num_parameters == number
    kept = jm.fit(X["mixed"], start_of("mixed"), stop=jm.Stop(max_steps=1), fixed="poisson.rates")
    assert kept.num_parameters == expected["mixed"] - 2
    np.testing.assert_array_equal(
        kept.mixture.family.part("poisson.rates"), start_of("mixed").family.part("poisson.rates")
    )


def test_components_are_matched_and_told_apart(fits):
    for family in PARTS:
        mixture = fits["em", family, "plain"].mixture
        assert jm.match(mixture.take([1, 0]), mixture).tolist() == [1, 0]
        text = fits["em", family, "plain"].summary()
        assert all(name in text for name in FRAME[PARTS[family]].columns)
    with pytest.raises(ValueError, match="one family"):
        jm.match(start_of("poisson"), start_of("bernoulli"))


def test_jeffreys_divergence_is_a_sum_over_outcomes():
    a, b = (jm.categorical_mixture([1.0], [p]) for p in ([0.2, 0.3, 0.5], [0.6, 0.3, 0.1]))
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
    expected = np.sum((p - q) * np.log(p / q))
    assert a.family.jeffreys(b.family)[0, 0] == pytest.approx(expected)
    m, n = (jm.poisson_mixture([1.0], [rate]) for rate in (2.0, 5.0))
    assert m.family.jeffreys(n.family)[0, 0] == pytest.approx(-3 * np.log(2 / 5))


def test_float32_runs_and_agrees(fits):
    for family in ("categorical",):
        x = X[family].astype(np.float32)
        result = jm.fit(x, start_of(family), stop=jm.Stop("mean", 1e-6))
        assert result.mixture.weights.dtype == jnp.float32
        exact = float(fits["em", family, "plain"].objective)
        assert result.objective == pytest.approx(exact, rel=1e-4)


def test_fits_run_under_vmap_and_jit():
    stop = jm.Stop(max_steps=3)
    batch = jnp.stack([X["poisson"], X["poisson"][::-1]])
    start = start_of("poisson")
    results = jax.jit(jax.vmap(lambda x: jm.fit(x, start, stop=stop)))(batch)
    alone = jm.fit(X["poisson"], start, stop=stop)
    np.testing.assert_allclose(results.objective, alone.objective, rtol=1e-12)
    assert results.mixture.rates.shape == (2, 2, 2)


def test_a_users_own_family_fits_alone_and_in_a_product():
    waiting = defined_in(str(WAITING), lambda value: isinstance(value, type))["Waiting"]
    rng = np.random.default_rng(0)
    x = np.stack([rng.exponential(np.where(CLASSES, 9.0, 1.0)), X["poisson"][:, 0]], axis=1)
    start = jm.initialize(x[:, 0], 2, waiting)
    em, lbfgs = (jm.fit(x[:, 0], start, method) for method in METHODS.values())
    assert em.outcome == jm.Outcome.CONVERGED
    assert lbfgs.objective == pytest.approx(float(em.objective), abs=1e-6)
    waits = np.asarray(em.mixture.family.part("waits"))[:, 0]
    densities = stats.expon(scale=waits).logpdf(x[:, :1]) + np.log(em.mixture.weights)
    assert em.objective == pytest.approx(logsumexp(densities, axis=1).sum(), rel=1e-12)
    both = jm.fit(x, jm.initialize(x, 2, {waiting: [0], "poisson": [1]}))
    assert both.mixture.family.name == "waiting x poisson"
    assert np.all(np.diff(both.history) >= -1e-10)
    with pytest.raises(ValueError, match="must be positive"):
        jm.initialize(-x, 2, waiting)


@pytest.mark.parametrize("family", PARTS)
def test_marginals_and_conditionals_make_up_the_whole(family):
    """p(known) p(rest | known) = p(row), whatever the columns and their order."""
    mixture, row = start_of(family), X[family][7]
    for known in ([0], [1]) if len(row) == 2 else ([1], [3, 0], [4, 2, 1], [0, 2, 3]):
        rest = [column for column in range(len(row)) if column not in known]
        given = mixture.condition(known, row[known])
        parts = mixture.marginal(known).log_prob(row[None, known])[0]
        whole = parts + given.log_prob(row[None, rest])[0]
        assert whole == pytest.approx(float(mixture.log_prob(row[None])[0]), rel=1e-12)


def test_moments_are_those_of_the_parts():
    poisson = jm.poisson_mixture([0.25, 0.75], [[1.0, 2.0], [5.0, 0.5]])
    np.testing.assert_allclose(poisson.mean, [4.0, 0.875])
    within, between = [4.0, 0.875], 3 / 16 * np.outer([4.0, -1.5], [4.0, -1.5])
    np.testing.assert_allclose(poisson.covariance, np.diag(within) + between)
    with pytest.raises(ValueError, match="levels of a category have no mean"):
        start_of("mixed").mean  # noqa: B018
    assert start_of("mixed").marginal([4, 0]).mean.shape == (2,)


@pytest.mark.parametrize("family", PARTS)
def test_saved_mixtures_come_back(family, tmp_path):
    start_of(family).save(tmp_path / "mixture.npz")
    loaded = jm.load_mixture(tmp_path / "mixture.npz")
    assert jax.tree.structure(loaded) == jax.tree.structure(start_of(family))
    for again, leaf in zip(jax.tree.leaves(loaded), jax.tree.leaves(start_of(family))):
        np.testing.assert_array_equal(again, leaf)


BAD = [
    (lambda: jm.initialize([[0.5], [1.0]], 1, "poisson"), "whole numbers at least 0.*'x1' has 0.5"),
    (lambda: jm.initialize([[-1.0], [1.0]], 1, "categorical"), "whole numbers"),
    (lambda: jm.initialize([[2.0], [1.0]], 1, "bernoulli"), "from 0 to 1"),
    (lambda: start_of("categorical").log_prob([[7, 0]]), "from 0 to 2; column 'x1' has 7"),
    (lambda: start_of("categorical").condition([1], [2]), "from 0 to 1; column 'x2' has 2"),
    (lambda: jm.match(start_of("categorical"), fewer_levels()), "of one family"),
    (lambda: jm.initialize(FRAME, 2, {"poisson": ["visits"]}), "'calls' has no family"),
    (lambda: jm.initialize(X["poisson"], 2, {"poisson": [0], "full": [0, 1]}), "more than one"),
    (lambda: jm.initialize(FRAME, 2, {"poisson": ["visit"]}), "unknown column.*'visits'"),
    (lambda: jm.initialize(FRAME, 2, {"poison": ["visits"]}), "unknown|no family"),
    (lambda: jm.initialize(X["poisson"], 2, "poison"), "did you mean 'poisson'"),
    (lambda: jm.poisson_mixture([0.5, 0.5], [1.0, -1.0]), "at least 0"),
    (lambda: jm.bernoulli_mixture([1.0], [[1.5]]), "0 to 1"),
    (lambda: jm.bernoulli_mixture([1.0], [[]]), r"must be \[1 d\], got shape \(1, 0\)"),
    (lambda: jm.categorical_mixture([1.0], np.zeros((1, 0, 2))), r"must be \[1 d c\]"),
    (lambda: jm.categorical_mixture([1.0], [[0.5, 0.4]]), "sum to 1"),
    (lambda: jm.poisson_mixture([0.5, 0.5], [1.0, 2.0, 3.0]), r"rates must be \[2 d\]"),
    (lambda: jm.initialize(X["poisson"], 2, {"poisson": 1, "full": [0]}), "list of names or num"),
    (lambda: jm.initialize(X["poisson"], 2, {"poisson": [True], "full": [0]}), "unknown column"),
    (lambda: jm.initialize(X["poisson"], 2, {"poisson": [0], Again: [1]}), "a name of its own"),
    (lambda: start_of("poisson").affine(2.0, 0.0), "not closed"),
    (lambda: start_of("poisson").translate(jnp.ones(2)), "no other origin"),
    (lambda: fit_poisson(prior=jm.Prior(covariance_scale=1.0)), "prior penalizes covariances"),
    (lambda: fit_poisson(prior=jm.Prior(mean=-1.0, mean_strength=1.0)), "at least 0"),
    (lambda: fit_poisson(missing=True), "take no missing entries"),
    (lambda: jm.initialize([[0, 1], [3, None], [1, 1]], 2, "categorical", missing=True), "take no"),
    (lambda: jm.fit([[np.nan, 1], [2, 1]], start_of("poisson"), missing=True), "take no missing"),
    (lambda: fit_poisson(sample_weights=np.arange(N), bad=-1.0), "'x1' has -1 in row 0"),
]


def fewer_levels():
    return jm.categorical_mixture([0.5, 0.5], np.full((2, 2, 2), 0.5))


class Again(jm.families.Poisson):
    """A family of one's own that takes the name of another."""


def fit_poisson(bad=None, **options):
    x = X["poisson"].copy()
    x[0, 0] = x[0, 0] if bad is None else bad
    return jm.fit(x, start_of("poisson"), **options)


@pytest.mark.parametrize(("call", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_what_no_family_can_hold_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_mixture_has_the_parts_of_its_family():
    with pytest.raises(AttributeError, match="has rates, not means"):
        start_of("poisson").means  # noqa: B018
    padded = start_of("categorical").probabilities
    assert padded.shape == (2, 2, 3)
    np.testing.assert_array_equal(padded[:, 1, 2], 0.0)


def test_columns_of_groups_are_names_before_they_are_places():
    """A frame whose columns are called 1 and 0, in this order, and columns in an array."""
    frame = FRAME[["visits", "pulse"]].set_axis([1, 0], axis=1)
    product = jm.initialize(frame, 2, {"poisson": np.array([1]), "diag": [0]}).family
    assert product.columns == ((0,), (1,))


def test_large_counts_keep_their_digits():
    """Where x log(rate) and log x! agree in all but their last digits."""
    x = np.array([0.0, 1.0, 15.0, 16.0, 1e3, 1e6, 1e9])
    rates = np.array([0.5, 3.0, 15.5, 16.0, 1100.0, 1.001e6, 1e9])
    # Of 1e9 SciPy's own x log(rate) leaves six digits.
    for dtype, rtol in ((np.float64, 1e-6), (np.float32, 2e-3)):
        mixture = jm.poisson_mixture(np.ones(1, dtype), rates[None].astype(dtype))
        for column, (count, rate) in enumerate(zip(x, rates)):
            value = mixture.marginal([column]).log_prob(np.array([count], dtype))[0]
            assert value == pytest.approx(stats.poisson(rate).logpmf(count), rel=rtol), count


def test_divergences_from_nearly_0_are_finite():
    new, old = np.array([2.0, 2.0, 0.5, 0.0]), np.array([1e-20, 1e-300, 0.2, 0.3])
    expected = xlogy(new, new) - xlogy(new, old) - new + old
    np.testing.assert_allclose(divergence_terms(jnp.array(new), jnp.array(old)), expected)
    slope = jax.grad(lambda old: jnp.sum(divergence_terms(jnp.array(new), old)))(jnp.array(old))
    np.testing.assert_allclose(slope, 1 - new / old)


def test_coordinates_reach_as_near_to_0_as_floats_do():
    mixture = jm.bernoulli_mixture([0.5, 0.5], [1e-300, 1 - 2.0**-53])
    again = mixture.constrain(mixture.unconstrain())
    np.testing.assert_allclose(again.probabilities, mixture.probabilities, rtol=1e-12)


def test_an_unfinished_family_says_what_it_lacks():
    with pytest.raises(TypeError, match=r"does not define .*draw.*standard"):
        jm.initialize(X["poisson"], 2, jm.families.ExponentialFamily)
