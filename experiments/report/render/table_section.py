"""What is left without training: a section of the page, Markdown and CSV for each table.json. Plain values only."""

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import fields

from experiments.records.cells import Row, Table
from experiments.report.analyse.cells import AXES, Measured, average_draws, mean_range, rank, refused_rows
from experiments.report.analyse.estimate import Estimate
from experiments.report.load.text import csv_cell, escape_markdown, printable
from experiments.report.render.cells import MISSING, format_estimate
from experiments.report.render.heat_map import heat_maps
from experiments.system.checkout import command
from experiments.system.format import percent, share_asked

View = dict[str, object]
Text = tuple[str, float | None]  # and the number that it is sorted by
NAMES = ("criterion", "allocation", "repair", "removed")
FIGURES = ("accuracy, %", "unlike dense, %", "nll", "MACs cut, %", "params cut, %", "networks")


def table_view(table: Table) -> View:
    cells = average_draws(table)
    return {
        "title": f"{printable(table.model)} on {printable(table.data)}",
        "id": table.digest[:8],
        "dense": percent(table.dense.accuracy),
        "images": table.images,
        "tested": table.tested,
        "facts": {name: printable(text) for name, text in describe_making(table).items()},
        "draws": len({row.draw for row in table.rows}),
        "count": len(table.rows),
        "ratios": [ratio_view(table, ratio, cells) for ratio in sorted({cell.ratio for cell in cells})],
        "head": (*NAMES, *FIGURES),
        "rows": [row_view(table, cell) for cell in rank(cells)],
        "refused": [
            {"cell": printable(str(row.cell)), "why": printable(str(row.refused))} for row in refused_rows(table)
        ],
    }


def describe_making(table: Table) -> dict[str, str]:
    return {"command": table.command, "device": table.device, "commit": table.git_commit or MISSING}


def ratio_view(table: Table, ratio: float, cells: Sequence[Measured]) -> View:
    here = [cell for cell in cells if cell.ratio == ratio]
    best = rank(here)[0]
    ranges = {axis: mean_range(here, axis) for axis in AXES}
    return {
        "asked": share_asked(ratio, table.budget),
        "best": describe(best),
        "accuracy": format_estimate(best.accuracy, "share"),
        "ranges": [(axis, f"{100 * found[0]:.1f}", found[1]) for axis, found in ranges.items() if found],
        "maps": list(heat_maps(here, 1 / table.classes, table.dense.accuracy)),
    }


def describe(cell: Measured) -> str:
    repaired = f"repaired by {cell.repair}" if cell.repair != "none" else "without repair"
    return printable(f"{cell.criterion}, {cell.allocation} allocation, {repaired}")


def row_view(table: Table, cell: Measured) -> View:
    asked = (share_asked(cell.ratio, table.budget), cell.ratio)
    return {
        "names": [printable(name) for name in (cell.criterion, cell.allocation, cell.repair)],
        "asked": asked,
        "figures": figures(cell),
        "runs": [run_view(table, row) for row in cell.rows],
    }


def figures(cell: Measured) -> list[Text]:
    shown: list[tuple[Estimate | None, str]] = [(cell.accuracy, "share"), (cell.flips, "share"), (cell.nll, "nats")]
    shown += [(cell.macs_cut, "cut"), (cell.params_cut, "cut")]
    texts = [(format_estimate(figure, unit), figure.mean) if figure else (MISSING, None) for figure, unit in shown]
    return [*texts, (str(cell.accuracy.n), float(cell.accuracy.n))]


def run_view(table: Table, row: Row) -> View:
    return {
        "draw": row.draw,
        "accuracy": percent(row.accuracy or 0.0),
        "choice": printable(row.choice or MISSING),
        "command": clean(shell_words(table.overrides(row.cell))),
    }


def markdown_table(table: Table) -> str:
    title = f"{table.model} on {table.data}, dense {percent(table.dense.accuracy)}, without training"
    lines = [(*NAMES, *FIGURES), ("---",) * len((*NAMES, *FIGURES))]
    for cell in rank(average_draws(table)):
        names = [escape_markdown(name) for name in (cell.criterion, cell.allocation, cell.repair)]
        lines.append((*names, share_asked(cell.ratio, table.budget), *(text for text, _ in figures(cell))))
    return "\n".join([escape_markdown(title), "", *(f"| {' | '.join(line)} |" for line in lines)])


def csv_table(tables: Sequence[Table]) -> str:
    """A line a row, numbers as they are."""
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    names = [field.name for field in fields(Row)]
    lines.writerow(("model", "data", "budget", *names, "command"))
    for table in tables:
        for row in table.rows:
            values = (getattr(row, name) for name in names)
            cells = [value if isinstance(value, int | float) else csv_cell(str(value or "")) for value in values]
            head = [csv_cell(text) for text in (table.model, table.data, table.budget)]
            lines.writerow([*head, *cells, clean(shell_words(table.overrides(row.cell)))])
    return file.getvalue()


def clean(text: str) -> str:
    """Whole, however long: it is to be typed."""
    return "".join(printable(mark) for mark in text)


def shell_words(overrides: Sequence[str]) -> str:
    return f"{command()} {shlex.join(overrides)}"
