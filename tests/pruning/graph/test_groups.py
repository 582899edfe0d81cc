import pytest
from torch import nn

from pruning.budget.targets import PerLayer
from pruning.graph.graph import trace
from pruning.graph.groups import PruningGroups, pruning_groups
from pruning.methods.l1 import L1
from pruning.models import resnet, vgg16
from pruning.testing import assert_small_is_masked, randomised
from support.residual import Bottleneck, Gated

SHAPE = (3, 32, 32)
FIRSTS = [f"layer{stage}.{block}.conv1" for stage in (1, 2, 3) for block in (0, 1, 2)]
LASTS = [name.replace("conv1", "conv2") for name in FIRSTS]


def found(network: nn.Module, joined: str, only: list[str] | None = None) -> PruningGroups:
    return pruning_groups(trace(network, SHAPE), joined, only)


@pytest.mark.parametrize("joined", ["keep", "expand", "couple"])
def test_every_convolution_of_a_chain_stands_for_itself(joined: str) -> None:
    made = found(vgg16(10, SHAPE), joined)
    assert len(made.members) == 13
    assert all(members == (name,) for name, members in made.members.items())


@pytest.mark.parametrize("kind", ["A", "B"])
def test_keep_takes_the_first_convolution_of_each_block(kind: str) -> None:
    made = found(resnet(20, 10, SHAPE, kind), "keep")
    assert list(made.members) == FIRSTS
    assert made.readers == {}


@pytest.mark.parametrize("kind", ["A", "B"])
def test_expand_takes_both_and_leaves_stem_and_shortcuts(kind: str) -> None:
    made = found(resnet(20, 10, SHAPE, kind), "expand")
    assert sorted(made.members) == sorted(FIRSTS + LASTS)
    assert made.readers == dict(zip(FIRSTS[1:], LASTS, strict=False))
    assert made.leaders == {}


def test_couple_ties_each_stream_and_lets_its_projection_lead() -> None:
    made = found(resnet(20, 10, SHAPE, "B"), "couple")
    streams = {name: set(members) for name, members in made.members.items() if len(members) > 1}
    assert streams == {
        "conv1": {"conv1", "layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2"},
        "layer2.0.conv2": {"layer2.0.conv2", "layer2.0.shortcut.0", "layer2.1.conv2", "layer2.2.conv2"},
        "layer3.0.conv2": {"layer3.0.conv2", "layer3.0.shortcut.0", "layer3.1.conv2", "layer3.2.conv2"},
    }
    assert made.leaders == {f"layer{stage}.0.conv2": f"layer{stage}.0.shortcut.0" for stage in (2, 3)}


def test_couple_cannot_narrow_a_padded_stream() -> None:
    with pytest.raises(ValueError, match=r"couple needs streams of one width, but 'conv1' .* use shortcut=B where"):
        found(resnet(20, 10, SHAPE, "A"), "couple")


def test_squeeze_excitation_and_depthwise_are_left_alone() -> None:
    assert list(found(Gated(), "keep").members) == ["expand.0"]
    assert sorted(found(Gated(), "expand").members) == ["expand.0", "project.0"]
    assert found(Gated(), "couple").members == {"expand.0": ("expand.0",), "stem.0": ("stem.0", "project.0")}


def test_only_some() -> None:
    assert list(found(resnet(20, 10, SHAPE), "keep", ["layer1.*"]).members) == FIRSTS[:3]
    with pytest.raises(ValueError, match=r"'conv1' fits no convolution that may be cut"):
        found(resnet(20, 10, SHAPE), "keep", ["conv1"])


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"joined must be one of keep, expand, couple, got 'join'"):
        found(vgg16(10, SHAPE), "join")
    with pytest.raises(
        ValueError, match=r"no convolution of this network may be cut with joined=keep: 1 \(0\) classes: "
    ):
        found(nn.Sequential(nn.Conv2d(3, 4, 32), nn.Flatten()), "keep")


@pytest.mark.parametrize("kind", ["resnet", "bottleneck", "gated"])
def test_coupling_makes_the_stream_itself_narrower(kind: str) -> None:
    makers = {"resnet": lambda: resnet(20, 10, SHAPE, "B"), "bottleneck": Bottleneck, "gated": Gated}
    network = randomised(makers[kind]())
    method = L1(PerLayer(0.5), joined="couple")
    method.attach(network, SHAPE, 0)
    small = assert_small_is_masked(network, method.select(network), SHAPE)
    assert not [name for name, _ in small.named_modules() if name.endswith("_spread")]
    widths = {"resnet": ("linear", 32), "bottleneck": ("head", 6), "gated": ("classes", 3)}
    layer = small.get_submodule(widths[kind][0])
    assert layer.weight.shape[1] == widths[kind][1]


class Fused(nn.Module):
    """Two depthwise convolutions added, as RepVGG's branches; and, `mapped`, a map of one filter that gates."""

    def __init__(self, mapped: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, groups=1 if mapped else 3) if mapped else nn.Identity()
        self.wide, self.narrow = nn.Conv2d(3, 3, 3, padding=1, groups=3), nn.Conv2d(3, 3, 1, groups=3)
        self.map, self.head = nn.Conv2d(4, 1, 1), nn.Linear(4 if mapped else 3, 2)
        self.mapped = mapped

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = self.stem(x)
        x = x * self.map(x) if self.mapped else self.wide(x) + self.narrow(x)
        return self.head(x.mean((2, 3)))


def test_a_stream_of_grouped_convolutions_only_is_left_whole_with_its_reasons() -> None:
    with pytest.raises(ValueError, match=r"joined=couple: 2 \(wide, ...\) grouped: .*; 1 \(map\) unused: forward"):
        found(Fused(), "couple")


def test_a_layer_of_one_filter_is_left_whole() -> None:
    assert list(found(Fused(mapped=True), "keep").members) == ["stem"]
    method = L1(PerLayer(0.5))
    method.attach(Fused(mapped=True), SHAPE, 0)
    assert method.counts == {"stem": 2}
    assert method.exclusion_reasons()["map"] == "single: its only filter must stay"


def test_when_nothing_may_be_cut_the_advice_is_true() -> None:
    """Two convolutions added, as RepVGG's branches: only another way with joins cuts them."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.head((self.wide(x) + self.narrow(x)).mean((2, 3)))

    words = r"joined=keep: 2 \(wide, ...\) joined: added to others.*; joined=couple cuts 2 of them$"
    with pytest.raises(ValueError, match=words):
        found(Branches(), "keep")
    assert found(Branches(), "couple").members == {"wide": ("wide", "narrow")}
