"""Small networks with the joins that large ones have."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """Stem, a bottleneck block with a projection, one without, classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first = nn.ModuleList([nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 12, 1)])
        self.projection = nn.Conv2d(8, 12, 1)
        self.second = nn.ModuleList([nn.Conv2d(12, 4, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 12, 1)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(12), nn.BatchNorm2d(12), nn.BatchNorm2d(12)])
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = self.norms[0](self.first[2](F.relu(self.first[1](F.relu(self.first[0](x))))))
        x = F.relu(y + self.norms[1](self.projection(x)))
        y = self.norms[2](self.second[2](F.relu(self.second[1](F.relu(self.second[0](x))))))
        return self.head(F.relu(x + y).mean((2, 3)))


class Gated(nn.Module):
    """Inverted residual with squeeze-excitation, as in MobileNetV3: expand, depthwise, gate, project, add."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.Hardswish())
        self.expand = nn.Sequential(nn.Conv2d(6, 12, 1, bias=False), nn.BatchNorm2d(12), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False), nn.BatchNorm2d(12))
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.reduce, self.excite = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1)
        self.project = nn.Sequential(nn.Conv2d(12, 6, 1, bias=False), nn.BatchNorm2d(6))
        self.classes = nn.Conv2d(6, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.depthwise(self.expand(x))
        scale = F.hardsigmoid(self.excite(F.relu(self.reduce(self.squeeze(y)))))
        x = x + self.project(scale * y)
        return torch.flatten(F.adaptive_avg_pool2d(self.classes(x), 1), 1)
