"""Three convolutions and the method on them, for tests."""

import copy

import torch
from torch import nn

from pruning.budget.targets import PerLayer
from pruning.methods.group2d import Group2D

SHAPE = (3, 16, 16)


def chain() -> nn.Sequential:
    """Three convolutions, the second and third of them sites."""
    torch.manual_seed(0)
    convs = [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)]
    layers = [layer for conv in convs for layer in (conv, nn.BatchNorm2d(8), nn.ReLU())]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()


def method(ratio: float = 0.5, **asked: object) -> Group2D:
    defaults = {"groups": 2, "score": "l1", "learn": "score", "levels": 1, "kernels": "kxk", "adapt": False}
    return Group2D(PerLayer(ratio), **({"form": "split"} | defaults | asked))  # type: ignore[arg-type]


def attached(network: nn.Module, made: Group2D, steps: int = 0) -> nn.Module:
    network = copy.deepcopy(network)
    made.attach(network, SHAPE, steps)
    return network


def step(network: nn.Module, made: Group2D, seed: int) -> None:
    """One training step, as the Trainer would make it."""
    torch.manual_seed(seed)
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    optimiser.zero_grad()
    nn.functional.cross_entropy(network(torch.randn(8, *SHAPE)), torch.arange(8) % 4).backward()
    made.steer(network)
    optimiser.step()
    made.settle(network)
