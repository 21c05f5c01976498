"""The main job end to end: what it writes, its numbers, and that twice gives the same bits."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from browser import needs_chromium, started

import jaxmix as jm
from jaxmix.cli.compare import show
from jaxmix.cli.main import main
from jaxmix.race.comparison import recorded_steps
from jaxmix.race.named_methods import contenders

HEAVYBALL = Path(__file__).parents[1] / "notes/examples/heavyball.py"
METHODS = f"em, lbfgs, adam(gradient='autodiff'), adam, sgd, {HEAVYBALL}:Heavyball"
TITLES = ["EM", "L-BFGS", "Adam (jax.grad)", "Adam (Fisher)", "SGD with momentum"]
AGAIN = "em, lbfgs"
TIMES = ("compile_seconds", "run_seconds", "seconds")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The default comparison, with a user's own method, and once more with two methods."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder, methods in zip(folders, (METHODS, AGAIN)):
        assert main(["compare", "--methods", methods, "--out", str(folder)]) == 0
    return folders


@pytest.fixture(scope="module")
def result(folders):
    return json.loads((folders[0] / "result.json").read_text())


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in TIMES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def test_twice_gives_the_same_numbers_bit_for_bit_times_aside(folders, result):
    second = json.loads((folders[1] / "result.json").read_text())
    assert second["best"]["log_likelihood"] == result["best"]["log_likelihood"]
    for part in ("rows", "traces", "paths"):
        first = [one for one in result[part] if one["method"] in second["methods"]]
        assert without_times(first) == without_times(second[part])
    for plane, again in zip(result["two_parameter"]["paths"], second["two_parameter"]["paths"]):
        assert plane == again
    named = {"rows", "traces", "paths", "methods", "settings", "two_parameter"}
    rest = [{key: one[key] for key in one.keys() - named} for one in (result, second)]
    assert rest[0] == rest[1]


def test_every_method_ends_within_a_thousandth_of_the_best(result):
    assert result["methods"][:5] == TITLES
    assert abs(result["best"]["log_likelihood"] - -1130.26396) < 5e-6
    for row in result["rows"]:
        assert row["outcome"] == "CONVERGED"
        assert row["log_likelihood"] > result["best"]["log_likelihood"] - 1e-3
        assert row["distance"] < 1e-3
        assert row["gap"] <= 1e-8


def test_reported_parameters_have_the_reported_likelihood_in_the_users_units(result):
    x = jm.data.load("faithful").x
    for path, row in zip(result["paths"], result["rows"], strict=True):
        last = path["weights"][-1], path["means"][-1], path["covariances"][-1]
        mixture = jm.gaussian_mixture(*map(np.array, last))
        assert abs(float(mixture.log_prob(x).sum()) - row["log_likelihood"]) < 1e-8
    em = result["paths"][0]
    order = np.argsort(np.array(em["means"][-1])[:, 0])
    np.testing.assert_allclose(np.array(em["weights"][-1])[order], [0.355873, 0.644127], atol=2e-6)
    np.testing.assert_allclose(
        np.array(em["means"][-1])[order], [[2.036388, 54.478517], [4.289662, 79.968115]], atol=2e-5
    )


def test_traces_belong_to_the_recorded_iterates(result):
    x = jm.data.load("faithful").x
    for path, trace in zip(result["paths"], result["traces"], strict=True):
        assert path["steps"][-1] == len(trace["objective"]) - 1
        for place in (0, 1, 6, len(path["steps"]) - 1):
            parts = path["weights"][place], path["means"][place], path["covariances"][place]
            log_likelihood = jm.gaussian_mixture(*map(np.array, parts)).log_prob(x).sum()
            recorded = trace["objective"][path["steps"][place]]
            assert abs(float(log_likelihood) - recorded) < 1e-8


def test_costs_are_counted_alike(result):
    rows = {row["method"]: row for row in result["rows"]}
    assert rows["EM"]["passes"] == rows["EM"]["num_steps"]
    assert rows["EM"]["gradients"] == 0
    for name in ("Adam (Fisher)", "Adam (jax.grad)", "SGD with momentum"):
        assert rows[name]["passes"] == rows[name]["gradients"] == rows[name]["num_steps"]
    assert rows["L-BFGS"]["passes"] >= 2 * rows["L-BFGS"]["num_steps"]
    assert rows["Adam (Fisher)"]["log_likelihood"] == pytest.approx(
        rows["Adam (jax.grad)"]["log_likelihood"], abs=1e-9
    )


def test_a_users_own_method_runs_beside_the_kits(result):
    rows = {row["method"]: row for row in result["rows"]}
    own = rows[f"{HEAVYBALL}:Heavyball"]
    assert own["num_steps"] == pytest.approx(rows["SGD with momentum"]["num_steps"], abs=2)


def test_the_two_means_reach_the_top_of_their_surface(result):
    plane = result["two_parameter"]
    surface = np.array(plane["log_likelihood"])
    top = np.unravel_index(np.argmax(surface), surface.shape)
    near = [plane["grid"][j][top[j]] for j in range(2)]
    spacing = [np.diff(plane["grid"][j])[0] for j in range(2)]
    for path in plane["paths"]:
        assert np.all(np.abs(np.array(path["means"][-1]) - near) <= spacing)


def test_the_folder_holds_what_it_should(folders, result):
    names = {path.name for path in folders[0].iterdir()}
    figures = {
        f"{name}.{kind}" for name in ("ellipses", "gaps", "paths") for kind in ("png", "pdf")
    }
    tables = {"result.json", "table.csv", "table.md", "table.tex", "traces.csv", "report.html"}
    assert names == figures | tables
    rows = list(csv.DictReader((folders[0] / "table.csv").read_text().splitlines()))
    assert [row["method"] for row in rows] == result["methods"]
    for key in ("seed", "versions", "device", "threads", "dtype"):
        assert key in result
    assert len(result["data"]["sha256"]) == 64


@needs_chromium
def test_the_player_draws_step_j_of_the_result_after_j_presses(folders, result, tmp_path_factory):
    with started(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(folders[0] / "report.html")
        path = result["paths"][0]
        for j in range(8):
            shapes = browser.drawn()
            assert len(shapes) == result["k"]
            for shape in shapes:
                c = int(shape["component"])
                assert shape["step"] == path["steps"][j] == j
                drawn = [shape["cx"], shape["cy"]]
                np.testing.assert_allclose(drawn, path["means"][j][c], rtol=1e-6)
                axes = 2 * np.sqrt(np.linalg.eigvalsh(np.array(path["covariances"][j][c])))
                radii = sorted([shape["rx"], shape["ry"]])
                np.testing.assert_allclose(radii, axes, rtol=1e-6)
            browser.press("next")


def test_labels_are_kept_out_of_the_fit_and_reported(tmp_path, capsys):
    arguments = ["iris", "--k", "3", "--methods", "em", "--starts", "2", "--out", str(tmp_path)]
    assert main(["compare", *arguments]) == 0
    said = capsys.readouterr().out
    assert "setosa" in said
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["classes"]["names"] == ["setosa", "versicolor", "virginica"]
    assert len(result["rows"]) == 2
    for row in result["rows"]:
        assert np.sum(row["confusion"]) == 150
        assert -1 <= row["adjusted_rand_index"] <= 1


def test_recorded_steps_are_every_early_one_and_the_last():
    assert recorded_steps(3) == [0, 1, 2, 3]
    steps = recorded_steps(5000)
    assert steps[:61] == list(range(61))
    assert steps[-1] == 5000
    assert len(steps) < 110


def test_hard_em_is_refused_beside_methods_of_another_objective():
    with pytest.raises(ValueError, match="another objective"):
        jm.race.compare(jm.data.load("faithful"), 2, methods=contenders("em, em(hard=True)"))


def test_the_printed_table_is_whole(capsys):
    row = {
        **{"method": "adam(learning_rate=0.0123456789)", "start": 0, "log_likelihood": -1.0},
        **{"gap": 1e-9, "num_steps": 3, "passes": 3, "gradients": 3, "compile_seconds": 1.0},
        **{"run_seconds": 0.1, "outcome": "CONVERGED", "distance": 1e-3},
        **{"adjusted_rand_index": 0.773, "confusion": [[1, 2], [3, 4]]},
    }
    best = {"method": row["method"], "start": 0, "log_likelihood": -1.0}
    classes = {"names": ["setosa", "versicolor"]}
    result = {"rows": [row], "best": best, "classes": classes, "methods": [row["method"]]}
    show(result | {"settings": {row["method"]: "GradientAscent(adam)"}, "k": 2})
    said = capsys.readouterr().out
    for words in (row["method"], "CONVERGED", "0.773", "versicolor", "1.0e-03"):
        assert words in said


def test_contenders_read_names_settings_and_files():
    found = contenders(
        f"em(hard=True), adamw(weight_decay=0.1), {HEAVYBALL}:Heavyball(momentum=0.5)"
    )
    assert found[0].title == "hard EM"
    assert "weight_decay=0.1" in found[1].settings
    assert "learning_rate=0.05" in found[1].settings
    assert found[2].method.momentum == 0.5
