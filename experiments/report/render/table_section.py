"""What is left without training: a section of the page, Markdown and CSV for each table.json. Plain values only."""

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import fields
from math import hypot
from statistics import fmean

import numpy as np

from experiments.records.cells import Row, Table
from experiments.report.analyse.cells import AXES, Measured, average_draws, mean_range, rank, refused_rows
from experiments.report.analyse.estimate import Estimate
from experiments.report.analyse.fairness import SAME_RATE
from experiments.report.analyse.sampling_error import errors_by_binomial
from experiments.report.load.text import csv_cell, escape_markdown, join_words, printable
from experiments.report.render.cells import MINUS, MISSING, format_estimate
from experiments.report.render.heat_map import heat_maps
from experiments.report.render.sentences import Claim
from experiments.system.checkout import command
from experiments.system.format import percent, share_asked

View = dict[str, object]
RULE = "A lead is clear where it is larger than the sampling error of the {count} test images."
ONE_DRAW = " Images for its repair were drawn once: how much another draw would change is not known."
NEAREST = 6  # cells named from which the best does not differ clearly
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
        "draws": number_words([cell.accuracy.n for cell in cells]),
        "repeated": sum(cell.accuracy.n > 1 for cell in cells),
        "count": len(cells),
        "ratios": (ratios := [ratio_view(table, ratio, cells) for ratio in sorted({cell.ratio for cell in cells})]),
        "headline": headline(ratios, table.tested),
        "off": describe_off(cells_off_budget(table, cells)),
        "head": (*NAMES, *FIGURES),
        "rows": [row_view(table, cell) for cell in sorted(rank(cells), key=lambda cell: cell.ratio)],
        "refused": [
            {"cell": printable(str(row.cell)), "why": printable(str(row.refused))} for row in refused_rows(table)
        ],
    }


def number_words(numbers: Sequence[int]) -> str:
    """How many draws, and that not all cells have as many."""
    low, high = min(numbers, default=0), max(numbers, default=0)
    return str(high) if low == high else f"{low} to {high}"


def describe_making(table: Table) -> dict[str, str]:
    return {"command": table.command, "device": table.device, "commit": table.git_commit or MISSING}


def headline(ratios: Sequence[View], tested: int) -> Claim:
    """The best cell nearest to half, and whether that is certain; the table below has all ratios."""
    if not ratios:
        return Claim([("No cell could be made.", False)])
    near = min(ratios, key=lambda ratio: abs(float(str(ratio["ratio"])) - 0.5))
    sure = ", no clear lead" if near["count"] else ", ahead of all others"
    line = [
        (f"{MINUS}{near['asked']}: ", False),
        (str(near["best"]), True),
        (f" has {near['accuracy']} %{sure}.", False),
    ]
    drawn = ONE_DRAW if near["draws"] == 1 else ""
    return Claim(line, f"{RULE.format(count=tested)}{drawn}")


def cells_off_budget(table: Table, cells: Sequence[Measured]) -> list[Measured]:
    """Not one cut with the others: by more than rates of one cut may differ."""
    of = {"macs": "macs_cut", "params": "params_cut"}.get(table.budget)
    return [cell for cell in cells if of and abs(getattr(cell, of).mean - cell.ratio) > SAME_RATE + 1e-9]


def describe_off(cells: Sequence[Measured]) -> list[str]:
    """Each network once, however it was repaired."""
    found = {(cell.criterion, cell.allocation, cell.ratio): cell for cell in cells}.values()
    return [
        printable(f"{cell.criterion} ({cell.allocation}) {percent(cell.macs_cut.mean, 1)} for {percent(cell.ratio, 0)}")
        for cell in found
    ]


def level_with_best(table: Table, cells: Sequence[Measured]) -> list[Measured]:
    """Those but the best whose means lie within the error of the test set, and of draws where there are several."""
    best, *others = rank(cells)
    return [cell for cell in others if best.accuracy.mean - cell.accuracy.mean <= lead_half(table, best, cell)]


def lead_half(table: Table, best: Measured, other: Measured) -> float:
    shares = np.array([best.accuracy.mean, other.accuracy.mean])
    testset = 1.96 * float(errors_by_binomial(shares, table.tested)[0, 1])
    return hypot(testset, best.accuracy.half or 0.0, other.accuracy.half or 0.0)


def repair_words(cells: Sequence[Measured]) -> str:
    """What each repair brings, the mean over networks that have both: over none, and merging before another over that
    other alone, so that all are told on their own networks."""
    means = {cell.setting: cell.accuracy.mean for cell in cells}
    gains: dict[tuple[str, str], list[float]] = {}
    for (criterion, allocation, repair, ratio), mean in means.items():
        over = repair.partition(",")[2] or "none"
        plain = means.get((criterion, allocation, over, ratio))
        if repair != "none" and plain is not None:
            gains.setdefault((repair.partition(",")[0], over), []).append(100 * (mean - plain))
    order = sorted(gains, key=lambda pair: (-len(gains[pair]), -fmean(gains[pair])))
    return "; ".join(gain_words(*pair, gains[pair]) for pair in order)


def gain_words(repair: str, over: str, gains: Sequence[float]) -> str:
    what = repair if over == "none" else f"{repair} before {over}"
    counted = f"{len(gains)} network{'s' if len(gains) > 1 else ''}"
    return f"{what} {fmean(gains):+.1f}".replace("-", MINUS) + f" ({counted})"


def name_cells(cells: Sequence[Measured]) -> str:
    named = [f"{describe(cell)} {percent(cell.accuracy.mean)}" for cell in cells[:NEAREST]]
    return join_words(named + [f"{len(cells) - NEAREST} more"] * (len(cells) > NEAREST))


def ratio_view(table: Table, ratio: float, cells: Sequence[Measured]) -> View:
    here = [cell for cell in cells if cell.ratio == ratio]
    best, level = rank(here)[0], level_with_best(table, here)
    ranges = {axis: mean_range(here, axis) for axis in AXES}
    return {
        "ratio": ratio,
        "asked": share_asked(ratio, table.budget),
        "best": describe(best),
        "accuracy": format_estimate(best.accuracy, "share"),
        "level": name_cells(level),
        "count": len(level),
        "draws": best.accuracy.n,
        "repairs": repair_words(here),
        "ranges": [(axis, f"{100 * found[0]:.1f}", found[1]) for axis, found in ranges.items() if found],
        "maps": list(heat_maps(here, cells, 1 / table.classes, table.dense.accuracy)),
    }


def describe(cell: Measured) -> str:
    return printable(f"{cell.criterion} ({cell.allocation}, {cell.repair})")


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
