import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pruning.graph.cost import Cost, count_bytes, count_macs, count_params, latencies, predict
from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.models import resnet, vgg16
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.testing import random_rows
from support.residual import Bottleneck, Gated

SHAPE = (3, 32, 32)
NETWORKS = {
    "vgg16": lambda: vgg16(10, SHAPE),
    "A": lambda: resnet(20, 10, SHAPE, "A"),
    "B": lambda: resnet(20, 10, SHAPE, "B"),
    "bottleneck": Bottleneck,
    "gated": Gated,
}


def flops(network: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.randn(1, *SHAPE))
    return counter.get_total_flops()


def test_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 8 * 3 * 9 * 4 * 4 = 3456
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=4),  # 8 * 2 * 9 * 2 * 2 = 576
        nn.ConvTranspose2d(8, 2, 2, bias=False),  # 8 * 2 * 4 * 2 * 2 = 256
        nn.Flatten(),
        nn.Linear(18, 5),  # 90
    )
    assert count_macs(network, (3, 8, 8)) == 3456 + 576 + 256 + 90
    assert count_params(network) == (216 + 8) + 16 + (144 + 8) + 64 + (90 + 5)
    assert count_bytes(network) == 4 * (count_params(network) + 16) + 8  # statistics, and their step count in int64


def test_published_sizes() -> None:
    """He et al. 2016, section 4.2: 0.27 M parameters; 40.55 M MACs and 313 M for VGG-16 by the usual count."""
    assert count_params(resnet(20, 10, SHAPE)) == 269722
    assert count_macs(resnet(20, 10, SHAPE), SHAPE) == 40551040
    assert round(count_macs(vgg16(10, SHAPE), SHAPE) / 1e6) == 313


@pytest.mark.parametrize("name", NETWORKS)
def test_half_of_torchs_own_flops(name: str) -> None:
    network = NETWORKS[name]()
    assert count_macs(network, SHAPE) == flops(network) // 2
    choice = random_rows(trace(network, SHAPE), 0.4, 0, spared=("classes",))
    small = compact(network, choice, SHAPE)
    assert count_macs(small, SHAPE) == flops(small) // 2


class Frames(nn.Module):
    """A video's frames lie along the first axis; then its places do, for a linear layer; then a block with a hook."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 6)
        self.block = nn.Sequential(nn.Conv2d(6, 5, 1), nn.ReLU())
        self.block.register_forward_hook(lambda block, given, output: 2 * output)
        self.constant, self.head = nn.Parameter(torch.ones(3, 2)), nn.Linear(2, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.mix(self.conv(x.flatten(0, 1)).permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
        return self.block(x) + self.head(self.constant).sum(0)[:, None, None]


def test_images_need_not_lie_along_the_first_axis() -> None:
    """4 frames of 8 x 8 places: 4 * 64 * (3 * 4 * 9 + 4 * 6 + 6 * 5), and 3 * 2 * 5 of a constant."""
    network, shape = Frames(), (4, 3, 8, 8)
    macs = 4 * 64 * (108 + 24 + 30) + 30
    assert count_macs(network, shape) == macs
    graph = trace(network, shape)
    assert predict(analyse(graph, Selection({}))) == Cost(macs, count_params(network))
    choice = random_rows(graph, 0.5, 0, spared=("mix",))
    small = compact(network, choice, shape, graph)
    assert predict(analyse(graph, choice)) == Cost(count_macs(small, shape), count_params(small))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_predicted_is_built(name: str) -> None:
    network = NETWORKS[name]()
    graph = trace(network, SHAPE)
    assert predict(analyse(graph, Selection({}))) == Cost(count_macs(network, SHAPE), count_params(network))
    for seed in range(5):
        choice = random_rows(graph, 0.15 * (seed + 1), seed, spared=("excite", "classes"))
        small = compact(network, choice, SHAPE, graph)
        assert predict(analyse(graph, choice)) == Cost(count_macs(small, SHAPE), count_params(small))


class Placed(nn.Module):
    """Adds what a convolution makes of places: of one grid, or of a grid for each image."""

    def __init__(self, each: bool) -> None:
        super().__init__()
        self.conv, self.places, self.each = nn.Conv2d(3, 4, 1), nn.Conv2d(2, 4, 1), each

    def forward(self, x: Tensor) -> Tensor:
        grids = x.shape[0] if self.each else 1
        return self.conv(x) + self.places(torch.ones((grids, 2, x.shape[2], x.shape[3])))


@pytest.mark.parametrize("each", [True, False])
def test_what_is_made_of_sizes_alone_is_counted_as_often_as_it_is_made(each: bool) -> None:
    network = Placed(each)
    predicted = predict(analyse(trace(network, (3, 4, 4)), Selection({})))
    assert predicted.macs == count_macs(network, (3, 4, 4)) == 16 * (3 * 4 + 2 * 4)


def test_counting_computes_nothing_and_changes_nothing() -> None:
    network = resnet(20, 10, SHAPE).train()
    before = network.bn1.num_batches_tracked.item()
    count_macs(network, (3, 2048, 2048))
    assert network.training
    assert network.bn1.num_batches_tracked.item() == before


def test_latencies_are_seconds_of_a_batch_in_eval_by_turns() -> None:
    runs: list[str] = []

    class Slow(nn.Module):
        def __init__(self, name: str, side: int) -> None:
            super().__init__()
            self.name, self.side = name, side

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not self.training
            runs.append(self.name)
            torch.mm(torch.ones(self.side, self.side), torch.ones(self.side, self.side))
            return x

    networks = [Slow("large", 1000).train(), Slow("small", 10).train()]
    large, small = latencies(networks, torch.randn(1, *SHAPE), least=3, seconds=0.0)
    assert 0 < small < large < 5
    assert runs == 5 * ["large", "small"]  # two to warm up, three that count
    assert all(network.training for network in networks)
