"""The optimisers of a stage, by name, in torch's fastest form; SGD's momentum begins at zero."""

from collections.abc import Iterable
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

BETA2 = 0.999  # of AdamW: torch's default


@runtime_checkable
class Rates(Protocol):
    @property
    def lr(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...


@final
class ZeroMomentumSGD(SGD):
    """Also steps where a parameter's first gradient comes late: stochastic depth, early exits, layer drop.

    torch makes a momentum buffer at a parameter's first gradient, and its fused step dies of a list of buffers of which
    some are missing. Here all are there from the start, and zero: the first step is torch's own to the bit. A parameter
    without a gradient is left alone, by weight decay too. Not fused for float16: a fused step unscales by itself, after
    everyone else has seen the gradients.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, scaled: bool = False) -> None:
        """`scaled`: a gradient scaler stands between backward and step (float16)."""
        super().__init__(groups, lr=lr, fused=not scaled)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        added = self.param_groups[-1]
        for parameter in added["params"] if added["momentum"] else ():
            self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def make_optimiser(name: str, parameters: Iterable[nn.Parameter], rates: Rates, scaled: bool = False) -> Optimizer:
    """`sgd`, or `adamw`, whose beta1 is the momentum. `scaled`: as ZeroMomentumSGD has it."""
    group = {"params": list(parameters), "weight_decay": rates.weight_decay}
    if name == "adamw":
        return AdamW([group], lr=rates.lr, betas=(rates.momentum, BETA2), fused=not scaled)
    return ZeroMomentumSGD([group | {"momentum": rates.momentum}], lr=rates.lr, scaled=scaled)
