"""Initial weights: He normal for convolutions, the layer's own for the rest, from a seed of their own."""

from typing import TypeVar

import torch
from torch import nn

from pruning.selection import CONVOLUTIONS

Network = TypeVar("Network", bound=nn.Module)


def initialise(network: Network, seed: int) -> Network:
    """Reset every weight in place (He et al. 2015, fan-in) and return the network; global randomness is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if type(module) in CONVOLUTIONS:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # type: ignore[arg-type]
                if module.bias is not None:
                    nn.init.zeros_(module.bias)  # type: ignore[arg-type]
            elif hasattr(module, "reset_parameters"):
                module.reset_parameters()  # type: ignore[operator]
    return network
