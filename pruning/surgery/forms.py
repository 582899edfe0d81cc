"""The small forms of a layer in groups of columns. What is stored is always "split"; the others are for speed.

"split": one small convolution for each group (`ColumnGroups`). "grouped": one convolution with `groups=`, every group
padded to the largest. "auto": whichever is faster where it runs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn

from pruning.graph.cost import latencies
from pruning.selection import Convolution
from pruning.surgery.align import Choose, ColumnGroups
from pruning.surgery.narrow import Numbers, join_groups, widen_norm

FORMS = ("split", "grouped", "auto")
LANES = 16  # float32 numbers in a vector register: ONNX Runtime groups in whole registers are more than twice as fast
CHANNELWISE = (nn.ReLU, nn.ReLU6, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Dropout, nn.Identity)


def to_grouped(network: nn.Module) -> nn.Module:
    """A copy of a compacted network, the same function, in which no layer is split; padding counts as MACs."""
    copied = copy.deepcopy(network)
    for name, layer in list(copied.named_modules()):
        if isinstance(layer, ColumnGroups) and not isinstance(layer.convs[0], nn.Linear):  # which takes no groups
            copied.set_submodule(name, _join_column_groups(layer).train(layer.training))
    if isinstance(copied, fx.GraphModule):
        for node in copied.graph.nodes:
            _defer_padding_removal(copied, node)
    return copied


def to_form(network: nn.Module, form: str) -> nn.Module:
    """A compacted network as it is ("split"), or its copy in form "grouped"."""
    return to_grouped(network) if form == "grouped" else network


def fastest_form(network: nn.Module, images: Float[Tensor, "b 3 h w"]) -> tuple[str, nn.Module]:
    """The faster form of a compacted network on these images, where both lie, and its name.

    Nothing is timed where no layer is in groups: then "split", the network itself.
    """
    if not any(isinstance(layer, ColumnGroups) for layer in network.modules()):
        return "split", network
    forms = {form: to_form(network, form) for form in ("split", "grouped")}
    times = dict(zip(forms, latencies(list(forms.values()), images), strict=True))
    return min(forms.items(), key=lambda pair: times[pair[0]])


def _join_column_groups(layer: ColumnGroups) -> nn.Sequential:
    """Gather, one convolution, and the rows that are no padding, if there is any; outputs in the order of `layer`."""
    convs: list[Convolution] = list(layer.convs)  # type: ignore[arg-type]
    rows, columns = max(conv.out_channels for conv in convs), max(conv.in_channels for conv in convs)
    if columns % LANES == 0:
        rows = -(-rows // LANES) * LANES
    gather = torch.cat([_pad_index(choose.index, columns) for choose in layer.gathers])  # type: ignore[arg-type]
    steps: list[nn.Module] = [Choose(gather, axis=1), join_groups(convs, rows)]
    real = torch.cat([group * rows + torch.arange(small.out_channels) for group, small in enumerate(convs)])
    if len(real) < len(convs) * rows:
        steps.append(Choose(real.to(gather.device), axis=1))
    return nn.Sequential(*steps)


def _defer_padding_removal(network: fx.GraphModule, node: fx.Node) -> None:
    """Let padding run on to the layer that chooses channels next, if nothing but norms and channel-wise layers lies
    between: a choice straight after a convolution is a copy, and keeps runtimes from fusing it with its norm.
    """
    steps = called_layer(network, node)
    if not (isinstance(steps, nn.Sequential) and len(steps) == 3 and isinstance(steps[2], Choose)):
        return
    real, width = steps[2].index, int(steps[1].out_channels)  # type: ignore[arg-type]
    norms: dict[str, nn.Module] = {}
    layer = None
    for reader in _sole_readers(node):
        layer = called_layer(network, reader)
        if isinstance(layer, nn.BatchNorm2d):
            norms[str(reader.target)] = widen_norm(layer, real, width)
        elif not isinstance(layer, CHANNELWISE):
            break
    chooser = layer[0] if isinstance(layer, nn.Sequential) else layer
    if not isinstance(chooser, Choose):
        return
    for name, norm in norms.items():
        network.set_submodule(name, norm)
    chooser.index = real[chooser.index]
    network.set_submodule(str(node.target), steps[:2])


def _sole_readers(node: fx.Node) -> Iterator[fx.Node]:
    """What reads a node, and what reads that, as long as each is the only one."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        yield node


def called_layer(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _pad_index(index: Numbers, length: int) -> Numbers:
    """Padding reads a channel that the group reads anyway, so that zero times infinity appears nowhere new."""
    return torch.cat([index, index[:1].expand(length - len(index))])
