"""What a sweep has found, as a table for the terminal: mean and interval over seeds, by method and cut. No torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.records.jobs import Job
from experiments.records.record import Record
from experiments.records.record import read as read_record
from experiments.system.console import console

if TYPE_CHECKING:
    from experiments.report.analyse.configurations import Comparison  # brings scipy

ROWS = 40  # more are for the page
LONGEST = 16  # letters of a word that is not broken


def show(folder: Path, all_jobs: list[Job]) -> None:
    """Of all records that its jobs have made."""
    from experiments.report.analyse.configurations import build_comparisons
    from experiments.report.load.runs import Run

    runs = [Run(record, path) for path in record_paths(folder, all_jobs) if (record := load(path)) is not None]
    for comparison in build_comparisons(runs):
        console.print(result_table(comparison))


def record_paths(folder: Path, all_jobs: list[Job]) -> list[Path]:
    return sorted({folder / job.run / "record.json" for job in all_jobs if job.run})


def load(path: Path) -> Record | None:
    try:
        return read_record(path)
    except (OSError, ValueError):  # a table's, or of a job that did not come so far
        return None


def result_table(comparison: "Comparison") -> Table:
    """Best mean of each cut in bold."""
    from experiments.report.render.cells import budget_text, format_estimate

    table = Table(title=Text(comparison.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.collapse_padding, table.pad_edge = True, False  # 80 columns are enough
    words = [word for row in comparison.configurations for word in row.curve.split()]
    table.add_column("method", overflow="fold", min_width=min(LONGEST, max(map(len, words), default=0)))
    for name in ("asked", "MACs", "test accuracy %", "points", "seeds"):
        table.add_column(name, justify="right", no_wrap=True)
    best: dict[str, float] = {}
    for row in comparison.configurations:
        best[budget_text(row)] = max(best.get(budget_text(row), 0.0), row.accuracy.mean)
    for row in comparison.configurations[:ROWS]:
        style = "bold" if row.accuracy.mean == best[budget_text(row)] else ""
        accuracy, change = format_estimate(row.accuracy, "share"), format_estimate(row.change, "points")
        macs = f"-{100 * row.macs_cut:.1f} %"
        table.add_row(Text(row.curve), budget_text(row), macs, accuracy, change, str(len(row.runs)), style=style)
    if len(comparison.configurations) > ROWS:
        table.caption = f"and {len(comparison.configurations) - ROWS} more on the page"
    return table
