"""Networks without shortcuts: LeNet, VGG, network in network, SqueezeNet and their kin."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import classifier, conv, conv_norm, unit


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def lenet() -> nn.Module:
    return LeNet()


class VGG(nn.Module):
    """kuangliu's features with chenyaofo's classifier."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for wanted in (32, 0, 64, 0, 96, 96, 0, 128, 128, 0):
            layers += [*unit(width, wanted)] if wanted else [nn.MaxPool2d(2, 2)]
            width = wanted or width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(128 * 4, 64), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(64, 64), nn.ReLU(inplace=True),
            nn.Dropout(), nn.Linear(64, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.classifier(x)


def vgg() -> nn.Module:
    return VGG()


def network_in_network() -> nn.Module:
    def block(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
        sizes = ((inputs, outputs, kernel), (outputs, outputs, 1), (outputs, outputs, 1))
        return [m for a, b, k in sizes for m in (nn.Conv2d(a, b, k, padding=k // 2), nn.ReLU(inplace=True))]

    return nn.Sequential(
        *block(3, 48, 5), nn.MaxPool2d(3, 2, 1), nn.Dropout(0.5), *block(48, 64, 5), nn.AvgPool2d(3, 2, 1),
        nn.Dropout(0.5), *block(64, 64, 3)[:-2], nn.Conv2d(64, 10, 1), nn.AvgPool2d(8), nn.Flatten(),
    )  # fmt: skip


class Fire(nn.Module):
    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = unit(inputs, squeezed, 1)
        self.expand_1x1, self.expand_3x3 = unit(squeezed, expanded, 1), unit(squeezed, expanded)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.expand_1x1(x), self.expand_3x3(x)], 1)


class SqueezeNet(nn.Module):
    """With weiaicunzai's additions between fire modules."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*unit(3, 48), nn.MaxPool2d(2, 2))
        self.fire2, self.fire3, self.fire4 = Fire(48, 8, 32), Fire(64, 8, 32), Fire(64, 16, 48)
        self.fire5, self.pool = Fire(96, 16, 48), nn.MaxPool2d(2, 2)
        self.last = nn.Conv2d(96, 10, 1)
        self.average = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        f2 = self.fire2(self.stem(x))
        f4 = self.pool(self.fire4(self.fire3(f2) + f2))
        x = self.average(self.last(self.fire5(f4) + f4))
        return x.view(x.size(0), -1)


def squeezenet() -> nn.Module:
    return SqueezeNet()


class CReLUNet(nn.Module):
    """Shang et al. 2016: relu of both signs, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv_norm(3, 16), conv_norm(32, 24, stride=2), conv_norm(48, 32, stride=2)])
        self.head = classifier(64)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.convs:
            x = layer(x)
            x = F.relu(torch.cat([x, -x], dim=1))
        return self.head(x)


def crelu_net() -> nn.Module:
    return CReLUNet()


class MaxoutNet(nn.Module):
    """Goodfellow et al. 2013: the larger of two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((3, 24), (24, 32), (32, 48))
        self.left = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in widths)
        self.right = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in widths)
        self.head = classifier(48)

    def forward(self, x: Tensor) -> Tensor:
        for left, right in zip(self.left, self.right, strict=True):
            x = F.max_pool2d(torch.max(left(x), right(x)), 2)
        return self.head(x)


def maxout_net() -> nn.Module:
    return MaxoutNet()


class Highway(nn.Module):
    """Srivastava et al. 2015: t * h(x) + (1 - t) * x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transform, self.gate = conv_norm(width, width), nn.Conv2d(width, width, 3, padding=1)
        nn.init.constant_(self.gate.bias, -2)

    def forward(self, x: Tensor) -> Tensor:
        t = torch.sigmoid(self.gate(x))
        return F.relu(self.transform(x)) * t + x * (1 - t)


def highway_net() -> nn.Module:
    return nn.Sequential(
        *unit(3, 24), Highway(24), Highway(24), *unit(24, 32, stride=2), Highway(32), *unit(32, 48, stride=2),
        conv(48, 48), nn.ELU(), classifier(48),
    )  # fmt: skip
