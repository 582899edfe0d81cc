"""Our methods and networks for the contract: a new method is one more row."""

from __future__ import annotations

from torch import nn

from pruning.budget import PerLayer
from pruning.methods.criteria import CRITERIA, Scored
from pruning.methods.dense import Dense
from pruning.methods.fcf import FCF
from pruning.methods.gradual import Gradual
from pruning.methods.group2d import Group2D
from pruning.methods.l1 import L1
from pruning.methods.random import Random
from pruning.methods.slimming import Slimming
from pruning.methods.torch_pruning import TorchPruning
from pruning.models import resnet
from pruning.testing import SAMPLES, Row, Sample


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


def scored(name: str) -> Row:
    needs = {"norm": ("norm",), "activations": ("data",), "gradients": ("data",)}.get(CRITERIA[name].needs, ())
    return Row(lambda ratio: Scored(PerLayer(ratio), name), needs=needs)


METHODS: dict[str, Row] = {
    "dense": Row(lambda ratio: Dense(), "none"),
    "random": Row(lambda ratio: Random(PerLayer(ratio), seed=3)),
    "l1": Row(lambda ratio: L1(PerLayer(ratio))),
    "l1, greedy": Row(lambda ratio: L1(PerLayer(ratio), variant="greedy")),
    "l1 on both": Row(lambda ratio: L1(PerLayer(ratio), joined="expand")),
    "fcf": Row(fcf, needs=("training",)),
    "group2d": Row(lambda ratio: group2d(ratio, score="l1"), "columns"),
    "group2d, ladder": Row(lambda ratio: group2d(ratio, score="taylor", levels=3), "columns", ("training",)),
    "group2d, lasso": Row(lambda ratio: group2d(ratio, score="taylor", learn="lasso"), "columns", ("training",)),
    "fcf behind the norm": Row(lambda r: fcf(r, cross=False, gate="norm", alpha=0.5), needs=("training",)),
    "fcf by lot": Row(lambda ratio: fcf(ratio, start="random", seed=3), needs=("training",)),
    "gradual": Row(lambda ratio: Gradual(PerLayer(ratio)), needs=("training",)),
    "torch_pruning": Row(lambda ratio: TorchPruning(PerLayer(ratio))),
    "slimming": Row(lambda ratio: Slimming(PerLayer(ratio), strength=0.1), needs=("norm", "training")),
    **{name: scored(name) for name in CRITERIA},
}
NETWORKS = SAMPLES | {"resnet20": Sample(lambda: resnet(20, 10, (3, 32, 32), "A"), (3, 32, 32))}
SHAPES = {name: sample.image_shape for name, sample in NETWORKS.items()}


def network(name: str) -> nn.Module:
    """With random norms and biases, float32, in eval."""
    return NETWORKS[name].network()
