"""A table without training on the page, in Markdown and in CSV."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.records.cells import FILE
from experiments.report.__main__ import main
from experiments.report.analyse.cells import average_draws
from experiments.report.render.heat_map import heat_maps
from experiments.report.render.table_section import table_view
from support.tables import four_cells, row, table


def test_heat_maps_hold_every_cell() -> None:
    shared, own = heat_maps(cells := average_draws(four_cells()), cells, chance=0.1, dense=0.9)
    assert (shared["corner"], shared["columns"]) == ("criterion", ["none uniform", "ls uniform"])
    names, cells = zip(*((line["name"], line["cells"]) for line in shared["rows"]), strict=True)  # type: ignore[attr-defined]
    assert names == ("l1", "random")
    assert [cell["text"] for cell in cells[0]] == ["20.00", "81.00"]
    assert [cell["share"] for cell in cells[0]] == [12, 89]  # of what lies between chance and dense
    assert (own["corner"], own["columns"]) == ("allocation (l1)", ["none", "ls"])
    assert [[cell["text"] for cell in line["cells"]] for line in own["rows"]] == [  # type: ignore[attr-defined]
        ["\u2013", "85.00"],
        ["20.00", "81.00"],
    ]


def test_rows_of_colour_stand_in_one_order_at_every_cut() -> None:
    """By the mean over cuts: l1 0.65, random 0.55; at the second alone random is first."""
    rows = [row("l1", "uniform", "none", 0, 0.9), row("random", "uniform", "none", 0, 0.5)]
    further = [row("l1", "uniform", "none", 0, 0.4), row("random", "uniform", "none", 0, 0.6)]
    view = table_view(table([*rows, *(replace(each, ratio=0.7) for each in further)]))
    orders = [[line["name"] for line in ratio["maps"][0]["rows"]] for ratio in view["ratios"]]  # type: ignore[attr-defined]
    assert orders == [["l1", "random"]] * 2


def test_a_view_says_that_cells_were_drawn_unequally_often() -> None:
    twice = [row("l1", "uniform", "ls", draw, 0.80 + 0.02 * draw, f"c{draw}") for draw in (0, 1)]
    view = table_view(table([*twice, row("random", "uniform", "ls", 0, 0.7)]))
    assert [view[name] for name in ("draws", "repeated", "count")] == ["1 to 2", 1, 2]
    assert table_view(table(twice))["draws"] == "2"


def test_a_view_says_the_best_and_gives_commands() -> None:
    view = table_view(four_cells())
    (ratio,) = view["ratios"]  # type: ignore[misc]
    assert (ratio["best"], ratio["asked"]) == ("l1 (lamp, ls)", "50 % of MACs")
    words = "".join(text for text, _ in view["headline"].line)  # type: ignore[attr-defined]
    assert words.startswith("\u221250 % of MACs: l1 (lamp, ls) has 85.00")
    assert len(words) <= 80
    assert (ratio["repairs"], view["off"]) == ("ls +59.5 (2 networks)", [])
    first = view["rows"][0]  # type: ignore[index]
    assert first["runs"][1]["command"] == (
        "python run.py experiment=compare/no_training program=experiment method=l1 budget=macs allocation=lamp "
        "repair=ls ratio=0.5 seed=1"
    )


def test_the_page_the_markdown_and_the_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    four_cells().write(tmp_path / FILE)
    assert main([str(tmp_path), "--markdown", "--csv"]) == 0
    assert [Path(line).name for line in capsys.readouterr().out.split()] == [
        "report.html",
        "report.md",
        "report.cells.csv",
    ]
    page = (tmp_path / "report.html").read_text()
    assert len(re.findall(r'<tr class="row">', page)) == 5
    assert page.count('style="--share:') == 4 + 4
    assert "macs=0.9 cannot be met" in page
    head, _, *lines = (tmp_path / "report.md").read_text().splitlines()[2:]
    assert head.count("|") == 11
    assert len(lines) == 5
    assert lines[0].startswith("| l1 | lamp | ls | 50 % of MACs | 85.00")
    rows = list(csv.DictReader((tmp_path / "report.cells.csv").read_text().splitlines()))
    assert len(rows) == 11
    assert (rows[2]["accuracy"], rows[2]["choice"], rows[-1]["accuracy"]) == ("0.8", "c1", "")


def test_hostile_names_and_a_damaged_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = table([row("<b>\x1b[31m|", "uniform", "ls", 0, 0.8)], model="=cmd()<script>")
    (tmp_path / "a").mkdir()
    evil.write(tmp_path / "a" / FILE)
    (tmp_path / FILE).write_text(json.dumps({"schema": 1}))
    assert main([str(tmp_path), "--markdown", "--csv"]) == 0
    assert "unreadable" in capsys.readouterr().err
    page = (tmp_path / "report.html").read_text()
    assert "<b>\ufffd" not in page
    assert "=cmd()<script>" not in page
    assert "'=cmd()" in (tmp_path / "report.cells.csv").read_text()
