"""What the contract is tried on: a new method is one more row."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.budget.targets import PerLayer
from pruning.methods.base import PruningMethod
from pruning.methods.dense import Dense
from pruning.methods.fcf import FCF
from pruning.methods.group2d import Group2D
from pruning.methods.l1 import L1
from pruning.methods.random import Random
from pruning.models import initialise, resnet
from support.narrow import narrow_vgg
from support.promise import randomised

STEPS = 1000


def fcf(ratio: float, **changes: object) -> FCF:
    """The paper's values for CIFAR-10."""
    paper = {"joined": "expand", "cross": True, "gate": "filter", "alpha": 0.99, "lr": 0.1}
    return FCF(PerLayer(ratio), **(paper | {"rho": 0.01, "mu": 1.01, "rho_max": 6.0, "start": "one"} | changes))


def group2d(ratio: float, **changes: object) -> Group2D:
    plain = {
        "groups": 2,
        "score": "l1",
        "learn": "score",
        "levels": 1,
        "kernels": "kxk",
        "adapt": True,
        "form": "split",
    }
    return Group2D(PerLayer(ratio), **(plain | changes))


@dataclass(frozen=True)
class Row:
    """`of(ratio)` builds a method; its budget counts `rows` (filters), `columns` (kernels of a filter) or `none`."""

    of: Callable[[float], PruningMethod]
    counts: str


METHODS: dict[str, Row] = {
    "dense": Row(lambda ratio: Dense(), "none"),
    "random": Row(lambda ratio: Random(PerLayer(ratio), seed=3), "rows"),
    "l1": Row(lambda ratio: L1(PerLayer(ratio)), "rows"),
    "l1 on both": Row(lambda ratio: L1(PerLayer(ratio), joined="expand"), "rows"),
    "fcf": Row(fcf, "rows"),
    "group2d": Row(lambda ratio: group2d(ratio, score="l1"), "columns"),
    "group2d, ladder": Row(lambda ratio: group2d(ratio, score="taylor", levels=3), "columns"),
    "group2d, lasso": Row(lambda ratio: group2d(ratio, score="taylor", learn="lasso"), "columns"),
    "fcf behind the norm": Row(lambda ratio: fcf(ratio, cross=False, gate="norm", alpha=0.5), "rows"),
    "fcf from l1": Row(lambda ratio: fcf(ratio, gate="norm", start="l1"), "rows"),
}


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


SHAPES = {"chain": (3, 8, 8), "residual": (3, 8, 8), "vgg16": (3, 32, 32), "resnet20": (3, 32, 32)}


@cache
def pristine(name: str) -> nn.Module:
    makers = {
        "chain": lambda: initialise(Chain(), 0),
        "residual": lambda: initialise(Residual(), 0),
        "vgg16": lambda: initialise(narrow_vgg(10), 0),
        "resnet20": lambda: resnet(20, 10, SHAPES["resnet20"], "A"),
    }
    return randomised(makers[name]()).float()


def network(name: str) -> nn.Module:
    """With random norms and biases, float32, in eval."""
    return copy.deepcopy(pristine(name))


@torch.no_grad()
def disturb(attached: nn.Module) -> None:
    """As if training had moved every weight and every gate."""
    draws = torch.Generator().manual_seed(1)
    for parameter in attached.parameters():
        parameter += 0.2 * torch.randn(parameter.shape, generator=draws) * parameter.abs().mean()
