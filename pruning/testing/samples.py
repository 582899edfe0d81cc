"""Small networks that methods are tried on."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.graph.inputs import Shapes
from pruning.models import initialise
from pruning.testing.equality import randomised


class Chain(nn.Sequential):
    """Convolutions with bias and without norms."""

    def __init__(self) -> None:
        wide = (3, 8, 10, 6)
        convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(wide)]
        super().__init__(*(layer for conv in convs for layer in (conv, nn.ReLU(inplace=True))))
        self.append(nn.Flatten()).append(nn.Linear(6 * 64, 4))


class Residual(nn.Module):
    """A stem, a block with a projection, a block without, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.convs = nn.ModuleList(nn.Conv2d(a, 12, 3, padding=1, bias=False) for a in (8, 12, 12, 12))
        self.projection = nn.Conv2d(8, 12, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (12, 12, 12, 12, 8, 12))
        self.head = nn.Linear(12, 4)

    def block(self, first: int, x: Tensor) -> Tensor:
        x = F.relu(self.norms[first](self.convs[first](x)))
        return self.norms[first + 1](self.convs[first + 1](x))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norms[4](self.stem(x)))
        x = F.relu(self.block(0, x) + self.norms[5](self.projection(x)))
        x = F.relu(self.block(2, x) + x)
        return self.head(x.mean((2, 3)))


class Branches(nn.Module):
    """A depthwise convolution, two branches whose channels are concatenated, a hidden layer with a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU6())
        self.wide = nn.Sequential(nn.Conv2d(8, 10, 3, padding=1), nn.BatchNorm2d(10), nn.SiLU())
        self.narrow = nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4), nn.SiLU())
        self.last = nn.Sequential(nn.Conv2d(14, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(12 * 16, 10), nn.BatchNorm1d(10), nn.ReLU(inplace=True), nn.Linear(10, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(self.stem(x))
        x = self.last(torch.cat([self.wide(x), self.narrow(x)], 1))
        return self.head(F.max_pool2d(x, 2).flatten(1))


@dataclass(frozen=True)
class Sample:
    """A network to try methods on: how it is built, and the shape of its images."""

    build: Callable[[], nn.Module]
    image_shape: Shapes

    def network(self) -> nn.Module:
        """The same each time, with random norms and biases; float32, in eval."""
        return copy.deepcopy(pristine(self))

    def has_norms(self) -> bool:
        """Behind its convolutions, as far as its layers tell."""
        return any(isinstance(module, nn.BatchNorm2d) for module in pristine(self).modules())


@cache
def pristine(sample: Sample) -> nn.Module:
    return randomised(initialise(sample.build(), 0)).float()


SAMPLES = {
    "chain": Sample(Chain, (3, 8, 8)),
    "residual": Sample(Residual, (3, 8, 8)),
    "branches": Sample(Branches, (3, 8, 8)),
}
