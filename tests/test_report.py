"""Tables and figures of a comparison, checked on a synthetic result made with NumPy alone."""

import csv
import io
import json
import math

import numpy as np
import pytest
from matplotlib.patches import Ellipse

from jaxmix.report.figures import draw_figures, figure_files, gaps, paths
from jaxmix.report.panels import ellipses
from jaxmix.report.tables import comparison_table, confusion_table
from jaxmix.report.writers import Table, format_cell

METHODS = ["EM", "Adam (jax.grad)", "SGD with momentum"]


def log_densities(points, weights, means, covariances):
    centered = points[:, None] - means
    mahalanobis = np.einsum("nki,kij,nkj->nk", centered, np.linalg.inv(covariances), centered)
    normalizers = np.linalg.slogdet(2 * np.pi * covariances)[1]
    return np.log(weights) - (mahalanobis + normalizers) / 2


def em_step(points, weights, means, covariances):
    joint = log_densities(points, weights, means, covariances)
    responsibilities = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
    counts = responsibilities.sum(0)
    means = responsibilities.T @ points / counts[:, None]
    centered = points[:, None] - means
    scatter = np.einsum("nk,nki,nkj->kij", responsibilities, centered, centered)
    return counts / len(points), means, scatter / counts[:, None, None]


def walk(points, start, fraction, num_steps):
    """Parameters after 0 to num_steps damped EM steps: a stand-in for any climbing method."""
    iterates = [start]
    for _ in range(num_steps):
        target = em_step(points, *iterates[-1])
        iterates.append(tuple(a + fraction * (b - a) for a, b in zip(iterates[-1], target)))
    return iterates


def example_points(num_columns):
    random = np.random.default_rng(0)
    long = random.normal([4.3, 80.0, 1.0], [0.4, 6.0, 1.0], size=(90, 3))
    short = random.normal([2.0, 55.0, -1.0], [0.3, 6.0, 2.0], size=(50, 3))
    points = np.concatenate([long, short])
    points[:, 1] += 6.0 * (points[:, 0] - points[:, 0].mean())
    return points[:, :num_columns]


def example_walks(points):
    d = points.shape[1]
    spread = np.stack([np.cov(points.T).reshape(d, d)] * 2)
    center = points.mean(0)
    means = np.stack([center, center]) + 0.3 * np.array([[1.0], [-1.0]]) * points.std(0)
    start = (np.array([0.5, 0.5]), means, spread)
    steps_taken = {METHODS[0]: (1.0, 25), METHODS[1]: (0.3, 60), METHODS[2]: (0.5, 3)}
    return {name: walk(points, start, *taken) for name, taken in steps_taken.items()}


def example_trace(method, start, objective, best):
    steps = np.arange(len(objective))
    return {
        "method": method,
        "start": start,
        "objective": objective,
        "gap": [None if value is None else abs(best - value) for value in objective],
        "passes": steps.tolist(),
        "seconds": (2e-4 * steps).tolist(),
    }


def example_row(method, start, trace, outcome):
    return {
        "method": method,
        "start": start,
        "log_likelihood": trace["objective"][-1],
        "gap": trace["gap"][-1],
        "num_steps": len(trace["objective"]) - 1,
        "passes": trace["passes"][-1],
        "gradients": 0 if method == "EM" else trace["passes"][-1],
        "compile_seconds": 0.41,
        "run_seconds": trace["seconds"][-1],
        "outcome": outcome,
        "distance": None if outcome == "NONFINITE" else 1e-6,
        "adjusted_rand_index": None,
        "confusion": None,
    }


def example_path(method, iterates):
    last = len(iterates) - 1
    steps = [s for s in range(last + 1) if method == "EM" or s <= 20 or s % 25 == 0 or s == last]
    parts = {
        name: [iterates[step][i].tolist() for step in steps]
        for i, name in enumerate(("weights", "means", "covariances"))
    }
    if method == METHODS[2]:
        parts["means"][-1][0] = [None] * len(parts["means"][-1][0])
    return {"method": method, "start": 0, "steps": steps, **parts}


def example_plane(points):
    """A mixture of two normals whose means alone are free."""
    values = points[:, -1]
    variance = np.array([[[values.var() / 6]]] * 2)
    low, high = values.mean() - 2 * values.std(), values.mean() + 2 * values.std()
    first, second = np.linspace(low, high, 30), np.linspace(low, high, 31)

    def height(a, b):
        joint = log_densities(values[:, None], np.array([0.4, 0.6]), np.array([[a], [b]]), variance)
        return float(np.logaddexp.reduce(joint, axis=1).sum())

    start, end = np.quantile(values, [[0.5, 0.7], [0.2, 0.75]])
    turns = zip(METHODS, (0.0, 0.1, -0.2))
    return {
        "label": ["mean of component 1", "mean of component 2"],
        "data": "waiting",
        "grid": [first.tolist(), second.tolist()],
        "log_likelihood": [[height(a, b) for b in second] for a in first],
        "paths": [
            {"method": m, "means": [list(start), [low * t + start[0], end[1]], list(end)]}
            for m, t in turns
        ],
    }


def example_result(num_columns=2, num_starts=1):
    """The content of a result.json: two methods that climb and one that breaks down."""
    points = example_points(num_columns)
    walks = example_walks(points)
    climbs = {
        method: [
            float(np.logaddexp.reduce(log_densities(points, *theta), axis=1).sum())
            for theta in iterates
        ]
        for method, iterates in walks.items()
    }
    climbs[METHODS[2]][-1] = None
    best = max(value for climb in climbs.values() for value in climb if value is not None)
    outcomes = dict(zip(METHODS, ("CONVERGED", "MAX_STEPS", "NONFINITE")))
    pairs = [(method, start) for method in METHODS for start in range(num_starts)]
    traces = [example_trace(m, s, climbs[m][s:], best) for m, s in pairs]
    rows = [example_row(t["method"], t["start"], t, outcomes[t["method"]]) for t in traces]
    columns = ["eruptions", "waiting", "third"][:num_columns]
    result = {
        "schema": 1,
        "seed": 0,
        "k": 2,
        "family": "full",
        "stop": {"rule": "gap", "tol": 1e-8, "max_steps": 60},
        "versions": {"jaxmix": "0.1.0", "numpy": np.__version__},
        "device": "cpu",
        "threads": 2,
        "dtype": "float64",
        "data": {
            "name": "synthetic <eruptions> & $waits$",
            "source": "made for the tests",
            "n": len(points),
            "columns": columns,
            "sha256": "0" * 64,
            "center": points.mean(0).tolist(),
            "scale": points.std(0).tolist(),
            "points": points.tolist(),
            "labels": None,
        },
        "classes": None,
        "best": {"method": "EM", "start": 0, "log_likelihood": best},
        "methods": METHODS,
        "settings": dict(zip(METHODS, ("EM()", "GradientAscent(adam)", "GradientAscent(sgd)"))),
        "rows": rows,
        "traces": traces,
        "paths": [example_path(method, iterates) for method, iterates in walks.items()],
        "two_parameter": example_plane(points),
    }
    return json.loads(json.dumps(result, allow_nan=False))


def table_row(method, start, log_likelihood, steps, outcome="CONVERGED", **changes):
    return {
        "method": method,
        "start": start,
        "log_likelihood": log_likelihood,
        "gap": 1e-9 * steps,
        "num_steps": steps,
        "passes": 2 * steps,
        "gradients": 3 * steps,
        "compile_seconds": 0.5 - 0.1 * start,
        "run_seconds": 0.01 * steps,
        "outcome": outcome,
        "distance": 0.25 * start,
        "adjusted_rand_index": None,
        **changes,
    }


def table_result(rows):
    methods = list(dict.fromkeys(row["method"] for row in rows))
    return {"methods": methods, "rows": rows, "best": {"method": methods[0], "start": 0}}


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("log-likelihood", -1130.2639601, "-1130.26396"),
        ("gap", 0.0, "0"),
        ("gap", 9.96e-9, "1.0e-08"),
        ("run seconds", 0.09996, "0.100"),
        ("run seconds", 12.345, "12.3"),
        ("compile seconds", 999.6, "1000"),
        ("steps", 21, "21"),
        ("steps", 21.5, "21.5"),
        ("gap", float("nan"), "-"),
        ("log-likelihood", None, "-"),
        ("outcome", "MAX_STEPS", "MAX_STEPS"),
        ("value", -0.0, "0"),
        ("value", -2.0, "-2"),
        ("value", 1e14, "100000000000000"),
        ("value", 1e300, "1e+300"),
        ("value", 10**20, "1e+20"),
        ("value", float("inf"), "inf"),
        ("gap", float("-inf"), "-inf"),
    ],
)
def test_numbers_are_formatted_in_one_place(column, value, text):
    assert format_cell(column, value) == text


def test_one_start_is_its_own_row():
    table = comparison_table(table_result([table_row("EM", 0, -10.125, 20)]))
    assert table.columns == (
        "method", "log-likelihood", "gap", "steps", "passes", "gradients", "compile seconds",
        "run seconds", "outcome", "distance to the best",
    )  # fmt: skip
    assert table.rows == (("EM", -10.125, 2e-8, 20, 40, 60, 0.5, 0.2, "CONVERGED", 0.0),)


def test_hessian_products_are_shown_where_there_are_any():
    rows = [table_row("EM", 0, -10.125, 20), table_row("Newton", 0, -10.125, 3)]
    rows[1]["hessian_products"] = 33
    table = comparison_table(table_result(rows))
    shown = table.columns.index("Hessian products")
    assert [row[shown] for row in table.rows] == [None, 33]


def test_several_starts_are_condensed_into_best_medians_and_counts():
    rows = [
        table_row("EM", 0, -12.0, 10),
        table_row("EM", 1, -10.0, 30),
        table_row("EM", 2, -10.0009, 20),
        table_row("EM", 3, 99.0, 1000, "DEGENERATE", gap=None),
        *(table_row("SGD", start, None, 4, "NONFINITE") for start in range(4)),
    ]
    table = comparison_table(table_result(rows))
    em, sgd = (dict(zip(table.columns, row)) for row in table.rows)
    assert em["log-likelihood"] == -10.0
    assert em["distance to the best"] == 0.25
    assert (em["gap"], em["steps"], em["passes"]) == (2e-8, 25, 50)
    assert em["outcome"] == "CONVERGED 3, DEGENERATE 1"
    assert (em["reached"], em["starts"], em["compile seconds"]) == (2, 4, 0.5)
    assert (sgd["log-likelihood"], sgd["reached"], sgd["outcome"]) == (None, 0, "NONFINITE")


def test_csv_keeps_full_precision_and_leaves_missing_numbers_empty():
    rows = [table_row("EM", 0, -1 / 3, 7), table_row("SGD", 0, None, 7, "NONFINITE")]
    text = comparison_table(table_result(rows)).to_csv()
    em, sgd = csv.DictReader(io.StringIO(text))
    assert float(em["log-likelihood"]) == -1 / 3
    assert float(em["gap"]) == 1e-9 * 7
    assert sgd["log-likelihood"] == ""
    assert sgd["outcome"] == "NONFINITE"


def test_markdown_and_latex_escape_what_would_break_them():
    table = Table(("method", "gap"), (("a|b_c & 50%", 1.5e-9),), "Costs $5.")
    assert table.to_markdown().splitlines() == [
        "| method | gap |",
        "| --- | ---: |",
        r"| a\|b\_c & 50% | 1.5e-09 |",
        "",
        "Costs $5.",
    ]
    assert r"a|b\_c \& 50\% & $1.5 \times 10^{-9}$ \\" in table.to_latex().splitlines()


def test_latex_is_a_balanced_booktabs_table():
    text = comparison_table(example_result()).to_latex()
    assert text.count(r"\begin{tabular}{lrrrrrrrlr}") == text.count(r"\end{tabular}") == 1
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert r"MAX\_STEPS" in text


def test_a_column_that_holds_text_is_set_to_the_left():
    table = Table(("way", "seconds"), (("one", 0.5), ("another", None)))
    assert table.to_text().splitlines()[2:4] == ["one        0.500", "another        -"]
    assert table.to_markdown().splitlines()[1] == "| --- | ---: |"
    assert Table(("way", "seconds"), ()).is_text == (False, False)


def test_infinite_numbers_are_shown_and_left_out_of_the_csv():
    table = Table(("x",), ((math.inf,), (-math.inf,), (math.nan,)))
    assert table.to_text().splitlines()[2:] == [" inf", "-inf", "   -"]
    assert table.to_latex().splitlines()[4:7] == [r"$\infty$ \\", r"$-\infty$ \\", r"- \\"]
    assert table.to_markdown().splitlines()[2:5] == ["| inf |", "| -inf |", "| - |"]
    assert list(csv.reader(io.StringIO(table.to_csv()))) == [["x"], [""], [""], [""]]


@pytest.mark.parametrize("name", ["text", "latex", "markdown", "html"])
def test_a_table_asks_once_which_columns_hold_text(name, monkeypatch):
    asked = []
    monkeypatch.setattr(Table, "is_text", property(lambda table: asked.append(table) or (False,)))
    getattr(Table(("x",), ((1.0,),) * 5), f"to_{name}")()
    assert len(asked) == 1


def test_plain_text_columns_line_up():
    lines = comparison_table(example_result()).to_text().splitlines()
    gaps_end = [line[: lines[0].index("gap") + 3][-1] for line in lines[:5]]
    assert " " not in gaps_end
    assert lines[4].startswith("SGD with momentum")


def test_rand_index_and_confusion_appear_where_classes_are_known():
    row = table_row("EM", 0, -1.0, 3, adjusted_rand_index=0.5, confusion=[[4, 1], [0, 5]])
    result = table_result([row]) | {"classes": {"names": ["a", "b"]}}
    assert comparison_table(result).formatted()[0][-1] == "0.500"
    assert confusion_table(result).rows == (("a", 4, 1), ("b", 0, 5))
    assert confusion_table(example_result()) is None


def outlines(panel):
    return [patch for patch in panel.patches if isinstance(patch, Ellipse)]


def covariance_of(outline, deviations):
    angle = np.radians(outline.angle)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    semi_axes = np.array([outline.width, outline.height]) / 2 / deviations
    return turn @ np.diag(semi_axes**2) @ turn.T


@pytest.mark.parametrize("num_columns", [2, 3])
def test_ellipses_drawn_are_the_recorded_covariances(num_columns):
    result = example_result(num_columns)
    panels = np.array(ellipses(result).axes).reshape(3, 9)
    for panel, step in zip(panels[0], [0, 1, 2, 3, 4, 5, 6, 20, 25]):
        for component, pair in enumerate(np.array(outlines(panel)).reshape(2, 2)):
            expected = np.array(result["paths"][0]["covariances"][step][component])[:2, :2]
            mean = result["paths"][0]["means"][step][component][:2]
            for outline, deviations in zip(pair, (1, 2)):
                np.testing.assert_allclose(covariance_of(outline, deviations), expected, rtol=1e-9)
                np.testing.assert_allclose(outline.center, mean, rtol=1e-12)


def test_components_keep_their_color_in_every_panel():
    for panel in ellipses(example_result()).axes[:18]:
        colors = [outline.get_edgecolor() for outline in outlines(panel)]
        assert colors[0] == colors[1] != colors[2] == colors[3]


def test_panels_after_the_end_are_empty_and_the_end_is_labeled():
    panels = np.array(ellipses(example_result()).axes).reshape(3, 9)
    assert panels[2, 3].get_title() == ""
    assert len(outlines(panels[2, 2])) == 4
    assert [len(outlines(panel)) for panel in panels[2, 4:8]] == [0, 0, 0, 0]
    assert [panel.get_title() for panel in panels[0]][:3] == ["start", "step 1", "step 2"]
    titles = [panel.get_title() for panel in panels[:, -1]]
    assert titles == ["end: step 25", "end: step 60", "end: step 3"]
    notes = [[text.get_text() for text in panel.texts] for panel in panels[:, -1]]
    assert notes == [[], [], ["NONFINITE"]]


def test_a_component_that_is_not_finite_is_not_drawn():
    panels = np.array(ellipses(example_result()).axes).reshape(3, 9)
    assert len(outlines(panels[2, -1])) == 2


def test_one_column_draws_the_density_of_the_recorded_mixture():
    result = example_result(1)
    panel = ellipses(result).axes[8]
    total = panel.lines[0]
    path = result["paths"][0]
    grid = total.get_xdata()
    parameters = (np.array(path[part][-1]) for part in ("weights", "means", "covariances"))
    joint = log_densities(np.array(grid)[:, None], *parameters)
    np.testing.assert_allclose(total.get_ydata(), np.exp(joint).sum(1), rtol=1e-9)


def test_gaps_are_distances_from_the_best_value_of_all_traces():
    result = example_result()
    objectives = [np.array(trace["objective"], dtype=float) for trace in result["traces"]]
    best = max(np.nanmax(objective) for objective in objectives)
    steps, passes, seconds = gaps(result).axes
    for panel in (steps, passes, seconds):
        for line, objective in zip(panel.lines, objectives):
            np.testing.assert_allclose(line.get_ydata(), np.maximum(best - objective, 1e-12))
    assert max(seconds.lines[0].get_xdata()) == result["traces"][0]["seconds"][-1]
    assert steps.get_ylim()[0] < 1e-12


def test_a_degenerate_trace_is_never_the_best():
    result = example_result()
    result["traces"][2]["objective"] = [-500.0, 1e6, 1e9, None]
    drawn = gaps(result).axes[0].lines
    np.testing.assert_allclose(min(drawn[0].get_ydata()), 1e-12)
    assert np.isnan(drawn[2].get_ydata()[1:]).all()


def test_paths_lie_on_the_contours_of_their_likelihood():
    result = example_result()
    panel = paths(result).axes[0]
    drawn = [line for line in panel.lines if line.get_label() in METHODS]
    for line, path in zip(drawn, result["two_parameter"]["paths"]):
        np.testing.assert_array_equal(line.get_xydata(), path["means"])
    plane = result["two_parameter"]
    contours = panel.collections[0]
    largest = np.max(plane["log_likelihood"])
    first, second = (np.array(axis) for axis in plane["grid"])
    row, column = np.unravel_index(np.argmax(plane["log_likelihood"]), (30, 31))
    innermost = contours.get_paths()[-1].vertices
    assert contours.levels[-1] == pytest.approx(largest - 0.25)
    assert abs(innermost.mean(0) - [first[row], second[column]]).max() < first[1] - first[0]


def test_without_a_two_parameter_part_the_paths_are_refused_and_left_out():
    result = example_result() | {"two_parameter": None}
    with pytest.raises(ValueError, match="two-parameter"):
        paths(result)
    assert list(draw_figures(result)) == ["ellipses", "gaps"]


def test_figures_are_the_same_bytes_twice():
    result = example_result()
    result["paths"] = result["paths"][:1]
    files = figure_files(result)
    assert files == figure_files(result)
    assert list(files) == [
        f"{name}.{kind}" for name in ("ellipses", "gaps", "paths") for kind in ("png", "pdf")
    ]
    assert all(content.startswith((b"\x89PNG", b"%PDF")) for content in files.values())


def test_a_comparison_in_which_everything_failed_is_still_reported():
    result = example_result(num_starts=3)
    for row in result["rows"]:
        row |= {"outcome": "NONFINITE", "log_likelihood": None, "gap": None, "distance": None}
    result["best"] = None
    cells = comparison_table(result).formatted()
    assert [row[1] for row in cells] == ["-", "-", "-"]
    assert [len(figure.axes) for figure in draw_figures(result).values()] == [27, 3, 1]
