"""Every way in which a network moves, joins or mixes channels: small == masked, whatever filters go."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from promise import Around, assert_small_is_masked, random_rows, randomised
from torch import Tensor, nn

from pruning.graph import trace
from pruning.models import initialise
from pruning.selection import Selection

Middle = Callable[[Tensor], Tensor]


def later_reader(x: Tensor) -> Tensor:
    y = torch.sigmoid(x)
    return F.relu(x, inplace=True) + y + x


def added_in_place(x: Tensor) -> Tensor:
    y = x[:, :, ::1] * 2
    y += x
    return y.relu_() + y


def split(x: Tensor) -> Tensor:
    a, b, c = x.split([1, 4, 3], 1)
    return torch.cat([c, a.relu(), b], 1)


def shuffled(x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    return x.view(b, 4, c // 4, h, w).transpose(1, 2).reshape(b, -1, h, w)


def windows(x: Tensor) -> Tensor:
    """Swin's cutting into windows and back."""
    b, c, h, w = x.size()
    y = x.permute(0, 2, 3, 1).view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5)
    return y.permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)


def attention(x: Tensor) -> Tensor:
    y = x.flatten(2)
    return (torch.softmax(y @ y.transpose(1, 2), -1) @ y).view(x.shape)


MIDDLES: dict[str, Middle | nn.Module] = {
    # channel-wise, zero stays zero
    "relu": F.relu,
    "leaky relu": nn.LeakyReLU(0.1),
    "hardswish": nn.Hardswish(),
    "times a number": lambda x: 2 * x / 3,
    "negative": lambda x: -x,
    "interpolate": lambda x: F.max_pool2d(F.interpolate(x, scale_factor=2, mode="bilinear"), 2),
    "upsample": nn.Sequential(nn.Upsample(scale_factor=2), nn.AvgPool2d(2)),
    "pixels padded": lambda x: F.pad(x, (1, 0, 0, 1))[:, :, :-1, 1:],
    "reflected": nn.Sequential(nn.ReflectionPad2d(1), nn.MaxPool2d(3, 1)),
    "hardtanh": nn.Hardtanh(-1, 1),
    # channel-wise, zero becomes something else
    "sigmoid": torch.sigmoid,
    "softplus": nn.Softplus(),
    "plus a number": lambda x: x + 1,
    "number minus": lambda x: 1 - x,
    "hardtanh off zero": nn.Hardtanh(1, 2),
    "padded with ones": lambda x: F.pad(x, (1, 1, 1, 1), value=1.0)[:, :, 1:-1, 1:-1],
    "clamp": lambda x: x.clamp(min=0.5),
    "threshold": nn.Threshold(0.1, 20.0),
    "cosine": torch.cos,
    "one over": lambda x: 1 / (x.abs() + 1),
    "power": lambda x: x**2,
    "prelu": nn.PReLU(8),
    "alpha dropout": nn.FeatureAlphaDropout(0.5),
    # norms
    "batch norm": nn.BatchNorm2d(8),
    "two norms": nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8), nn.ReLU()),
    "norm without affine": nn.BatchNorm2d(8, affine=False),
    "norm without statistics": nn.BatchNorm2d(8, track_running_stats=False),
    "instance norm": nn.InstanceNorm2d(8),
    "instance norm with affine": nn.InstanceNorm2d(8, affine=True, track_running_stats=True),
    "sigmoid, then norm": nn.Sequential(nn.Sigmoid(), nn.BatchNorm2d(8)),
    # permutations
    "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "split": split,
    "unbind": lambda x: torch.stack(x.unbind(1), 1),
    "cat twice": lambda x: torch.cat([x, x.relu()], 1)[:, 2:10],
    "cat of rows of pixels": lambda x: torch.cat([x[:, :, :3], x[:, :, 3:].relu()], 2),
    "cat of images": lambda x: torch.cat([x[:1], x[1:].relu()], 0),
    "shuffle": shuffled,
    "shuffle layer": nn.ChannelShuffle(4),
    "pad of channels": lambda x: F.pad(x, (0, 0, 0, 0, 3, 1))[:, 1:9],
    "pad of channels and pixels": lambda x: F.pad(x, (1, 0, 0, 0, 2, 2))[:, 2:10, :, 1:],
    "negative pad of channels": lambda x: torch.cat([F.pad(x, (0, 0, 0, 0, -2, 0)), x[:, :2]], 1),
    "slice of channels": lambda x: torch.cat([x[:, 4:], x[:, ::2]], 1),
    "list of channels": lambda x: x[:, [0, 0, 1, 1, 7, 6, 5, 4]],
    "slice of pixels": lambda x: F.pad(x[:, :, ::2, ::2], (0, 3, 3, 0)),
    "narrow": lambda x: torch.cat([x.narrow(1, 3, 5), x.narrow(1, 0, 3)], 1),
    "flip": lambda x: torch.flip(x, [1]),
    "roll": lambda x: torch.roll(x, 1, 1),
    "channels last": lambda x: x.permute(0, 2, 3, 1).relu().permute(0, 3, 1, 2),
    "channels last, multiplied": lambda x: (x.permute(0, 2, 3, 1) * x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
    "transposed pixels": lambda x: x.transpose(2, 3).contiguous(),
    "flattened and viewed": lambda x: x.flatten(2).view(x.shape[0], 8, 6, 6),
    "viewed by batch": lambda x: x.reshape(x.size(0), -1).view(-1, 8, 6, 6),
    "unsqueezed": lambda x: x.unsqueeze(2).squeeze(2),
    "pixel shuffle": lambda x: F.interpolate(F.pixel_shuffle(x, 2), scale_factor=0.5).repeat(1, 4, 1, 1),
    "pixels unshuffled": lambda x: F.interpolate(F.pixel_unshuffle(x, 2), scale_factor=2.0)[:, ::4],
    "windows": windows,
    "expand": lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 6, 6),
    # joins
    "plus itself": lambda x: x + x.relu(),
    "minus": lambda x: x.relu() - x,
    "half and half": lambda x: torch.cat([x[:, :4] + x[:, 4:], x[:, :4] * x[:, 4:]], 1),
    "padded and added": lambda x: x + F.pad(x[:, :4], (0, 0, 0, 0, 4, 0)),
    "times own sigmoid": lambda x: x * x.sigmoid(),
    "times own mean": lambda x: x * F.adaptive_avg_pool2d(x, 1),
    "times a map": lambda x: x * x[:, 2:3],
    "plus a map": lambda x: x + x[:, :1],
    "map first": lambda x: (x[:, 2:3] - 1) * x,
    "plus own mean": lambda x: x + x.mean((2, 3), keepdim=True),
    "divided by itself": lambda x: x / (x.abs() + 1),
    "where": lambda x: torch.where(x > 0, x, 1 + x),
    "largest of two": lambda x: torch.maximum(x, torch.ones_like(x)),
    # barriers
    "group norm": nn.GroupNorm(2, 8),
    "layer norm": nn.LayerNorm([8, 6, 6]),
    "layer norm, channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (8,)).permute(0, 3, 1, 2),
    "local response": nn.LocalResponseNorm(3),
    "softmax": nn.Softmax(1),
    "mean over channels": lambda x: x - x.mean(1, keepdim=True),
    "sum over all": lambda x: x / x.abs().sum(),
    "largest channel": lambda x: x - x.max(1, keepdim=True)[0],
    "attention": attention,
    "linear on pixels": nn.Linear(6, 6),
    "cumulated": lambda x: x.cumsum(1),
    "pooling with places": lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True)[0],
    # in place
    "in place with a later reader": later_reader,
    "added in place": added_in_place,
    "in place layer": nn.Sequential(nn.ReLU6(inplace=True), nn.Hardswish(inplace=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", MIDDLES)
def test_small_is_masked(name: str) -> None:
    network = randomised(initialise(Around(MIDDLES[name]), 0))
    for seed, ratio in enumerate((0.3, 0.6, 0.8)):
        graph = trace(network, (3, 6, 6))
        kernels = random_rows(graph, ratio, seed).to_arrays()
        kernels["before"][2] = True  # maps are made of channel 2
        assert_small_is_masked(network, Selection.from_arrays(kernels), (3, 6, 6))


def test_a_map_that_is_silent_but_read_is_refused() -> None:
    """Sigmoid of nothing is a map of 1/2, but no channel is left to take its size from."""
    network = randomised(initialise(Around(lambda x: x * x[:, 2:3].sigmoid()), 0))
    rows = torch.arange(8) != 2
    with pytest.raises(ValueError, match="nothing is left of getitem, but sigmoid makes something out of its zeros; keep more"):
        assert_small_is_masked(network, Selection.of_rows(network, {"before": rows}), (3, 6, 6))


FIVE = torch.tensor([True, False, True, True, False, True, False, True])


def small_widths(middle: Middle | nn.Module) -> tuple[int, int]:
    """Filters of the first convolution and input channels of the second, when rows 1, 4 and 6 of the first go."""
    network = randomised(initialise(Around(middle), 0))
    small = assert_small_is_masked(network, Selection.of_rows(network, {"before": FIVE}), (3, 6, 6))
    return small.before.out_channels, small.after.in_channels


@pytest.mark.parametrize(
    ("name", "filters", "columns"),
    [
        ("relu", 5, 5),
        ("two norms", 5, 5),
        ("shuffle", 5, 5),
        ("shuffle layer", 5, 5),
        ("chunk", 5, 8),  # pieces handed on together, unseen: a barrier
        ("split", 5, 5),
        ("channels last", 5, 5),
        ("flattened and viewed", 5, 5),
        ("pad of channels", 4, 4),  # channel 7 is cut off
        ("times own mean", 5, 5),
        ("half and half", 5, 5),  # sums 0123 (x.xx + .x.x) all live but 0; products: 3 alone
        ("plus itself", 5, 5),
        ("list of channels", 3, 4),  # 0 0 . . 7 . 5 . reads channel 0 twice
        ("sigmoid", 5, 8),
        ("group norm", 5, 8),
        ("plus a number", 5, 8),
    ],
)
def test_what_can_be_narrow_is(name: str, filters: int, columns: int) -> None:
    assert small_widths(MIDDLES[name]) == (filters, columns)


def test_flattening_to_a_linear_layer_drops_whole_maps() -> None:
    network = randomised(initialise(Around(F.relu), 0))
    rows = torch.tensor([True, False, False, True, False])
    small = assert_small_is_masked(network, Selection.of_rows(network, {"after": rows}), (3, 6, 6))
    assert (small.after.out_channels, small.head.in_features) == (2, 72)


class TwoHeads(nn.Module):
    """One convolution read by several: its channels go only when none of them reads."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.left(x).mean((2, 3)) + self.right(x).amax((2, 3))


def test_a_channel_stays_while_one_reader_wants_it() -> None:
    network = randomised(TwoHeads())
    left = torch.tensor([[True, True, False, False]] * 2)
    right = torch.tensor([[False, True, True, False]] * 2)
    small = assert_small_is_masked(network, Selection({"left": left, "right": right}), (3, 4, 4))
    assert [layer.weight.shape[:2] for layer in (small.stem, small.left, small.right)] == [(3, 3), (2, 2), (2, 2)]


class Tied(nn.Module):
    """Two convolutions with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).relu()).mean((2, 3))


def test_a_tied_weight_may_not_be_cut() -> None:
    network = randomised(Tied())
    with pytest.raises(ValueError, match="cannot be cut"):
        assert_small_is_masked(
            network, Selection.of_rows(network, {"one": torch.tensor([True, False, True])}), (3, 4, 4)
        )
    assert_small_is_masked(network, Selection.full(network), (3, 4, 4))
