"""Numbers by hand: t quantiles from a printed table, areas from squared paper."""

from math import sqrt

import pytest

from experiments.report.analyse.estimate import Estimate, estimate, hypervolume


def test_mean_deviation_and_interval_of_three():
    found = estimate([1.0, 2.0, 3.0])
    assert (found.mean, found.std, found.n) == (2.0, 1.0, 3)
    assert found.half == pytest.approx(4.3027 / sqrt(3), abs=1e-4)  # t(0.975, 2 degrees of freedom) = 4.3027
    assert (found.low, found.high) == (2 - found.half, 2 + found.half)


def test_two_have_a_wide_interval():
    assert estimate([0.0, 2.0]).half == pytest.approx(12.7062 * sqrt(2) / sqrt(2), abs=1e-3)  # t(0.975, 1) = 12.7062


def test_one_has_no_spread():
    found = estimate([0.7])
    assert found == Estimate(0.7, None, None, 1)


def test_equal_repetitions_have_an_interval_of_no_width():
    assert estimate([0.5, 0.5]).half == 0


def test_the_area_is_the_union_of_rectangles():
    """Rectangles 3 x 1, 2 x 2 and 1 x 3 from the origin: 3 + 2 + 1."""
    corners = [(3.0, 1.0), (2.0, 2.0), (1.0, 3.0), (1.0, 1.0)]
    assert hypervolume(corners, (0, 0)) == 6
    assert hypervolume([*corners, (-1.0, 9.0), (9.0, -1.0)], (0, 0)) == 6
    assert hypervolume([(3.0, 3.0)], (1, 2)) == 2
    assert hypervolume([], (0, 0)) == 0
