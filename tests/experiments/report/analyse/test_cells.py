"""Cells over their draws, against figures by hand."""

import pytest

from experiments.report.analyse.cells import average_draws, mean_range, rank, refused_rows
from support.tables import four_cells, row, table


def test_means_over_draws_and_one_network_once() -> None:
    cells = {(cell.criterion, cell.allocation, cell.repair): cell for cell in average_draws(four_cells())}
    raw, repaired = cells["l1", "uniform", "none"], cells["l1", "uniform", "ls"]
    assert (raw.accuracy.mean, raw.accuracy.n, raw.accuracy.half) == (0.2, 1, None)
    assert (repaired.accuracy.mean, repaired.accuracy.n) == (pytest.approx(0.81), 2)
    assert repaired.accuracy.half == pytest.approx(12.7062 * 0.01 * 2**0.5 / 2**0.5, rel=1e-4)
    assert cells["random", "uniform", "none"].accuracy.n == 2
    assert (raw.macs_cut.mean, raw.params_cut.mean) == (0.5, 0.6)
    assert [len(cell.rows) for cell in cells.values()] == [2] * 5


def test_the_best_first_and_refused_cells_apart() -> None:
    cells = average_draws(four_cells())
    assert [(cell.criterion, cell.allocation, cell.repair) for cell in rank(cells)][:2] == [
        ("l1", "lamp", "ls"),
        ("l1", "uniform", "ls"),
    ]
    assert [row.refused for row in refused_rows(four_cells())] == ["macs=0.9 cannot be met"]


def test_how_far_an_axis_reaches() -> None:
    cells = average_draws(four_cells())
    assert mean_range(cells, "repair") == (pytest.approx((0.61 + 0.58) / 2), 2)
    assert mean_range(cells, "criterion") == (pytest.approx((0.08 + 0.11) / 2), 2)
    assert mean_range(cells, "allocation") == (pytest.approx(0.04), 1)
    assert mean_range(average_draws(table([row("l1", "uniform", "ls", 0, 0.8)])), "repair") is None
