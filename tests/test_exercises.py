"""Exercises and mistakes: the solution against jaxmix, every mistake named, and its consequence."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

import jaxmix as jm
from jaxmix.cli.main import main
from jaxmix.dual import Dual
from jaxmix.teaching.exercises import MISTAKES, check, check_file
from jaxmix.teaching.exercises import consequences as after
from jaxmix.teaching.exercises import solution as right
from jaxmix.teaching.exercises.cases import EXERCISES
from jaxmix.teaching.exercises.mistakes import (
    FIT,
    LIKELIHOOD,
    SOLUTION,
    right_version,
)
from jaxmix.teaching.exercises.questions import setting

FAITHFUL = jm.data.load("faithful").x
FAMILIES = ("full", "tied", "diag", "spherical")
BY_NAME = {mistake.name: mistake for mistake in MISTAKES}


def wrong(name: str) -> SimpleNamespace:
    return BY_NAME[name].version()


def the_part(mistake, family="full"):
    return {mistake.part: getattr(mistake.version(family), mistake.part)}


def test_the_solution_agrees_with_jaxmix():
    at = setting(9, 3, 2)
    mixture = jm.gaussian_mixture(at.weights, at.means, at.matrices)
    responsibilities, log_likelihood = right.e_step(at.x, at.weights, at.means, at.matrices)
    theirs = jm.e_step(at.x, mixture)
    np.testing.assert_allclose(responsibilities, theirs[0], rtol=1e-9, atol=1e-15)
    assert log_likelihood == pytest.approx(float(theirs[1]), rel=1e-12)
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 9)
    by_hand, step = right.m_step(at.x, rows), jm.m_step(at.x, rows)
    for value, ours in zip(by_hand, (step.weights, step.means, step.covariances)):
        np.testing.assert_allclose(value, ours, rtol=1e-10)
    value = multivariate_normal(at.means[0], at.matrices[0]).pdf(at.x)
    np.testing.assert_allclose(right.density(at.x, at.means[0], at.matrices[0]), value, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Best performing:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_solutions_fit_in_every_family(family):
    at = setting(9, 2, 2)
    weights, means, covariances = at._replace(means=np.add(at.means, [4, 60])).parameters(family)
    precisions = 1 / covariances if family in ("diag", "spherical") else np.linalg.inv(covariances)
    start = {"weights_init": weights, "means_init": means, "precisions_init": precisions}
    oracle = GaussianMixture(2, covariance_type=family, max_iter=5, tol=0, reg_covar=0, **start)
    theirs = oracle.fit(FAITHFUL)
    parameters = (weights, means, covariances)
    fitted = right_version(family).em(FAITHFUL, *parameters, 5)
    for value, their in zip(fitted, (theirs.weights_, theirs.means_, theirs.covariances_)):
        np.testing.assert_allclose(value, their, rtol=1e-9)
    assert fitted[4] == pytest.approx(272 * theirs.score(FAITHFUL), rel=1e-12)


def test_the_solutions_k_means_and_dual_numbers():
    first = FAITHFUL[[0, 1, 2]]
    centers, labels, losses = right.kmeans(FAITHFUL, first)
    theirs = KMeans(3, init=first, n_init=1, algorithm="lloyd", tol=0).fit(FAITHFUL)
    np.testing.assert_allclose(centers, theirs.cluster_centers_, rtol=1e-12)
    np.testing.assert_array_equal(labels, theirs.labels_)
    assert losses[-1] == pytest.approx(theirs.inertia_ / 272)

    def program(x):
        return x * np.sin(x) / (2 - x) ** 3 + np.exp(-x) * np.log(x) - np.sqrt(x) * np.cos(x)

    ours, theirs = program(right.Dual(1.3, 1.0)), program(Dual(1.3, [1.0]))
    assert ours.value == pytest.approx(theirs.value, rel=1e-14)
    assert ours.derivative == pytest.approx(theirs.partials[0], rel=1e-13)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_solution_passes(family):
    version = right_version(family)
    assert check(**{part: getattr(version, part) for part in EXERCISES}, family=family).passed


@pytest.mark.parametrize("family", ["full", "spherical"])
@pytest.mark.parametrize("name", BY_NAME)
def test_every_mistake_is_named_alone(name, family):
    report = check(**the_part(BY_NAME[name], family), family=family)
    assert [mistake.name for mistake in report.mistakes] == [name]
    assert BY_NAME[name].lines()[1].strip() in report.to_text()


def test_two_mistakes_at_once_are_both_named():
    source = SOLUTION.read_text()
    for name in ("log(pi) for log(2 pi)", "responsibilities formed from exponentials"):
        source = source.replace(BY_NAME[name].right, BY_NAME[name].wrong)
    names = {}
    exec(source, names)
    report = check(names["e_step"])
    assert [mistake.name for mistake in report.mistakes] == [
        "log(pi) for log(2 pi)",
        "responsibilities formed from exponentials",
    ]


@pytest.mark.parametrize("name", [m.name for m in MISTAKES if m.part in after.IN_A_FIT])
def test_a_fit_changes_as_stated(name):
    mistake = BY_NAME[name]
    moved, excess = after.consequence(mistake, FAITHFUL, far="exponentials" in name, num_steps=2)
    assert (moved > 1) == (mistake.changes == FIT)
    if mistake.changes != FIT:
        assert moved < 1e-8
        assert (abs(excess) > 1) == (mistake.changes == LIKELIHOOD)


def test_shifts_of_the_likelihood():
    n, d = FAITHFUL.shape
    assert after.consequence(BY_NAME["log(pi) for log(2 pi)"], FAITHFUL).excess == pytest.approx(
        n * d / 2 * np.log(2)
    )
    name = "a logsumexp that adds [n] to [n 1]"
    start = right.initialize(FAITHFUL, 2, np.random.default_rng(0))
    true = right.e_step(FAITHFUL, *start)[1]
    assert wrong(name).e_step(FAITHFUL, *start)[1] == pytest.approx(n * true)


def test_what_is_right_by_luck():
    start = right.initialize(FAITHFUL, 2, np.random.default_rng(0))
    kept = [part.copy() for part in start]
    fitted = wrong("a fit that overwrites the arrays it was given").em(FAITHFUL, *start, 3)
    np.testing.assert_array_equal(start[1], fitted[1])
    stale = wrong("responsibilities from before the last M-step").em(FAITHFUL, *kept, 3)
    before = right.em(FAITHFUL, *kept, 2)
    np.testing.assert_allclose(stale[3], before[3], rtol=1e-12)
    equal = wrong("initial weights 1/n").initialize(FAITHFUL, 2, np.random.default_rng(0))
    assert np.sum(equal[0]) == pytest.approx(2 / 272)
    np.testing.assert_allclose(right.e_step(FAITHFUL, *equal)[0], right.e_step(FAITHFUL, *kept)[0])


def test_consequences_in_k_means():
    x, centers = FAITHFUL, np.array([[3.0, 70.0], [500.0, 70.0], [500.0, 70.0]])
    with np.errstate(all="ignore"):
        found, labels, _ = wrong("the mean of an empty cluster").kmeans(x, centers)
    assert np.any(np.isnan(found))
    assert len(np.unique(labels)) == 1
    name = "a loss that is a sum and not a mean"
    losses = [version.kmeans(x, x[:2])[2][-1] for version in (wrong(name), right)]
    assert losses[0] == pytest.approx(272 * losses[1])
    name = "the sum left out of the hard mean update"
    assert np.max(np.abs(wrong(name).kmeans(x, x[:2])[0])) < np.max(x) / 2


def test_consequences_of_samples_contours_and_kernels():
    at = ([1.0], np.zeros((1, 2)), np.diag([9.0, 0.25])[None], 20000, np.random.default_rng(0))
    variances = np.var(
        wrong("a variance taken for a standard deviation by the sampler").sample(*at), 0
    )
    np.testing.assert_allclose(variances, [81.0, 0.0625], rtol=0.05)
    covariance = np.array([[9.0, 3.0], [3.0, 4.0]])
    tilted = wrong("a correlation divided twice by the deviations").density
    expected = multivariate_normal(np.zeros(2), [[9.0, 0.5], [0.5, 4.0]]).pdf(FAITHFUL / 30)
    np.testing.assert_allclose(tilted(FAITHFUL / 30, np.zeros(2), covariance), expected)
    far = wrong("a softmax over squared distances without its minus").kernel_regression
    x, y = FAITHFUL.T
    assert far(x, y, np.array([1.0]), 0.1)[0] == pytest.approx(np.mean(y[x == x.max()]))
    spike = wrong("a density for a singular covariance").density
    assert 10 < spike(np.zeros((1, 2)), np.zeros(2), np.ones((2, 2)))[0] < np.inf


def test_consequences_in_derivatives():
    lost = wrong("the value lost from a dual product").Dual
    x = lost(2.0, 1.0)
    assert ((x * 3).derivative, (x * x * x).derivative) == (3.0, 8.0)
    assert x.value**2 * 3 == 12
    log = wrong("log and sqrt for x != 0 where x > 0 is meant").Dual.log
    with pytest.warns(RuntimeWarning, match="invalid"):
        assert log(right.Dual(-2.0, 1.0)).derivative == -0.5
    static = wrong("a generated derivative that returns one array again and again").gradient
    assert static(2.0, 3.0) is static(0.0, 0.0)


STUDENT = """
print("noise")
def estep(X, weights, means, variances):
    import sys
    sys.exit(3)
def k_means(x, centers):
    while True:
        pass
def softmax(x):
    return 2 * x
def gradient(x1, x2):
    raise KeyError("x")
"""


def test_a_students_file(tmp_path, capsys):
    (tmp_path / "student.py").write_text(STUDENT)
    report = check_file(str(tmp_path / "student.py"), "spherical", seconds=4.0)
    found = {finding.part: finding.differences for finding in report.findings}
    assert found["kmeans"] == ("no answer after 4 seconds",)
    assert found["e_step"] == ("ends the process with exit code 3",)
    assert found["gradient"] == ("raises KeyError: 'x'",)
    assert found["softmax"]
    assert capsys.readouterr().out == ""


def test_the_command_passes_the_solution(capsys):
    assert main(["check", str(SOLUTION)]) == 0
    assert capsys.readouterr().out.endswith("Every case is right.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no/such.py"], "there is no file"),
        ([str(SOLUTION), "--family", "fulll"], "did you mean 'full'"),
        ([str(SOLUTION), "--seconds", "0"], "seconds must be positive"),
        ([inspect.getfile(inspect)[:-3] + ".txt"], "there is no file"),
    ],
)
def test_mistakes_on_the_command_line(arguments, said, capsys):
    assert main(["check", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_what_may_be_left_out_and_what_not():
    assert check(lambda *at: right.e_step(*at)[0]).passed
    assert check(kmeans=lambda *at: right.kmeans(*at)[:2]).passed
    report = check(m_step=lambda *at: right.m_step(*at)[:2])
    assert report.findings[0].differences == ("covariances: none returned",)


def test_starts_may_have_any_weights():
    def initialize(x, k, rng):
        return rng.dirichlet(np.ones(k)), rng.permutation(x)[:k]

    assert check(initialize=initialize).passed


def test_facts_name_nothing_where_numbers_are_wrong():
    nowhere = np.full((3, 2), np.nan)
    report = check(kmeans=lambda x, centers: (nowhere[: len(centers)], np.zeros(len(x), int)))
    assert not report.passed
    assert report.mistakes == ()
    assert check(density=lambda x, mean, covariance: np.ones(len(x))).mistakes == ()


@pytest.mark.parametrize("more", [0.0, 1e-15, -1e-15])
def test_of_entries_equally_wrong_the_first_is_shown(more):
    def softmax(x):
        wrong_by = np.zeros_like(x)
        wrong_by[:, 0], wrong_by[:, -1] = 0.25, -0.25 * (1 + more)
        return right.softmax(x) + wrong_by

    first = next(finding for finding in check(softmax=softmax).findings if not finding.passed)
    assert "at [0, 0]," in first.differences[0]


def test_unknown_exercises_are_refused():
    with pytest.raises(ValueError, match="did you mean 'softmax'"):
        check(softmaxx=np.exp)
    with pytest.raises(ValueError, match="nothing to check"):
        check()


def test_an_error_of_the_same_kind_names_no_mistake():
    report = check(m_step=lambda x, responsibilities: np.ones(3) @ x)
    assert not report.passed
    assert report.mistakes == ()


STUDENT_OF_LISTS = """
from __future__ import annotations
from dataclasses import dataclass
from scipy.special import logsumexp
import jaxmix.teaching.exercises.solution as right
def e_step(*arguments):
    return right.e_step(*arguments)[0].tolist()
def softmax(x):
    return right.softmax(x).tolist()
@dataclass
class Dual:
    value: float
    derivative: float
    def __add__(self, other):
        return Dual(self.value + other.value, self.derivative + other.derivative)
for name in ("sin", "cos", "exp", "log", "sqrt"):
    globals()[name] = lambda x, name=name: getattr(right.Dual(x.value, x.derivative), name)()
"""


def test_lists_imports_and_dataclasses(tmp_path):
    (tmp_path / "student.py").write_text(STUDENT_OF_LISTS)
    report = check_file(str(tmp_path / "student.py"))
    found = {(finding.part, finding.case): finding.differences for finding in report.findings}
    assert {part for part, _ in found} == {"e_step", "softmax", "Dual"}
    assert not any(found[key] for key in found if key[0] in ("e_step", "softmax"))
    assert found["Dual", "log of a negative number"] == ()
    assert found["Dual", "cos, exp, log, sqrt"] == ()


def test_the_solution_raises_no_error():
    version = right_version()
    for part, exercise in EXERCISES.items():
        for case in exercise.cases:
            assert "error" not in case.observe(getattr(version, part), "full"), (part, case.name)


def test_single_precision_is_right_and_its_mistakes_are_named():
    def in_single(f):
        return lambda *given: tuple(np.asarray(part, np.float32) for part in f(*given))

    assert check(in_single(right.e_step), in_single(right.m_step)).passed
    report = check(in_single(wrong("log(pi) for log(2 pi)").e_step))
    assert [mistake.name for mistake in report.mistakes] == ["log(pi) for log(2 pi)"]


@pytest.mark.parametrize(
    "functions",
    [
        {"converged": lambda previous, current, tol: current >= previous},
        {"failed": lambda log_likelihood: np.isinf(log_likelihood)},
    ],
    ids=lambda functions: next(iter(functions)),
)
def test_other_mistakes_than_those_in_circulation_have_no_name(functions):
    report = check(**functions)
    assert not report.passed
    assert report.mistakes == ()
