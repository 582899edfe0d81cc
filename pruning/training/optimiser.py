"""SGD as every stage trains by it: torch's fastest form, whose momentum begins at zero."""

from typing import Any, final

import torch
from torch.optim import SGD


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
