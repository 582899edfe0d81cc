"""Networks of depthwise, grouped and re-parametrised convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import Residual, classifier, conv, conv_norm, shortcut, unit


def mobilenet_v1() -> nn.Module:
    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        return [*unit(inputs, inputs, 3, stride, inputs), *unit(inputs, outputs, 1)]

    return nn.Sequential(*unit(3, 16), *block(16, 32, 1), *block(32, 48, 2), *block(48, 64, 2), classifier(64))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        self.stride, planes = stride, expansion * inputs
        self.conv1, self.bn1 = conv(inputs, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3, stride, planes), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = conv(planes, outputs, 1), nn.BatchNorm2d(outputs)
        self.shortcut = shortcut(inputs, outputs, 1) if stride == 1 else nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu6(self.bn1(self.conv1(x)))
        out = F.relu6(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return out + self.shortcut(x) if self.stride == 1 else out


def mobilenet_v2() -> nn.Module:
    rows = ((16, 16, 1, 1), (16, 24, 4, 1), (24, 24, 4, 1), (24, 32, 4, 2), (32, 32, 4, 1), (32, 48, 4, 2))
    return nn.Sequential(*unit(3, 16), *(InvertedResidual(*row) for row in rows), *unit(48, 96, 1), classifier(96))


class SqueezeExcitation(nn.Module):
    def __init__(self, width: int, squeezed: int, gate: nn.Module) -> None:
        super().__init__()
        self.avg, self.gate = nn.AdaptiveAvgPool2d(1), gate
        self.fc = nn.Sequential(
            nn.Linear(width, squeezed, bias=False), nn.ReLU(True), nn.Linear(squeezed, width, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        y = self.avg(x).view(b, c)
        y = self.gate(self.fc(y)).view(b, c, 1, 1)
        return x * y.expand_as(x)


def mbconv(
    inputs: int, planes: int, outputs: int, kernel: int, stride: int, act: type[nn.Module], gate: nn.Module
) -> nn.Module:
    body = nn.Sequential(
        *unit(inputs, planes, 1, act=act), *unit(planes, planes, kernel, stride, planes, act),
        SqueezeExcitation(planes, max(4, inputs // 4), gate), *conv_norm(planes, outputs, 1),
    )  # fmt: skip
    return Residual(body) if stride == 1 and inputs == outputs else body


def mobilenet_v3() -> nn.Module:
    rows = ((16, 32, 16, 3, 1), (16, 48, 24, 3, 2), (24, 64, 24, 5, 1), (24, 72, 32, 5, 2), (32, 96, 32, 5, 1))
    blocks = (mbconv(*row, nn.Hardswish, nn.Hardsigmoid()) for row in rows)
    return nn.Sequential(
        *unit(3, 16, act=nn.Hardswish), *blocks, *unit(32, 96, 1, act=nn.Hardswish), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(96, 64), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(64, 10),
    )  # fmt: skip


def swish(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def drop_connect(x: Tensor, ratio: float) -> Tensor:
    keep_ratio = 1.0 - ratio
    mask = torch.empty([x.shape[0], 1, 1, 1], dtype=x.dtype, device=x.device)
    mask.bernoulli_(keep_ratio)
    x.div_(keep_ratio)
    x.mul_(mask)
    return x


class MBConv(nn.Module):
    """kuangliu's EfficientNet: the swish written out, blocks dropped image by image in training."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, drop: float) -> None:
        super().__init__()
        planes, self.expansion, self.drop = expansion * inputs, expansion, drop
        self.conv1, self.bn1 = conv(inputs, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, kernel, stride, planes), nn.BatchNorm2d(planes)
        self.se1, self.se2 = nn.Conv2d(planes, 4, 1), nn.Conv2d(4, planes, 1)
        self.conv3, self.bn3 = conv(planes, outputs, 1), nn.BatchNorm2d(outputs)
        self.has_skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out = x if self.expansion == 1 else swish(self.bn1(self.conv1(x)))
        out = swish(self.bn2(self.conv2(out)))
        weight = F.adaptive_avg_pool2d(out, (1, 1))
        weight = self.se2(swish(self.se1(weight))).sigmoid()
        out = out * weight
        out = self.bn3(self.conv3(out))
        if self.has_skip:
            if self.training and self.drop > 0:
                out = drop_connect(out, self.drop)
            out = out + x
        return out


def efficientnet() -> nn.Module:
    rows = ((16, 16, 3, 1, 2, 0.0), (16, 24, 3, 2, 4, 0.0), (24, 24, 5, 1, 4, 0.2), (24, 32, 5, 2, 4, 0.0))
    return nn.Sequential(*unit(3, 16, act=nn.SiLU), *(MBConv(*row) for row in rows), nn.Dropout(0.2), classifier(32))


def mixed_kernels() -> nn.Module:
    """MixNet (Tan and Le 2019): parts of the channels see kernels of different sizes."""

    class Mixed(nn.Module):
        def __init__(self, width: int, stride: int) -> None:
            super().__init__()
            self.parts = [width // 2, width - width // 2]
            kernels = zip(self.parts, (3, 5), strict=True)
            self.convs = nn.ModuleList(conv(part, part, kernel, stride, part) for part, kernel in kernels)

        def forward(self, x: Tensor) -> Tensor:
            parts = torch.split(x, self.parts, 1)
            return torch.cat([layer(part) for layer, part in zip(self.convs, parts, strict=True)], 1)

    def block(inputs: int, planes: int, outputs: int, stride: int) -> list[nn.Module]:
        return [
            *unit(inputs, planes, 1),
            Mixed(planes, stride),
            nn.BatchNorm2d(planes),
            nn.SiLU(),
            *conv_norm(planes, outputs, 1),
        ]

    return nn.Sequential(*unit(3, 16), *block(16, 48, 24, 2), Residual(nn.Sequential(*block(24, 72, 24, 1))),
                         *block(24, 96, 48, 2), classifier(48))  # fmt: skip


class ChannelShuffle(nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Channel shuffle: [N,C,H,W] -> [N,g,C/g,H,W] -> [N,C/g,g,H,W] -> [N,C,H,W]."""
        n, c, h, w = x.size()
        g = self.groups
        return x.view(n, g, c // g, h, w).permute(0, 2, 1, 3, 4).reshape(n, c, h, w)


class ShuffleBottleneck(nn.Module):
    """kuangliu's ShuffleNet (v1)."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        self.stride, middle = stride, outputs // 4
        first = 1 if inputs == 24 else groups
        self.conv1, self.bn1, self.shuffle = (
            conv(inputs, middle, 1, 1, first),
            nn.BatchNorm2d(middle),
            ChannelShuffle(groups),
        )
        self.conv2, self.bn2 = conv(middle, middle, 3, stride, middle), nn.BatchNorm2d(middle)
        self.conv3, self.bn3 = conv(middle, outputs, 1, 1, groups), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(nn.AvgPool2d(3, stride=2, padding=1)) if stride == 2 else nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        out = self.shuffle(F.relu(self.bn1(self.conv1(x))))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        res = self.shortcut(x)
        return F.relu(torch.cat([out, res], 1)) if self.stride == 2 else F.relu(out + res)


def shufflenet_v1() -> nn.Module:
    return nn.Sequential(
        *unit(3, 24), ShuffleBottleneck(24, 72 - 24, 2, 2), ShuffleBottleneck(72, 72, 1, 2),
        ShuffleBottleneck(72, 72, 2, 2), ShuffleBottleneck(144, 144, 1, 2), classifier(144),
    )  # fmt: skip


class SplitBlock(nn.Module):
    """kuangliu's ShuffleNetV2: half of the channels pass by."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = self.half = width // 2
        self.conv1, self.bn1 = conv(half, half, 1), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = conv(half, half, 3, 1, half), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = conv(half, half, 1), nn.BatchNorm2d(half)
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        c = int(x.size(1) * 0.5)
        x1, x2 = x[:, :c, :, :], x[:, c:, :, :]
        out = F.relu(self.bn1(self.conv1(x2)))
        out = self.bn2(self.conv2(out))
        out = F.relu(self.bn3(self.conv3(out)))
        return self.shuffle(torch.cat([x1, out], 1))


class DownBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.left = nn.Sequential(*conv_norm(inputs, inputs, 3, 2, inputs), *unit(inputs, half, 1))
        self.right = nn.Sequential(*unit(inputs, half, 1), *conv_norm(half, half, 3, 2, half), *unit(half, half, 1))
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(torch.cat([self.left(x), self.right(x)], 1))


def shufflenet_v2() -> nn.Module:
    return nn.Sequential(*unit(3, 24), DownBlock(24, 48), SplitBlock(48), DownBlock(48, 96), SplitBlock(96),
                         *unit(96, 128, 1), classifier(128))  # fmt: skip


def regnet(excited: bool) -> nn.Module:
    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        gate = [SqueezeExcitation(outputs, inputs // 4, nn.Sigmoid())] if excited else []
        body = (
            *unit(inputs, outputs, 1),
            *unit(outputs, outputs, 3, stride, outputs // 8),
            *gate,
            *conv_norm(outputs, outputs, 1),
        )
        return Residual(nn.Sequential(*body), shortcut(inputs, outputs, stride), nn.ReLU())

    return nn.Sequential(
        *unit(3, 16), block(16, 24, 1), block(24, 24, 1), block(24, 56, 2), block(56, 64, 2), classifier(64)
    )


def regnet_x() -> nn.Module:
    return regnet(excited=False)


def regnet_y() -> nn.Module:
    return regnet(excited=True)


class RepVGGBlock(nn.Module):
    """As it is trained: 3x3, 1x1 and a norm alone; what is missing is the number zero."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.rbr_identity = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None
        self.rbr_dense, self.rbr_1x1 = conv_norm(inputs, outputs, 3, stride), conv_norm(inputs, outputs, 1, stride)
        self.nonlinearity, self.se = nn.ReLU(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "rbr_reparam"):
            return self.nonlinearity(self.se(self.rbr_reparam(x)))
        id_out = 0 if self.rbr_identity is None else self.rbr_identity(x)
        return self.nonlinearity(self.se(self.rbr_dense(x) + self.rbr_1x1(x) + id_out))


def repvgg() -> nn.Module:
    rows = ((3, 16, 1), (16, 24, 2), (24, 24, 1), (24, 48, 2), (48, 48, 1), (48, 64, 2))
    return nn.Sequential(*(RepVGGBlock(*row) for row in rows), classifier(64))


class MobileOneBlock(nn.Module):
    """As it is trained: a scale, a skip, and several like branches, added up in a loop."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int, branches: int = 2) -> None:
        super().__init__()
        self.rbr_skip = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None
        self.rbr_scale = conv_norm(inputs, outputs, 1, stride, groups) if kernel > 1 else None
        self.rbr_conv = nn.ModuleList(conv_norm(inputs, outputs, kernel, stride, groups) for _ in range(branches))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        identity_out = 0
        if self.rbr_skip is not None:
            identity_out = self.rbr_skip(x)
        scale_out = 0
        if self.rbr_scale is not None:
            scale_out = self.rbr_scale(x)
        out = scale_out + identity_out
        for ix in range(len(self.rbr_conv)):
            out += self.rbr_conv[ix](x)
        return self.activation(out)


def mobileone() -> nn.Module:
    layers: list[nn.Module] = [MobileOneBlock(3, 24, 3, 2, 1)]
    for inputs, outputs, stride in ((24, 32, 1), (32, 48, 2), (48, 48, 1)):
        layers += [MobileOneBlock(inputs, inputs, 3, stride, inputs), MobileOneBlock(inputs, outputs, 1, 1, 1)]
    return nn.Sequential(*layers, classifier(48))


class GhostModule(nn.Module):
    """Han et al. 2020: half of the channels are cheap copies of the others."""

    def __init__(self, inputs: int, outputs: int, relu: bool = True) -> None:
        super().__init__()
        self.outputs, half = outputs, (outputs + 1) // 2
        act = [nn.ReLU(inplace=True)] if relu else []
        self.primary_conv = nn.Sequential(*conv_norm(inputs, half, 1), *act)
        self.cheap_operation = nn.Sequential(*conv_norm(half, half, 3, 1, half), *act)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.primary_conv(x)
        x2 = self.cheap_operation(x1)
        out = torch.cat([x1, x2], dim=1)
        return out[:, : self.outputs, :, :]


class GhostBottleneck(nn.Module):
    def __init__(self, inputs: int, middle: int, outputs: int, stride: int) -> None:
        super().__init__()
        down = [*conv_norm(middle, middle, 3, stride, middle)] if stride > 1 else []
        self.body = nn.Sequential(GhostModule(inputs, middle), *down, GhostModule(middle, outputs, relu=False))
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(*conv_norm(inputs, inputs, 3, stride, inputs), *conv_norm(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def ghostnet() -> nn.Module:
    rows = ((16, 32, 16, 1), (16, 48, 24, 2), (24, 72, 24, 1), (24, 72, 40, 2))
    return nn.Sequential(*unit(3, 16), *(GhostBottleneck(*row) for row in rows), *unit(40, 96, 1), classifier(96))


def mobilefacenet() -> nn.Module:
    """Chen et al. 2018: inverted residuals with PReLU, and a depthwise convolution over the whole map at the end."""

    def block(inputs: int, planes: int, outputs: int, stride: int) -> nn.Module:
        body = nn.Sequential(
            *conv_norm(inputs, planes, 1), nn.PReLU(planes), *conv_norm(planes, planes, 3, stride, planes),
            nn.PReLU(planes), *conv_norm(planes, outputs, 1),
        )  # fmt: skip
        return Residual(body) if stride == 1 and inputs == outputs else body

    return nn.Sequential(
        *conv_norm(3, 24, 3, 2), nn.PReLU(24), *conv_norm(24, 24, 3, 1, 24), nn.PReLU(24), block(24, 48, 24, 2),
        block(24, 48, 24, 1), block(24, 96, 48, 1), *conv_norm(48, 96, 1), nn.PReLU(96),
        nn.Conv2d(96, 96, 8, groups=96, bias=False), nn.BatchNorm2d(96), nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip


class XceptionBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.ReLU(), *self.separable(inputs, outputs), nn.ReLU(), *self.separable(outputs, outputs),
            *([nn.MaxPool2d(3, stride, 1)] if stride > 1 else []),
        )  # fmt: skip
        self.skip = conv_norm(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else nn.Identity()

    @staticmethod
    def separable(inputs: int, outputs: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(inputs, inputs, 3, groups=inputs, bias=False, padding=1)
        return [depthwise, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.skip(x)


def xception() -> nn.Module:
    blocks = (XceptionBlock(24, 32, 2), XceptionBlock(32, 32, 1), XceptionBlock(32, 64, 2))
    return nn.Sequential(*unit(3, 16), *unit(16, 24), *blocks, classifier(64))
