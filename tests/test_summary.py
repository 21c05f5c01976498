"""What a result says of itself, on a terminal and in a notebook."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxmix as jm

X = jm.data.load("faithful").x
COLUMNS = ("eruptions", "<b>waiting & rest</b>")


@pytest.fixture(scope="module")
def result():
    frame = pd.DataFrame(X, columns=COLUMNS)
    return jm.fit(frame, jm.initialize(frame, 2, seed=0))


def expected_facts(result):
    return [
        "2 full components, 2 columns",
        "272",
        "-1130.263960",
        f"{11 * np.log(272) - 2 * float(result.log_likelihood):.4f}",
        "11 parameters; lower is better",
        "CONVERGED: the stopping rule is met",
        f"{int(result.num_steps)} of EM ({int(result.cost.passes)} passes, 0 gradients)",
        f"{float(result.gap):.2g} nats",
    ]


def test_the_screen_holds_every_fact(result, capsys):
    print(result)
    screen = capsys.readouterr().out
    for fact in expected_facts(result):
        assert fact in screen
    assert screen == f"{result!r}\n" == f"{result.summary()}\n"
    assert len(screen.splitlines()) <= 24


def test_standard_errors_stand_beside_their_parameters_once(result):
    shapes = {"weights": (2,), "means": (2, 2), "covariances": (2, 2, 2), "correlations": (2, 2, 2)}
    parts = {name: jnp.full(shape, 0.25) for name, shape in shapes.items()}
    parts["correlations"] = 0.25 * (1 - jnp.eye(2)) * jnp.ones((2, 1, 1))
    errors = jm.inference.StandardErrors(parts, jnp.eye(22), jnp.array([0.5, 1.0]), "observed")
    screen = result.summary(errors)
    table = screen.split("(observed)\n")[1].splitlines()
    assert len(table) == 1 + 2 + 4 + 6 + 2
    assert f"covariances[0, {COLUMNS[0]}, {COLUMNS[1]}]" in screen
    assert "EM rate 0.5" in screen
    unknown = jm.inference.StandardErrors(parts, jnp.eye(22), jnp.array([0.0, 1.0]), "observed")
    assert "singular" in result.summary(unknown)


def test_each_component_has_a_row_under_the_columns_names(result):
    header, *rows = result.summary().split("\n\n")[1].splitlines()
    assert len(rows) == 2
    for name in (
        "component",
        "weight",
        *(f"{part} {c}" for part in ("mean", "sd") for c in COLUMNS),
    ):
        assert name in header
    deviations = np.sqrt(np.diagonal(np.asarray(result.mixture.covariances), axis1=1, axis2=2))
    for c, row in enumerate(rows):
        shown = [float(cell) for cell in row.split()]
        truth = [c, result.mixture.weights[c], *result.mixture.means[c], *deviations[c]]
        np.testing.assert_allclose(shown, truth, rtol=1e-4, atol=5e-5)


def test_html_holds_the_same_facts_and_escapes_names(result):
    page = result._repr_html_()
    for fact in expected_facts(result):
        assert fact in page
    assert "<b>" not in page
    assert "mean &lt;b&gt;waiting &amp; rest&lt;/b&gt;" in page
    assert page.count("<tr>") == page.count("</tr>")


def test_arrays_have_numbered_columns_and_a_limit_says_what_to_do():
    screen = str(jm.fit(X, jm.initialize(X, 2, seed=0), stop=jm.Stop(max_steps=2)))
    assert "mean x1" in screen
    assert "sd x2" in screen
    assert "MAX_STEPS: not converged" in screen
    assert "raise max_steps, or resume" in screen


def test_failures_say_what_to_do():
    start = jm.gaussian_mixture([0.5, 0.5], [[1e4, 1e4], [3.0, 70.0]], 1.0)
    screen = str(jm.fit(X, start))
    assert "DEGENERATE: failed" in screen
    assert "a larger ridge or a prior" in screen


def test_an_objective_with_a_penalty_is_shown_beside_the_likelihood(result):
    assert "objective   " not in result.summary()
    penalized = jm.fit(X, jm.initialize(X, 2, seed=0), ridge=0.01)
    assert f"{float(penalized.objective):.6f}" in penalized.summary()
    assert f"{float(penalized.log_likelihood):.6f}" in penalized.summary()


def test_float32_results_print():
    x = X.astype(np.float32)
    screen = str(jm.fit(x, jm.initialize(x, 2, seed=0)))
    assert "-1130.26" in screen
    assert "CONVERGED" in screen
