"""Fits to data that are read block by block: the bits of a fit in memory, by every kind of pass."""

import jax
import numpy as np
import pytest
from helpers import METHODS

import jaxmix as jm
from jaxmix import blocks, sources
from jaxmix.streaming import streamed

N, D = 3000, 2
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, D)) + 4.0 * RNG.integers(0, 2, (N, 1)) + 100.0
WEIGHTS = RNG.integers(0, 3, N).astype(float)
START = jm.initialize(X, 2, seed=0)
STOP = jm.Stop("gap", 1e-9, 6)


class Table:
    """A source that counts how often rows are read."""

    columns, dtype, shape = ("x1", "x2"), np.dtype(float), (N, D)

    def __init__(self, weighted=False, broken_after=None):
        self.weighted, self.reads, self.broken_after = weighted, [], broken_after

    def rows(self, start, stop):
        self.reads.append((start, stop))
        if self.broken_after is not None and len(self.reads) > self.broken_after:
            raise ValueError("the disk is gone")
        return X[start:stop]

    def weights(self, start, stop):
        return WEIGHTS[start:stop] if self.weighted else None


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Blocks so short that the data make groups of several pages."""
    monkeypatch.setattr(blocks, "MOST_ROWS", 32)
    monkeypatch.setattr(blocks, "FEWEST_ROWS", 16)
    monkeypatch.setattr(blocks, "GROUPS", 16)
    monkeypatch.setattr(sources, "READ_BYTES", 4 * 32 * D * 8)


def assert_same_bits(one, other):
    for name in ("objective", "log_likelihood", "gap", "gradient_norm", "history"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_array_equal(one.mixture.means, other.mixture.means)
    np.testing.assert_array_equal(one.mixture.covariances, other.mixture.covariances)


# A method asks for passes of one kind, whether rows have weights or not: EM alone has both.
@pytest.mark.parametrize(
    ("weighted", "name"),
    [(False, "em"), (True, "em"), (True, "adam by autodiff"), (False, "lbfgs"), (True, "newton")],
)
def test_a_stream_is_fitted_to_the_bits_of_an_array(name, weighted):
    weights = WEIGHTS if weighted else None
    whole = jm.fit(X, START, METHODS[name].method, stop=STOP, sample_weights=weights)
    streamed = jm.fit(Table(weighted), START, METHODS[name].method, stop=STOP)
    assert_same_bits(streamed, whole)
    assert streamed.cost.passes == whole.cost.passes


def test_a_stream_is_read_once_a_pass():
    table = Table()
    result = jm.fit(table, START, stop=jm.Stop("gap", 1e-9, 5))
    rows = sum(stop - start for start, stop in table.reads)
    # The survey, the start, five steps, the close; a page read ahead.
    assert int(result.num_steps) == 5
    assert 8 * N <= rows <= 8 * N + 4 * 32


BATCHED = {
    "online": (jm.OnlineEM(50), False, 2),
    "incremental": (jm.IncrementalEM(), True, 2),
    "stochastic": (jm.StochasticGradient(batch_size=50), True, 1),
}
"""Methods, whether rows have weights, and how often the start is read."""


@pytest.mark.parametrize("name", BATCHED)
def test_batches_of_a_stream_are_those_of_an_array(name):
    method, weighted, starts = BATCHED[name]
    table, weights = Table(weighted), WEIGHTS if weighted else None
    whole = jm.fit(X, START, method, stop=STOP, sample_weights=weights)
    assert_same_bits(jm.fit(table, START, method, stop=STOP), whole)
    rows = sum(stop - start for start, stop in table.reads)
    passes = starts + int(whole.cost.passes) + 2
    assert int(whole.cost.passes) == 12
    # The survey and the close beside; a page read ahead is wasted wherever pools begin.
    assert passes * N <= rows <= passes * N + 8 * 4 * 32
    assert max(stop - start for start, stop in table.reads) == 4 * 32


def test_a_pool_reads_one_block_of_each_group_while_the_last_is_used():
    table, cut, center = Table(weighted=True), blocks.layout(N, D, 8), np.array([100.0, -1.0])
    rows, groups, several = cut.rows, cut.groups, cut.group
    assert (rows, groups, several) == (32, 12, 8)
    data = streamed(table, cut, center, N)
    present = np.flatnonzero(np.arange(groups * several) * rows < N)
    drawn = np.random.default_rng(0).integers(0, several, (3, groups))
    ask = jax.jit(lambda places, following: data.pool(places, following))
    for number in (0, 1, 2):
        pool = ask(drawn[number], drawn[min(number + 1, 2)])
        for g, place in enumerate(drawn[number]):
            mine = slice((g * several + place) * rows, (g * several + place + 1) * rows)
            count = len(X[mine])
            np.testing.assert_array_equal(pool.x[g, :, :count].T, X[mine] - center)
            np.testing.assert_array_equal(pool.sample_weights[g, :count], WEIGHTS[mine])
            assert not pool.sample_weights[g, count:].any()
    wanted = (np.arange(groups) * several + drawn).ravel()
    asked = [start // rows for start, stop in table.reads if stop > start]
    assert asked[: np.isin(wanted, present).sum()] == [b for b in wanted.tolist() if b in present]
    table.broken_after = 0
    with pytest.raises(ValueError, match="the disk is gone"), data.reading():
        jax.block_until_ready(ask(drawn[0], drawn[0]))


def test_a_file_that_fails_in_the_middle_is_reported_as_itself():
    with pytest.raises(ValueError, match="the disk is gone"):
        jm.fit(Table(broken_after=60), START, stop=STOP)


def test_a_source_that_breaks_in_a_later_call_of_the_loop_says_so():
    table = Table()

    def breaks(progress):
        table.broken_after = len(table.reads)

    with pytest.raises(ValueError, match=r"^the disk is gone$"):
        jm.fit(table, START, stop=STOP, on_step=breaks)


def test_starts_on_few_blocks_are_those_of_the_array(monkeypatch):
    monkeypatch.setattr(sources, "SAMPLE", 94)
    assert_same_start = np.testing.assert_array_equal
    assert_same_start(jm.initialize(Table(), 2, seed=3).means, jm.initialize(X, 2, seed=3).means)


def test_starts_on_many_blocks_see_rows_of_the_stream():
    values, weights = sources.sampled(Table(weighted=True), seed=1)
    assert values.shape in ((64 * 32, 2), (63 * 32 + N % 32, 2))
    rows = {tuple(row): weight for row, weight in zip(X.tolist(), WEIGHTS)}
    assert [rows[tuple(row)] for row in values.tolist()] == weights.tolist()
    assert jm.initialize(Table(), 2, start="kmeans", seed=1).is_finite


@pytest.mark.parametrize(
    "call",
    [
        lambda table: jm.fit(table, START, sample_weights=WEIGHTS),
        lambda table: jm.fit(table, START, missing=True),
        lambda table: jm.initialize(table, 2, missing=True),
        lambda table: jm.initialize(table, 2, start=np.zeros(N, int)),
        lambda table: jm.fit_restarts(table, 2),
    ],
)
def test_what_a_stream_cannot_do_is_said(call):
    with pytest.raises(TypeError, match="stream"):
        call(Table())
