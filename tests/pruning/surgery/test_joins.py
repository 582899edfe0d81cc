"""Zeros in place of choosing and spreading: the same function, and the stored network stays as it is."""

import pytest
import torch
from torch import nn

from pruning.files.export import checked_onnx
from pruning.graph.cost import count_macs
from pruning.graph.graph import trace
from pruning.models import resnet
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.surgery.align import AddAt, Choose, Spread
from pruning.surgery.joins import write_zeros
from pruning.testing import images, random_rows, randomised, relative

SHAPE = (3, 16, 16)
JOINS = (AddAt, Spread, Choose)


def small_resnet(shortcut: str, seed: int = 0) -> nn.Module:
    """Each convolution has lost filters of its own, so that every addition joins tensors of other channels."""
    network = randomised(resnet(20, 10, SHAPE, shortcut))
    return compact(network, random_rows(trace(network, SHAPE), 0.5, seed), SHAPE).eval()


def count_joins(network: nn.Module) -> int:
    return sum(isinstance(layer, JOINS) for layer in network.modules())


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("most", [0.0, 60.0, 1e6])
@torch.no_grad()
def test_a_network_with_zeros_is_the_same_function(shortcut: str, most: float) -> None:
    small, batch = small_resnet(shortcut), images(SHAPE)
    joins, keys, macs = count_joins(small), list(small.state_dict()), count_macs(small, SHAPE)
    filled = write_zeros(small, [batch], most)
    assert relative(small(batch), filled(batch)) <= 1e-12
    assert (count_joins(small), list(small.state_dict()), count_macs(small, SHAPE)) == (joins, keys, macs)


def test_the_more_zeros_are_allowed_the_fewer_joins_are_left() -> None:
    small = small_resnet("B")
    left = [count_joins(write_zeros(small, [images(SHAPE)], most)) for most in (0.0, 100.0, 1e6)]
    assert left[0] == count_joins(small) > left[1] > left[2]


class Chosen(nn.Module):
    """`head` reads some of what `one` makes, for `other` reads the rest."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.one, self.head, self.other = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1, groups=groups), nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one(x)
        return self.head(x) + self.other(x)


def chosen() -> nn.Module:
    network = randomised(Chosen())
    kernels = {name: torch.ones(4, 8, dtype=torch.bool) for name in ("head", "other")}
    kernels["head"][:, 5:], kernels["other"][:, :3] = False, False
    return compact(network, Selection(kernels), SHAPE).eval()


@torch.no_grad()
def test_a_convolution_that_reads_some_channels_reads_all_of_them_instead() -> None:
    small, batch = chosen(), images(SHAPE)
    filled = write_zeros(small, [batch], 10.0)
    assert (count_joins(small), count_joins(filled)) == (2, 0)
    assert filled.get_submodule("head").weight.shape == (4, 8, 1, 1)
    assert relative(small(batch), filled(batch)) <= 1e-12


class Twice(nn.Module):
    """What `one` makes is added to a wider tensor, and read elsewhere too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stem, one = self.stem(x), self.one(x)
        return (stem + one) * 2 + self.head(one)


def test_nothing_is_written_into_what_others_read_as_well() -> None:
    network = randomised(Twice())
    small = compact(network, Selection.of_rows(network, {"one": torch.arange(8) < 3}), SHAPE).eval()
    assert count_joins(write_zeros(small, [images(SHAPE)], 1e6)) == count_joins(small) == 1


def test_an_onnx_file_of_such_a_network_scatters_little() -> None:
    """`checked_onnx` holds it against the stored network. Where the stream is narrower than what is added, it stays."""
    pytest.importorskip("onnxruntime")
    small = small_resnet("B").float()
    kinds = {zeros: count_kinds(checked_onnx(small, SHAPE, zeros)[0]) for zeros in (0.0, 1e6)}
    assert (kinds[0.0].count("Scatter"), kinds[1e6].count("Scatter")) == (9, 2)


def count_kinds(content: bytes) -> str:
    import onnx

    return " ".join(node.op_type for node in onnx.load_from_string(content).graph.node)
