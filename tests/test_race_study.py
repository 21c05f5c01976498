"""Studies as files: what they state, what is refused, and which runs follow from them."""

from dataclasses import replace
from pathlib import Path

import pytest

from jaxmix.race.entries import entries, problems_of
from jaxmix.race.study import read_study, seeds_of

LEAST = """
title = "least"
seeds = 2
[budget]
passes = 3
[[problems]]
name = "faithful"
[[methods]]
name = "em"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_a_study_is_read_with_its_defaults(tmp_path):
    study = read_study(written(tmp_path, LEAST))
    assert (study.title, study.all_seeds, study.budget.passes) == ("least", (0, 1), 3)
    assert study.problems[0].k == 2
    assert study.methods[0].name == "em"
    assert study.folder == str(tmp_path)


MISTAKES = {
    "unknown key 'titel'; did you mean 'title'": ("title =", "titel ="),
    "unknown key of problems[0] 'kk'": ('"faithful"', '"faithful"\nkk = 2'),
    "the study has no budget": ("[budget]\npasses = 3", ""),
    "budget.passes must be a whole number, got 'many'": ("passes = 3", 'passes = "many"'),
    "budget.passes must be positive, got 0": ("passes = 3", "passes = 0"),
    "budget needs passes or seconds": ("passes = 3", ""),
    "seeds must be a whole number or a list": ("seeds = 2", "seeds = 2.5"),
    "seeds must be different whole numbers >= 0, got [1, 1]": ("seeds = 2", "seeds = [1, 1]"),
    "seeds must be at least 1, got 0": ("seeds = 2", "seeds = 0"),
    "targets are nats below the reference": ("seeds = 2", "targets = [0.0]"),
    "targets must be different numbers, got []": ("seeds = 2", "targets = []"),
    "targets[0] must be finite, got inf": ("seeds = 2", "targets = [inf]"),
    "seeds must be different whole numbers >= 0, got [922": ("seeds = 2", f"seeds = [{2**63}]"),
    "k of faithful must be a whole number >= 1, got 0": ('"faithful"', '"faithful"\nk = 0'),
    "ridge of faithful must be at least 0, got -1": ('"faithful"', '"faithful"\nridge = -1'),
    "unknown family of faithful 'ful'; did you mean 'full'": (
        '"faithful"',
        '"faithful"\nfamily = "ful"',
    ),
    "unknown start of faithful 'kmean++'": ('"faithful"', '"faithful"\nstart = "kmean++"'),
    "the file has no key 'title'": ('title = "least"', ""),
    "unknown precision 'double'": ("seeds = 2", 'precision = "double"'),
    "unknown stop.rule 'gradient'": ("[budget]", '[stop]\nrule = "gradient"\n[budget]'),
    "stop.tol must be positive": ("[budget]", "[stop]\ntol = 0\n[budget]"),
    "reference.starts must be at least 1": ("[budget]", "[reference]\nstarts = 0\n[budget]"),
    "the study has no methods": ('[[methods]]\nname = "em"', ""),
    "two methods are called 'em'": ('name = "em"', 'name = "em"\n[[methods]]\nname = "em"'),
    "unknown key of presets.quick 'sedes'; did you mean 'seeds'": (
        "[budget]",
        "[presets.quick]\nsedes = 1\n[budget]",
    ),
    "is no TOML file": ("[budget]", "[budget"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path, message):
    was, put = MISTAKES[message]
    assert was in LEAST
    path = written(tmp_path, LEAST.replace(was, put))
    with pytest.raises((ValueError, TypeError)) as raised:
        read_study(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_preset_takes_the_place_of_a_study_s_keys(tmp_path):
    path = written(tmp_path, LEAST + "[presets.quick]\nseeds = 1\n")
    assert read_study(path).all_seeds == (0, 1)
    assert read_study(path, "quick").all_seeds == (0,)
    with pytest.raises(ValueError, match="unknown preset 'quik'; did you mean 'quick'"):
        read_study(path, "quik")


@pytest.mark.parametrize("seeds", [3, (0, 1, 2)])
def test_seeds_are_a_number_or_a_list(seeds):
    assert seeds_of(seeds) == (0, 1, 2)


GRIDS = """
title = "grids"
seeds = 2
[budget]
passes = 3
[tuning]
seeds = [1, 7]
[[problems]]
name = "drawn"
data = "mixture_sample"
settings = { n = 50, d = 2 }
grid = { k = [2, 3], separation = [1.0, 2.0] }
[[methods]]
name = "adam"
grid = { learning_rate = [0.1, 0.2, 0.4] }
"""


def test_grids_make_every_combination(tmp_path):
    study = read_study(written(tmp_path, GRIDS))
    problems = problems_of(study)
    assert [(p.k, p.settings["separation"]) for p in problems] == [
        (2, 1.0),
        (2, 2.0),
        (3, 1.0),
        (3, 2.0),
    ]
    assert problems[1].name == "drawn (k=2, separation=2.0)"
    found = entries(study)
    # A reference, two seeds by default, and three settings on the seeds 0, 1 and 7.
    assert len(found) == 4 * (1 + 2 + 3 * 3)
    assert len({entry.name for entry in found}) == len(found)
    grid = [entry for entry in found if entry.track == "grid"]
    assert {entry.seed for entry in grid} == {0, 1, 7}
    assert {entry.settings["learning_rate"] for entry in grid} == {0.1, 0.2, 0.4}


def test_what_a_run_is_called_does_not_change_what_it_is(tmp_path):
    study = read_study(written(tmp_path, LEAST))
    renamed = replace(
        study,
        title="other",
        targets=(1.0,),
        problems=(replace(study.problems[0], name="geyser", data="faithful"),),
        methods=(replace(study.methods[0], title="the EM algorithm"),),
    )
    assert [e.name for e in entries(study)] == [e.name for e in entries(renamed)]


CHANGES = {
    "seed": ("seeds = 2", "seeds = [0, 5]"),
    "budget": ("passes = 3", "passes = 4"),
    "k": ('"faithful"', '"faithful"\nk = 3'),
    "precision": ("seeds = 2", 'seeds = 2\nprecision = "float32"'),
    "settings": ('name = "em"', 'name = "adam"\nsettings = { learning_rate = 0.3 }'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_run_does_changes_its_name(tmp_path, what):
    before = {e.name for e in entries(read_study(written(tmp_path, LEAST))) if e.seed == 1}
    after = {e.name for e in entries(read_study(written(tmp_path, LEAST.replace(*CHANGES[what]))))}
    assert len(before) == 1
    assert not before & after


REFUSED = {
    "unknown method 'emm'; did you mean 'em'": ('name = "em"', 'name = "emm"'),
    "unknown setting of em 'sped'": ('name = "em"', 'name = "em"\nsettings = { sped = 1 }'),
    "climbs the classification log-likelihood": (
        'name = "em"',
        'name = "em"\nsettings = { hard = true }',
    ),
    "there is no file": ('name = "em"', 'name = "mine.py:Mine"'),
    "grid.learning_rate must be a list": (
        'name = "em"',
        'name = "adam"\ngrid = { learning_rate = 0.1 }',
    ),
    "unknown setting of sklearn 'tol'": ('"em"', '"sklearn"\nsettings = { tol = 0.1 }'),
    "unknown data 'faithfull'; did you mean 'faithful'": ('"faithful"', '"faithfull"'),
    "unknown setting of faithful 'n'": ('"faithful"', '"faithful"\nsettings = { n = 3 }'),
    "k of faithful (k=0) must be": ('"faithful"', '"faithful"\ngrid = { k = [0] }'),
    "EM on faithful, seed 0, is stated twice": ('"em"', '"em"\n[[methods]]\nname = "EM"'),
    "reference on faithful (k=2), seed 0, is stated twice": (
        'name = "faithful"',
        'name = "faithful"\ngrid = { k = [2, 2] }',
    ),
    "a measurement is named FILE.py:function": (
        "[[methods]]",
        '[[measurements]]\nname = "census"\n[[methods]]',
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_exist_is_refused_before_anything_runs(tmp_path, message):
    path = written(tmp_path, LEAST.replace(*REFUSED[message]))
    with pytest.raises((ValueError, TypeError)) as raised:
        entries(read_study(path))
    assert message in str(raised.value)
