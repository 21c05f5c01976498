"""The table of notes/dual.md: what dual numbers do at kinks and edges, and what jax does there."""

import math
import re
import runpy
import types
from pathlib import Path

import pytest

from jaxmix import dual

ROOT = Path(__file__).parents[1]
NOTE = (ROOT / "notes/dual.md").read_text()
SCRIPT = runpy.run_path(str(ROOT / "experiments/notes/dual.py"))
ROWS = {
    (name.strip(), int(order)): (float(ours), float(jaxs))
    for name, order, ours, jaxs in re.findall(
        r"^(\S.*?) {2,}(\d) +(\S+) +(\S+)$", NOTE.split("```text\n")[1], re.MULTILINE
    )
}
EXACT = {
    "hypot(x, 1) at 1": 2**-1.5,
    "hypot(x, 1e200) at 1e200": 2**-0.5,
    "arctan2(x, 1e200) at 1e200": 0.5e-200,
    "lgamma(x) at 0": -math.inf,
    "0.5 % x at 1e-4": -4999.0,
} | dict.fromkeys(
    ("x**0.0 at 0", "x**1.0 at 0", "x**2.0 at 0", "x**3.0 at 0", "x / x at 1e-200"), 0.0
)
"""Limits by hand; every other row of the second list has none, and NaN says so."""


def same(one, other):
    return (
        one == other
        or (math.isnan(one) and math.isnan(other))
        or math.isclose(one, other, rel_tol=1e-5)
    )


@pytest.mark.parametrize(
    "case", SCRIPT["CONVENTIONS"] + SCRIPT["BETTER"], ids=lambda case: case.name
)
def test_every_row_is_as_written(case):
    ours, jaxs = ROWS[case.name, case.order]
    got, from_jax = SCRIPT["by_dual"](case), SCRIPT["by_jax"](case)
    assert same(got, ours)
    if same(from_jax, got) and not same(from_jax, jaxs):
        pytest.skip(f"this jax has mended {case.name}: the note may say so")
    assert same(from_jax, jaxs)


@pytest.mark.parametrize("case", SCRIPT["CONVENTIONS"], ids=lambda case: case.name)
def test_conventions_at_kinks_are_jaxs(case):
    ours, jaxs = ROWS[case.name, case.order]
    assert same(ours, jaxs)


@pytest.mark.parametrize("case", SCRIPT["BETTER"], ids=lambda case: case.name)
def test_where_jax_differs_dual_numbers_have_the_limit(case):
    assert same(SCRIPT["by_dual"](case), EXACT.get(case.name, math.nan))


def test_the_note_lists_the_public_names():
    listed = re.findall(r"`(\w+)`", NOTE.split("## Public names")[1])
    public = [
        name
        for name, value in vars(dual).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    ]
    assert listed == sorted(public)
