"""README's table is made from the committed records, and says what they say."""

from dataclasses import replace

import pytest

from experiments.report.table import BEGIN, END, README, inserted, percent, records, table


def test_readme_shows_the_committed_records():
    text = README.read_text()
    assert inserted(text, table(records())) == text


def test_seeds_are_one_row_with_mean_and_deviation():
    first = records()[0]
    config = first.config | {"seed": first.seed + 1}
    tuned = replace(first.tuned, accuracy=first.tuned.accuracy - 0.02)
    second = replace(first, seed=first.seed + 1, tuned=tuned, config=config)
    (line,) = table([first, second]).splitlines()[2:]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[-1] == "2"
    assert cells[5] == percent([first.tuned.accuracy, second.tuned.accuracy])
    assert f"{100 * first.tuned.accuracy - 1:.2f} ± 1.41 %" == cells[5]


def test_only_what_is_between_the_marks_changes():
    text = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert inserted(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter"


def test_another_setting_is_another_row_and_one_seed_is_no_sample():
    first = records()[0]
    other = replace(first, config=first.config | {"method": first.config["method"] | {"joined": "keep"}})
    assert len(table([first, other]).splitlines()) == 4
    with pytest.raises(ValueError, match="share seeds"):
        table([first, replace(first, name="again")])
