"""What the terminal shows of a table: a line a row while it is made, and the best ones of each ratio at the end."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from experiments.config.typed_overrides import shell_command
from experiments.records import cells as records
from experiments.records.cells import Cell, Row, Table
from experiments.report.analyse.cells import Measured, average_draws, rank
from experiments.report.render.cells import MISSING, format_estimate
from experiments.system.checkout import command_of
from experiments.system.console import console, log
from experiments.system.format import clock, percent

BEST = 10  # rows of each ratio


class Progress:
    """`total` cells, of which `todo` are not made yet."""

    def __init__(self, total: int, todo: int) -> None:
        self.total, self.todo, self.done, self.start = total, todo, 0, time.monotonic()
        if todo < total:
            log(f"table: {total - todo} of {total} cells are there already")

    def advance(self, row: Row) -> None:
        self.done += 1
        left = (time.monotonic() - self.start) / self.done * (self.todo - self.done)
        figure = percent(row.accuracy) if row.accuracy is not None else f"refused: {row.refused}"
        place = f"{self.total - self.todo + self.done}/{self.total}"
        log(f"{place:>9}  {row.cell!s:<44} {figure:>9}  {row.seconds:5.1f} s, {clock(left)} left")


def show(table: Table, cells: Sequence[Cell], folder: Path) -> None:
    console.print()
    wanted = {(cell.criterion, cell.allocation, cell.repair, cell.ratio) for cell in cells}
    averaged = [cell for cell in average_draws(table) if cell.setting in wanted]
    for ratio in sorted({cell.ratio for cell in averaged}):
        best = rank(cell for cell in averaged if cell.ratio == ratio)
        console.print(best_rows(table, ratio, best[:BEST]))
        log(f"the first as a full run: {shell_command(table.overrides(best[0].rows[0].cell))}")
    log(f"table        {folder / records.FILE}")
    log(f"page         {command_of('report')} {folder}")


def best_rows(table: Table, ratio: float, best: Sequence[Measured]) -> RichTable:
    title = f"{table.model} on {table.data}, ratio {ratio:g} ({table.budget}), dense {percent(table.dense.accuracy)}"
    shown = RichTable(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in ("criterion", "allocation", "repair"):
        shown.add_column(name, no_wrap=True)
    for name in ("test accuracy", "unlike dense", "MACs", "parameters", "networks"):
        shown.add_column(name, justify="right", no_wrap=True)
    for cell in best:
        figures = (cell.accuracy, cell.flips)
        accuracy, flips = (format_estimate(figure, "share") if figure else MISSING for figure in figures)
        cuts = (f"-{percent(figure.mean, 1)}" for figure in (cell.macs_cut, cell.params_cut))
        shown.add_row(cell.criterion, cell.allocation, cell.repair, accuracy, flips, *cuts, str(cell.accuracy.n))
    return shown
