"""Every way in which a network moves, joins or mixes channels; each takes and makes 8 channels of 6x6 pixels."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    "times the sum of all": lambda x: x + x * x.sum(),
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
