"""Costs are measured, not asserted: what the tables hold, and what does not depend on a clock."""

from itertools import pairwise

import pytest

from jaxmix.autodiff import costs
from jaxmix.dual import sin


def lecture(x1, x2):
    return x1 * x2 + sin(x1)


def test_sweeps_are_measured_for_every_shape():
    table = costs.sweeps([(6, 2), (1, 9)], repeats=1)
    assert [row[:2] for row in table.rows] == [(6, 2), (1, 9)]
    assert all(cell > 0 for row in table.rows for cell in row[2:])


def test_the_memory_of_the_reverse_mode_grows_as_the_note_says():
    rows = costs.reverse_memory((64, 256, 1024)).rows
    kept, by_step, by_segment = (
        [row[j] / before[j] for before, row in pairwise(rows)] for j in (1, 2, 3)
    )
    assert all(3 < growth < 4.5 for growth in kept)
    assert all(3 < growth < 4.5 for growth in by_step)
    assert all(growth < 2.5 for growth in by_segment)
    assert rows[-1][1] > 2 * rows[-1][2] > 8 * rows[-1][3]
    with pytest.raises(ValueError, match="a square"):
        costs.reverse_memory((10,))


def test_realizations_of_the_lectures_program():
    table = costs.realizations(lecture, 2.0, 3.0, repeats=1)
    lines = {row[0]: row[1] for row in table.rows}
    assert lines["forward source"] == 8
    assert lines["graph"] == 5
    assert all(row[3] > 0 for row in table.rows)
