"""Accuracy without training, as tables whose cells are the darker the more of the dense accuracy is left."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean

from experiments.report.analyse.cells import Measured
from experiments.report.load.grouping import group_by
from experiments.report.load.text import printable
from experiments.report.render.cells import MISSING, format_estimate

View = dict[str, object]
Grid = Mapping[tuple[str, str], Measured]  # by row and column


def heat_maps(cells: Sequence[Measured], every: Sequence[Measured], chance: float, dense: float) -> Iterator[View]:
    """Criteria against the repairs and allocations that two or more of them have; then, for each criterion that has
    more, its allocations against its repairs. Columns in the order of the cells; rows in one order for `every` cut, so
    that a row is found at the same place in each map."""
    repairs, allocations = (unique(getattr(cell, axis) for cell in cells) for axis in ("repair", "allocation"))
    pairs = [f"{repair} {allocation}" for repair, allocation in product(repairs, allocations)]
    shared = [cell for cell in cells if len({c.criterion for c in cells if pair(c) == pair(cell)}) > 1]
    if shared:
        named = {pair(cell) for cell in shared}
        rows = names_by_best([cell for cell in every if pair(cell) in named], "criterion")
        yield heat_map("criterion", {(cell.criterion, pair(cell)): cell for cell in shared}, rows, pairs, chance, dense)
    for criterion in unique(cell.criterion for cell in cells):
        own = [cell for cell in cells if cell.criterion == criterion]
        if any(cell not in shared for cell in own):
            grid = {(cell.allocation, cell.repair): cell for cell in own}
            rows = names_by_best([cell for cell in every if cell.criterion == criterion], "allocation")
            yield heat_map(f"allocation ({criterion})", grid, rows, repairs, chance, dense)


def pair(cell: Measured) -> str:
    return f"{cell.repair} {cell.allocation}"


def names_by_best(cells: Iterable[Measured], axis: str) -> list[str]:
    """By the best that each reaches at a cut, the mean over cuts."""
    by_name = group_by(cells, lambda cell: str(getattr(cell, axis)))
    return sorted(by_name, key=lambda name: -fmean(best_by_ratio(by_name[name]).values()))


def best_by_ratio(cells: Iterable[Measured]) -> dict[float, float]:
    by_ratio = group_by(cells, lambda cell: cell.ratio)
    return {ratio: max(cell.accuracy.mean for cell in at) for ratio, at in by_ratio.items()}


def heat_map(
    corner: str, grid: Grid, row_order: Sequence[str], column_order: Sequence[str], chance: float, dense: float
) -> View:
    """In these orders, of the rows and the columns those that there are."""
    rows = [row for row in row_order if any(row == name for name, _ in grid)]
    columns = [column for column in column_order if any(column == name for _, name in grid)]
    best = max(cell.accuracy.mean for cell in grid.values())
    return {
        "corner": printable(corner),
        "columns": [printable(column) for column in columns],
        "rows": [
            {
                "name": printable(row),
                "cells": [heat_cell(grid.get((row, column)), chance, dense, best) for column in columns],
            }
            for row in rows
        ],
    }


def heat_cell(cell: Measured | None, chance: float, dense: float, best: float) -> View:
    """`share`: how much of what the dense network has above chance is left, in whole percent."""
    if cell is None:
        return {"text": MISSING, "share": 0}
    left = (cell.accuracy.mean - chance) / max(dense - chance, 1e-9)
    mean, _, half = format_estimate(cell.accuracy, "share").partition(" ")
    return {
        "text": mean,
        "half": half,
        "best": cell.accuracy.mean == best,
        "share": round(100 * min(max(left, 0.0), 1.0)),
    }


def unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
