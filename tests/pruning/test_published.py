"""Cuts that papers print, which need no training (METHODS sections 1 and 2)."""

import pytest
from torch import nn

from pruning.budget import PerLayer
from pruning.cost import authors_ops, predict
from pruning.liveness import analyse
from pruning.methods.fcf import FCF
from pruning.methods.filters import FilterMethod
from pruning.methods.l1 import L1
from pruning.models import resnet, torchvision_network, vgg16
from pruning.selection import Selection

SHAPE = (3, 32, 32)


def percent(
    method: FilterMethod, network: nn.Module, steps: int = 0, shape: tuple[int, int, int] = SHAPE
) -> tuple[float, float, float]:
    """Share that is cut of MACs, of parameters, and of operations by the FCF authors' count."""
    method.attach(network, shape, steps)
    after, before = analyse(method.graph, method.select(network)), analyse(method.graph, Selection({}))
    pairs = [
        (predict(after).macs, predict(before).macs),
        (predict(after).params, predict(before).params),
        (authors_ops(after), authors_ops(before)),
    ]
    return tuple(100 * (1 - small / whole) for small, whole in pairs)


def fcf(ratio: float) -> FCF:
    return FCF(
        PerLayer(ratio), joined="expand", cross=True, gate="filter", alpha=0.99, rho=0.01, mu=1.01, rho_max=6.0, lr=0.1
    )


@pytest.mark.parametrize(("depth", "cut"), [(20, 41.60), (32, 42.37), (56, 42.87), (110, 43.18)])
def test_fcf_on_cifar_resnets_at_a_quarter(depth: int, cut: float) -> None:
    assert percent(fcf(0.25), resnet(depth, 10, SHAPE, "B"), 1000)[2] == pytest.approx(cut, abs=0.005)


def test_how_much_the_drop_across_joins_is_worth() -> None:
    """ResNet-56 at .25 [computed]: 43.2 % of convolution MACs with it, 34.4 % without, 24.9 % on first ones only."""
    network = resnet(56, 10, SHAPE, "B")
    assert percent(fcf(0.25), network, 1000)[0] == pytest.approx(43.2, abs=0.1)
    assert percent(L1(PerLayer(0.25), joined="expand"), resnet(56, 10, SHAPE, "B"))[0] == pytest.approx(34.4, abs=0.1)
    assert percent(L1(PerLayer(0.25)), resnet(56, 10, SHAPE, "B"))[0] == pytest.approx(24.9, abs=0.1)


def test_l1_vgg16_a() -> None:
    """Half of the first convolution and of the 8th to the 13th."""
    network = vgg16(10, SHAPE)
    names = [f"features.{place}" for place, layer in enumerate(network.features) if isinstance(layer, nn.Conv2d)]
    table = dict.fromkeys([names[0], *names[7:]], 0.5)
    macs, params, _ = percent(L1(PerLayer(0.0, table)), network)
    assert (macs, params) == (pytest.approx(34.19, abs=0.05), pytest.approx(63.98, abs=0.05))


def block(depth: int, number: int) -> str:
    """Layer numbers of the paper: 1 is the stem, even ones the first convolutions of the blocks."""
    per_stage, place = (depth - 2) // 6, (number - 2) // 2
    return f"layer{place // per_stage + 1}.{place % per_stage}.conv1"


@pytest.mark.parametrize(
    ("depth", "stages", "skipped", "macs", "params"),
    [
        (56, (0.1, 0.1, 0.1), (16, 20, 38, 54), 10.4, 9.4),
        (56, (0.6, 0.3, 0.1), (16, 18, 20, 34, 38, 54), 27.6, 13.7),
        (110, (0.5, 0.0, 0.0), (36,), 15.9, 2.3),
        (110, (0.5, 0.4, 0.3), (36, 38, 74), 38.7, 32.4),
    ],
    ids=["56-A", "56-B", "110-A", "110-B"],
)
def test_l1_on_cifar_resnets(
    depth: int, stages: tuple[float, ...], skipped: tuple[int, ...], macs: float, params: float
) -> None:
    table = {f"layer{stage + 1}.*": ratio for stage, ratio in enumerate(stages)}
    table |= {block(depth, number): 0.0 for number in skipped}
    cut = percent(L1(PerLayer(0.0, table)), resnet(depth, 10, SHAPE, "A"))
    assert cut[:2] == (pytest.approx(macs, abs=0.1), pytest.approx(params, abs=0.1))


IMAGENET = (3, 224, 224)


@pytest.mark.parametrize(
    ("stages", "macs", "params"),
    [((0.3, 0.3, 0.3), 15.38, 7.55), ((0.5, 0.6, 0.4), 24.06, 10.68)],
    ids=["34-A", "34-B"],
)
def test_l1_on_resnet34(stages: tuple[float, ...], macs: float, params: float) -> None:
    """Layer numbers of the paper again: even ones are the first convolutions of the blocks; the last stage is whole."""
    firsts = [f"layer{stage}.{place}.conv1" for stage, blocks in enumerate((3, 4, 6, 3), 1) for place in range(blocks)]
    table = {f"layer{stage}.*": ratio for stage, ratio in enumerate(stages, 1)}
    table |= {firsts[(number - 2) // 2]: 0.0 for number in (2, 8, 14, 16, 26, 28, 30, 32)}
    cut = percent(L1(PerLayer(0.0, table)), torchvision_network("resnet34", 1000, IMAGENET), shape=IMAGENET)
    assert cut[:2] == (pytest.approx(macs, abs=0.05), pytest.approx(params, abs=0.05))


def test_l1_resnet34_c_prunes_the_stream_itself() -> None:
    """The third stage: identity and second convolutions, 20 %, by the ranking of the projection shortcut."""
    method = L1(PerLayer(0.2), joined="couple", only=["layer3.0.conv2"])
    cut = percent(method, torchvision_network("resnet34", 1000, IMAGENET), shape=IMAGENET)
    assert cut[:2] == (pytest.approx(7.44, abs=0.05), pytest.approx(7.30, abs=0.05))


@pytest.mark.parametrize(("ratio", "cut"), [(0.15, 26.84), (0.25, 41.41), (0.35, 55.11), (0.45, 66.47)])
def test_fcf_on_resnet34(ratio: float, cut: float) -> None:
    found = percent(fcf(ratio), torchvision_network("resnet34", 1000, IMAGENET), 1000, IMAGENET)[2]
    assert found == pytest.approx(cut, abs=0.1)


def test_fcf_on_resnet50() -> None:
    cut = percent(fcf(0.405), torchvision_network("resnet50", 1000, IMAGENET), 1000, IMAGENET)[0]
    assert cut == pytest.approx(57.06, abs=0.01)
