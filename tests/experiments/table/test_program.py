"""program=table: which rows there are, that they are what runs of their own find, and that nothing is done twice."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import program
from experiments.config.refusal import Refusal
from experiments.config.settings import load
from experiments.records import cells as records
from experiments.records.cells import Cell, Table
from experiments.table import cells, draws
from support.running import run
from support.tiny_run import TINY, composed, config

ASKED = (
    "program=table",
    "budget=macs",
    "repair.images=16",
    "observe.images=16",
    "table.draws=[0,1]",
    "table.ratios=[0.25]",
)
GRIDS = ("table.criteria=[random,l1]", "table.repairs=[none,ls]", "table.also.criteria=[l1]")
ALSO = ("table.also.allocations=[own]", 'table.also.repairs=["merge,bn"]')


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Trained weights in a file, the same for every seed."""
    folder = tmp_path_factory.mktemp("dense")
    run(folder, "recipe.finetune.epochs=0")
    (path,) = folder.glob("store/baseline-*/weights.safetensors")
    return f"baseline={path}"


def fill(folder: Path, *overrides: str) -> Table:
    made = program.run(config(f"folder={folder}", *ASKED, *overrides))
    assert isinstance(made, Path)
    return records.read(made / records.FILE)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, baseline: str) -> tuple[Path, Table]:
    folder = tmp_path_factory.mktemp("table")
    return folder, fill(folder, baseline, *GRIDS, *ALSO)


def test_both_grids_once_each_draw_by_draw() -> None:
    table = load(
        config(*ASKED, *GRIDS, "table.also.allocations=[uniform]", 'table.also.repairs=[ls,"merge, bn"]')
    ).table
    listed = cells.list_cells(table)
    assert [(cell.criterion, cell.repair) for cell in listed if cell.draw == 0] == [
        *[("random", "none"), ("random", "ls"), ("l1", "none"), ("l1", "ls"), ("l1", "merge,bn")]
    ]
    assert [cell.draw for cell in listed] == [0] * 5 + [1] * 5


def test_a_row_is_what_its_command_finds(tmp_path: Path, baseline: str) -> None:
    """A full run of the same cell, whose repaired network is measured by the pipeline."""
    also = ("table.also.criteria=[taylor]", "table.also.allocations=[own]", "table.also.repairs=[ls]")
    table = fill(tmp_path, baseline, *GRIDS[:2], *also)
    asked = (("l1", "uniform", "ls"), ("random", "uniform", "none"), ("taylor", "own", "ls"))
    for cell in (Cell(*names, ratio=0.25, draw=1) for names in asked):
        row = table.find(cell)
        assert row is not None
        record = run(tmp_path, *table.overrides(cell))
        found = record.repaired or record.pruned
        assert (row.macs, row.params, row.accuracy) == (found.macs, found.params, found.accuracy)
        assert row.nll == pytest.approx(found.nll, rel=1e-6)
        assert row.flips == found.flips


def test_every_command_composes(filled: tuple[Path, Table]) -> None:
    _, table = filled
    assert len(table.rows) == 10
    for row in table.rows:
        settings = load(composed(*TINY, *table.overrides(row.cell)))
        assert settings.program == "experiment"
        assert (settings.choice.method, settings.ratio, settings.seed) == (row.criterion, row.ratio, row.draw)
        assert ",".join(settings.repair.steps) == ("" if row.repair == "none" else row.repair)


def test_rows_are_short_and_each_has_a_line(filled: tuple[Path, Table]) -> None:
    folder, table = filled
    (path,) = folder.glob("table-*/table.json")
    lines = [line for line in path.read_text().splitlines() if '"criterion"' in line]
    assert len(lines) == len(table.rows)
    assert max(map(len, lines)) < 300
    assert json.loads(lines[0].strip().rstrip(","))["criterion"] == "random"


def test_the_same_network_is_measured_once(filled: tuple[Path, Table]) -> None:
    _, table = filled
    first, second = (table.find(Cell("l1", "uniform", "none", 0.25, draw)) for draw in (0, 1))
    assert first is not None
    assert second == replace(first, draw=1, seconds=0.0)
    repaired = [table.find(Cell("l1", "uniform", "ls", 0.25, draw)) for draw in (0, 1)]
    assert repaired[0].choice == repaired[1].choice  # type: ignore[union-attr]
    assert repaired[0].nll != repaired[1].nll  # type: ignore[union-attr]


def test_a_killed_table_goes_on_and_a_wider_one_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, baseline: str
) -> None:
    make, made = draws.Draw.make_row, list[Cell]()

    def make_three(self: draws.Draw, cell: Cell, table: Table) -> records.Row:
        made.append(cell)
        if len(made) == 4:
            raise KeyboardInterrupt
        return make(self, cell, table)

    monkeypatch.setattr(draws.Draw, "make_row", make_three)
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, baseline, *GRIDS)
    (path,) = tmp_path.glob("table-*/table.json")
    kept = records.read(path).rows
    assert len(kept) == 3
    whole = fill(tmp_path, baseline, *GRIDS)
    assert whole.rows[:3] == kept
    assert len(made) == len(whole.rows) + 1  # the one that was killed came again
    wider = fill(tmp_path, baseline, *GRIDS, "table.ratios=[0.25,0.5]")
    assert wider.rows[: len(whole.rows)] == whole.rows
    assert len(made) == len(wider.rows) + 1


def test_another_config_is_another_table(filled: tuple[Path, Table], baseline: str) -> None:
    folder, table = filled
    others = [
        fill(folder, baseline, "table.criteria=[l1]", "table.repairs=[none]", change)
        for change in ("repair.images=8", "method.joined=expand", "budget=params")
    ]
    assert len({table.digest, *(other.digest for other in others)}) == 4


def test_a_cell_that_cannot_be_says_why(tmp_path: Path, baseline: str) -> None:
    table = fill(tmp_path, baseline, "table.criteria=[l1]", "table.repairs=[none]", "table.ratios=[0.25,0.99]")
    assert [row.accuracy is None for row in table.rows] == [row.ratio == 0.99 for row in table.rows]
    assert all("0.99" in str(row.refused) and "cannot be met" in str(row.refused) for row in table.rows if row.refused)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("table.criteria=[l9]",), r"method=l1 is none of table.criteria"),
        (("table.criteria=[l1,l9]",), r"method must be one of .* got 'l9'"),
        (("table.criteria=[l1,fcf]",), r"table.criteria takes methods that score filters .* got fcf"),
        (("table.allocations=[widest]",), r"allocation must be one of uniform, .* got 'widest'"),
        (("budget=layer", "table.allocations=[lamp]"), r"allocation=lamp orders what goes until a share"),
        (("table.repairs=[lsq]",), r"table.repairs must be of none, bn, ls, merge, got 'lsq'; did you mean ls"),
        (('table.repairs=["ls,merge"]',), r"merge looks at the network as it was, so it comes first"),
        (("table.ratios=[]",), r"table.ratios must name a number or more"),
        (("table.draws=[-1]",), r"each of table.draws must lie in 0 "),
        (("repair.images=81",), r"repair.images=81 is more than the 64 training images"),
        (("table.criteria=[l1,taylor]", "observe.images=65"), r"observe.images=65 is more than the 64 training images"),
        (("plan=true",), r"plan=true program=table: a command runs one program"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        fill(tmp_path, *overrides)
    assert not list(tmp_path.glob("table-*"))


@pytest.mark.parametrize(
    ("overrides", "chosen"),
    [
        ((), "experiment"),
        (("plan=true",), "plan"),
        (("program=plan",), "plan"),
        (("program=plan", "plan=true"), "plan"),
    ],
)
def test_a_short_form_names_its_program(overrides: tuple[str, ...], chosen: str) -> None:
    assert load(config(*overrides)).program == chosen
