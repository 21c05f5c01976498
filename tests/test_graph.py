"""Computation graphs: their lines, both sweeps, tables and pictures."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxmix import dual
from jaxmix.autodiff import graph
from jaxmix.autodiff.drawing import layers, positions


def lecture(x1, x2):
    return x1 * x2 + dual.sin(x1)


TRACED = graph.trace(lecture, 2.0, 3.0)


def test_the_lectures_program_line_by_line():
    programs = [line.program for line in TRACED.lines]
    assert programs == ["x1", "x2", "w1 * w2", "sin(w1)", "w3 + w4"]
    np.testing.assert_allclose(
        [line.value for line in TRACED.lines], [2, 3, 6, math.sin(2), 6 + math.sin(2)]
    )
    assert TRACED.value == 6 + math.sin(2)


def test_both_sweeps_of_the_lectures_program():
    c = math.cos(2)
    assert TRACED.forward([1, 0]) == [1, 0, 3, c, 3 + c]
    assert TRACED.forward([0, 1]) == [0, 1, 2, 0, 2]
    assert TRACED.reverse() == [3 + c, 2, 1, 1, 1]
    assert TRACED.reverse(2.0) == [6 + 2 * c, 4, 2, 2, 2]
    assert TRACED.gradient == [3 + c, 2]


def test_one_table_in_five_formats():
    table = TRACED.table()
    text = table.to_text()
    assert text.splitlines()[0].split() == ["line", "program", "value", "d/dx1", "d/dx2", "adjoint"]
    assert "  w4    sin(w1)  0.909297  -0.416147" in " " * 2 + text.replace("\nw4", "\n  w4")
    assert "| w3 | w1 \\* w2 | 6 | 3 | 2 | 1 |" in table.to_markdown()
    assert r"w3 & w1 * w2 & $6$ & $3$ & $2$ & $1$ \\" in table.to_latex()
    assert '<td class="text">sin(w1)</td><td>0.909297</td>' in table.to_html()
    assert f"w4,sin(w1),{math.sin(2)}" in table.to_csv()


def test_a_picture_without_an_external_program(tmp_path):
    panel = TRACED.draw()
    texts = [text.get_text() for text in panel.texts]
    assert "w4 = sin(w1)\n0.909297" in texts
    assert sum(bool(text.arrow_patch) for text in panel.texts if hasattr(text, "arrow_patch")) == 5
    panel.figure.savefig(tmp_path / "graph.png")
    own = Figure().subplots()
    assert TRACED.draw(own) is own


def test_places_do_not_coincide_and_arguments_come_first():
    def f(x, y):
        for _ in range(4):
            x, y = dual.tanh(x) * y, x + dual.exp(y) * 0.1
        return x * y

    traced = graph.trace(f, 0.3, 0.4)
    places, depths = positions(traced), layers(traced)
    assert len({tuple(place) for place in places}) == len(traced.lines)
    for line, depth in zip(traced.lines, depths):
        assert all(depths[parent] < depth for parent in line.parents)


def test_lists_branches_loops_constants_and_unused_arguments():
    def f(x, n, unused):
        total = 1.0
        while total < 10:
            total = total * x[0]
        return total if x[1] > 0 else n

    traced = graph.trace(f, [1.5, 2.0], 7.0, 1.0)
    assert [line.program for line in traced.lines[:4]] == ["x[0]", "x[1]", "n", "unused"]
    assert traced.gradient == [6 * 1.5**5, 0, 0, 0]
    assert graph.trace(f, [1.5, -2.0], 7.0, 1.0).gradient == [0, 0, 1, 0]
    constant = graph.trace(lambda x: 3.0, 1.0)
    assert (constant.value, constant.gradient) == (3.0, [0.0])
    assert graph.trace(lambda x: x, 2.0).gradient == [1.0]


def test_every_function_of_the_table_is_recorded():
    def f(x, lib):
        y = lib.arctan2(x, 2.0) + lib.hypot(x, x * x) - lib.logaddexp(x, 1.0)
        return lib.maximum(y, x) ** 2 / lib.sqrt(x) + (-x) % 3.0 + 2.0**x - abs(x)

    traced = graph.trace(lambda x: f(x, dual), 0.7)
    np.testing.assert_allclose(traced.gradient, [jax.grad(lambda x: f(x, jnp))(0.7)], rtol=1e-13)
    assert traced.forward([1.0])[-1] == pytest.approx(traced.gradient[0], rel=1e-13)


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda: graph.trace(lambda x: x * np.ones(3), 1.0), "records numbers"),
        (lambda: graph.trace(lambda x: "x", 1.0), "one number"),
        (lambda: graph.trace(lambda x: dual.sum(dual.stack([x, x])), 1.0), "keep them in a list"),
    ],
)
def test_what_a_graph_cannot_record_is_said(call, advice):
    with pytest.raises((TypeError, ValueError), match=advice):
        call()


def test_a_seed_for_every_input():
    with pytest.raises(ValueError, match="2 seeds"):
        TRACED.forward([1.0])
