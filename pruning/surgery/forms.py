"""The small forms of a layer in groups of columns. What is stored is always "split"; the others are for speed.

"split": one small convolution for each group (`ColumnGroups`). "grouped": one convolution with `groups=`, every group
padded to the largest. "auto": whichever is faster where it runs.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.cost import latencies
from pruning.surgery.align import Choose, ColumnGroups
from pruning.surgery.narrow import Numbers, join_groups

FORMS = ("split", "grouped", "auto")


def grouped(network: nn.Module) -> nn.Module:
    """A copy of a compacted network, the same function, in which no layer is split; padding counts as MACs."""
    made = copy.deepcopy(network)
    for name, layer in list(made.named_modules()):
        if isinstance(layer, ColumnGroups):
            made.set_submodule(name, _joined(layer).train(layer.training))
    return made


def in_form(network: nn.Module, form: str) -> nn.Module:
    """A compacted network as it is ("split"), or its copy in form "grouped"."""
    return grouped(network) if form == "grouped" else network


def fastest(network: nn.Module, images: Float[Tensor, "b 3 h w"]) -> tuple[str, nn.Module]:
    """The faster form of a compacted network on these images, where both lie, and its name.

    Nothing is timed where no layer is in groups: then "split", the network itself.
    """
    if not any(isinstance(layer, ColumnGroups) for layer in network.modules()):
        return "split", network
    made = {form: in_form(network, form) for form in ("split", "grouped")}
    times = dict(zip(made, latencies(list(made.values()), images), strict=True))
    return min(made.items(), key=lambda pair: times[pair[0]])


def _joined(layer: ColumnGroups) -> nn.Sequential:
    """Gather, one convolution, and the rows that are no padding, if there is any; outputs in the order of `layer`."""
    convs: list[nn.Conv2d] = list(layer.convs)  # type: ignore[arg-type]
    conv = join_groups(convs)
    rows, columns = conv.out_channels // len(convs), conv.in_channels // len(convs)
    gather = torch.cat([_filled(choose.index, columns) for choose in layer.gathers])  # type: ignore[arg-type]
    steps: list[nn.Module] = [Choose(gather, axis=1), conv]
    real = torch.cat([group * rows + torch.arange(small.out_channels) for group, small in enumerate(convs)])
    if len(real) < conv.out_channels:
        steps.append(Choose(real.to(gather.device), axis=1))
    return nn.Sequential(*steps)


def _filled(index: Numbers, length: int) -> Numbers:
    """Padding reads a channel that the group reads anyway, so that zero times infinity appears nowhere new."""
    return torch.cat([index, index[:1].expand(length - len(index))])
