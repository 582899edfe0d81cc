"""Cells of a table over their draws. Pure: rows in, means with intervals out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.records.cells import Row, Table
from experiments.report.analyse.estimate import Estimate, estimate
from pruning.repair.names import needs_images, repair_names

Setting = tuple[str, str, str, float]  # criterion, allocation, repair, ratio


@dataclass(frozen=True)
class Measured:
    """One setting over its draws. Draws that give the same network count once: nothing varies there."""

    setting: Setting
    accuracy: Estimate
    flips: Estimate | None
    nll: Estimate | None
    macs_cut: Estimate
    params_cut: Estimate
    rows: tuple[Row, ...]

    @property
    def criterion(self) -> str:
        return self.setting[0]

    @property
    def allocation(self) -> str:
        return self.setting[1]

    @property
    def repair(self) -> str:
        return self.setting[2]

    @property
    def ratio(self) -> float:
        return self.setting[3]


def average_draws(table: Table) -> list[Measured]:
    """In the order of the rows; settings that no draw could be made of are not among them."""
    return [summarise(table, setting, rows) for setting, rows in group_rows(table).items()]


def group_rows(table: Table) -> dict[Setting, list[Row]]:
    groups: dict[Setting, list[Row]] = {}
    for row in table.rows:
        if row.accuracy is not None:
            groups.setdefault((row.criterion, row.allocation, row.repair, row.ratio), []).append(row)
    return groups


def summarise(table: Table, setting: Setting, rows: list[Row]) -> Measured:
    distinct = list({network_of(row): row for row in rows}.values())
    return Measured(
        setting,
        accuracy=estimate([row.accuracy or 0.0 for row in distinct]),
        flips=estimate_all([row.flips for row in distinct]),
        nll=estimate_all([row.nll for row in distinct]),
        macs_cut=estimate([1 - (row.macs or 0) / table.dense.macs for row in distinct]),
        params_cut=estimate([1 - (row.params or 0) / table.dense.params for row in distinct]),
        rows=tuple(rows),
    )


def estimate_all(values: Sequence[float | None]) -> Estimate | None:
    """None where one is missing."""
    present = [value for value in values if value is not None]
    return estimate(present) if len(present) == len(values) else None


def network_of(row: Row) -> tuple[str | None, int | None]:
    """What tells apart the networks of a setting."""
    return row.choice, row.draw if needs_images(repair_names(row.repair)) else None


def rank(cells: Iterable[Measured]) -> list[Measured]:
    """The best mean first."""
    return sorted(cells, key=lambda cell: -cell.accuracy.mean)


def refused_rows(table: Table) -> list[Row]:
    return [row for row in table.rows if row.refused is not None]


AXES = ("criterion", "allocation", "repair")


def mean_range(cells: Sequence[Measured], axis: str) -> tuple[float, int] | None:
    """By how much accuracy differs along one axis where the other two and the ratio stay: the range, best less worst,
    averaged over all groups of two or more; and how many groups there are."""
    place = AXES.index(axis)
    groups: dict[tuple[object, ...], list[float]] = {}
    for cell in cells:
        others = tuple(value for number, value in enumerate(cell.setting) if number != place)
        groups.setdefault(others, []).append(cell.accuracy.mean)
    ranges = [max(group) - min(group) for group in groups.values() if len(group) > 1]
    return (sum(ranges) / len(ranges), len(ranges)) if ranges else None
