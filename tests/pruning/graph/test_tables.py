"""Every function of the tables, in a tiny network: small == masked, and what is said to be dead is zero, by numbers."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.graph import tables
from pruning.graph.graph import Graph, trace
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.surgery.align import Spread
from pruning.testing import assert_small_is_masked, randomised
from support.dead_channels import assert_dead_is_zero

SHAPE = (3, 4, 4)
Function = Callable[..., Tensor]
LEFT = torch.tensor([True, False, True, True, False, True, False, True])
RIGHT = torch.tensor([True, True, False, True, False, False, True, True])


class Joined(nn.Module):
    """One or two convolutions of 8 filters, an operation, and a convolution that reads it; the image goes out too."""

    def __init__(self, does: Function, then: int) -> None:
        super().__init__()
        self.left, self.right, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(then, 5, 1)
        self.does = does

    def forward(self, x: Tensor) -> Tensor:
        y = self.last(self.does(self.left(x), self.right(x)))
        return torch.cat([y.flatten(1), x.flatten(1)], 1)


@dataclass(frozen=True)
class Case:
    """An operation between convolutions that lose filters."""

    network: nn.Module
    graph: Graph
    choice: Selection

    def assert_right(self) -> int:
        """Small == masked, and what is said to be dead is zero. How many channels the last convolution reads."""
        assert_dead_is_zero(self.network, self.choice, self.graph, SHAPE)
        small = assert_small_is_masked(self.network, self.choice, SHAPE, graph=self.graph)
        return int(small.last.in_channels)


def case(does: Function, then: int = 8) -> Case:
    torch.manual_seed(0)
    network = randomised(Joined(does, then))
    return Case(network, trace(network, SHAPE), Selection.of_rows(network, {"left": LEFT, "right": RIGHT}))


class OfLayer(nn.Module):
    """A layer as an operation on the first of two tensors."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layer(x)


def names(table: frozenset[object]) -> list[str]:
    """Each name of a table of functions once."""
    spelled = {each if isinstance(each, str) else each.__name__ for each in table}  # type: ignore[attr-defined]
    spelled = {name.strip("_") for name in spelled if not (name[0] == "i" and name[1:] in spelled)}
    return sorted(name for name in spelled if function(name) is not None)


def function(name: str) -> Function | None:
    """Of torch or of operator, which ends some names in _; looked up when it is called, as a forward does."""
    homes = [(home, spelling) for home in (torch, F, Tensor, operator) for spelling in (name, f"{name}_")]
    home = next((home for home in homes if callable(getattr(*home, None))), None)
    return None if home is None else lambda *arguments: getattr(*home)(*arguments)


ARGUMENTS: dict[str, list[tuple[float, ...]]] = {
    "clamp": [(-0.2, 0.3), (0.1, 0.5), (-0.5, -0.1)],
    "clip": [(-0.2, 0.3), (0.1, 0.5)],
    "clamp_min": [(0.0,), (-1,), (0.1,)],
    "clamp_max": [(0,), (0.2,), (-0.1,)],
    "threshold": [(-0.1, 20.0), (0.1, 0.0), (0.1, 20.0)],
    "hardtanh": [(), (-0.2, 0.5), (0.1, 0.5)],
    "hardshrink": [(), (0.1,)],
    "softshrink": [(), (0.1,)],
    "float_power": [(2,), (0,)],
    "logit": [(1e-3,)],
    "nan_to_num": [(), (1.0,)],
    "elu": [(), (0.5,)],
    "leaky_relu": [(), (-0.5,)],
}
INSIDE: list[Function] = [lambda x: x, lambda x: x.tanh().abs(), torch.sigmoid, lambda x: 1 + x.exp()]


def call(name: str, arguments: tuple[float, ...]) -> Function:
    """The function on numbers of its domain, of which zero may not be one."""
    does, numbers = function(name), torch.cat([torch.zeros(1), torch.randn(100)]).double()
    assert does is not None
    safe = next(inside for inside in INSIDE if does(inside(numbers), *arguments).isfinite().all())
    return lambda x, y: does(safe(x), *arguments).to(x.dtype)


@pytest.mark.parametrize("name", names(tables.ELEMENTWISE))
def test_of_one_number(name: str) -> None:
    """It is right, and dead exactly where it is zero."""
    for arguments in ARGUMENTS.get(name, [()]):
        does = call(name, arguments)
        columns = case(does).assert_right()
        kept = bool((does(torch.zeros(1, dtype=torch.double), None) == 0).all())
        assert columns == (5 if kept else 8), arguments


ARITHMETIC: dict[str, tuple[Function, int]] = {
    "x + 0": (lambda x, y: x + 0, 5),
    "0 + x": (lambda x, y: 0 + x, 5),
    "sum of a list": (lambda x, y: sum([x, y]), 7),
    "x - 0.0": (lambda x, y: x - 0.0, 5),
    "x + 1": (lambda x, y: x + 1, 8),
    "2 - x": (lambda x, y: 2 - x, 8),
    "0 - x": (lambda x, y: 0 - x, 5),
    "x * 3": (lambda x, y: x * 3, 5),
    "x / 3": (lambda x, y: x / 3, 5),
    "3 / x": (lambda x, y: 3 / (x.square() + 1), 8),
    "x // 1": (lambda x, y: x // 1, 5),
    "x % 0.5": (lambda x, y: x % 0.5, 5),
    "x ** 2": (lambda x, y: x**2, 5),
    "x ** 0": (lambda x, y: x**0, 8),
    "2 ** x": (lambda x, y: 2**x, 8),
    "x > 0": (lambda x, y: (x > 0).to(x.dtype), 5),
    "x >= 0": (lambda x, y: (x >= 0).to(x.dtype), 8),
    "x * x": (lambda x, y: x * x, 5),
    "x - x": (lambda x, y: x - x, 5),
    "add with a factor": (lambda x, y: torch.add(x, 0, alpha=3), 5),
    "rsub": (lambda x, y: torch.rsub(x, 1), 8),
    "times a number by name": (lambda x, y: torch.mul(x, other=2), 5),
    "times the width": (lambda x, y: x * x.shape[-1] ** -0.5, 5),
    "plus the width": (lambda x, y: x + (x.shape[-1] - 4), 8),
    "at most the width": (lambda x, y: x.clamp(max=x.shape[-1]), 8),
    "hard swish by hand": (lambda x, y: x * F.relu6(x + 3) / 6, 5),
    "in place": (lambda x, y: x.mul_(2).add_(0).clamp_(-1, 1), 5),
    # two of them
    "x + y": (lambda x, y: x + y, 7),
    "x * y": (lambda x, y: x * y, 3),
    "x / y": (lambda x, y: x / (y.abs() + 1), 5),
    "0 / 0": (lambda x, y: torch.nan_to_num(x / y, 1.0), 6),
    "x ** y": (lambda x, y: x.abs() ** y.abs(), 8),
    "x > y": (lambda x, y: (x > y).to(x.dtype), 7),
    "x == y": (lambda x, y: (x == y).to(x.dtype), 8),
    "x and y": (lambda x, y: ((x > 0) & (y > 0)).to(x.dtype), 3),
    "x or y": (lambda x, y: ((x > 0) | (y > 0)).to(x.dtype), 7),
    "larger": (lambda x, y: torch.maximum(x, y), 7),
    "smaller": (lambda x, y: torch.min(x, y), 7),
    "max of two": (lambda x, y: torch.max(x, y), 7),
    "hypot": (lambda x, y: torch.hypot(x, y), 7),
    "atan2": (lambda x, y: torch.atan2(x, y), 8),
    "lerp": (lambda x, y: torch.lerp(x, y, 0.3), 7),
    "addcmul": (lambda x, y: torch.addcmul(x, y, y), 7),
    "addcmul of products": (lambda x, y: torch.addcmul(x, x, y, value=2), 5),
    "add with alpha": (lambda x, y: torch.add(x, y, alpha=2), 7),
    "where": (lambda x, y: torch.where(x > 0, x, y), 7),
    "where not less": (lambda x, y: torch.where(x >= 0, x, 0.1 * x), 5),
    "where, else zero": (lambda x, y: torch.where(y > 0, x, 0.0), 5),
    "where, else one": (lambda x, y: torch.where(y > 0, x, 1.0), 8),
    "where of numbers": (lambda x, y: torch.where(x > 0, 2.0, 0.0).to(x.dtype), 5),
    "where of a fixed mask": (lambda x, y: torch.where(torch.arange(4) > 1, x, y), 7),
    "where of one map": (lambda x, y: torch.where(y[:, :1] > 0, x, x.relu()), 5),
    "masked by a method": (lambda x, y: x.where(y > 0, x.square()), 5),
    "expand_as": (lambda x, y: x.mean((2, 3), keepdim=True).expand_as(y), 5),
    "gated by what follows": (lambda x, y: y * x.mean((2, 3), keepdim=True).expand_as(y), 3),
    "a pooled branch": (lambda x, y: x + y.mean((2, 3), keepdim=True), 7),
    "one map for all": (lambda x, y: x * y[:, :1].sigmoid(), 5),
    "stack and sum": (lambda x, y: torch.stack([x, y], 1).sum(1), 7),
    "stack and largest": (lambda x, y: torch.stack([x, y]).amax(0), 8),  # along images
    "stack of places": (lambda x, y: torch.stack([x, y], dim=-1).amax(-1), 7),
    "stack and softmax": (lambda x, y: (torch.stack([x, y], 1) * torch.stack([x, y], 1).softmax(1)).sum(1), 7),
    "places after places": (lambda x, y: torch.cat([x, y], 2), 7),
}  # fmt: skip


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name: str) -> None:
    does, columns = ARITHMETIC[name]
    assert case(does).assert_right() == columns


def values_times_places(x: Tensor, y: Tensor) -> Tensor:
    values, places = x.max(2, keepdim=True)
    return values * places


def normalised_by_groups(x: Tensor, y: Tensor) -> Tensor:
    """EvoNorm S0, of groups of one channel."""
    b, c, h, w = x.shape
    deviation = x.reshape(b, 8, c // 8, h, w).std((2, 3, 4), keepdim=True)
    return x / (deviation + 1).expand(b, 8, c // 8, h, w).reshape(b, c, h, w)


PLACES: dict[str, tuple[Function, int]] = {
    "max pool": (lambda x, y: F.max_pool2d(x, 2), 5),
    "lp pool": (lambda x, y: F.lp_pool2d(x, 2, 2), 5),
    "adaptive avg pool": (lambda x, y: F.adaptive_avg_pool2d(x, 1), 5),
    "adaptive max": (lambda x, y: F.adaptive_max_pool2d(x, (2, None)), 5),
    "avg pool without padding": (lambda x, y: F.avg_pool2d(x, 3, 1, 1, True, False), 5),
    "mean": (lambda x, y: x.mean([2, 3], keepdim=True), 5),
    "mean of the last two": (lambda x, y: x.mean((-2, -1), True), 5),
    "mean of a flat map": (lambda x, y: x.flatten(2).mean(-1)[:, :, None, None], 5),
    "sum": (lambda x, y: torch.sum(x, 3, keepdim=True), 5),
    "amax": (lambda x, y: torch.amax(x, (2, 3), keepdim=True), 5),
    "amin": (lambda x, y: x.amin(dim=2, keepdim=True), 5),
    "std": (lambda x, y: x.std((2, 3), keepdim=True), 5),
    "var": (lambda x, y: torch.var(x, dim=(2, 3), keepdim=True), 5),
    "norm": (lambda x, y: x.norm(2, (2, 3), keepdim=True), 5),
    "logsumexp": (lambda x, y: x.logsumexp((2, 3), keepdim=True), 8),
    "prod": (lambda x, y: x.prod(2, keepdim=True), 5),
    "max with places": (lambda x, y: x.max(2, keepdim=True)[0], 5),
    "max by name": (lambda x, y: x.max(dim=-1, keepdim=True).values, 5),
    "min, no axis kept": (lambda x, y: x.flatten(2).min(2).values[:, :, None, None], 5),
    "places of the largest": (lambda x, y: x.max(2, keepdim=True).indices.to(x.dtype), 8),
    "both": (values_times_places, 5),
    "sorted": (lambda x, y: x.sort(3)[0], 5),
    "softmax of places": (lambda x, y: x.flatten(2).softmax(-1).unflatten(2, (4, 4)), 8),
    "attention of places": (lambda x, y: x * F.softmax(y, dim=3), 5),
    "softmax of channels": (lambda x, y: x.softmax(1), 8),
    "running sum": (lambda x, y: x.cumsum(2), 5),
    "running sum of channels": (lambda x, y: x.cumsum(1), 8),
    "normalised by places": (lambda x, y: F.normalize(x, 2.0, 3), 5),
    "normalised by channels": (lambda x, y: F.normalize(x), 8),
    "interpolate": (lambda x, y: F.interpolate(x, size=y.shape[2:], mode="bilinear"), 5),
    "nearest": (lambda x, y: F.interpolate(x, scale_factor=2), 5),
    "reflect padding": (lambda x, y: F.pad(x, (1, 2, 1, 0), "reflect"), 5),
    "replicate padding": (lambda x, y: F.pad(x, (1, 2, 1, 0), mode="replicate"), 5),
    "circular padding": (lambda x, y: F.pad(x, (1, 2, 1, 0), mode="circular"), 5),
    "padding": (lambda x, y: F.pad(x, (1, 2, 1, 0)), 5),
    "padding by ones": (lambda x, y: F.pad(x, (1, 2, 1, 0), value=1), 8),
    "padding by the width": (lambda x, y: F.pad(x, (0, 8 - x.shape[3], 0, 0)), 5),
    "flipped places": (lambda x, y: x.flip(2, 3), 5),
    "flipped channels": (lambda x, y: x.flip(1), 5),
    "rolled places": (lambda x, y: torch.roll(x, (1, -1), (2, 3)), 5),
    "rolled channels": (lambda x, y: torch.roll(x, 2, 1), 5),
    "repeated places": (lambda x, y: x.repeat(1, 1, 2, 1), 5),
    "repeated channels": (lambda x, y: x[:, :4].repeat(1, 2, 1, 1), 6),
    "expanded": (lambda x, y: x.mean((2, 3), keepdim=True).expand(-1, -1, 4, 4), 5),
    "expanded by numbers": (lambda x, y: x.mean((2, 3), keepdim=True).expand(x.size(0), 8, 4, 4), 5),
    "expanded by sizes": (lambda x, y: x.mean((2, 3), keepdim=True).expand(x.shape), 5),
    "viewed": (lambda x, y: x.view(x.shape[0], 8, -1).relu().view(x.shape[0], x.shape[1], 4, 4), 5),
    "viewed, channels last": (lambda x, y: x.permute(0, 2, 3, 1).reshape(x.size(0), -1, 8).sum(1)[:, :, None, None], 5),
    "pooled and viewed": (lambda x, y: F.adaptive_avg_pool2d(x, 1).view(-1, 8).tanh().view(-1, 8, 1, 1) * x, 5),
    "squeezed": (lambda x, y: x.mean(3, True).squeeze(-1).relu().unsqueeze(3), 5),
    "unflattened places": (lambda x, y: x.flatten(2).relu().unflatten(2, (2, 8)), 5),
    "unflattened channels": (lambda x, y: x.unflatten(1, (8, 1)).sin().squeeze(2), 5),
    "axes moved": (lambda x, y: torch.movedim(torch.movedim(x, 1, -1).relu(), 3, 1), 5),
    "halves of channels": (lambda x, y: F.glu(torch.cat([x, y], 1), 1), 5),
    "halves of places": (lambda x, y: F.glu(x, 2), 5),
    "dropout": (lambda x, y: F.dropout(x, 0.0), 5),
    "of another type": (lambda x, y: x.float().to(torch.double), 5),
    "normalised by its size": (lambda x, y: x * (x.square().mean((2, 3), True) + 1e-5).rsqrt(), 5),  # FRN
    "normalised by groups": (normalised_by_groups, 5),
    "patches": (lambda x, y: F.unfold(x, 1).unflatten(2, (4, 4)), 8),
    "matmul": (lambda x, y: (x.flatten(2).transpose(1, 2) @ torch.ones(8, 8).double()).mT.unflatten(2, (4, 4)), 8),
    "einsum": (lambda x, y: torch.einsum("nchw,cd->ndhw", x, torch.ones(8, 8).double()), 8),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_along_places(name: str) -> None:
    does, columns = PLACES[name]
    assert case(does).assert_right() == columns


NARROW = (
    *("viewed", "viewed, channels last", "pooled and viewed", "squeezed", "unflattened places", "axes moved", "both"),
    *("expanded", "expanded by numbers", "flipped places", "rolled places", "repeated places"),
)


@pytest.mark.parametrize("name", NARROW)
def test_nothing_is_filled_up_with_zeros_between(name: str) -> None:
    tried = case(PLACES[name][0])
    small = compact(tried.network, tried.choice, SHAPE, tried.graph)
    assert not any(isinstance(layer, Spread) for layer in small.modules())


LAYERS: dict[str, tuple[nn.Module, int]] = {
    "prelu for each channel": (nn.PReLU(8), 5),
    "prelu": (nn.PReLU(), 5),
    "hardtanh": (nn.Hardtanh(-0.1, 0.2), 5),
    "hardtanh off zero": (nn.Hardtanh(0.1, 0.2), 8),
    "threshold": (nn.Threshold(0.1, 20.0), 8),
    "threshold below zero": (nn.Threshold(-0.1, 20.0), 5),
    "softmax of channels": (nn.Softmax2d(), 8),
    "softmax of places": (nn.Softmax(dim=-1), 8),
    "gated linear unit": (nn.Sequential(nn.Conv2d(8, 16, 1), nn.GLU(1)), 8),
    "norm of an image": (nn.InstanceNorm2d(8, affine=True), 5),
    "rrelu": (nn.RReLU(), 5),
    "softshrink": (nn.Softshrink(0.1), 5),
    "max pool": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), 5),
    "lp pool": (nn.LPPool2d(2, 2), 5),
    "adaptive max pool": (nn.AdaptiveMaxPool2d(2), 5),
    "reflection": (nn.ReflectionPad2d(1), 5),
    "circular": (nn.CircularPad2d(1), 5),
    "constant": (nn.ConstantPad2d(1, 0.0), 5),
    "constant of ones": (nn.ConstantPad2d(1, 1.0), 8),
    "upsampled": (nn.Upsample(scale_factor=2, mode="bicubic"), 5),
    "unfolded": (nn.Sequential(nn.Unfold(1), nn.Unflatten(2, (4, 4))), 8),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    layer, columns = LAYERS[name]
    tried = case(OfLayer(layer))
    assert tried.assert_right() == columns
