"""A network whose removed filters are multiples of kept ones is restored exactly; off such a path it stays."""

import torch
from torch import Tensor, nn

from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.repair.merging import merge_filters
from pruning.selection import Selection
from pruning.surgery.compact import build_small
from pruning.testing import images, randomised, relative

SHAPE = (3, 8, 8)
KEPT = torch.arange(6) < 3


@torch.no_grad()
def double(conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None, factor: float = 2.5) -> None:
    """The last three filters become multiples of the first three, by way of the norm behind them too."""
    conv.weight[3:] = factor * conv.weight[:3]
    if conv.bias is not None:
        conv.bias[3:] = factor * conv.bias[:3]
    if norm is not None:  # that is given a multiple, and makes the same multiple of it
        norm.running_mean[3:], norm.running_var[3:] = factor * norm.running_mean[:3], norm.running_var[:3]
        norm.weight[3:], norm.bias[3:] = norm.weight[:3], factor * norm.bias[:3]


def merged(network: nn.Module, names: tuple[str, ...]) -> tuple[float, list[str], list[str]]:
    graph = trace(network, SHAPE)
    after = analyse(graph, Selection.of_rows(network, dict.fromkeys(names, KEPT)))
    start, done, left = merge_filters(network, after)
    with torch.no_grad():
        return relative(network(images(SHAPE)), build_small(start, after)(images(SHAPE))), done, left


def test_multiples_of_kept_filters_are_restored_through_norm_activation_and_pooling() -> None:
    layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3)]
    network = randomised(nn.Sequential(*layers, nn.LeakyReLU(), nn.Flatten(), nn.Linear(6, 4)))
    double(network[0], network[1])
    double(network[4])
    error, done, left = merged(network, ("0", "4"))
    assert (done, left) == (["0", "4"], [])
    assert error < 1e-12


def test_the_features_of_a_filter_behind_a_flattening_are_merged_place_by_place() -> None:
    network = randomised(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 4)))
    double(network[0])
    error, done, _ = merged(network, ("0",))
    assert done == ["0"]
    assert error < 1e-12


class Dense(nn.Module):
    """One convolution that two read, each by way of its own norm, one of them beside other channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 5, 1), nn.Conv2d(11, 4, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(6), nn.BatchNorm2d(11)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = self.second(torch.relu(self.norms[0](x)))
        return self.last(torch.relu(self.norms[1](torch.cat([y, x], 1))))


def test_every_reader_is_merged_by_its_own_norm() -> None:
    network = randomised(Dense())
    double(network.first, network.norms[0])
    with torch.no_grad():  # equal filters here, multiples there
        norm = network.norms[1]
        norm.running_mean[8:] = 2.5 * norm.running_mean[5:8]
        norm.running_var[8:] = 2.5**2 * (norm.running_var[5:8] + norm.eps) - norm.eps
        norm.weight[8:], norm.bias[8:] = norm.weight[5:8], norm.bias[5:8]
    error, done, left = merged(network, ("first",))
    assert (done, left) == (["first"], [])
    assert error < 1e-12


def test_what_ends_in_an_addition_or_another_activation_stays_and_is_named() -> None:
    class Off(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.block, self.last = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.last(x + nn.functional.silu(self.block(x)))

    network = randomised(Off())
    graph = trace(network, SHAPE)
    after = analyse(graph, Selection.of_rows(network, {"stem": KEPT, "block": KEPT}))
    start, done, left = merge_filters(network, after)
    assert (done, left) == ([], ["stem", "block"])
    assert torch.equal(start.last.weight, network.last.weight)


def test_a_filter_that_is_like_none_is_left_alone() -> None:
    network = randomised(nn.Sequential(nn.Conv2d(3, 6, 1, bias=False), nn.ReLU(), nn.Conv2d(6, 4, 1)))
    with torch.no_grad():
        network[0].weight[:3], network[0].weight[3:] = 1.0, -1.0
    after = analyse(trace(network, SHAPE), Selection.of_rows(network, {"0": KEPT}))
    start, _, _ = merge_filters(network, after)
    assert torch.equal(start[2].weight, network[2].weight)
