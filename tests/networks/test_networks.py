"""Every network of torchvision: random filters and random groups of columns, exact, as predicted, trainable."""

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from experiments.benchmarks.memory import read_kilobytes, reset_peak
from pruning.graph.cost import Cost, count_macs, count_params, predict
from pruning.graph.graph import Graph, trace
from pruning.graph.liveness import analyse
from pruning.graph.sites import sites
from pruning.models import initialise, torchvision_network
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.testing import images, random_rows, randomised, relative
from pruning.testing.equality import Shape, assert_order_is_kept

pytestmark = pytest.mark.networks

SIDES = {
    **dict.fromkeys(("alexnet", "squeezenet1_0", "squeezenet1_1"), 64),
    **dict.fromkeys((f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")), 32),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), 64),
    **dict.fromkeys(("resnext50_32x4d", "wide_resnet50_2", "densenet121", "googlenet"), 64),
    "inception_v3": 96,
    **dict.fromkeys(("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet1_0"), 64),
    **dict.fromkeys(("shufflenet_v2_x1_0", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny"), 64),
    **dict.fromkeys(("regnet_x_400mf", "regnet_y_400mf"), 64),
}
RATIOS, SEEDS, TOLERANCE, LIMIT_GB = (0.3, 0.6), (0, 1, 2), 1e-9, 4.0
Case = tuple[str, Callable[[Graph], Selection]]


def spared(graph: Graph) -> list[str]:
    """Filters that are the classes, and those whose sigmoid scales others: no selection of ours removes them."""
    return [name for name, site in sites(graph).items() if site.pinned]


def random_columns(graph: Graph, share: float, seed: int) -> Selection:
    """Four interleaved groups of filters, each with its own input channels, wherever a convolution is wide enough."""
    draws, kernels = torch.Generator().manual_seed(seed), Selection.full(graph.trace.module).to_arrays()
    for name, conv in graph.convolutions().items():
        rows, columns = conv.layer.weight.shape[:2]
        if conv.layer.groups == 1 and columns >= 8 and rows >= 8:
            patterns = torch.rand(4, columns, generator=draws).argsort(1) < columns * share
            kernels[name] = patterns[torch.arange(rows) % 4].numpy()
    return Selection.from_arrays(kernels)


CASES: dict[str, Callable[[Graph], Selection]] = {
    **{
        f"rows {ratio} {seed}": lambda graph, r=ratio, s=seed: random_rows(graph, r, s, spared(graph))
        for ratio in RATIOS
        for seed in SEEDS
    },
    **{f"columns {seed}": lambda graph, s=seed: random_columns(graph, 0.5, s) for seed in SEEDS[:2]},
}


def calibrated(network: nn.Module, shape: Shape) -> nn.Module:
    """Statistics that fit the weights, so that images still matter after a hundred layers."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    torch.manual_seed(0)  # stochastic depth
    with torch.no_grad():
        network.train()(images(shape, 8, seed=1))
    return network.eval()


class Examined:
    """One network, built and traced once."""

    def __init__(self, name: str) -> None:
        self.shape: Shape = (3, SIDES[name], SIDES[name])
        self.network = calibrated(randomised(initialise(torchvision_network(name, 10, self.shape), 0)), self.shape)
        self.graph = trace(self.network, self.shape)
        self.batch = images(self.shape, 2)
        self.whole = predict(analyse(self.graph, Selection({})))

    @torch.no_grad()
    def wanted(self, choice: Selection) -> Tensor:
        return mask(self.network, choice, self.shape, self.graph)(self.batch)

    @torch.no_grad()
    def distance(self, wanted: Tensor, small: nn.Module) -> float:
        """Relative to the largest logit; what differs between images must be far larger than what differs here."""
        distance, variation = relative(wanted, small(self.batch)), relative(wanted, wanted.flip(0))
        assert variation > 1e3 * distance, "nearly constant: equality would prove little"
        return distance

    def check(self, case: str) -> tuple[Cost, float]:
        """What the small network of one case costs, and how far it is from the masked one."""
        gc.collect()  # graph modules point at themselves: the last small network is still there
        choice = CASES[case](self.graph)
        wanted = self.wanted(choice)  # first, so that two of three networks are in memory at a time
        small = compact(self.network, choice, self.shape, self.graph)
        distance, cost = self.distance(wanted, small), predict(analyse(self.graph, choice))
        assert_order_is_kept(self.network, small)
        assert distance <= TOLERANCE, case
        assert cost == Cost(count_macs(small, self.shape), count_params(small)), case
        if case in ("rows 0.6 0", "columns 0"):
            assert not small.training
            assert set(small.state_dict()) <= set(self.network.state_dict()) or case.startswith("columns")
            train(small, self.batch)
        return cost, distance


def train(small: nn.Module, batch: Tensor) -> None:
    """A step in train mode, with a batch that batch norms on 1x1 maps can live with."""
    small.train()
    optimiser = torch.optim.SGD(small.parameters(), lr=1e-3)
    nn.functional.cross_entropy(small(torch.cat([batch, -batch])), torch.arange(4)).backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
    optimiser.step()


def table_row(name: str, examined: Examined, costs: dict[str, Cost], worst: float) -> str:
    found, total = sites(examined.graph).values(), sum(1 for _ in examined.graph.trace.convolutions())
    cut = [1 - costs[f"rows {ratio} 0"].macs / examined.whole.macs for ratio in RATIOS]
    cells = [
        name, examined.shape[1], total, sum(not (site.pinned or site.grouped) for site in found),
        sum(not (site.joined or site.pinned or site.grouped) for site in found), sum(site.joined for site in found),
        sum(site.grouped for site in found), sum(site.gating for site in found), f"{examined.whole.macs / 1e6:.0f}",
        *(f"{share:.1%}" for share in cut), f"{worst:.0e}",
    ]  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


@pytest.mark.parametrize("name", SIDES)
def test_small_is_masked(name: str, record_property: Callable[[str, object], None]) -> None:
    reset_peak()  # whichever networks were tried in this process before
    examined = Examined(name)
    assert examined.whole == Cost(count_macs(examined.network, examined.shape), count_params(examined.network))
    checked = {case: examined.check(case) for case in CASES}
    costs = {case: cost for case, (cost, _) in checked.items()}
    worst = max(distance for _, distance in checked.values())
    record_property("row", (list(SIDES).index(name), table_row(name, examined, costs, worst)))
    assert read_kilobytes("VmHWM") / 2**20 < LIMIT_GB


@pytest.mark.parametrize("name", ["shufflenet_v2_x1_0", "resnext50_32x4d", "efficientnet_b0", "mobilenet_v2"])
def test_everything_selected_is_the_identity(name: str) -> None:
    examined = Examined(name)
    same = compact(examined.network, Selection.full(examined.network), examined.shape, examined.graph)
    with torch.no_grad():
        assert torch.equal(examined.network(examined.batch), same(examined.batch))
    assert list(same.state_dict()) == list(examined.network.state_dict()) or set(same.state_dict()) == set(
        examined.network.state_dict()
    )


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny"])
def test_stochastic_depth_stays_random_in_training_only(name: str) -> None:
    examined = Examined(name)
    choice = random_rows(examined.graph, 0.3, 0, spared(examined.graph))
    small = compact(examined.network, choice, examined.shape, examined.graph)
    with torch.no_grad():
        assert torch.equal(small(examined.batch), small(examined.batch))
        small.train()
        torch.manual_seed(0)
        one, other = small(examined.batch), small(examined.batch)
    assert not torch.equal(one, other)
