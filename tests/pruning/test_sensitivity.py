"""Each layer alone: the counts that are tried, and what a bound allows."""

import pytest
from torch import nn

from pruning.budget.targets import PerLayer
from pruning.methods.l1 import L1
from pruning.sensitivity import Point, scan, tolerated_ratios

SHAPE = (3, 8, 8)


def chain() -> nn.Sequential:
    convs = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1)
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


def test_one_site_at_a_time_and_equal_counts_once():
    seen = []

    def widths(network: nn.Module) -> float:
        seen.append((network.get_submodule("0").out_channels, network.get_submodule("2").out_channels))
        return seen[-1][0] / 4 + seen[-1][1] / 80

    points = list(scan(chain(), L1(PerLayer(0.5)), SHAPE, 0, [0.5, 0.1, 0.9], widths))
    assert [(p.site, p.ratio, p.kept, p.total) for p in points] == [
        *[("0", 0.1, 3, 4), ("0", 0.5, 2, 4), ("0", 0.9, 1, 4)],
        *[("2", 0.1, 7, 8), ("2", 0.5, 4, 8), ("2", 0.9, 1, 8)],
    ]
    assert seen == [(3, 8), (2, 8), (1, 8), (4, 7), (4, 4), (4, 1)]
    assert [p.accuracy for p in points] == [first / 4 + second / 80 for first, second in seen]
    seen.clear()
    assert len(list(scan(chain(), L1(PerLayer(0.5)), SHAPE, 0, [0.05, 0.1], widths))) == 4
    assert seen == [(3, 8), (4, 7)]


def test_a_ratio_out_of_range():
    with pytest.raises(ValueError, match=r"ratio must lie in \[0, 1\), got 1.0"):
        list(scan(chain(), L1(PerLayer(0.5)), SHAPE, 0, [1.0], lambda network: 0.0))


def test_allowed_ratios_stop_at_the_first_that_loses_too_much():
    accuracies = {"a": (0.90, 0.89, 0.70), "b": (0.80, 0.90, 0.90), "c": (0.90, 0.90, 0.90)}
    points = [
        Point(site, ratio, 1, 2, found)
        for site, all_found in accuracies.items()
        for ratio, found in zip((0.1, 0.3, 0.5), all_found, strict=True)
    ]
    assert tolerated_ratios(points, dense=0.9, bound=0.015) == {"a": 0.3, "b": 0.0, "c": 0.5}
