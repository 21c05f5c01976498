"""The page in a real browser: it asks for nothing, raises nothing, and draws the result.

Chromium is driven over its own driver's HTTP protocol, with the standard library alone.
"""

import json
import re

import numpy as np
import pytest
from browser import needs_chromium, started
from test_report import METHODS, example_result

from jaxmix.report.figures import figure_files
from jaxmix.report.folder import write_folder
from jaxmix.report.page import embedded_json, introduction, page_html


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with started(tmp_path_factory.mktemp("profile")) as session:
        yield session


@pytest.fixture(scope="module")
def results():
    return {num_columns: example_result(num_columns) for num_columns in (1, 2, 3)}


@pytest.fixture(scope="module")
def pages(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    files = {d: folder / f"{d}.html" for d in results}
    for d, result in results.items():
        files[d].write_text(page_html(result, figure_files(result)), encoding="utf-8")
    return files


def assert_drawn(shapes, path, position):
    assert [shape["component"] for shape in shapes] == [0, 1]
    assert {shape["step"] for shape in shapes} == {path["steps"][position]}
    for shape, mean, covariance in zip(
        shapes, path["means"][position], path["covariances"][position]
    ):
        variances, directions = np.linalg.eigh(np.array(covariance)[:2, :2])
        semi_axes = [shape["ry"], shape["rx"]]
        np.testing.assert_allclose(semi_axes, 2 * np.sqrt(variances), rtol=1e-6)
        np.testing.assert_allclose([shape["cx"], shape["cy"]], mean[:2], rtol=1e-6)
        angle = np.radians(shape["angle"])
        along = abs(directions[:, 1] @ [np.cos(angle), np.sin(angle)])
        assert along == pytest.approx(1, abs=1e-12)


@needs_chromium
@pytest.mark.parametrize("num_columns", [1, 2, 3])
def test_no_request_leaves_the_page_and_no_script_fails(browser, pages, num_columns):
    browser.open(pages[num_columns])
    for button in ("next", "end", "previous", "start", "play", "play"):
        browser.press(button)
    for method in METHODS:
        browser.choose(method)
        browser.press("end")
    assert browser.asked() == {pages[num_columns].as_uri()}
    assert browser.run("return performance.getEntriesByType('resource').map(e => e.name)") == []
    assert browser.run("return window.problems") == []
    assert [entry for entry in browser.log("browser") if entry["level"] == "SEVERE"] == []


@needs_chromium
@pytest.mark.parametrize("num_columns", [2, 3])
def test_after_j_presses_the_ellipses_are_those_of_step_j(browser, pages, results, num_columns):
    browser.open(pages[num_columns])
    path = results[num_columns]["paths"][0]
    for position in range(len(path["steps"])):
        assert_drawn(browser.drawn(), path, position)
        assert path["steps"][position] == position
        browser.press("next")
    assert_drawn(browser.drawn(), path, len(path["steps"]) - 1)


@needs_chromium
def test_the_visible_ellipse_has_the_geometry_it_states(browser, pages):
    browser.open(pages[2])
    browser.press("next", 6)
    corners = browser.run(
        "return [...document.querySelectorAll('ellipse[data-component]')].map(e => {"
        "const m = e.getCTM(); return [m.a, m.b, m.c, m.d, m.e, m.f]})"
    )
    first, second = browser.drawn()
    maps = [np.array(c[:4]).reshape(2, 2).T for c in corners]
    centers = np.diff([c[4:] for c in corners], axis=0)[0]
    scale = centers / [second["cx"] - first["cx"], second["cy"] - first["cy"]]
    for shape, to_pixels in zip((first, second), maps):
        angle = np.radians(shape["angle"])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        expected = np.diag(scale) @ turn @ np.diag([shape["rx"], shape["ry"]])
        np.testing.assert_allclose(to_pixels @ to_pixels.T, expected @ expected.T, rtol=1e-4)


@needs_chromium
def test_one_column_shows_the_densities_of_step_j(browser, pages, results):
    browser.open(pages[1])
    browser.press("next", 4)
    path = results[1]["paths"][0]
    means, deviations = ([shape[name] for shape in browser.drawn()] for name in ("mean", "sd"))
    np.testing.assert_allclose(means, np.ravel(path["means"][4]), rtol=1e-6)
    np.testing.assert_allclose(deviations, np.sqrt(np.ravel(path["covariances"][4])), rtol=1e-6)


@needs_chromium
def test_keys_and_methods_move_between_recorded_steps(browser, pages, results):
    browser.open(pages[2])
    path = results[2]["paths"][1]
    browser.choose(METHODS[1])
    for key, position in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", 0)):
        browser.key(key)
        assert_drawn(browser.drawn(), path, position)
    browser.key("End")
    assert_drawn(browser.drawn(), path, len(path["steps"]) - 1)
    browser.choose("EM")
    assert_drawn(browser.drawn(), results[2]["paths"][0], 25)


@needs_chromium
def test_status_gives_the_numbers_of_the_recorded_step_not_of_its_position(browser, pages, results):
    browser.open(pages[2])
    browser.choose(METHODS[1])
    browser.press("next", 21)
    trace = results[2]["traces"][1]
    status = browser.status()
    assert "step 25 " in status
    assert f"{trace['objective'][25]:.5f}" in status
    browser.choose(METHODS[2])
    browser.press("end")
    assert "step 3 (end)" in browser.status()
    assert "not a number" in browser.status()
    assert [shape["component"] for shape in browser.drawn()] == [1]


@needs_chromium
@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_is_wider_than_the_screen(browser, pages, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
    browser.ask("POST", "/goog/cdp/execute", command)
    browser.open(pages[2])
    assert browser.run("return window.innerWidth") == width
    assert browser.run("return document.documentElement.scrollWidth") <= width


def embedded_result(text):
    pattern = r'<script type="application/json" id="result">(.*?)</script>'
    return json.loads(re.search(pattern, text, re.DOTALL).group(1))


def test_the_page_is_one_file_with_the_result_inside(pages, results, tmp_path):
    names = write_folder(results[2], tmp_path / "new folder")
    assert sorted(names) == sorted(path.name for path in (tmp_path / "new folder").iterdir())
    text = (tmp_path / "new folder" / "report.html").read_text(encoding="utf-8")
    assert embedded_result(text) == results[2]
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert text == pages[2].read_text(encoding="utf-8")


def test_text_from_the_user_cannot_become_markup():
    result = example_result()
    attack = "</script><b onclick=x>"
    result["data"] |= {"name": attack, "columns": [attack, "$b$"], "source": attack}
    assert attack not in page_html(result, {})


def test_the_introduction_explains_data_model_and_stop_rule():
    text = introduction(example_result())
    for words in (
        "2 Gaussian components with full covariances",
        "140 rows; columns eruptions, waiting",
        "EM, Adam (jax.grad) and SGD with momentum",
        "the nats of log-likelihood that one more EM step promises, is at most 1e-08",
        "or after 60 steps",
    ):
        assert words in text


def test_the_page_keeps_only_the_traces_the_player_shows():
    result = json.loads(embedded_json(example_result(num_starts=3)))
    assert [trace["start"] for trace in result["traces"]] == [0, 0, 0]
    assert len(result["rows"]) == 9
