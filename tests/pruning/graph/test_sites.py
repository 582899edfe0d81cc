import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.graph.graph import trace
from pruning.graph.sites import Site, match_patterns, sites
from pruning.models import resnet, vgg16
from support.residual import Bottleneck, Gated

SHAPE = (3, 32, 32)


def found(network: nn.Module) -> dict[str, Site]:
    return sites(trace(network, SHAPE))


def having(where: dict[str, Site], what: str) -> list[str]:
    return [name for name, site in where.items() if getattr(site, what)]


def test_a_chain_is_free_but_for_its_stem() -> None:
    where = found(vgg16(10, SHAPE))
    assert having(where, "stem") == ["features.0"]
    assert len(where) == 13
    for what in ("joined", "shortcut", "gating", "grouped", "final", "drops_with", "pinned"):
        assert having(where, what) == []
    site = where["features.3"]
    assert (site.filters, site.columns, site.kernel) == (64, 64, 9)


@pytest.mark.parametrize("kind", ["A", "B"])
def test_a_cifar_resnet(kind: str) -> None:
    where = found(resnet(20, 10, SHAPE, kind))
    assert having(where, "stem") == ["conv1"]
    last = [f"layer{stage}.{block}.conv2" for stage in (1, 2, 3) for block in (0, 1, 2)]
    shortcuts = ["layer2.0.shortcut.0", "layer3.0.shortcut.0"] if kind == "B" else []
    assert sorted(having(where, "joined")) == sorted(["conv1", *last, *shortcuts])
    assert having(where, "shortcut") == shortcuts
    assert having(where, "final") == []


@pytest.mark.parametrize("kind", ["A", "B"])
def test_the_first_convolution_of_a_block_drops_with_the_last_of_the_one_before(kind: str) -> None:
    """Also over the border of a stage; the very first block comes after the stem, which drops nothing."""
    where = found(resnet(20, 10, SHAPE, kind))
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2)]
    drops = {name: site.drops_with for name, site in where.items() if site.drops_with}
    assert drops == {f"{this}.conv1": f"{before}.conv2" for before, this in itertools.pairwise(blocks)}


def test_a_bottleneck() -> None:
    where = found(Bottleneck())
    assert having(where, "joined") == ["first.2", "projection", "second.2"]
    assert having(where, "shortcut") == ["projection"]
    assert {name: site.drops_with for name, site in where.items() if site.drops_with} == {"second.0": "first.2"}


def test_squeeze_excitation() -> None:
    where = found(Gated())
    assert having(where, "gating") == ["excite"]
    assert having(where, "grouped") == having(where, "depthwise") == ["depthwise.0"]
    assert having(where, "final") == ["classes"]
    assert having(where, "pinned") == ["excite", "classes"]
    assert having(where, "joined") == ["stem.0", "project.0"]


class Pooled(nn.Module):
    """A gate in one of many forms, on images whose maps are 1x1 from the start."""

    def __init__(self, pool: Callable[[Tensor], Tensor], squash: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool, self.squash = pool, squash
        self.first, self.second, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)
        self.reduce, self.excite = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(F.relu(self.first(x)))
        return self.last(self.squash(self.excite(F.relu(self.reduce(self.pool(x))))) * x)


@pytest.mark.parametrize("squash", [torch.sigmoid, F.hardsigmoid, lambda x: F.relu6(x + 3) / 6])
@pytest.mark.parametrize(
    "pool",
    [
        nn.AdaptiveAvgPool2d(1), lambda x: F.adaptive_avg_pool2d(x, (1, 1)), lambda x: x.mean((2, 3), keepdim=True),
        lambda x: torch.mean(x, dim=(-2, -1), keepdim=True), lambda x: F.avg_pool2d(x, x.shape[2:]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("side", [1, 8])
def test_a_gate_is_what_comes_from_a_global_pooling_whatever_the_size(
    pool: Callable[[Tensor], Tensor], squash: Callable[[Tensor], Tensor], side: int
) -> None:
    where = sites(trace(Pooled(pool, squash), (3, side, side)))
    assert having(where, "gating") == ["excite"]
    assert having(where, "final") == ["last"]


def test_a_gate_that_keeps_zero_and_a_product_without_pooling_are_no_excitation() -> None:
    for network in (Pooled(nn.AdaptiveAvgPool2d(1), torch.tanh), Pooled(nn.MaxPool2d(1), torch.sigmoid)):
        assert having(sites(trace(network, (3, 1, 1))), "gating") == []


class ResponseNorm(nn.Module):
    """FRN: every map over the root of its mean square."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean((2, 3), keepdim=True) + 1e-5).rsqrt()


def test_what_makes_the_map_that_a_norm_divides_by_its_own_size_is_no_gate() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), ResponseNorm(), nn.Conv2d(4, 4, 3), ResponseNorm(), nn.Conv2d(4, 2, 3))
    assert having(found(network), "gating") == []


def test_filters_are_the_classes_through_whatever_squashes_them() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sigmoid(), nn.Conv2d(4, 2, 1), nn.Sigmoid(), nn.Softmax(1))
    assert having(sites(trace(network, (3, 8, 8))), "final") == ["2"]


def test_patterns_of_names() -> None:
    names = ["layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1"]
    assert match_patterns(names, ["layer2*", "*conv1"], "include") == ["layer1.0.conv1", "layer2.0.conv1"]
    with pytest.raises(ValueError, match=r"include: 'layer9.\*' fits no convolution .* layer1.0.conv1, layer1.0.conv2"):
        match_patterns(names, ["*conv1", "layer9.*"], "include")


class FlatHidden(nn.Module):
    """LeNet's end: a function between two linear layers, where there are no places left."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.hidden, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 30 * 30, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.hidden(self.conv(x).flatten(1))))


def test_functions_behind_the_last_map_gate_nothing() -> None:
    assert having(found(FlatHidden()), "gating") == []


class Maxout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.stem(x))
        x = x * torch.sigmoid(x.flatten(2).median(2)[0])[:, :, None, None]
        return self.head(x.unflatten(1, (4, 2)).max(2).values)


def test_a_maximum_that_comes_with_its_places_is_no_global_pooling() -> None:
    where = found(Maxout())
    assert having(where, "gating") == []
    assert having(where, "pinned") == ["head"]
