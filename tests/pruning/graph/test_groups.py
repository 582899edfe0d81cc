import pytest
import torch
from torch import Tensor, nn

from pruning.budget.targets import PerLayer
from pruning.graph.graph import trace
from pruning.graph.groups import PruningGroups, pruning_groups
from pruning.methods.l1 import L1
from pruning.methods.random import Random
from pruning.models import resnet, vgg16
from pruning.surgery.align import AddAt, Spread
from pruning.testing import assert_small_is_masked, randomised
from support.residual import Bottleneck, Gated
from support.streams import NETWORKS, DualPath, Gathered, Ghost, Grouped, Mixed, Padded, Res2Net, Shuffled, Streams

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


def test_couple_ties_a_padded_stream_class_by_class() -> None:
    """Option A of a CIFAR ResNet: 16 channels run through all stages, 16 through two, 32 through the last."""
    made = found(resnet(20, 10, SHAPE, "A"), "couple")
    first, second, third = (["conv1", *LASTS[:3]], LASTS[3:6], LASTS[6:])
    assert made.members["conv1"] == (*first, *second, *third)
    assert made.members["layer2.0.conv2"] == (*second, *third)
    assert made.members["layer3.0.conv2"] == tuple(third)
    assert {name: made.units[name].width for name in ("conv1", "layer2.0.conv2", "layer3.0.conv2")} == {
        "conv1": 16, "layer2.0.conv2": 16, "layer3.0.conv2": 32,
    }  # fmt: skip
    middle = made.units["conv1"].classes["layer3.0.conv2"]
    assert middle.tolist() == [*(-1,) * 24, *range(16), *(-1,) * 24]


def test_squeeze_excitation_and_depthwise_are_left_alone() -> None:
    """The reduction is a layer like others: an activation that keeps zero stands behind it."""
    assert list(found(Gated(), "keep").members) == ["expand.0", "reduce"]
    assert sorted(found(Gated(), "expand").members) == ["expand.0", "project.0", "reduce"]
    assert found(Gated(), "couple").members == {
        "expand.0": ("expand.0",), "reduce": ("reduce",), "stem.0": ("stem.0", "project.0"),
    }  # fmt: skip


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


def test_a_stream_of_depthwise_convolutions_only_is_left_whole_with_its_reasons() -> None:
    with pytest.raises(ValueError, match=r"joined=couple: 2 \(wide, ...\) depthwise: .*; 1 \(map\) unused: forward"):
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


def classes(network: nn.Module, joined: str = "couple", grouped: str | None = None) -> dict[str, dict[str, list[int]]]:
    units = pruning_groups(trace(network, (3, 8, 8)), joined, grouped=grouped).units
    return {name: {m: c.tolist() for m, c in unit.classes.items()} for name, unit in units.items()}


def test_a_convolution_may_stand_in_several_units() -> None:
    """Quarters of one convolution: the first and the last are its own, the others added each to another convolution."""
    made = classes(Res2Net())
    assert made["expand.0"] == {"expand.0": [*range(4), *(-1,) * 8, *range(4, 8)]}
    assert made["convs.0.0"] == {"expand.0": [*(-1,) * 4, *range(4), *(-1,) * 8], "convs.0.0": [*range(4)]}
    assert made["convs.1.0"] == {"expand.0": [*(-1,) * 8, *range(4), *(-1,) * 4], "convs.1.0": [*range(4)]}


def test_what_no_addition_ties_is_free_also_in_a_convolution_that_is_added_in_part() -> None:
    assert classes(DualPath(), "keep") == {
        "first.0": {"first.0": [*(-1,) * 8, 0, 1, 2]}, "second.0": {"second.0": [*(-1,) * 8, 0, 1, 2]},
    }  # fmt: skip


def test_several_filters_of_a_convolution_may_be_of_one_class() -> None:
    """A channel and what a depthwise convolution makes of it die together, and so does all that is added to them."""
    assert classes(Ghost()) == {"stem.0": {"stem.0": [0, 1, 2, 3, 0, 1, 2, 3], "primary.0": [0, 1, 2, 3]}}


def test_a_unit_is_named_by_a_member_that_names_no_other() -> None:
    assert list(classes(Mixed())) == ["stem.0", "left.0.0", "right.1.0", "left.1.0"]


def test_what_is_added_to_the_image_or_to_what_is_never_zero_stays() -> None:
    class Constant(Streams):
        def body(self, x: Tensor) -> Tensor:
            return self.second(self.first(x) + x.sigmoid())

        def __init__(self) -> None:
            super().__init__(4)
            self.first, self.second = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    made = found(Constant(), "couple")
    assert list(made.members) == ["stem.0", "second"]
    assert str(made.reasons["first"]).startswith("joined: added to what must stay")


def test_equal_numbers_from_every_group_or_whole_groups() -> None:
    inside, whole = (pruning_groups(trace(Grouped(), (3, 8, 8)), "keep", grouped=g).units for g in ("inside", "whole"))
    assert inside["enter.0"].blocks.tolist() == inside["middle.0"].blocks.tolist() == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15],
    ]  # fmt: skip
    scores = torch.tensor([1.0, 2, 3, 4, 8, 7, 6, 5, 0, 0, 0, 0, 9, 1, 9, 1])
    assert inside["middle.0"].largest(scores, 2).nonzero().flatten().tolist() == [2, 3, 4, 5, 8, 9, 12, 14]
    assert inside["middle.0"].rank(scores).tolist() == [21 / 4, 19 / 4, 9 / 4, 7 / 4]
    each = [number for number in range(4) for _ in range(4)]
    assert {m: c.tolist() for m, c in whole["enter.0"].classes.items()} == {"enter.0": each, "middle.0": each}
    reasons = pruning_groups(trace(Grouped(), (3, 8, 8)), "keep").reasons
    assert reasons["middle.0"] == "grouped: grouped=inside or whole may cut it"


@pytest.mark.parametrize("grouped", ["inside", "whole"])
def test_grouped_convolutions_lose_nothing_to_padding(grouped: str) -> None:
    """Half of what they make and half of what they read leave a quarter of the work, whole groups half of it."""
    network = randomised(Grouped())
    method = L1(PerLayer(0.5), joined="keep", grouped=grouped)
    method.attach(network, (3, 8, 8), 0)
    small = assert_small_is_masked(network, method.select(network), (3, 8, 8), tolerance=1e-12)
    assert small.get_submodule("middle.0").weight.shape[:2] == ((8, 2) if grouped == "inside" else (8, 4))
    assert small.get_submodule("leave.0").weight.shape[1] == 8


ALL_ADDED = (Ghost, Padded)  # nothing stands outside of additions


@pytest.mark.parametrize("joined", ["keep", "expand", "couple"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_streams_of_all_kinds_are_exact(kind: type[nn.Module], joined: str) -> None:
    network = randomised(kind())
    for seed in (0, 1) if joined != "keep" or kind not in ALL_ADDED else ():
        method = Random(PerLayer(0.5), seed, joined=joined)
        method.attach(network, (3, 8, 8), 0)
        small = assert_small_is_masked(network, method.select(network), (3, 8, 8), tolerance=1e-12)
        padded = [layer for layer in small.modules() if isinstance(layer, (Spread, AddAt))]
        assert not (padded and joined == "couple" and kind is not Padded), "whole channels of a stream go"


@pytest.mark.parametrize("joined", ["keep", "expand", "couple"])
@pytest.mark.parametrize("kind", [Shuffled, Gathered])
def test_groups_that_do_not_fit_each_other_are_exact(kind: type[nn.Module], joined: str) -> None:
    network = randomised(kind())
    method = Random(PerLayer(0.5), 1, joined=joined, grouped="inside")
    method.attach(network, (3, 8, 8), 0)
    assert_small_is_masked(network, method.select(network), (3, 8, 8), tolerance=1e-12)


def test_of_channels_that_are_all_tied_one_must_stay() -> None:
    with pytest.raises(ValueError, match=r"3 \(stem.0, ...\) single: all its channels are tied together"):
        pruning_groups(trace(Shuffled(), (3, 8, 8)), "couple", grouped="whole")
