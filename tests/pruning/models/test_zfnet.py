"""The sizes of the paper's Figure 3, and cuts through the network."""

import pytest
import torch

from pruning.graph.cost import count_macs
from pruning.graph.tracing import record
from pruning.models import zfnet
from pruning.selection import Selection
from pruning.surgery import certify, compact, mask


def test_maps_are_those_of_figure_3() -> None:
    traced = record(zfnet(10, (3, 224, 224)), (3, 224, 224))
    maps = [shape[1:] for shape in traced.shapes.values() if len(shape) == 4]
    for expected in [(96, 110, 110), (96, 55, 55), (256, 26, 26), (256, 13, 13), (384, 13, 13), (256, 6, 6)]:
        assert expected in maps


def test_macs_are_those_done_by_hand() -> None:
    convs = 3 * 49 * 96 * 110**2 + 96 * 25 * 256 * 26**2 + 9 * 13**2 * (256 * 384 + 384 * 384 + 384 * 256)
    assert count_macs(zfnet(1000, (3, 224, 224)), (3, 224, 224)) == convs + 9216 * 4096 + 4096**2 + 4096 * 1000


@pytest.mark.parametrize("image_shape", [(3, 64, 64), (3, 65, 96), (3, 127, 64)])
def test_any_size_from_64_on(image_shape: tuple[int, int, int]) -> None:
    assert zfnet(7, image_shape).eval()(torch.randn(2, *image_shape)).shape == (2, 7)


@pytest.mark.parametrize("normalise", [True, False])
def test_small_equals_masked(normalise: bool) -> None:
    network = zfnet(5, (3, 64, 64), normalise)
    half = {f"features.{4 if normalise else 3}": torch.arange(256) % 2 == 0, "features.0": torch.arange(96) >= 40}
    choice = Selection.of_rows(network, half)
    small = compact(network, choice, (3, 64, 64))
    assert certify(mask(network, choice, (3, 64, 64)), small, torch.randn(4, 3, 64, 64)) < 1e-5
    assert small.get_submodule("features.0").out_channels == 56


def test_small_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"64x64 or more, got \(3, 32, 32\); vgg16 takes small ones"):
        zfnet(10, (3, 32, 32))
