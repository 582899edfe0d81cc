"""The tables of docs, README and cards are made from the committed records, and say what they say."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.records.record import Layer, Record
from experiments.report.analyse.configurations import build_comparisons
from experiments.report.load.collect import collect
from experiments.report.table import (
    BEGIN,
    CARDS,
    END,
    HEAD,
    PAGE,
    README,
    RESULTS,
    commits_sentence,
    committed_rows,
    insert_table,
    load_records,
    markdown_table,
    percent_text,
    short_table,
    updated_pages,
)
from pruning.files import bitmap


def cells(*runs: Record) -> dict[str, str]:
    """Of the only row, by its head."""
    (line,) = markdown_table(committed_rows(runs)).splitlines()[2:]
    return dict(zip(HEAD, (cell.strip() for cell in line.strip("|").split("|")), strict=True))


def test_the_page_readme_and_every_card_show_the_committed_records():
    made = updated_pages(committed_rows(load_records()))
    assert {PAGE, README, *CARDS.glob("*/card.md")} == set(made)
    assert [path for path, text in made.items() if path.read_text() != text] == []
    assert all(BEGIN in text and END in text for text in made.values())


def test_readme_has_one_row_of_each_method_and_objective_best_first():
    """FCF stands there with the paper's gate, which is the first of its two rows."""
    _, _, *lines = short_table(committed_rows(load_records())).splitlines()
    methods, objectives, accuracies = zip(*(line.strip("|").split(" | ")[:3] for line in lines), strict=True)
    assert len({*zip(methods, objectives, strict=True)}) == len(lines) == 6
    assert [*accuracies] == sorted(accuracies, reverse=True)
    (paper,) = (
        configuration
        for title, configuration in committed_rows(load_records())
        if (title, configuration.curve) == ("resnet20 on cifar10", "fcf (cross=false, gate=filter)")
        and configuration.first.record.ratio == 0.7
    )
    assert accuracies[[method.strip() for method in methods].index("`fcf`")] == percent_text(
        [paper.first.final.accuracy]
    )


def test_the_commits_of_the_rows_are_said():
    first = load_records()[0]
    made = [replace(stage, commit=commit) for stage, commit in zip(first.stages, "ba", strict=False)]
    assert "Rows made at commits a, b;" in commits_sentence(committed_rows([replace(first, stages=made)]))
    assert commits_sentence([]) == ""


@pytest.mark.parametrize("commits", [("a1", "b2"), ("a1", "a1+"), ("a1+", "a1+")])
def test_a_table_of_evidence_is_of_one_source(commits: tuple[str, str]):
    """+ where files differed from the commit."""
    first = load_records()[0]
    runs = [
        replace(first, seed=seed, stages=[replace(stage, commit=commit) for stage in first.stages])
        for seed, commit in enumerate(commits)
    ]
    assert committed_rows(runs)
    with pytest.raises(ValueError, match=r"evidence/common has rows made at commits .* in a clone without changes"):
        committed_rows(replace(run, experiment="evidence/common") for run in runs)


def test_seeds_are_one_row_with_mean_and_deviation():
    first = load_records()[0]
    config = first.config | {"seed": first.seed + 1}
    tuned = replace(first.tuned, accuracy=first.tuned.accuracy - 0.02)
    second = replace(first, seed=first.seed + 1, tuned=tuned, config=config)
    shown = cells(first, second)
    assert shown["n (seeds)"] == "2"
    assert shown["fine-tuned (mean ± std)"] == percent_text([first.tuned.accuracy, second.tuned.accuracy])
    assert f"{100 * first.tuned.accuracy - 1:.2f} ± 1.41 %" == shown["fine-tuned (mean ± std)"]


def test_rows_are_grouped_and_named_as_on_the_page():
    found = committed_rows(load_records())
    on_the_page = [
        (comparison.title, configuration.curve, configuration.id, len(configuration.runs))
        for comparison in build_comparisons(collect([RESULTS]).runs)
        for configuration in comparison.configurations
    ]
    assert sorted((title, each.curve, each.id, len(each.runs)) for title, each in found) == sorted(on_the_page)
    (shown,) = {
        line.split(" | ")[1] for line in markdown_table(found).splitlines() if " | group2d (learn=lasso" in line
    }
    assert shown in {curve for _, curve, _, _ in on_the_page}


PRINTED = {"dense": 0.9314, "tuned": 0.9338, "accuracy_mark": "recalled", "macs_cut": 0.43, "ops": "authors"}


def test_a_published_figure_stands_with_its_mark_beside_its_own_setting_only():
    first = load_records()[0]
    run = replace(first, experiment="fcf/resnet56", config=first.config | {"published": PRINTED})
    assert cells(run)["published"] == "93.14 -> 93.38 % (recalled)"
    modified = replace(run, modified=["method.gate=norm"], seed=1)
    assert cells(modified)["published"] == "modified: method.gate=norm"
    assert len(committed_rows([run, modified])) == 2, "never averaged with the published setting"


def test_how_alike_seeds_choose_stands_beside_chance():
    """By hand: 2 of 4 rows each, one row in common: half; chance is 2/4."""
    first = load_records()[0]

    def keeping(rows: list[int], seed: int) -> Record:
        kept = np.zeros((4, 3), bool)
        kept[rows] = True
        layer = Layer(2, 4, 6, 12, bitmap.encode(kept))
        return replace(first, seed=seed, layers={"conv": layer}, config=first.config | {"seed": seed})

    assert cells(keeping([0, 1], 0), keeping([1, 2], 1))["kept alike"] == "50 % (chance 50 %, z +0.0)"
    assert cells(keeping([0, 1], 0))["kept alike"] == ""


def test_only_what_is_between_the_marks_changes():
    text = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert insert_table(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter"


def test_another_setting_is_another_row_and_one_seed_is_no_sample():
    first = load_records()[0]
    other = replace(first, config=first.config | {"method": first.config["method"] | {"joined": "keep"}})
    assert len(committed_rows([first, other])) == 2
    with pytest.raises(ValueError, match="two records of seed"):
        committed_rows([first, replace(first, name="again")])
