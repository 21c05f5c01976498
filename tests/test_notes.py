"""Notes and code agree: cited equations exist, links lead somewhere, quoted numbers come out."""

import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTES = {path.stem: path.read_text() for path in sorted((ROOT / "notes").glob("*.md"))}
DERIVATIONS = {"em": 15, "gradient": 5, "stopping": 6, "dual": 14, "autodiff": 18, "density": 19}
DERIVATIONS |= {"online": 8, "acceleration": 19, "em-as-gradient": 12, "rates": 7}
DERIVATIONS |= {"standard-errors": 13, "differentiable-em": 12, "coordinates": 6}
PRINTED = [note for note in DERIVATIONS if note != "dual"]  # test_dual_conventions.py has its table
PRINTED += ["common-mistakes", "crossover", "how-to-choose"]
WITHOUT_NUMBERS = {"missing-data": 8, "studies": 4}
CITATION = re.compile(r"\b([\w-]+)\.md\)?[^.;]{0,40}?\beq\. (\d+)(?:(?: to | and |, )(\d+))?")
NUMBER = re.compile(r"\d+\.\d+(?:e-?\d+)?|\d+e-?\d+")


def equations(note: str) -> list[int]:
    """Numbers of a note's equations, in order."""
    return [int(number) for number in re.findall(r"\\tag\{(\d+)\}", NOTES[note])]


def citations(path: Path) -> list[tuple[str, int]]:
    """Notes and equations that a file cites, ranges as both their ends."""
    text = re.sub(r"\s+#?\s*", " ", path.read_text())
    found = CITATION.findall(text)
    return [(note, int(number)) for note, *numbers in found for number in numbers if number]


def quoted(note: str) -> tuple[str, str, str]:
    """A note's script, the output that it quotes, and the prose between and after the two."""
    parts = re.search(
        r"`python (experiments/\S+\.py)`(.*?)```text\n(.*?)```(.*)", NOTES[note], re.S
    )
    assert parts is not None, f"notes/{note}.md quotes no script"
    script, before, output, after = parts.groups()
    return script, output, before + after


@pytest.mark.parametrize(("note", "count"), [*DERIVATIONS.items(), *WITHOUT_NUMBERS.items()])
def test_equations_are_numbered_in_order(note, count):
    assert equations(note) == list(range(1, count + 1))


def test_every_cited_equation_exists():
    files = [*(ROOT / "jaxmix").rglob("*.py"), *(ROOT / "notes").glob("*.md")]
    cited = {citation for path in files for citation in citations(path)}
    assert {note for note, _ in cited} >= set(DERIVATIONS)
    assert len(cited) > 15
    assert not [(note, number) for note, number in cited if number not in equations(note)]


@pytest.mark.parametrize("note", NOTES)
def test_links_and_named_files_exist(note):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", NOTES[note])
    named = re.findall(r"\b(?:jaxmix|tests|experiments|notes)/[\w/-]+\.(?:py|md)\b", NOTES[note])
    targets = [ROOT / "notes" / link for link in links] + [ROOT / name for name in named]
    assert not [str(target) for target in targets if not target.exists()]


SLOW = ("acceleration", "online", "how-to-choose", "density", "stopping", "em-as-gradient")
SLOW += ("rates", "standard-errors", "differentiable-em", "coordinates")
SLOW += ("crossover",)
"""Notes whose scripts take ten seconds and more: run them by hand where they change."""


@pytest.mark.parametrize("note", [note for note in PRINTED if note not in SLOW])
def test_quoted_output_is_what_the_script_prints(note, capsys):
    script, output, _ = quoted(note)
    runpy.run_path(str(ROOT / script), run_name="__main__")
    assert capsys.readouterr().out == output


@pytest.mark.parametrize("note", DERIVATIONS)
def test_numbers_in_prose_stand_in_the_output_or_the_script(note):
    script, output, prose = quoted(note)
    known = set(NUMBER.findall(output + (ROOT / script).read_text()))
    assert not set(NUMBER.findall(prose)) - known


def test_the_crossover_is_that_of_its_results():
    script, output, prose = quoted("crossover")
    study = runpy.run_path(str(ROOT / script))
    kept = json.loads(study["RESULTS"].read_text())
    assert study["table"](kept["studies"]) + "\n" == output
    known = set(NUMBER.findall(output + (ROOT / script).read_text()))
    assert not set(NUMBER.findall(prose)) - known
    for row in kept["studies"]:
        assert set(row["passes"]) == set(study["METHODS"])
        for name, counts in row["passes"].items():
            assert len(counts) == kept["problems"] >= 20
            assert study["median"](counts) == row["median"][name]
    low, high = kept["studies"][0]["median"], kept["studies"][-1]["median"]
    assert min(low, key=low.get) != "EM"
    assert high["EM"] == min(high.values())


def test_the_page_of_speeds_is_what_its_results_say():
    assert (
        runpy.run_path(str(ROOT / "experiments/benchmarks/report.py"))["page"]()
        == NOTES["performance"]
    )
