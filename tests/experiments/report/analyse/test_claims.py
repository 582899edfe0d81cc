"""Every number that a page claims, recomputed from the records by the tests' own arithmetic."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.benchmarks import synthetic_runs
from experiments.records.record import read
from experiments.report import write_report
from experiments.system.checkout import ROOT
from support.recomputed import Json, embedded, records, wrong

COMMITTED = sorted((ROOT / "docs").rglob("report.html"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    for run in synthetic_runs.write_runs(folder, ("l1", "random"), (0.05, 0.5, 0.75), range(3)):
        path = run / "record.json"
        replace(read(path), baseline_digest="b" * 64).write(path)
    return write_report(folder)


def test_a_page_claims_what_its_records_say(made: Path):
    (comparison,) = embedded(made.read_text())
    assert (len(comparison["verdicts"]), len(comparison["cells"])) == (3, 6)
    assert wrong(comparison, records(made.parent)) == []


def tops(page: str) -> list[str]:
    """Of each section the sentence and the small table of cuts below it, as text."""
    found = re.findall(r'<h2 class="claim">(.*?)<div class="controls"', page, re.S)
    return [re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", each)) for each in found]


def says(top: str, comparison: Json) -> bool:
    """Who wins where, and by how much: at many cuts those in the table."""
    won = [
        each for each in comparison["verdicts"] if each["n"] > 2 and len(each["together"]) == 1 < len(each["ranked"])
    ]
    leads = [f"{100 * each['lead']['mean']:.2f} ± {100 * each['lead']['half']:.2f} points ahead" for each in won]
    return all(lead in top for lead in leads) and all(f"{html.escape(name)} wins" in top for name in names_of(won))


def names_of(won: list[Json]) -> list[str]:
    return [each["together"][0] for each in won]


def test_the_sentence_says_who_wins(made: Path):
    page = made.read_text()
    (comparison,), (sentence,) = embedded(page), tops(page)
    assert says(sentence, comparison)
    assert names_of([each for each in comparison["verdicts"] if len(each["together"]) == 1 < len(each["ranked"])]), (
        "else this tests nothing"
    )


def test_a_falsified_claim_is_caught(made: Path):
    """Each kind of claim, changed a little, no longer follows from the records."""
    found = records(made.parent)
    for falsify, what in (
        (lambda s: s["verdicts"][2]["ranked"].reverse(), "rank"),
        (lambda s: s["verdicts"][0]["lead"].update(half=s["verdicts"][0]["lead"]["half"] * 1.01), "rank"),
        (lambda s: s["reach"][0]["within"].reverse(), "reach"),
        (lambda s: s["reach"][0]["within"][2].update(sure=not s["reach"][0]["within"][2]["sure"]), "reach"),
        (lambda s: s["overlaps"][0].update(share=s["overlaps"][0]["share"] + 0.001), "overlap"),
        (lambda s: next(iter(s["cells"].values()))[2].__setitem__(0, "99.99 ± 0.10"), "tuned"),
    ):
        (comparison,) = embedded(made.read_text())
        falsify(comparison)
        (line,) = wrong(comparison, found)
        assert what in line


@pytest.mark.parametrize("page", COMMITTED, ids=lambda page: page.parent.name)
def test_a_committed_page_claims_what_the_committed_records_say(page: Path):
    found = records(ROOT / "experiments" / "results")
    text = page.read_text()
    sections = embedded(text)
    assert sections
    for comparison, sentence in zip(sections, tops(text), strict=True):
        assert wrong(comparison, found) == []
        assert says(sentence, comparison)
