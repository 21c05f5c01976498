"""Runs of a study: what they find, how they end, go on after a kill, fail, and are repeated."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import equinox as eqx
import helpers
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import jaxmix as jm
from jaxmix.loop import Outcome
from jaxmix.race import running
from jaxmix.race.entries import Entry, entries
from jaxmix.race.outside import ScikitLearnEM, scipy_lbfgs
from jaxmix.race.planning import planned
from jaxmix.race.problems import opened
from jaxmix.race.reference import rate_at, referenced
from jaxmix.race.runners import KitRunner
from jaxmix.race.schedule import own_stop, steps_ahead
from jaxmix.race.store import RunFolder, Store
from jaxmix.race.study import Budget, MeasurementSpec, ProblemSpec, Rule, read_study
from jaxmix.race.verification import verified
from jaxmix.race.working import make

STUDY = """
title = "three"
seeds = 1
[budget]
passes = 60
[[problems]]
name = "faithful"
[[methods]]
name = "em"
[[methods]]
name = "sklearn"
[[methods]]
name = "broken.py:Broken"
"""

BROKEN = """
import jaxmix as jm
from jaxmix.methods import Method

class Broken(Method):
    def init(self, problem, mixture):
        raise RuntimeError("it does not even begin")
    def step(self, problem, state): ...
    def finish(self, state): ...
"""

FAITHFUL = ProblemSpec("faithful", data="faithful")


@pytest.fixture
def study(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "study.toml").write_text(STUDY)
    return read_study(tmp_path / "study.toml")


def of(study, method) -> Entry:
    return next(one for one in entries(study) if one.method == method)


def started(method):
    problem = opened(FAITHFUL, ".")
    start = problem.start(0, "float64")
    return problem, start, KitRunner(problem.x, None, start, method, 0.0)


def test_a_reference_says_how_fast_em_is_near_it():
    problem = opened(FAITHFUL, ".")
    found = referenced({"starts": 3, "max_steps": 500, "seed": 0}, problem)
    assert found.told["outcome"] == "REFERENCE"
    np.testing.assert_allclose(found.rows[0]["objective"], -1130.26396, atol=1e-5)
    gaps = jm.fit(problem.x, problem.start(0, "float64"), stop=jm.Stop(tol=1e-9)).gap_history
    # What is left to gain falls with the square of the error.
    np.testing.assert_allclose(found.told["em_rate"], np.sqrt(gaps[-1] / gaps[-2]), rtol=0.01)


def test_a_rate_is_said_of_optima_alone():
    problem = opened(FAITHFUL, ".")
    start = problem.start(0, "float64")
    on_the_boundary = eqx.tree_at(lambda m: m.log_weights, start, jnp.array([0.0, -jnp.inf]))
    assert rate_at(start, problem) is None
    assert rate_at(on_the_boundary, problem) is None


@pytest.mark.parametrize("steps", [[30], [1, 2, 3, 24]])
def test_a_runner_takes_the_steps_of_fit(steps):
    problem, start, runner = started(jm.EM())
    for number in steps:
        runner.advance(number, 0.0)
    fitted = jm.fit(problem.x, start, stop=jm.Stop("gap", 1e-20, 30))
    np.testing.assert_array_equal(runner.history.objective, fitted.history)
    np.testing.assert_array_equal(runner.history.gap, fitted.gap_history)
    np.testing.assert_array_equal(runner.mixture.means, fitted.mixture.means)
    assert runner.spent.passes == fitted.cost.passes


RULES = {"gap": 1e-6, "mean": 1e-7, "total": 1e-5, "relative": 1e-9}


@pytest.mark.parametrize("rule", RULES)
def test_the_own_stop_is_where_fit_stops(rule):
    problem, start, runner = started(jm.EM())
    runner.advance(60, 0.0)
    fitted = jm.fit(problem.x, start, stop=jm.Stop(rule, RULES[rule], 60))
    assert fitted.outcome is Outcome.CONVERGED
    seen = own_stop(runner.history, Rule(rule, RULES[rule]), problem.total)
    assert (seen.step, seen.passes) == (fitted.num_steps, fitted.cost.passes)


def test_a_run_that_never_stops_has_no_own_stop():
    problem, _, runner = started(jm.EM())
    runner.advance(3, 0.0)
    assert own_stop(runner.history, Rule("gap", 1e-12), problem.total) is None


def test_scikit_learn_s_bounds_are_the_kit_s_history():
    problem, start, runner = started(jm.EM())
    runner.advance(40, 0.0)
    other = ScikitLearnEM(problem.x, None, start, 0.0)
    for steps in (1, 9, 30):
        other.advance(steps, 0.0)
    np.testing.assert_allclose(
        other.history.objective, runner.history.objective[:-1], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(other.mixture.means, runner.mixture.means, rtol=0, atol=1e-9)
    assert other.spent.passes == runner.spent.passes == 40


def test_the_competitor_is_scikit_learn_without_a_ridge():
    problem, start, _ = started(jm.EM())
    other = ScikitLearnEM(problem.x, None, start, 0.0)
    other.prepare()
    for steps in (1, 2, 4):
        other.advance(steps, 0.0)
    given = {"weights_init": start.weights, "means_init": start.means}
    precisions = np.linalg.inv(np.asarray(start.covariances))
    plain = GaussianMixture(
        2, tol=0.0, reg_covar=0.0, max_iter=7, precisions_init=precisions, **given
    )
    with pytest.warns(Warning, match="did not converge"):
        plain.fit(problem.x)
    np.testing.assert_array_equal(other.mixture.means, plain.means_)
    again = ScikitLearnEM(problem.x, None, start, 0.0)
    again.thaw(*other.frozen())
    for one in (other, again):
        one.advance(5, 0.0)
    np.testing.assert_array_equal(other.mixture.means, again.mixture.means)
    np.testing.assert_array_equal(other.history.objective, again.history.objective)


def test_scipy_climbs_the_same_objective():
    problem, start, _ = started(jm.EM())
    other = scipy_lbfgs(problem.x, None, start, 0.0)
    other.advance(5, 0.0)
    textbook = helpers.objective(problem.x, other.mixture)
    np.testing.assert_allclose(other.history.objective[-1], textbook, rtol=1e-12)
    other.advance(300, 0.0)
    assert other.outcome is Outcome.CONVERGED
    best = jm.fit(problem.x, start, stop=jm.Stop(tol=1e-12))
    np.testing.assert_allclose(other.history.objective[-1], best.objective, rtol=0, atol=1e-7)
    assert other.num_steps == len(other.history.objective) - 1 < 305
    assert other.spent.gradients == other.spent.passes >= other.num_steps


REFUSED = {
    "sklearn takes no sample weights": (ProblemSpec("hasselblad", data="hasselblad"), "spherical"),
    "sklearn takes no poisson components": (
        ProblemSpec("hasselblad", data="hasselblad", family="poisson"),
        "poisson",
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_competitors_refuse_what_they_cannot_climb(message):
    stated, family = REFUSED[message]
    problem = opened(replace(stated, family=family), ".")
    start = problem.start(0, "float64")
    with pytest.raises(ValueError, match=message):
        ScikitLearnEM(problem.x, problem.table.sample_weights, start, 0.0)


@pytest.mark.parametrize("passes", [1, 2, 7, 100, 1001])
def test_a_budget_of_passes_ends_within_a_step(passes):
    done, visited = 0, [0]
    while steps := steps_ahead(done, 2 * done, 0.0, Budget(passes)):
        done += steps
        visited.append(done)
    assert passes <= 2 * done < passes + 2
    assert np.all(np.diff(visited) <= np.maximum(1, np.ceil(0.15 * np.array(visited[:-1]))))
    assert len(visited) <= 3 + 16 * np.log2(passes + 1)


def test_a_budget_of_seconds_ends_after_it():
    done = 0
    while steps := steps_ahead(done, done, 0.01 * done, Budget(seconds=1.0)):
        done += steps
    assert 1.0 <= 0.01 * done <= 1.011


def ran(entry: Entry, study, folder: Path, check=lambda: None):
    folder.mkdir(exist_ok=True)
    config, code, files = entry.config, entry.code, Path(study.folder)
    return make(config, code, files, RunFolder(folder), check)


def test_a_run_leaves_evaluations_arrays_and_a_manifest(study, tmp_path):
    manifest = ran(of(study, "EM"), study, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert folder.manifest() == json.loads(json.dumps({**manifest, **_added(folder)}))
    rows, arrays = folder.trace(), folder.arrays()
    assert [row["step"] for row in rows] == arrays["path.step"].tolist()
    assert rows[0]["step"] == 0
    assert rows[-1]["passes"] == 60
    assert all(a["seconds"] <= b["seconds"] for a, b in pairwise(rows))
    x = jm.data.load("faithful").x
    for row, weights, means, covariances in zip(
        rows, *(arrays[f"path.{name}"] for name in ("weights", "means", "covariances"))
    ):
        mixture = jm.gaussian_mixture(weights, means, covariances)
        textbook = helpers.objective(x, mixture)
        np.testing.assert_allclose(row["objective"], textbook, rtol=1e-12)
    assert manifest["own_stop"] == {"step": 26, "passes": 26}
    assert not (tmp_path / "run" / "state.npz").exists()
    assert str(tmp_path) not in (tmp_path / "run" / "manifest.json").read_text()


def _added(folder):
    """What a manifest has from its writing."""
    there = json.loads((folder.path / "manifest.json").read_text())
    return {name: there[name] for name in ("schema", "files")}


class Killed(BaseException):
    """What stands for the end of a process."""


@pytest.mark.parametrize(("method", "moment"), [("EM", 1), ("EM", 4), ("sklearn", 4)])
def test_a_run_that_was_interrupted_ends_in_the_same_bits(
    study, tmp_path, monkeypatch, method, moment
):
    monkeypatch.setattr(running, "SAVE_SECONDS", 0.0)
    whole = ran(of(study, method), study, tmp_path / "whole")
    calls = []

    def check():
        calls.append(None)
        if len(calls) == moment + 1:
            raise Killed

    with pytest.raises(Killed):
        ran(of(study, method), study, tmp_path / "cut", check)
    folder = RunFolder(tmp_path / "cut")
    assert folder.manifest() is None
    kept = folder.state()[0]["rows"]
    assert len(kept) == moment + 1
    looked = []
    again = ran(of(study, method), study, tmp_path / "cut", lambda: looked.append(None))
    assert again["hashes"] == whole["hashes"]
    assert len(folder.trace()) == len(kept) + len(looked) - 1


def test_a_run_that_fails_is_a_row_with_its_traceback(study, tmp_path):
    manifest = ran(of(study, "broken.py:Broken"), study, tmp_path / "run")
    assert manifest["outcome"] == "ERROR"
    assert manifest["error"].strip().endswith("RuntimeError: it does not even begin")
    assert "broken.py" in manifest["error"]
    assert str(tmp_path) not in manifest["error"]
    assert RunFolder(tmp_path / "run").manifest()["outcome"] == "ERROR"


def test_what_leaves_the_process_is_a_failure_too(study, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN.replace("RuntimeError(", "SystemExit("))
    manifest = ran(of(study, "broken.py:Broken"), study, tmp_path / "run")
    assert manifest["outcome"] == "ERROR"


def test_a_run_whose_code_is_edited_meanwhile_is_not_filed(study, tmp_path):
    entry = of(study, "broken.py:Broken")

    def edit():
        (tmp_path / "broken.py").write_text(BROKEN + "\nLATER = 1\n")

    with pytest.raises(ValueError, match=r"edited while the study ran: broken\.py changed"):
        ran(entry, study, tmp_path / "run", edit)
    assert RunFolder(tmp_path / "run").manifest() is None
    with pytest.raises(ValueError, match=r"edited while the study ran: broken\.py changed"):
        ran(entry, study, tmp_path / "run")


MEASURED = {
    "{1, 2}": "not JSON serializable",
    "np.array([object()])": "found must hold numbers or texts",
}


@pytest.mark.parametrize("value", MEASURED)
def test_what_cannot_be_kept_is_the_measurement_s_failure(study, tmp_path, value):
    (tmp_path / "bad.py").write_text(
        f"import numpy as np\ndef found(problem, seed):\n    return {{'found': {value}}}\n"
    )
    asked = replace(study, methods=(), measurements=(MeasurementSpec("bad.py:found"),))
    manifest = ran(of(asked, "bad.py:found"), asked, tmp_path / "run")
    assert manifest["outcome"] == "ERROR"
    assert MEASURED[value] in manifest["error"]


def test_results_and_states_of_another_run_do_not_count(study, tmp_path):
    store, entry = Store(tmp_path / "runs"), of(study, "EM")
    other = of(replace(study, seeds=(1,)), "EM")
    store.path.mkdir()
    ran(other, study, store.path / other.name)
    shutil.copytree(store.path / other.name, store.path / entry.name)
    assert store.manifest(other.name) is not None
    assert store.manifest(entry.name) is None
    (one,) = planned([entry], store)
    assert (one.state, one.why) == ("missing", "its files are damaged")
    with pytest.raises(ValueError, match=f"the results of another run, {other.name}"):
        verified(store.path / entry.name)
    store.run(other.name).keep({"rows": []}, {"a": np.arange(3)})
    shutil.copy(store.path / other.name / "state.npz", store.path / entry.name)
    assert store.run(other.name).state() is not None
    assert store.run(entry.name).state() is None


def test_a_degenerate_run_ends_where_it_failed(study, tmp_path):
    x = np.concatenate([np.zeros(30), np.ones(2) * 5.0, np.linspace(1, 2, 30)])[:, None]
    np.save(tmp_path / "spiky.npy", x)
    spiky = ProblemSpec("spiky", data="spiky.npy", k=3, family="full")
    entry = of(replace(study, problems=(spiky,)), "EM")
    manifest = ran(entry, study, tmp_path / "run")
    assert manifest["outcome"] == "DEGENERATE"
    assert "spiky.npy" in entry.code
    rows = RunFolder(tmp_path / "run").trace()
    assert np.all(np.isfinite([row["objective"] for row in rows]))


@pytest.mark.parametrize("harm", ["cut manifest", "cut trace", "edit", "lose arrays", "newer"])
def test_files_that_are_not_whole_are_no_results(study, tmp_path, harm):
    folder = RunFolder(tmp_path)
    row = {"step": 0, "objective": 1.0, "seconds": 0.0}
    folder.finish({"outcome": "BUDGET"}, [row], {"a": np.arange(3)}, lambda: None)
    assert folder.manifest()["outcome"] == "BUDGET"
    name = {"cut trace": "trace.jsonl", "lose arrays": "final.npz"}.get(harm, "manifest.json")
    content = (tmp_path / name).read_bytes()
    if harm.startswith("cut"):
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    elif harm == "lose arrays":
        (tmp_path / name).unlink()
    else:
        was, put = (b"BUDGET", b"WINNER") if harm == "edit" else (b'"schema": 1', b'"schema": 9')
        assert was in content
        (tmp_path / name).write_bytes(content.replace(was, put))
    assert folder.manifest() is None


def test_an_unwritable_state_is_no_state(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.state() is None
    (tmp_path / "state.npz").write_bytes(b"PK\x03\x04 and no more")
    assert folder.state() is None
    folder.keep({"rows": []}, {"a": np.arange(3)})
    header, arrays = folder.state()
    assert header["rows"] == []
    np.testing.assert_array_equal(arrays["a"], np.arange(3))
