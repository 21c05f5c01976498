"""Methods that move batch by batch: their batches, textbook versions in NumPy, and limits."""

from functools import partial

import equinox as eqx
import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import COUNTS, FRACTIONS, PRIOR, PROBLEMS, X
from jax.experimental import io_callback
from jax.flatten_util import ravel_pytree
from scipy.special import logsumexp

import jaxmix as jm
from jaxmix import compiling
from jaxmix.blocks import in_blocks
from jaxmix.loop import Outcome
from jaxmix.methods.batches import epoch_key, in_batches, over_batches, over_parts
from jaxmix.race.named_methods import contenders

FAMILY, RIDGE = "full", PROBLEMS["penalized"]["ridge"]
START = helpers.start_of(FAMILY)
PROBLEM = helpers.problem_of("penalized")
SIZE, WHOLE = 20, 10**6
"""Rows of a batch: four batches make a pass, and one does."""

METHODS = {
    "online": jm.OnlineEM(batch_size=SIZE),
    "incremental": jm.IncrementalEM(num_batches=4),
    "stochastic": jm.StochasticGradient(optax.sgd, batch_size=SIZE, learning_rate=0.1),
}
every_method = pytest.mark.parametrize("name", METHODS)


def fit(method, x=X, start=START, max_steps=5, **settings):
    """A fit that ends by its number of steps alone."""
    return jm.fit(x, start, method, stop=jm.Stop(tol=1e-25, max_steps=max_steps), **settings)


def fit_penalized(method, **settings):
    return fit(method, **PROBLEMS["penalized"], **settings)


def assert_same_runs(one, other, tolerance=1e-9):
    np.testing.assert_allclose(one.history, other.history, rtol=tolerance)
    a, b = helpers.parameters(one.mixture), helpers.parameters(other.mixture)
    np.testing.assert_allclose(a, b, rtol=tolerance)


def rows_of(blocks):
    """Rows of positive weight of a batch, in the user's units, and their weights."""
    x, weights = np.swapaxes(blocks.x, 1, 2).reshape(-1, 2), np.ravel(blocks.sample_weights)
    return x[weights > 0] + np.asarray(PROBLEM.center), weights[weights > 0]


SHOWN = []


@partial(jax.jit, static_argnums=(0, 3))
def _show(over, data, draws, count):
    def visit(one, carry):
        io_callback(SHOWN.append, None, one, ordered=True)
        return carry

    return over(data, *draws, count, visit, 0)


def visits(over, data, *about):
    """What a method is shown, one after another."""
    SHOWN.clear()
    jax.block_until_ready(_show(over, data, about[:-1], about[-1]))
    jax.effects_barrier()
    return jax.tree.map(np.asarray, SHOWN)


def samples(number):
    """Batches of an epoch, whose weights make each stand for all rows."""
    return [rows_of(one.sample) for one in visits(over_batches, PROBLEM.data, 0, number, SIZE)]


def held(blocks):
    """The one column of rows of positive weight."""
    return np.ravel(blocks.x)[np.ravel(blocks.sample_weights) > 0]


@pytest.mark.parametrize(("n", "most"), [(80, 20), (70, 20), (3, 20)])
def test_every_row_is_in_one_batch_and_padding_in_none(n, most):
    weights = np.where(np.arange(n) % 4 == 1, 0.0, 2.0)
    blocks = in_blocks(jnp.arange(1.0, n + 1)[:, None], jnp.asarray(weights), rows=16)
    batches, parts = visits(over_batches, blocks, 0, 3, most), visits(over_parts, blocks, 0, 4)
    rows = np.count_nonzero(weights)
    assert len(batches) == -(-rows // most)
    assert [(int(part.batch), bool(part.ends)) for part in parts] == [(b, True) for b in range(4)]
    whole = [
        eqx.tree_at(lambda b: b.sample_weights, b.sample, b.sample.sample_weights * b.share)
        for b in batches
    ]
    for several in (whole, [part.rows for part in parts]):
        sizes = [len(held(one)) for one in several]
        assert sorted(np.concatenate([held(one) for one in several])) == list(
            1 + np.flatnonzero(weights)
        )
        assert max(sizes) - min(sizes) <= 1
        for one in several:
            np.testing.assert_allclose(one.sample_weights[one.sample_weights > 0], 2.0, rtol=1e-15)
    np.testing.assert_allclose([b.share * rows for b in batches], [len(held(b)) for b in whole])


PRESENT = 1 + np.flatnonzero(np.arange(1000) % 7 != 3)
"""Numbers of rows that count, of 250 blocks of 4 rows, in 64 groups of 4 with those of padding."""


def many_blocks():
    """Rows that hold their numbers."""
    weights = np.isin(np.arange(1, 1001), PRESENT).astype(float)
    blocks = in_blocks(jnp.arange(1.0, 1001)[:, None], jnp.asarray(weights), rows=4)
    assert (blocks.groups, blocks.num_pools) == (64, 4)
    return blocks


def one_of_a_group(rows):
    """Whether these rows come from at most one block of each group."""
    blocks = {(row - 1) // 4 for row in rows}
    return len({block // 4 for block in blocks}) == len(blocks)


def blocks_of_pools(parts):
    """The blocks of the pools whose parts these are, each all that counts of its blocks."""
    pools = [[]]
    for rows in parts:
        assert one_of_a_group(rows)
        if not one_of_a_group([*pools[-1], *rows]):
            pools.append([])
        pools[-1].extend(rows)
    assert len(pools) == 4
    for pool in pools:
        blocks = {(row - 1) // 4 for row in pool}
        assert 62 <= len(blocks) <= 64
        assert sorted(pool) == [row for row in PRESENT if (row - 1) // 4 in blocks]
    assert sorted(row for pool in pools for row in pool) == list(PRESENT)
    return [{(row - 1) // 4 for row in pool} for pool in pools]


def test_epochs_of_many_blocks_go_from_pool_to_pool():
    blocks = many_blocks()
    epochs = [visits(over_batches, blocks, *which, 50) for which in ((0, 0), (0, 1), (1, 0))]
    firsts = []
    for batches in epochs:
        rows = [held(batch.sample) for batch in batches]
        firsts.append(blocks_of_pools(rows)[0])
        assert {block % 4 for block in firsts[-1]} == {0, 1, 2, 3}
        assert max(map(len, rows)) <= 50
        # Fifty of about 214 rows, were they drawn at random, come from 42 of the 64 groups.
        assert 30 < np.mean([len(set((mine - 1) // 16)) for mine in rows]) < 50
        np.testing.assert_allclose(
            [b.share for b in batches], [len(m) / len(PRESENT) for m in rows]
        )
        scaled = [np.max(batch.sample.sample_weights) * batch.share for batch in batches]
        np.testing.assert_allclose(scaled, 1.0)
        assert [bool(b.begins) for b in batches] == [True] + [False] * (len(batches) - 1)
        (half,) = np.flatnonzero([b.begins_half for b in batches])
        assert 0.48 < sum(float(b.share) for b in batches[:half]) < 0.52
    assert firsts[0] not in firsts[1:]
    again = visits(over_batches, blocks, 0, 0, 50)
    np.testing.assert_array_equal(again[-1].sample.x, epochs[0][-1].sample.x)


@pytest.mark.parametrize("num_batches", [3, 10, 16])
def test_a_fixed_number_of_batches_shares_the_pools(num_batches):
    blocks = many_blocks()
    parts = visits(over_parts, blocks, 0, num_batches)
    blocks_of_pools([held(part.rows) for part in parts])
    numbers = [int(part.batch) for part in parts]
    assert sorted(set(numbers)) == list(range(num_batches))
    assert [bool(part.ends) for part in parts] == [
        number != after for number, after in zip(numbers, [*numbers[1:], -1])
    ]
    again = visits(over_parts, blocks, 0, num_batches)[-1]
    np.testing.assert_array_equal(held(again.rows), held(parts[-1].rows))


def test_orders_are_random_and_new_in_every_epoch_and_seed():
    def order(seed, number):
        return in_batches(PROBLEM.data, epoch_key(seed, number), SIZE).order

    orders = [order(*which)[: len(X)].tolist() for which in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert orders[0] == orders[1]
    assert all(orders[0] != other for other in orders[2:])
    firsts = np.asarray(jax.vmap(lambda number: order(0, number))(jnp.arange(4000)))[:, 0]
    counts = np.bincount(firsts, minlength=len(X))
    # Chi-square with 79 degrees of freedom: 150 is beyond a chance of 1e-5.
    assert np.sum((counts - 50) ** 2 / 50) < 150


def test_batches_are_the_same_without_64_bits():
    def order():
        blocks = in_blocks(jnp.ones((30, 1), jnp.float32), rows=16)
        return in_batches(blocks, epoch_key(2, 1), SIZE).order.tolist()

    with jax.enable_x64(False):
        narrow = order()
    assert narrow == order()
    assert sorted(narrow) == list(range(32))


def test_batches_are_unbiased_samples_of_all_rows():
    mixture = PROBLEM.enter(START)
    expect = jax.jit(lambda batch: PROBLEM.expect(mixture, batch.sample)[1] * batch.share)
    total = sum(map(expect, visits(over_batches, PROBLEM.data, 0, 0, SIZE)))
    np.testing.assert_allclose(total, PROBLEM.evaluate(mixture).statistics, rtol=1e-12)


def responsibilities(x, mixture):
    logits = helpers.joint(x, mixture, RIDGE)
    return np.exp(logits - logsumexp(logits, axis=1, keepdims=True))


def statistics(x, weights, shares):
    """Counts, sums and second moments."""
    r = shares * weights[:, None]
    return [r.sum(axis=0), r.T @ x, np.einsum("nk,ni,nj->kij", r, x, x)]


def m_step(sums):
    """Full covariances by notes/em.md, eq. 10."""
    counts, firsts, seconds = sums
    kappa, pull = PRIOR.mean_strength, PRIOR.mean
    means = (firsts + kappa * pull) / (counts + kappa)[:, None]
    covariances = []
    for n, first, second, mean in zip(counts, firsts, seconds, means):
        scatter = second - np.outer(first, mean) - np.outer(mean, first) + n * np.outer(mean, mean)
        offset = mean - pull
        scatter += n * RIDGE * np.eye(2) + kappa * np.outer(offset, offset)
        covariances.append((scatter + PRIOR.covariance_scale) / (n + PRIOR.covariance_strength))
    pseudo = counts + PRIOR.weight_concentration - 1
    covariances = (np.array(covariances) + np.swapaxes(covariances, 1, 2)) / 2
    return jm.gaussian_mixture(pseudo / pseudo.sum(), means, covariances)


def textbook_online(num_epochs):
    """The mixture after every epoch: the average covers the second half, or what doubling left."""
    mixture, t, reported = START, 0, []
    known, seen = statistics(X, FRACTIONS, responsibilities(X, START)), []
    for number in range(num_epochs):
        for j, (x, weights) in enumerate(samples(number)):
            t += 1
            rate, new = (t + 1) ** -0.6, statistics(x, weights, responsibilities(x, mixture))
            known = [(1 - rate) * a + rate * b for a, b in zip(known, new)]
            mixture = m_step(known)
            if (number, j) in ((0, 2), (1, 0), (2, 0), (4, 0)):
                seen = []
            seen.append(known)
        reported.append(m_step([np.mean(parts, axis=0) for parts in zip(*seen)]))
    return reported


def test_online_em_is_the_textbooks():
    result = fit_penalized(METHODS["online"], record="all")
    for step, mixture in enumerate(textbook_online(5), start=1):
        ours = jax.tree.map(lambda leaf, step=step: leaf[step], result.path)
        np.testing.assert_allclose(helpers.parameters(ours), helpers.parameters(mixture), rtol=1e-9)
    assert int(result.cost.passes) == 10
    assert int(result.cost.gradients) == 0


def test_incremental_em_is_that_of_neal_and_hinton_and_its_free_energy_never_falls():
    result = fit_penalized(METHODS["incremental"], record="all")
    batches = [rows_of(part.rows) for part in visits(over_parts, PROBLEM.data, 0, 4)]
    x, weights = (np.concatenate(parts) for parts in zip(*batches))
    mixture, shares = START, [responsibilities(rows, START) for rows, _ in batches]
    energies = []
    for step in range(1, 6):
        for j, (rows, _) in enumerate(batches):
            shares[j] = responsibilities(rows, mixture)
            r = np.concatenate(shares)
            mixture = m_step(statistics(x, weights, r))
            bound = np.sum(r * (helpers.joint(x, mixture, RIDGE) - np.log(r)), axis=1)
            energies.append(weights @ bound + helpers.log_penalty(mixture, PRIOR))
        ours = jax.tree.map(lambda leaf, step=step: leaf[step], result.path)
        np.testing.assert_allclose(helpers.parameters(ours), helpers.parameters(mixture), rtol=1e-9)
        assert energies[-1] <= result.history[step] + 1e-9
    assert np.all(np.diff(energies) >= -1e-9)


def test_incremental_em_ends_where_em_does():
    result = jm.fit(X, START, METHODS["incremental"], **PROBLEMS["penalized"])
    assert result.outcome is Outcome.CONVERGED
    best = helpers.fitted("em", FAMILY, "penalized").objective
    np.testing.assert_allclose(result.objective, best, rtol=0, atol=1e-7)


def test_stochastic_gradients_are_those_of_a_batch():
    """Against central differences of SciPy's log-likelihood of the batch."""
    result = fit_penalized(METHODS["stochastic"], max_steps=2)
    flat, rebuild = ravel_pytree(START.unconstrain())
    moves = 1e-5 * np.eye(len(flat))
    for number in range(2):
        for x, weights in samples(number):

            def value(point, x=x, weights=weights):
                mixture = START.constrain(rebuild(point))
                settings = {"sample_weights": weights, "ridge": RIDGE, "prior": PRIOR}
                return helpers.objective(x, mixture, **settings)

            slope = [(value(flat + move) - value(flat - move)) / 2e-5 for move in moves]
            flat = flat + 0.1 * np.array(slope) / FRACTIONS.sum()
    expected = helpers.parameters(START.constrain(rebuild(flat)))
    np.testing.assert_allclose(helpers.parameters(result.mixture), expected, rtol=1e-7)
    assert int(result.cost.passes) == 4
    assert int(result.cost.gradients) == 2


ONE_BATCH = {
    "online": (jm.OnlineEM(WHOLE, exponent=0.0, average=False), jm.EM()),
    "incremental": (jm.IncrementalEM(num_batches=1), jm.EM()),
    "stochastic": (
        jm.StochasticGradient(optax.adam, batch_size=WHOLE, learning_rate=0.05),
        helpers.METHODS["adam"].method,
    ),
}


@pytest.mark.parametrize("name", ONE_BATCH)
def test_one_batch_of_all_rows_is_the_method_of_whole_passes(name):
    batched, whole = ONE_BATCH[name]
    settings = {"fixed": ("weights",)} if name == "online" else {}
    runs = (fit_penalized(method, **settings) for method in (batched, whole))
    assert_same_runs(*runs, tolerance=1e-10)
    repeated = np.repeat(X, COUNTS.astype(int), axis=0)
    weighted = fit(batched, sample_weights=COUNTS, **settings)
    assert_same_runs(weighted, fit(batched, repeated, **settings))


@every_method
def test_seeds_repeat_and_numbers_compile_nothing(name):
    method = METHODS[name]
    first, program = fit(method), compiling.advance_of(True)
    before = program._cache_size()
    assert_same_runs(first, fit(method), 0)
    others = {
        "online": [jm.OnlineEM(SIZE, seed=1), jm.OnlineEM(SIZE, exponent=0.9)],
        "incremental": [jm.IncrementalEM(4, seed=1)],
        "stochastic": [
            jm.StochasticGradient(optax.sgd, batch_size=SIZE, learning_rate=0.1, seed=1),
            jm.StochasticGradient(optax.sgd, batch_size=SIZE, learning_rate=0.2),
        ],
    }[name]
    for other in others:
        assert not np.array_equal(fit(other).history, first.history)
    assert program._cache_size() == before


@every_method
def test_a_run_that_is_cut_in_two_has_the_same_bits(name):
    whole = fit(METHODS[name])
    first = fit(METHODS[name], max_steps=2)
    resumed = jm.fit(X, START, METHODS[name], stop=whole.stop, resume=first)
    assert_same_runs(whole, resumed, 0)


def test_fits_under_jit_and_vmap_and_with_nothing_missing_are_the_plain_ones():
    start = helpers.start_of("spherical")

    @jax.jit
    @jax.vmap
    def together(start):
        stop = jm.Stop(tol=1e-25, max_steps=5)
        return jm.fit(X, start, METHODS["online"], stop=stop, missing=True)

    swapped = start.take([1, 0])
    both = together(jax.tree.map(lambda *leaves: jnp.stack(leaves), start, swapped))
    plain = fit(METHODS["online"], start=start)
    np.testing.assert_allclose(both.history[0], plain.history, rtol=1e-9)
    np.testing.assert_allclose(both.mixture.means[1][::-1], plain.mixture.means, rtol=1e-9)


def test_no_m_step_is_made_from_fewer_rows_than_a_component_needs():
    """Step sizes of 1 keep the last batch alone: it may hold no row of the small cluster at all."""
    small = 9.0 + np.random.default_rng(0).normal(size=(12, 2))
    x = np.concatenate([X[:68] - X[:68].mean(axis=0), small])
    start = jm.gaussian_mixture([0.9, 0.1], [[0.0, 0.0], [9.0, 9.0]], 1.0, family=FAMILY)
    result = fit(jm.OnlineEM(SIZE, exponent=0.0), x, start)
    assert result.outcome is Outcome.MAX_STEPS
    np.testing.assert_allclose(result.mixture.means[1], small.mean(axis=0), atol=0.3)


def test_a_rate_without_end_is_reported():
    method = jm.StochasticGradient(optax.sgd, batch_size=SIZE, learning_rate=np.nan)
    result = fit(method)
    assert result.outcome is Outcome.NONFINITE
    np.testing.assert_array_equal(result.mixture.means, START.means)


def test_names_of_the_methods():
    named = contenders("online(batch_size=50), incremental, minibatch-sgd, minibatch-adam(seed=3)")
    assert [type(one.method).__name__ for one in named] == [
        *("OnlineEM", "IncrementalEM", "StochasticGradient", "StochasticGradient"),
    ]
    assert named[0].method.batch_size == 50
    assert named[2].settings == (
        "StochasticGradient(sgd, learning_rate=0.1, momentum=0.9, batch_size=100, seed=0)"
    )
    with pytest.raises(ValueError, match="did you mean 'minibatch-adam'"):
        contenders("minibatch-adm")
