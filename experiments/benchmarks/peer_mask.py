"""The full-size network beside one that Torch-Pruning cuts: the same filters set to zero, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from pruning.selection import TRANSPOSED

if TYPE_CHECKING:
    from torch_pruning.dependency import DependencyGraph, Group


class Tombs:
    """Zeroes in the full-size network what the peer removes; its indices count what was left of a layer."""

    def __init__(self, small: nn.Module, masked: nn.Module) -> None:
        self.names = {module: name for name, module in small.named_modules()}
        self.masked, self.left = masked, dict[str, list[int]]()

    @torch.no_grad()
    def silence(self, graph: DependencyGraph, group: Group) -> None:
        for dep, idxs in group:
            name = self.names.get(dep.target.module)
            if name is None or not graph.is_out_channel_pruning_fn(dep.handler):
                continue
            layer, gone = self.masked.get_submodule(name), {int(i) for i in idxs}
            left = self.left.setdefault(name, list(range(graph.get_out_channels(dep.target.module) or 0)))
            dead = [channel for place, channel in enumerate(left) if place in gone]
            self.left[name] = [channel for place, channel in enumerate(left) if place not in gone]
            zero(layer, dead)


def zero(layer: nn.Module, dead: list[int]) -> None:
    """What a layer says of these channels; a PReLU's slopes say nothing of zeros."""
    for value in () if isinstance(layer, nn.PReLU) else (getattr(layer, n, None) for n in ("weight", "bias")):
        if value is not None:
            filters_first = value.transpose(0, 1) if isinstance(layer, TRANSPOSED) and value.ndim > 1 else value
            filters_first[dead] = 0
