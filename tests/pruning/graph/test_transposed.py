"""Transposed convolutions: their rows and columns are cut like a convolution's, and methods rank their filters."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import pruning
from pruning.graph.cost import predict
from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.methods.gates.gate import attach_gates, gate_targets
from pruning.selection import Selection, filters_first
from pruning.surgery import compact, mask
from pruning.surgery.forms import to_grouped
from pruning.testing import assert_small_is_masked, images, random_rows, randomised, relative
from support.dead_channels import assert_dead_is_zero

SHAPE = (3, 8, 8)


class Decoder(nn.Module):
    """A U-Net of one step: down, up by a transposed convolution, joined with what came in."""

    def __init__(self, up: nn.Module, wide: int = 6, sized: bool = False) -> None:
        super().__init__()
        self.first, self.down = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, 2, 1)
        self.up, self.norm, self.last = up, nn.BatchNorm2d(wide), nn.Conv2d(wide + 6, 4, 3, padding=1)
        self.sized = sized

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        y = self.down(x).relu()
        y = self.up(y, output_size=x.shape[2:]) if self.sized else self.up(y)
        return self.last(torch.cat([self.norm(y).relu(), x], 1))


UPS: dict[str, Callable[[], nn.Module]] = {
    "doubled": lambda: Decoder(nn.ConvTranspose2d(8, 6, 2, 2)),
    "overlapping": lambda: Decoder(nn.ConvTranspose2d(8, 6, 3, 2, 1, output_padding=1, bias=False)),
    "dilated": lambda: Decoder(nn.ConvTranspose2d(8, 6, 2, 2, 1, output_padding=1, dilation=2)),
    "sized": lambda: Decoder(nn.ConvTranspose2d(8, 6, 3, 2, 1), sized=True),
    "depthwise": lambda: Decoder(nn.ConvTranspose2d(8, 8, 2, 2, groups=8), 8),
    "grouped": lambda: Decoder(nn.ConvTranspose2d(8, 6, 2, 2, groups=2)),
    "by a function": lambda: Decoder(ByFunction(8, 6, 2)),
}


class ByFunction(nn.ConvTranspose2d):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return nn.functional.conv_transpose2d(x, self.weight, self.bias, 2)


@pytest.mark.parametrize("name", UPS)
def test_small_is_masked(name: str) -> None:
    network = randomised(UPS[name]())
    graph = trace(network, SHAPE)
    for seed in range(3):
        choice = random_rows(graph, 0.5, seed)
        assert_dead_is_zero(network, choice, graph, SHAPE)
        small = assert_small_is_masked(network, choice, SHAPE, graph=graph)
    small.train()(images(SHAPE)).square().sum().backward()
    assert ("up" in graph.convolutions()) == (name != "grouped")


def test_kernels_and_their_groups() -> None:
    network = randomised(UPS["overlapping"]())
    kernels = torch.arange(48).view(6, 8) % 3 > 0
    choice = Selection({"up": kernels.roll(1, 1)})
    graph = trace(network, SHAPE)
    small = assert_small_is_masked(network, choice, SHAPE, graph=graph)
    assert relative(mask(network, choice, SHAPE)(images(SHAPE)), to_grouped(small)(images(SHAPE))) < 1e-12
    before = predict(analyse(graph, Selection({})))
    assert before.macs - predict(analyse(graph, choice)).macs == 16 * 9 * 4 * 4  # a third of 48 kernels, 4x4 inputs


def test_its_filters_are_the_second_axis_of_its_weight() -> None:
    network = UPS["doubled"]()
    assert Selection.full(network)["up"].shape == (6, 8)
    rows = torch.tensor([True, False, True, True, False, True])
    small = compact(network, Selection.of_rows(network, {"up": rows}), SHAPE)
    assert torch.equal(small.up.weight, network.up.weight[:, rows])
    assert torch.equal(filters_first(small.up.weight, small.up), filters_first(network.up.weight, network.up)[rows])


def test_l1_drops_its_smallest_filters() -> None:
    network = UPS["doubled"]()
    with torch.no_grad():
        network.up.weight[:, 2] = 0.001
    pruned = pruning.prune(network, torch.randn(1, *SHAPE), "l1", layer={"up": 5})
    assert pruned.selection["up"].any(1).tolist() == [True, True, False, True, True, True]


@pytest.mark.parametrize("kind", ["filter", "norm"])
def test_a_gate_scales_its_filters(kind: str) -> None:
    network = UPS["doubled"]()
    network.norm = nn.Identity()  # so that both kinds sit on the convolution
    closed = copy.deepcopy(network)
    targets = gate_targets(trace(network, SHAPE), ["up"], kind)
    gate = attach_gates(network, targets, {"up": torch.ones(6)})["up"]
    with torch.no_grad():
        gate.v[2] = 0
        filters_first(closed.up.weight, closed.up)[2] = 0
        if kind == "norm":
            closed.up.bias[2] = 0
    assert torch.equal(network(torch.ones(1, *SHAPE)), closed(torch.ones(1, *SHAPE)))


def test_group_wise_pruning_leaves_it_whole() -> None:
    plan = pruning.plan(UPS["doubled"](), torch.randn(1, *SHAPE), "group2d", layer=0.5, groups=2)
    assert "transposed: kernels are chosen in plain convolutions" in str(plan)
