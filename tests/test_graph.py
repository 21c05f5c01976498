"""Computation graphs: their lines, both sweeps, tables and pictures."""

import math
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path

from jaxmix import dual
from jaxmix.autodiff import graph
from jaxmix.autodiff.labels import Labels
from jaxmix.autodiff.layout import arrange, layers


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


def crossing(x, y, z):
    product = dual.sin(x * y)
    ratio = dual.sin(x * y) * dual.exp(x) / (x + y + z) ** 2
    return product + ratio - dual.log(x * z) + abs(y)


def loop(x, y):
    start = x
    for _ in range(5):
        x, y = dual.tanh(x) * y, x + dual.logaddexp(y, start) * 0.1
    return x * y


def network(a, b, c, d, v, w, x, y):
    first, second = dual.tanh(a * x + b * y + c), dual.tanh(d * x + 2.5 * y + a)
    return first * v + second * w - x * y * (a + v) / (b - w)


PICTURES = {
    "lecture": TRACED,
    "crossing": graph.trace(crossing, 1.0, 2.0, 3.0),
    "loop": graph.trace(loop, 0.3, 0.4),
    "network": graph.trace(network, 1.0, 2.0, 3.0, 0.1, 0.2, 0.3, 0.4, 0.5),
}


@pytest.fixture(params=PICTURES)
def drawn(request):
    """A graph, its panel, and in display coordinates the boxes of its nodes and its labels."""
    traced = PICTURES[request.param]
    panel = traced.draw()
    FigureCanvasAgg(panel.figure).draw()
    texts = [text for text in panel.texts if text.get_text()]
    boxes = [text.get_bbox_patch().get_window_extent() for text in texts]
    return traced, panel, boxes[: len(traced.lines)], boxes[len(traced.lines) :]


def test_no_text_of_a_picture_covers_another(drawn):
    traced, _, nodes, labels = drawn
    assert len(labels) == sum(len(set(line.parents)) for line in traced.lines)
    assert not [pair for pair in combinations(nodes + labels, 2) if pair[0].overlaps(pair[1])]


def test_arrows_run_from_box_to_box_and_behind_none(drawn):
    traced, panel, nodes, _ = drawn
    patches = (text.arrow_patch for text in panel.texts if hasattr(text, "arrow_patch"))
    arrows = [patch for patch in patches if patch]
    ends = [(tail, head) for head, line in enumerate(traced.lines) for tail in set(line.parents)]
    assert len(arrows) == len(ends)
    met = []
    for arrow in arrows:
        path = arrow.get_transform().transform_path(arrow.get_path())
        lines = [Path(points) for points in path.to_polygons(closed_only=False)]
        boxes = [box.padded(8) for box in nodes]
        near = [any(line.intersects_bbox(box, False) for line in lines) for box in boxes]
        met.append(tuple(np.flatnonzero(near).tolist()))
    assert sorted(met) == sorted(tuple(sorted(pair)) for pair in ends)


def test_a_label_avoids_boxes_first_and_then_arrows():
    labels = Labels(np.zeros((1, 2)), np.ones((1, 2)))
    labels.avoid([np.array([[0.0, 1.0], [0.0, 2.0]]), np.array([[0.0, 2.0]])])
    spots = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 3.0]])
    assert labels.place(0, spots, (0.5, 0.5)).tolist() == [0.0, 3.0]
    assert labels.place(0, spots, (0.5, 0.5)).tolist() == [0.0, 2.0]


def test_a_picture_has_no_room_for_long_programs():
    def f(x, steps):
        for _ in range(steps):
            x = dual.sin(x)
        return x

    assert graph.trace(lambda x: f(x, 20), 1.0).draw()
    with pytest.raises(ValueError, match="too long to draw, 61 lines; its table has every line"):
        graph.trace(lambda x: f(x, 60), 1.0).draw()
    with pytest.raises(ValueError, match="too long to draw, 402 lines"):
        graph.trace(lambda xs: [dual.sin(x) for x in xs].pop(), [1.0] * 201).draw()


def test_places_do_not_coincide_and_arguments_come_first():
    traced = PICTURES["loop"]
    layout, depths = arrange(traced), layers(traced)
    assert len({tuple(place) for place in layout.places}) == len(traced.lines)
    for line, depth in zip(traced.lines, depths):
        assert all(depths[parent] < depth for parent in line.parents)
    for (parent, child), points in layout.routes.items():
        np.testing.assert_array_equal(points[[0, -1]], layout.places[[parent, child]])
        np.testing.assert_array_equal(points[:, 0], range(depths[parent], depths[child] + 1))


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
