"""Accuracy without training, as tables whose cells are the darker the more of the dense accuracy is left."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from experiments.report.analyse.cells import Measured
from experiments.report.load.text import printable
from experiments.report.render.cells import MISSING, format_estimate

View = dict[str, object]
Grid = Mapping[tuple[str, str], Measured]  # by row and column


def heat_maps(cells: Sequence[Measured], chance: float, dense: float) -> Iterator[View]:
    """Criteria against the repairs and allocations that two or more of them have; then, for each criterion that has
    more, its allocations against its repairs. Columns in the order of the cells."""
    repairs, allocations = (unique(getattr(cell, axis) for cell in cells) for axis in ("repair", "allocation"))
    pairs = [f"{repair} {allocation}" for repair, allocation in product(repairs, allocations)]
    shared = [cell for cell in cells if len({c.criterion for c in cells if pair(c) == pair(cell)}) > 1]
    if shared:
        yield heat_map("criterion", {(cell.criterion, pair(cell)): cell for cell in shared}, pairs, chance, dense)
    for criterion in unique(cell.criterion for cell in cells):
        own = [cell for cell in cells if cell.criterion == criterion]
        if any(cell not in shared for cell in own):
            grid = {(cell.allocation, cell.repair): cell for cell in own}
            yield heat_map(f"allocation ({criterion})", grid, repairs, chance, dense)


def pair(cell: Measured) -> str:
    return f"{cell.repair} {cell.allocation}"


def heat_map(corner: str, grid: Grid, order: Sequence[str], chance: float, dense: float) -> View:
    """Rows with the best mean first; of the columns in this order those that there are."""
    columns = [column for column in order if any(column == name for _, name in grid)]
    rows = sorted({row for row, _ in grid}, key=lambda row: -mean_of(row, grid))
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


def mean_of(row: str, grid: Grid) -> float:
    means = [cell.accuracy.mean for (name, _), cell in grid.items() if name == row]
    return sum(means) / len(means)


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
