"""Networks with several inputs or outputs."""

import torch
from torch import Tensor, nn

from tests.networks.wirings.layers import classifier, unit
from tests.networks.wirings.residual import BasicBlock


class Siamese(nn.Module):
    """One network for two images; what is compared is the difference."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            *unit(3, 16), nn.MaxPool2d(2), *unit(16, 32), nn.MaxPool2d(2), *unit(32, 48), nn.AdaptiveAvgPool2d(2)
        )
        self.fc = nn.Sequential(nn.Linear(48 * 4, 32), nn.ReLU(inplace=True), nn.Linear(32, 16))
        self.out = nn.Linear(16, 1)

    def embed(self, x: Tensor) -> Tensor:
        x = self.cnn(x)
        return self.fc(x.view(x.size(0), -1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.sigmoid(self.out(torch.abs(self.embed(first) - self.embed(second))))


def siamese() -> nn.Module:
    return Siamese()


class TwoStream(nn.Module):
    """Colours and flow, each through a network of its own, put together half-way."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb = nn.Sequential(*unit(3, 16), BasicBlock(16, 32, 2))
        self.flow = nn.Sequential(*unit(2, 16), BasicBlock(16, 32, 2))
        self.fuse, self.head = nn.Sequential(*unit(64, 48, 1), BasicBlock(48, 48)), classifier(48)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return self.head(self.fuse(torch.cat([self.rgb(rgb), self.flow(flow)], dim=1)))


def two_stream() -> nn.Module:
    return TwoStream()


class MultiHead(nn.Module):
    """One trunk; classes, a regression, and a map."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*unit(3, 24), BasicBlock(24, 32, 2), BasicBlock(32, 48, 2))
        self.classes, self.angle = classifier(48), nn.Sequential(*unit(48, 16), classifier(16, 2))
        self.depth = nn.Sequential(*unit(48, 24), nn.Upsample(scale_factor=4), nn.Conv2d(24, 1, 3, padding=1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.trunk(x)
        return {"classes": self.classes(x), "angle": self.angle(x), "depth": self.depth(x)}


def multi_head() -> nn.Module:
    return MultiHead()
