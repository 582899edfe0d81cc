"""Residual networks: kuangliu's, akamaster's, weiaicunzai's and chenyaofo's forms, and their variants."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import Residual, classifier, conv, conv_norm, shortcut, unit

STAGES = ((16, 16, 1), (16, 32, 2), (32, 64, 2))  # in, out, stride: CIFAR's three


class LambdaLayer(nn.Module):
    def __init__(self, function) -> None:  # as in akamaster's
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int = 1, option: str = "B") -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, planes, stride=stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes), nn.BatchNorm2d(planes)
        self.shortcut = shortcut(inputs, planes, stride)
        if option == "A" and (stride != 1 or inputs != planes):
            pad = (0, 0, 0, 0, planes // 4, planes // 4)
            self.shortcut = LambdaLayer(lambda x: F.pad(x[:, :, ::2, ::2], pad, "constant", 0))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int = 1, groups: int = 1, width: int = 0) -> None:
        super().__init__()
        width = width or planes
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride, groups), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 4 * planes, 1), nn.BatchNorm2d(4 * planes)
        self.shortcut = shortcut(inputs, 4 * planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, stages: list[nn.Module], width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16), nn.BatchNorm2d(16)
        self.layers = nn.Sequential(*stages)
        self.linear = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(F.relu(self.bn1(self.conv1(x))))
        out = F.avg_pool2d(out, out.size()[3])
        out = out.view(out.size(0), -1)
        return self.linear(out)


def basic_stages(option: str) -> list[nn.Module]:
    return [b for a, c, s in STAGES for b in (BasicBlock(a, c, s, option), BasicBlock(c, c, 1, option))]


def resnet_basic() -> nn.Module:
    return ResNet(basic_stages("B"), 64)


def resnet_option_b() -> nn.Module:
    return nn.Sequential(
        *unit(3, 16), *(BasicBlock(a, c, s) for a, c, s in STAGES), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(1),
        nn.BatchNorm1d(64), nn.Linear(64, 10),
    )  # fmt: skip


def resnet_option_a() -> nn.Module:
    return ResNet(basic_stages("A"), 64)


def bottleneck_stages(groups: int = 1, width: int = 1) -> list[nn.Module]:
    stages, inputs = [], 16
    for planes, stride in ((8, 1), (16, 2), (32, 2)):
        stages += [Bottleneck(inputs, planes, stride, groups, width * planes)]
        inputs = 4 * planes
        stages += [Bottleneck(inputs, planes, 1, groups, width * planes)]
    return stages


def resnet_bottleneck() -> nn.Module:
    return ResNet(bottleneck_stages(), 128)


def resnext() -> nn.Module:
    return ResNet(bottleneck_stages(4, 2), 128)


class PreactBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, planes, stride=stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), conv(planes, planes)
        self.dropout = nn.Dropout(dropout)
        if stride != 1 or inputs != planes:
            self.shortcut = nn.Sequential(conv(inputs, planes, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        out = self.dropout(self.conv1(out))
        out = self.conv2(F.relu(self.bn2(out)))
        out += shortcut
        return out


class PreactBottleneck(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), conv(inputs, planes, 1, stride),
            nn.BatchNorm2d(planes), nn.ReLU(inplace=True), conv(planes, planes),
            nn.BatchNorm2d(planes), nn.ReLU(inplace=True), conv(planes, 4 * planes, 1),
        )  # fmt: skip
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != 4 * planes:
            self.shortcut = nn.Conv2d(inputs, 4 * planes, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


def preact(blocks: list[nn.Module], width: int) -> nn.Module:
    return nn.Sequential(conv(3, 16), *blocks, nn.BatchNorm2d(width), nn.ReLU(inplace=True), classifier(width))


def preact_resnet() -> nn.Module:
    return preact([b for a, c, s in STAGES for b in (PreactBlock(a, c, s), PreactBlock(c, c))], 64)


def wide_resnet() -> nn.Module:
    stages = ((16, 48, 1), (48, 64, 2), (64, 96, 2))
    return preact([b for a, c, s in stages for b in (PreactBlock(a, c, s, 0.3), PreactBlock(c, c, 1, 0.3))], 96)


def preact_bottleneck() -> nn.Module:
    # An activation in place in front of the shortcut would change it: weiaicunzai's first norm makes a new tensor
    return preact([PreactBottleneck(16, 8), PreactBottleneck(32, 8), PreactBottleneck(32, 16, 2)], 64)


class PyramidBlock(nn.Module):
    """Han et al. 2017: widths grow at every block, the shortcut is padded with zeros behind."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, planes, stride=stride)
        self.bn2, self.conv2, self.bn3 = nn.BatchNorm2d(planes), conv(planes, planes), nn.BatchNorm2d(planes)
        self.extra = planes - inputs
        self.pool = nn.AvgPool2d(2, 2) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.bn1(x))
        out = self.bn3(self.conv2(F.relu(self.bn2(out))))
        return out + F.pad(self.pool(x), (0, 0, 0, 0, 0, self.extra))


def pyramidnet() -> nn.Module:
    return preact(
        [PyramidBlock(16, 24, 1), PyramidBlock(24, 32, 2), PyramidBlock(32, 40, 1), PyramidBlock(40, 48, 2)], 48
    )


class StochasticBlock(BasicBlock):
    """weiaicunzai's: in training a whole block is skipped by lot, in eval it is weighted by its chance."""

    chance = 0.8

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            if torch.rand(()) < self.chance:
                return F.relu(self.body(x) + self.shortcut(x))
            return F.relu(self.shortcut(x))
        return F.relu(self.body(x) * self.chance + self.shortcut(x))

    def body(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


def stochastic_depth() -> nn.Module:
    return ResNet([StochasticBlock(a, c, s) for a, c, s in STAGES], 64)


class ShakeShakeBlock(nn.Module):
    """Gastaldi 2017: two branches, mixed at random in training and evenly in eval."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.ReLU(), *unit(inputs, planes, stride=stride), *conv_norm(planes, planes))
        self.two = nn.Sequential(nn.ReLU(), *unit(inputs, planes, stride=stride), *conv_norm(planes, planes))
        self.shortcut = shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.one(x), self.two(x)
        if self.training:
            share = torch.rand(one.size(0), 1, 1, 1, device=x.device, dtype=x.dtype)
            mixed = share * one + (1 - share) * two
        else:
            mixed = 0.5 * (one + two)
        return mixed + self.shortcut(x)


def shake_shake() -> nn.Module:
    return ResNet([ShakeShakeBlock(a, c, s) for a, c, s in STAGES], 64)


def resnet_d() -> nn.Module:
    """He et al. 2018: a deep stem, and shortcuts that pool before they project."""

    def block(inputs: int, planes: int, stride: int) -> nn.Module:
        pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
        way = nn.Sequential(pool, *conv_norm(inputs, planes, 1)) if inputs != planes else None
        return Residual(nn.Sequential(*unit(inputs, planes, 3, stride), *conv_norm(planes, planes)), way, nn.ReLU(True))

    return nn.Sequential(
        *unit(3, 8), *unit(8, 8), *unit(8, 16), nn.MaxPool2d(3, 2, 1), block(16, 16, 1), block(16, 32, 2),
        block(32, 48, 2), classifier(48),
    )  # fmt: skip


def prelu_resnet() -> nn.Module:
    """ArcFace's improved residual block: norm first, a slope for each channel, flattened embedding."""

    def block(inputs: int, planes: int, stride: int) -> nn.Module:
        body = (
            nn.BatchNorm2d(inputs),
            *conv_norm(inputs, planes),
            nn.PReLU(planes),
            *conv_norm(planes, planes, 3, stride),
        )
        return Residual(nn.Sequential(*body), shortcut(inputs, planes, stride))

    return nn.Sequential(
        *conv_norm(3, 16), nn.PReLU(16), block(16, 16, 2), block(16, 32, 2), block(32, 32, 1), block(32, 48, 2),
        nn.BatchNorm2d(48), nn.Dropout(0.4), nn.Flatten(), nn.Linear(48 * 16, 64), nn.BatchNorm1d(64),
        nn.Linear(64, 10),
    )  # fmt: skip


class StandardisedConv(nn.Conv2d):
    """Qiao et al. 2019: weights of mean zero and variance one."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        weight = weight - weight.mean(dim=1, keepdim=True).mean(dim=2, keepdim=True).mean(dim=3, keepdim=True)
        std = weight.view(weight.size(0), -1).std(dim=1).view(-1, 1, 1, 1) + 1e-5
        weight = weight / std.expand_as(weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class NormedBlock(nn.Module):
    """With group norms, over plain or standardised convolutions."""

    def __init__(self, inputs: int, planes: int, stride: int, layer: type[nn.Conv2d]) -> None:
        super().__init__()
        self.conv1 = layer(inputs, planes, 3, stride, 1, bias=False)
        self.conv2 = layer(planes, planes, 3, 1, 1, bias=False)
        self.gn1, self.gn2 = nn.GroupNorm(4, planes), nn.GroupNorm(4, planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != planes:
            self.downsample = nn.Sequential(layer(inputs, planes, 1, stride, bias=False), nn.GroupNorm(4, planes))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.gn1(self.conv1(x)))
        out = self.gn2(self.conv2(out))
        return self.relu(out + identity)


def resnet_group_norm() -> nn.Module:
    return ResNet([NormedBlock(a, c, s, nn.Conv2d) for a, c, s in STAGES], 64)


def resnet_weight_standardised() -> nn.Module:
    return ResNet([NormedBlock(a, c, s, StandardisedConv) for a, c, s in STAGES], 64)


class RiRBlock(nn.Module):
    """ResNet in ResNet (Targ et al. 2016): a residual and a transient stream that feed each other."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.residual_residual, self.residual_transient = (conv(inputs, planes, 3, stride) for _ in range(2))
        self.transient_transient, self.transient_residual = (conv(inputs, planes, 3, stride) for _ in range(2))
        self.norm_residual = nn.Sequential(nn.BatchNorm2d(planes), nn.ReLU(inplace=True))
        self.norm_transient = nn.Sequential(nn.BatchNorm2d(planes), nn.ReLU(inplace=True))
        self.short = nn.Sequential()
        if inputs != planes or stride != 1:
            self.short = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride))

    def forward(self, x: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        residual, transient = x
        r = self.residual_residual(residual) + self.transient_residual(transient) + self.short(residual)
        t = self.residual_transient(residual) + self.transient_transient(transient)
        return self.norm_residual(r), self.norm_transient(t)


class ResNetInResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = unit(3, 24)
        self.second = unit(3, 24)
        self.blocks = nn.Sequential(RiRBlock(24, 24, 1), RiRBlock(24, 32, 2), RiRBlock(32, 48, 2))
        self.last = nn.Sequential(nn.Conv2d(96, 10, 1, bias=False), nn.BatchNorm2d(10), nn.ReLU(inplace=True))
        self.head = classifier(10)

    def forward(self, x: Tensor) -> Tensor:
        residual, transient = self.blocks((self.first(x), self.second(x)))
        return self.head(self.last(torch.cat([residual, transient], 1)))


def resnet_in_resnet() -> nn.Module:
    return ResNetInResNet()


class FractalBlock(nn.Module):
    """Larsson et al. 2017: columns of one, two and four convolutions, joined by their mean."""

    def __init__(self, inputs: int, planes: int) -> None:
        super().__init__()
        self.short = unit(inputs, planes)
        self.middle = nn.ModuleList([unit(inputs, planes), unit(planes, planes)])
        self.long = nn.ModuleList([unit(inputs if k == 0 else planes, planes) for k in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        half = torch.stack([self.middle[0](x), self.long[1](self.long[0](x))]).mean(0)
        ends = [self.short(x), self.middle[1](half), self.long[3](self.long[2](half))]
        return torch.stack(ends, 0).mean(0)


def fractalnet() -> nn.Module:
    return nn.Sequential(FractalBlock(3, 24), nn.MaxPool2d(2), FractalBlock(24, 32), nn.MaxPool2d(2), classifier(32))
