"""Which cells a table has, and what decides their figures. Imports no torch."""

import itertools

from experiments.config import schema
from experiments.records.cells import Cell
from pruning.repair.names import NONE, repair_names


def list_cells(table: schema.Table) -> list[Cell]:
    """Each once, draw by draw; cells that share what they choose stand together."""
    grids = (table, table.also)
    return list(
        dict.fromkeys(
            Cell(criterion, allocation, repair, ratio, draw)
            for draw, ratio, grid in itertools.product(table.draws, table.ratios, grids)
            for criterion, allocation in itertools.product(grid.criteria, grid.allocations)
            for repair in map(canonical_repair, grid.repairs)
        )
    )


def canonical_repair(repair: str) -> str:
    return ",".join(repair_names(repair)) or NONE
