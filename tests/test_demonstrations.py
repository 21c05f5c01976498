"""`jaxmix demo`: every subject on the lecture's program and on a user's own, with known answers."""

import inspect
import math

import numpy as np
import programs
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm

from jaxmix import data, dual
from jaxmix.autodiff import costs, likelihood, source
from jaxmix.autodiff.chain_rule import chain_rule, contributions, dual_program, num_paths
from jaxmix.autodiff.demonstrations import SUBJECTS, demonstrate
from jaxmix.autodiff.graph import trace
from jaxmix.autodiff.pictures import draw_tangents
from jaxmix.autodiff.programs import read
from jaxmix.cli.demo import Demo

MINE = """\
import math
import numpy as np

def f(x, y):
    total = 0.0
    for i in range(3):
        total = total + np.exp(-i * x) * y
    return total

def pair(v):
    return np.sin(v[0]) * v[1], v[0] ** 2

def of_math(x):
    return math.sin(x)
"""

SHOWN = {
    "differences": ["Least forward 3.972e-09 at h = 1.00e-08", "least central 4.980e-12"],
    "dual": ["x1 * x2            6 + 3 d1 + 2 d2", "6.9093 + 2.58385 d1 + 2 d2"],
    "chain-rule": ["dw1 * w2 + w1 * dw2", "x1 reaches the result by 2 paths: 3 - 0.416147"],
    "source": ["\n    dw3 = dx1 * x2 + x1 * dx2\n", "def grad_f(x1, x2, seed=1.0):", "jax.grad"],
    "graph": ["d/dx1  d/dx2  adjoint", "w5    w3 + w4    6.9093    2.58385      2        1"],
    "modes": ["3 forward sweeps", "2 reverse sweeps", "(J4 J3) (J2 J1)", "reverse sweep"],
    "newton": ["Zero of x**2 - 2 from x = 1: converged"],
    "likelihood": ["formula by hand", "Fisher's rule", "central differences"],
}


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return str(tmp_path / "mine.py")


@pytest.fixture
def quick(monkeypatch):
    """Studies of the lecture at sizes that take no time; their defaults run in the notes."""
    sweeps, compare = costs.sweeps, likelihood.compare_gradients
    monkeypatch.setattr(costs, "sweeps", lambda: sweeps([(3, 2)], repeats=1))
    monkeypatch.setattr(likelihood, "compare_gradients", lambda: compare((2, 5), n=20))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_of_the_lecture(subject, quick, tmp_path):
    shown = demonstrate(subject)
    for words in SHOWN[subject]:
        assert words in shown.to_text()
    assert (shown.draw is None) == (subject == "source")
    for ending in ("txt", "md", "tex", *(["png", "pdf"] if shown.draw else [])):
        shown.write(tmp_path / f"shown.{ending}")
    assert (tmp_path / "shown.txt").read_text() == shown.to_text()
    assert (tmp_path / "shown.md").read_text().count("|") + shown.to_markdown().count("```") > 4
    assert "\\end{" in (tmp_path / "shown.tex").read_text()
    if shown.draw:
        assert (tmp_path / "shown.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_names_every_subject():
    documented = inspect.getsource(Demo)
    assert all(subject in documented for subject in SUBJECTS)


def table(subject, *program):
    shown = demonstrate(subject, *program)
    if shown.draw:
        assert isinstance(shown.draw(), Figure)
    return shown.parts[0]


def test_differences_of_an_expression():
    rows = np.array(table("differences", "exp(x)*sin(3*x)", "0.7").rows)
    h, forward, predicted = rows[:6, :3].T
    np.testing.assert_allclose(forward, predicted, rtol=0.15)
    assert h[0] == pytest.approx(10**-0.5)


def test_differences_of_a_line_have_no_best_step():
    assert "the longer the better" in table("differences", "2*x + 1").caption


def test_an_expression_part_by_part_on_dual_numbers():
    rows = dict(table("dual", "x**2*y - y", "3, 2").rows)
    assert rows == {
        "x": "3 + 1 d1 + 0 d2",
        "y": "2 + 0 d1 + 1 d2",
        "x ** 2": "9 + 6 d1 + 0 d2",
        "x ** 2 * y": "18 + 12 d1 + 9 d2",
        "x ** 2 * y - y": "16 + 12 d1 + 8 d2",
    }


def test_a_function_of_a_file_on_dual_numbers(mine):
    rows = table("dual", f"{mine}:f", "y=2, x=0").rows
    assert rows[-1] == (f"{mine}:f", "6 - 6 d1 + 3 d2")


def test_an_expression_with_a_comprehension_and_a_list():
    assert table("dual", "sum([v[i]**2 for i in range(2)])", "[3, 4]").rows[-1][1] == (
        "25 + 6 d1 + 8 d2"
    )
    rows = table("dual", "sum(x*i for i in range(3)) + (lambda y: y*x)(2)").rows
    assert [row[1] for row in rows] == ["1 + 1 d1", "5 + 5 d1"]


@pytest.mark.parametrize("name", programs.NAMED)
def test_the_dual_program_gives_the_tangents_of_the_graph(name):
    text, args = programs.NAMED[name]
    graph = trace(programs.load(text, {f: getattr(dual, f) for f in programs.FUNCTIONS}), *args)
    seeds = np.linspace(0.5, 1.5, graph.num_inputs)
    known = dict(vars(math))
    for index, (line, tangent) in enumerate(zip(graph.lines, graph.forward(seeds))):
        known[f"w{index + 1}"], known[f"dw{index + 1}"] = line.value, tangent
        if index >= graph.num_inputs:
            program = dual_program(graph, index)
            assert eval(program, known) == pytest.approx(tangent, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("name", programs.NAMED)
def test_contributions_of_the_paths_add_up_to_the_adjoint(name):
    text, args = programs.NAMED[name]
    graph = trace(programs.load(text, {f: getattr(dual, f) for f in programs.FUNCTIONS}), *args)
    for start, adjoint in enumerate(graph.reverse()):
        if num_paths(graph, start) < 1000:
            along = contributions(graph, start)
            assert len(along) == num_paths(graph, start)
            assert sum(along) == pytest.approx(adjoint, rel=1e-10, abs=1e-14)


def test_more_paths_than_a_caption_holds_are_counted():
    def squared_often(x):
        for _ in range(200):
            x = x * x
        return x

    caption = chain_rule(trace(squared_often, 1.0)).caption
    assert "more than 1e15 paths" in caption
    assert "does not reach" in chain_rule(trace(lambda x, y: x + 0.0, 1.0, 2.0)).caption


def test_a_function_without_a_rule_in_source_has_numbers_for_slopes():
    rows = chain_rule(trace(lambda x: dual.digamma(x) * 3, 1.0)).rows
    assert rows[1][2] == f"{math.pi**2 / 6:.6g} * dw1"


def test_the_source_of_a_users_function(mine):
    shown = demonstrate("source", f"{mine}:f", "1, 2")
    function = read(f"{mine}:f", "1, 2").function
    assert [part.source for part in shown.parts[:2]] == [
        source.transform(function, mode).source for mode in ("forward", "reverse")
    ]
    seconds = {row[0]: row[-1] for row in shown.parts[2].rows}
    assert seconds["dual numbers"] > 0
    assert seconds["jax.grad"] is None


def test_source_of_a_function_of_math_alone(mine):
    seconds = {row[0]: row[-1] for row in demonstrate("source", f"{mine}:of_math").parts[2].rows}
    assert seconds.pop("forward source") > 0
    assert seconds.pop("reverse source") > 0
    assert set(seconds.values()) == {None}


def test_the_graph_of_a_list(mine):
    rows = table("graph", "v[0]*v[1]", "[3, 4]").rows
    assert [row[1] for row in rows] == ["v[0]", "v[1]", "w1 * w2"]
    assert [row[-1] for row in rows] == [4, 3, 1]


def test_the_jacobian_of_a_users_function(mine):
    shown = table("modes", f"{mine}:pair", "[1, 2]")
    jacobian = [row[1:] for row in shown.rows]
    np.testing.assert_allclose(jacobian, [[2 * np.cos(1), np.sin(1)], [2, 0]], rtol=1e-15)
    assert shown.columns == ("output", "d/dv[0]", "d/dv[1]")


NEWTON = {
    "equations": ("x**2 + y**2 - 4, x*y - 1", "2, 0.3", [1.9318516525781366, 0.5176380902050415]),
    "a minimum": ("(1 - x)**2 + 100*(y - x**2)**2", "x=-1.2, y=1", [1, 1]),
    "one equation": ("cos(x) - x", "1", [0.7390851332151607]),
}


@pytest.mark.parametrize("name", NEWTON)
def test_newton_on_a_users_problem(name):
    text, at, solution = NEWTON[name]
    shown = table("newton", text, at)
    np.testing.assert_allclose(shown.rows[-1][1 : 1 + len(solution)], solution, rtol=1e-12)
    assert shown.rows[-1][-1] == 0
    assert "not converged" not in shown.caption


def test_newton_says_where_it_does_not_converge():
    assert "not converged" in table("newton", "exp(x)", "1").caption


def test_a_users_likelihood_of_old_faithful():
    x = data.load("faithful").x[:, 0]
    text = "-(x - m)**2/(2*s**2) - log(s) - log(2*pi)/2"
    rows = table("likelihood", text, "m=3, s=1.5").rows
    value = norm.logpdf(x, 3, 1.5).sum()
    slopes = [np.sum((x - 3) / 1.5**2), np.sum((x - 3) ** 2 / 1.5**3 - 1 / 1.5)]
    assert [row[1] for row in rows] == [
        "dual numbers",
        "jax.grad",
        "complex step",
        "central differences",
    ]
    for row in rows:
        assert row[2] == pytest.approx(value, rel=1e-13)
        assert row[3] == pytest.approx(np.linalg.norm(slopes), rel=1e-8)
        assert row[4] < 1e-8


def test_a_likelihood_that_some_ways_cannot_run_has_gaps():
    rows = demonstrate("likelihood", "-(x - m)**2 if m > 0 else -x", "m=3").parts[0].rows
    assert {row[1] for row in rows if row[2] is None} == {"jax.grad"}


def test_variables_are_arguments_in_their_natural_order():
    assert list(read("x10*x2 + x1*a").inputs) == ["a", "x1", "x2", "x10"]
    assert read("e*x + pi").inputs == {"x": 1.0}
    assert read("x*y", "pi/2, sqrt(4)").arguments == (math.pi / 2, 2.0)


def test_expressions_do_not_change_one_another():
    first, second = read("x**2"), read("x**3")
    assert source.transform(first.function)(2.0, 1.0) == (4.0, 4.0)
    assert source.transform(second.function)(2.0, 1.0) == (8.0, 12.0)


def test_the_picture_of_modes_has_the_users_names():
    forward, reverse = demonstrate("modes", "x2*x5, x5**2, x2", "2, 3").draw().axes
    assert [tick.get_text() for tick in forward.get_xticklabels()] == ["x2", "x5"]
    assert forward.get_title() == "forward sweep along x2:\none column, 2 sweeps for all"
    assert reverse.get_title() == "reverse sweep from f1:\none row, 3 sweeps for all"
    one = demonstrate("modes", "rate**2", "2").draw().axes
    assert [panel.get_title().split(", ")[1] for panel in one] == ["1 sweep for all"] * 2


@pytest.mark.parametrize("outside", [ZeroDivisionError, OverflowError, ValueError])
def test_a_function_is_drawn_with_gaps_where_it_has_no_value(outside):
    def f(x):
        if x[0] <= 0:
            raise outside
        return float(np.log(x[0]))

    curve = draw_tangents(f, np.array([0.5]), np.array([2.0]), ["x"]).axes[0].lines[0]
    x, y = curve.get_data()
    assert (x <= 0).any()
    np.testing.assert_array_equal(np.isnan(y), x <= 0)


def test_a_pole_is_drawn_without_a_warning():
    curve = demonstrate("dual", "1/(x-1)", "2").draw().axes[0].lines[0]
    assert curve.get_data()[1].tolist().count(np.inf) == 1
