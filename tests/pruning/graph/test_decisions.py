"""Sizes that only the run knows: nodes of the graph; what Python decides by them is listed or refused."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pruning
from pruning.graph.decisions import list_decisions
from pruning.graph.graph import trace
from pruning.surgery import compact, mask
from pruning.testing import images, random_rows, randomised, relative

SHAPE = (3, 6, 6)
Forward = Callable[[nn.Module, Tensor], Any]


class Doing(nn.Module):
    def __init__(self, does: Forward) -> None:
        super().__init__()
        self.does = does
        self.mix = nn.Conv2d(8, 8, 3, padding=1)
        self.parts = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(2))
        self.long = nn.Conv2d(16, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self, x)


def around(does: Forward) -> nn.Module:
    torch.manual_seed(0)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    return randomised(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), Doing(does), nn.Conv2d(8, 5, 3, padding=1), *head))


def padded_to_four(self: Any, x: Tensor) -> Tensor:
    if x.shape[-1] % 4:
        x = F.pad(x, (0, 4 - x.shape[-1] % 4, 0, 4 - x.shape[-2] % 4))
    return self.mix(x)


def same_padding(self: Any, x: Tensor) -> Tensor:
    pads = [max((math.ceil(size / 2) - 1) * 2 + 3 - size, 0) for size in x.shape[-2:]]
    return F.max_pool2d(F.pad(x, [pads[1] // 2, pads[1] - pads[1] // 2, pads[0] // 2, pads[0] - pads[0] // 2]), 3, 2)


def chunks_and_more(self: Any, x: Tensor) -> Tensor:
    """YOLO's C2f."""
    y = list(self.mix(x).chunk(2, 1))
    y.extend(part(y[-1]) for part in self.parts)
    return self.long(torch.cat(y, 1))


def each_chunk(self: Any, x: Tensor) -> Tensor:
    return torch.cat([part(y) for part, y in zip(self.parts, x.chunk(2, dim=1), strict=True)], 1)


def share_of_channels(self: Any, x: Tensor) -> Tensor:
    kept = int(x.shape[1] * 0.75)
    return torch.cat([x[:, :kept].relu(), x[:, kept:]], 1)


def by_rows(self: Any, x: Tensor) -> Tensor:
    return torch.stack([x[:, :, row] for row in range(x.size(2))], 2)


def windows(self: Any, x: Tensor) -> Tensor:
    b, c, h, w = x.size()
    y = x.view(b, c, h // 2, 2, round(w / 2), 2).permute(0, 1, 3, 5, 2, 4)
    return self.mix(y.reshape(b, c, 4, -1).mean(2).view(x.size(0), c, *divmod(h, 2)[:1], -1))


def checked(self: Any, x: Tensor) -> Tensor:
    assert x.dim() == 4
    assert isinstance(x, Tensor)
    assert x.shape[0] > 0
    assert x.shape[1] == 8, f"8 channels are needed, got {x.shape[1]:d} of {x.shape}"
    assert not hasattr(x, "nothing")
    return self.mix(x) if x.shape[1] == 8 else x


def of_a_type(self: Any, x: Tensor) -> Tensor:
    return self.mix(x) if x.dtype == torch.float64 and x.device == self.mix.weight.device else x


def outside_autocast(self: Any, x: Tensor) -> Tensor:
    with torch.autocast(device_type=x.device.type, enabled=False):
        return self.mix(x)


def places(self: Any, x: Tensor) -> Tensor:
    return x * torch.arange(x.shape[-1], dtype=x.dtype)


def renumbered(self: Any, x: Tensor) -> Tensor:
    size = x.shape[2]
    larger = size
    larger += 1
    return F.interpolate(x, (larger, size))


# what forward does, the other sizes of images that its answers hold for, and the number of lines that have decided
TRACED: dict[str, tuple[Forward, list[int], int]] = {
    "padded to four": (padded_to_four, [5, 9], 1),
    "same padding": (same_padding, [8, 9, 11], 1),
    "a list of chunks": (chunks_and_more, [5, 8], 0),
    "each chunk": (each_chunk, [5, 8], 0),
    "a share of the channels": (share_of_channels, [5, 8], 0),
    "row by row": (by_rows, [], 1),
    "windows": (windows, [8, 12], 0),
    "checked": (checked, [5, 8], 0),
    "of a type": (of_a_type, [5], 1),
    "outside autocast": (outside_autocast, [5], 1),
    "places": (places, [5, 8], 0),
    "a number changed": (renumbered, [5, 8], 0),
}


@pytest.mark.parametrize("name", TRACED)
def test_the_small_network_takes_all_sizes_with_the_same_answers(name: str) -> None:
    does, sizes, lines = TRACED[name]
    network = around(does)
    graph = trace(network, SHAPE)
    assert len(list_decisions(graph.trace.decisions)) == lines
    choice = random_rows(graph, 0.5, 0)
    masked, small = mask(network, choice, SHAPE, graph).eval(), compact(network, choice, SHAPE, graph).eval()
    for count, size in [(1, 6), (3, 6), *((2, size) for size in sizes)]:
        batch = images((3, size, size), count)
        assert relative(masked(batch), small(batch)) < 1e-12
    small.train()(images(SHAPE)).square().sum().backward()


def by_batch(self: Any, x: Tensor) -> Tensor:
    return x if x.shape[0] > 1 else -x


def one_by_one(self: Any, x: Tensor) -> Tensor:
    return torch.stack([image.relu() for image in x])


def batch_as_number(self: Any, x: Tensor) -> Tensor:
    return x.view(int(x.size(0)), 8, -1).view(x.shape)


def by_value(self: Any, x: Tensor) -> Tensor:
    return x if x.mean() > 0 else -x


def as_number(self: Any, x: Tensor) -> Tensor:
    return x * float(x.mean())


def where_positive(self: Any, x: Tensor) -> Tensor:
    return x[x > 0].mean() + x


def as_item(self: Any, x: Tensor) -> Tensor:
    return x / x.abs().max().item()


BATCH = "Python decides by the number of images in the batch"
REFUSED: dict[str, tuple[Forward, str, str]] = {
    "a branch on the batch": (by_batch, BATCH, "return x if x.shape"),
    "image by image": (one_by_one, BATCH, "for image in x"),
    "the batch as a number": (batch_as_number, BATCH, "int.x.size"),
    "a branch on a value": (by_value, "the branch on a tensor's value", "return x if x.mean"),
    "a value as a number": (as_number, "reads a tensor's value", "float.x.mean"),
    "an item": (as_item, "without the numbers in its tensors", "x.abs.*item"),
    "as many as are positive": (where_positive, "without the numbers in its tensors", "x.x > 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_hangs_on_the_batch_or_on_values_is_refused_by_its_reason_and_line(name: str) -> None:
    does, reason, text = REFUSED[name]
    with pytest.raises(
        ValueError, match=rf"cannot trace Sequential at .*test_decisions.py:\d+: .*{text}.*{reason}"
    ) as error:
        trace(around(does), SHAPE)
    assert "module of its own" in str(error.value)
    assert "does not take images" not in str(error.value)


def test_images_that_a_layer_does_not_take_are_refused_as_such() -> None:
    with pytest.raises(
        ValueError, match=r"Sequential does not take images of \(3, 6, 6\) at .*self.mix\(x\[:, :4\]\).*: "
    ):
        trace(around(lambda self, x: self.mix(x[:, :4])), SHAPE)


def test_a_plan_says_what_was_decided() -> None:
    planned = str(pruning.plan(around(padded_to_four), images(SHAPE), filters=0.5))
    assert "decided     test_decisions.py:" in planned
    assert "if x.shape[-1] % 4: -> True" in planned
