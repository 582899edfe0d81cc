"""Convolutions that are not plain: grouped, depthwise, dilated, transposed, subclassed."""

import copy

import pytest
import torch
from torch import nn

from pruning.graph.graph import trace
from pruning.models import initialise
from pruning.selection import Selection
from pruning.testing import assert_small_is_masked, random_rows, randomised
from support.around import Around


def behind(*layers: nn.Module, then: int = 8) -> nn.Module:
    return randomised(initialise(Around(nn.Sequential(*layers), then=then), 0))


def grouped(rows: list[int], layer: nn.Module, of: str = "before") -> nn.Conv2d:
    whole = behind(layer)
    kept = torch.zeros(8, dtype=torch.bool)
    kept[rows] = True
    return assert_small_is_masked(whole, Selection.of_rows(whole, {of: kept}), (3, 6, 6)).get_submodule("middle.0")


@pytest.mark.parametrize(
    ("rows", "groups", "wide_in", "wide_out"),
    [
        ([0, 1, 4, 5], 2, 4, 4),  # groups 1 and 3 are gone
        ([0, 4], 2, 2, 4),  # one column in each of two groups
        ([0, 1, 4], 2, 4, 4),  # unequal groups: the larger sets the rectangle
        ([3], 1, 1, 2),
    ],
)
def test_a_grouped_convolution_loses_groups_and_columns(
    rows: list[int], groups: int, wide_in: int, wide_out: int
) -> None:
    small = grouped(rows, nn.Conv2d(8, 8, 3, padding=1, groups=4))
    assert (small.groups, small.in_channels, small.out_channels) == (groups, wide_in, wide_out)


def test_a_grouped_convolution_loses_rows() -> None:
    small = grouped([0, 3, 5], nn.Conv2d(8, 8, 3, padding=1, groups=4), of="middle.0")
    assert (small.groups, small.in_channels, small.out_channels) == (3, 6, 3)


def test_depthwise_follows_its_input_or_its_own_row() -> None:
    depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    for of in ("before", "middle.0"):
        small = grouped([1, 4, 6], copy.deepcopy(depthwise), of)
        assert (small.groups, small.in_channels, small.out_channels) == (3, 3, 3)


def test_depthwise_with_two_filters_for_each_input() -> None:
    whole = behind(nn.Conv2d(8, 16, 3, padding=1, groups=8), then=16)
    rows = torch.arange(16) % 3 == 0
    small = assert_small_is_masked(whole, Selection.of_rows(whole, {"middle.0": rows}), (3, 6, 6))
    assert (small.before.out_channels, small.after.in_channels) == (6, 6)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, padding=2, dilation=2),
        nn.Conv2d(8, 8, (1, 3), padding=(0, 1), bias=False),
        nn.Conv2d(8, 8, 3, padding="same", padding_mode="reflect"),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"),
    ],
)
def test_other_convolutions(layer: nn.Module) -> None:
    whole = behind(layer)
    graph = trace(whole, (3, 6, 6))
    for seed in range(3):
        assert_small_is_masked(whole, random_rows(graph, 0.5, seed), (3, 6, 6), graph=graph)


def test_a_transposed_convolution_keeps_its_channels_and_its_cost() -> None:
    whole = behind(nn.ConvTranspose2d(8, 8, 3, padding=1), nn.ConvTranspose2d(8, 8, 2, stride=2), nn.MaxPool2d(2))
    rows = {"before": torch.arange(8) < 3, "after": torch.arange(5) < 3}
    small = assert_small_is_masked(whole, Selection.of_rows(whole, rows), (3, 6, 6))
    assert (small.before.out_channels, small.after.in_channels) == (3, 8)


class Sharpened(nn.Conv2d):
    """A subclass: what it computes is its own affair."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


def test_a_subclass_is_not_cut() -> None:
    whole = behind(Sharpened(8, 8, 3, padding=1))
    small = assert_small_is_masked(whole, Selection.of_rows(whole, {"before": torch.arange(8) < 3}), (3, 6, 6))
    assert (small.before.out_channels, small.after.in_channels) == (3, 8)
