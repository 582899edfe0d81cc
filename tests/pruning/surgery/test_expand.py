"""Back to the full size: compaction undone, and choices told in the coordinates of the original."""

import copy

import pytest
import torch
from torch import Tensor, nn

from pruning.graph.cost import Cost, count_macs, count_params
from pruning.models import resnet
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.surgery.expand import FullSize

SHAPE = (3, 16, 16)


class Groups(nn.Module):
    """A convolution of two groups, a transposed one, and a norm over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(self.norm(self.first(x).relu())).relu()
        return self.head(self.up(x).relu().mean((2, 3)))


NETWORKS = {
    "resnet": lambda: resnet(depth=8, shortcut="A", classes=4, image_shape=SHAPE, seed=0),
    "groups": Groups,
}


def draw(network: nn.Module, share: float, seed: int) -> Selection:
    """Rows by lot of every convolution, two at least."""
    generator = torch.Generator().manual_seed(seed)
    rows = {}
    for name, kernels in Selection.full(network).items():
        order = torch.randperm(len(kernels), generator=generator)
        rows[name] = torch.zeros(len(kernels), dtype=torch.bool).index_fill(
            0, order[: max(2, round(share * len(kernels)))], True
        )
    return Selection.of_rows(network, rows)


def perturb(network: nn.Module) -> None:
    """As training would."""
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value += 0.05 * torch.rand_like(value)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_full_size_network_computes_what_the_small_one_does(name: str) -> None:
    torch.manual_seed(0)
    network, images = NETWORKS[name]().double().eval(), torch.randn(4, *SHAPE, dtype=torch.float64)
    choice = draw(network, 0.6, seed=1)
    small = compact(network, choice, SHAPE)
    perturb(small)
    before = copy.deepcopy(network.state_dict())
    full = FullSize(network, choice, small, SHAPE).expand(small)
    torch.testing.assert_close(full(images), small(images))
    torch.testing.assert_close(compact(full, choice, SHAPE)(images), small(images))
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in before.items()), "the original stays"


@pytest.mark.parametrize("name", NETWORKS)
def test_two_cuts_are_one_of_the_original(name: str) -> None:
    """compact(compact(n, a), b) computes what compact(n, lifted) does, which is no larger."""
    torch.manual_seed(0)
    network, images = NETWORKS[name]().double().eval(), torch.randn(4, *SHAPE, dtype=torch.float64)
    first = draw(network, 0.8, seed=1)
    small = compact(network, first, SHAPE)
    second = draw(small, 0.6, seed=2)
    full_size = FullSize(network, first, small, SHAPE)
    both = full_size.lift(second)
    twice, once = compact(small, second, SHAPE), compact(network, both, SHAPE)
    torch.testing.assert_close(once(images), twice(images))
    torch.testing.assert_close(mask(network, both, SHAPE)(images), twice(images))
    assert count_params(once) <= count_params(twice), "cut once, fewer channels are spread and chosen"
    assert full_size.cost(second) == Cost(count_macs(once, SHAPE), count_params(once))


def test_a_row_that_is_gone_is_gone_with_the_kernels_that_were_not_there_any_more() -> None:
    """By hand: 3 -> 4 -> 4, two filters of the first go, then one of the second: of its four kernels the small network
    has two."""
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    first = Selection.of_rows(network, {"0": torch.tensor([True, False, True, False])})
    small = compact(network, first, SHAPE)
    second = Selection.of_rows(small, {"2": torch.tensor([True, True, False, True])})
    full_size = FullSize(network, first, small, SHAPE)
    both = full_size.lift(second)
    assert both["0"].all(1).tolist() == [True, False, True, False]
    assert both["2"].tolist() == [[True] * 4, [True] * 4, [False] * 4, [True] * 4]
