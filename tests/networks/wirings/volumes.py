"""Networks of three dimensions: video, medical volumes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def unit_3d(inputs: int, outputs: int, kernel=3, stride=1) -> nn.Sequential:  # a number or three
    size = (kernel,) * 3 if isinstance(kernel, int) else kernel
    layer = nn.Conv3d(inputs, outputs, size, stride, tuple(k // 2 for k in size), bias=False)
    return nn.Sequential(layer, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))


class C3D(nn.Module):
    """Tran et al. 2015."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.pool1 = nn.Conv3d(3, 24, 3, padding=1), nn.MaxPool3d((1, 2, 2), (1, 2, 2))
        self.conv2, self.pool2 = nn.Conv3d(24, 32, 3, padding=1), nn.MaxPool3d(2, 2)
        self.conv3a, self.conv3b = nn.Conv3d(32, 48, 3, padding=1), nn.Conv3d(48, 48, 3, padding=1)
        self.pool3 = nn.MaxPool3d(2, 2, padding=(0, 1, 1))
        self.fc6, self.fc7 = nn.Linear(48 * 2 * 3 * 3, 64), nn.Linear(64, 10)
        self.dropout, self.relu = nn.Dropout(0.5), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu(self.conv1(x)))
        x = self.pool2(self.relu(self.conv2(x)))
        x = self.pool3(self.relu(self.conv3b(self.relu(self.conv3a(x)))))
        x = x.view(-1, 48 * 2 * 3 * 3)
        return self.fc7(self.dropout(self.relu(self.fc6(x))))


def c3d() -> nn.Module:
    return C3D()


class Inception3d(nn.Module):
    """I3D's block."""

    def __init__(self, inputs: int, one: int, reduced: int, three: int, pool: int) -> None:
        super().__init__()
        self.b0 = unit_3d(inputs, one, 1)
        self.b1 = nn.Sequential(*unit_3d(inputs, reduced, 1), *unit_3d(reduced, three))
        self.b3 = nn.Sequential(nn.MaxPool3d(3, 1, 1), *unit_3d(inputs, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1(x), self.b3(x)], dim=1)


def inception_3d() -> nn.Module:
    return nn.Sequential(
        *unit_3d(3, 24, (3, 5, 5), (1, 2, 2)), Inception3d(24, 16, 16, 24, 8), nn.MaxPool3d(2),
        Inception3d(48, 16, 24, 32, 16), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


class Block2Plus1D(nn.Module):
    """Tran et al. 2018: in space, then in time."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        middle = 2 * outputs
        self.body = nn.Sequential(
            *unit_3d(inputs, middle, (1, 3, 3), (1, stride, stride)),
            nn.Conv3d(middle, outputs, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False), nn.BatchNorm3d(outputs),
        )  # fmt: skip
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.downsample(x))


def resnet_2plus1d() -> nn.Module:
    return nn.Sequential(
        *unit_3d(3, 16, (1, 7, 7), (1, 2, 2)), Block2Plus1D(16, 16, 1), Block2Plus1D(16, 32, 2),
        nn.AdaptiveAvgPool3d((1, 1, 1)), nn.Flatten(1), nn.Linear(32, 10),
    )  # fmt: skip


class UNet3d(nn.Module):
    """Cicek et al. 2016, with instance norms and transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = self.twice(1, 8), self.twice(8, 16)
        self.bottom, self.pool = self.twice(16, 32), nn.MaxPool3d(2)
        self.up2, self.up1 = nn.ConvTranspose3d(32, 16, 2, 2), nn.ConvTranspose3d(16, 8, 2, 2)
        self.conv2, self.conv1, self.out = self.twice(32, 16), self.twice(16, 8), nn.Conv3d(8, 3, 1)

    @staticmethod
    def twice(inputs: int, outputs: int) -> nn.Module:
        layers = []
        for width in (inputs, outputs):
            layers += [
                nn.Conv3d(width, outputs, 3, padding=1),
                nn.InstanceNorm3d(outputs, affine=True),
                nn.LeakyReLU(0.01),
            ]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.down1(x)
        x2 = self.down2(self.pool(x1))
        x = self.bottom(self.pool(x2))
        x = self.conv2(torch.cat((x2, self.up2(x)), dim=1))
        x = self.conv1(torch.cat((x1, self.up1(x)), dim=1))
        return torch.softmax(self.out(x), dim=1)


def unet_3d() -> nn.Module:
    return UNet3d()
