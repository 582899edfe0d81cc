"""Networks whose channels or places are weighted: squeeze-and-excitation and its kin, masks of attention."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import Residual, classifier, conv, conv_norm, shortcut, unit
from tests.networks.wirings.residual import PreactBottleneck


class SEBlock(nn.Module):
    """kuangliu's SENet: the gate from convolutions on 1x1 maps, before the addition."""

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, planes, stride=stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes), nn.BatchNorm2d(planes)
        self.shortcut = shortcut(inputs, planes, stride)
        self.fc1, self.fc2 = nn.Conv2d(planes, planes // 4, 1), nn.Conv2d(planes // 4, planes, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        w = F.avg_pool2d(out, out.size(2))
        w = F.relu(self.fc1(w))
        w = self.fc2(w).sigmoid()
        out = out * w
        out += self.shortcut(x)
        return F.relu(out)


def seresnet() -> nn.Module:
    return nn.Sequential(
        *unit(3, 16), SEBlock(16, 16), SEBlock(16, 32, 2), SEBlock(32, 32), SEBlock(32, 64, 2), classifier(64)
    )


class ChannelGate(nn.Module):
    """CBAM's: one perceptron on the mean and the maximum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.mlp(F.avg_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3))))
        largest = self.mlp(F.max_pool2d(x, (x.size(2), x.size(3)), stride=(x.size(2), x.size(3))))
        scale = torch.sigmoid(mean + largest).unsqueeze(2).unsqueeze(3).expand_as(x)
        return x * scale


class SpatialGate(nn.Module):
    """CBAM's: which places count, from the mean and the maximum over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(self.spatial(pooled))


def gated_resnet(gate) -> nn.Module:  # width -> module
    def block(inputs: int, planes: int, stride: int) -> nn.Module:
        body = (*unit(inputs, planes, 3, stride), *conv_norm(planes, planes), gate(planes))
        return Residual(nn.Sequential(*body), shortcut(inputs, planes, stride), nn.ReLU(inplace=True))

    return nn.Sequential(*unit(3, 16), block(16, 16, 1), block(16, 32, 2), block(32, 64, 2), classifier(64))


def cbam_resnet() -> nn.Module:
    return gated_resnet(lambda width: nn.Sequential(ChannelGate(width), SpatialGate()))


class ECA(nn.Module):
    """Wang et al. 2020: the gate from a convolution along the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        size = int(abs((math.log2(width) + 1) / 2)) | 1
        self.avg_pool, self.sigmoid = nn.AdaptiveAvgPool2d(1), nn.Sigmoid()
        self.conv = nn.Conv1d(1, 1, kernel_size=size, padding=size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.avg_pool(x)
        y = self.conv(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * self.sigmoid(y).expand_as(x)


def eca_resnet() -> nn.Module:
    return gated_resnet(ECA)


class CoordinateAttention(nn.Module):
    """Hou et al. 2021: a gate for each row and each column."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.act = nn.Conv2d(width, 8, 1), nn.BatchNorm2d(8), nn.Hardswish()
        self.conv_h, self.conv_w = nn.Conv2d(8, width, 1), nn.Conv2d(8, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        _, _, h, w = x.size()
        rows = F.adaptive_avg_pool2d(x, (None, 1))
        columns = F.adaptive_avg_pool2d(x, (1, None)).permute(0, 1, 3, 2)
        y = self.act(self.bn1(self.conv1(torch.cat([rows, columns], dim=2))))
        rows, columns = torch.split(y, [h, w], dim=2)
        columns = columns.permute(0, 1, 3, 2)
        return x * self.conv_w(columns).sigmoid() * self.conv_h(rows).sigmoid()


def coordinate_attention() -> nn.Module:
    return gated_resnet(CoordinateAttention)


class SelectiveKernels(nn.Module):
    """Li et al. 2019: a softmax chooses between two kernel sizes, channel by channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([unit(width, width, 3), unit(width, width, 5)])
        self.fc = unit(width, 8, 1)
        self.fcs = nn.ModuleList([nn.Conv2d(8, width, 1), nn.Conv2d(8, width, 1)])

    def forward(self, x: Tensor) -> Tensor:
        features = torch.stack([layer(x) for layer in self.convs], dim=1)
        squeezed = self.fc(features.sum(dim=1).mean((2, 3), keepdim=True))
        weights = torch.softmax(torch.stack([fc(squeezed) for fc in self.fcs], dim=1), dim=1)
        return (features * weights).sum(dim=1)


def selective_kernels() -> nn.Module:
    def block(inputs: int, planes: int) -> nn.Module:
        body = nn.Sequential(*unit(inputs, 16, 1), SelectiveKernels(16), *conv_norm(16, planes, 1))
        return Residual(body, shortcut(inputs, planes, 1), nn.ReLU())

    return nn.Sequential(*unit(3, 16), block(16, 32), nn.MaxPool2d(2), block(32, 48), block(48, 48), classifier(48))


class AttentionModule(nn.Module):
    """weiaicunzai's attention-56: a trunk, weighted by what an hourglass beside it says: (1 + mask) * trunk."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size, self.pre, self.trunk = size, self.block(width), nn.Sequential(self.block(width), self.block(width))
        self.down1, self.down2 = self.block(width), self.block(width)
        self.skip, self.up, self.last = self.block(width), self.block(width), self.block(width)
        self.sigmoid = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), conv(width, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
            conv(width, width, 1), nn.Sigmoid(),
        )  # fmt: skip

    @staticmethod
    def block(width: int) -> nn.Module:
        return PreactBottleneck(width, width // 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pre(x)
        input_size = (x.size(2), x.size(3))
        trunk = self.trunk(x)
        half = self.down1(F.max_pool2d(x, kernel_size=3, stride=2, padding=1))
        quarter = self.down2(F.max_pool2d(half, kernel_size=3, stride=2, padding=1))
        up = F.interpolate(self.up(quarter), size=(half.size(2), half.size(3)), mode="bilinear", align_corners=True)
        up = F.interpolate(up + self.skip(half), size=input_size, mode="bilinear", align_corners=True)
        mask = self.sigmoid(up)
        return self.last((1 + mask) * trunk)


def attention_masks() -> nn.Module:
    return nn.Sequential(
        *unit(3, 16), PreactBottleneck(16, 8), AttentionModule(32, 32), PreactBottleneck(32, 16, 2),
        AttentionModule(64, 16), nn.BatchNorm2d(64), nn.ReLU(), classifier(64),
    )  # fmt: skip
