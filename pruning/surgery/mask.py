"""What the pruned network means: the full-size network with every dead channel silenced."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pruning.graph.attachments import duplicate
from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import Liveness, analyse
from pruning.graph.ops import Flags, Norm, NormOverChannels, Weighted
from pruning.selection import Selection, both, filters_first

AFFINE = ("weight", "bias")


def mask(network: nn.Module, selection: Selection, image_shape: Shapes, graph: Graph | None = None) -> nn.Module:
    """A copy of the network in which the kernels that do not survive, and all they silence, are zero.

    A filter none of whose kept kernels has a live input is dead: its weights and its bias are zero, and so is what
    every norm behind it makes of it. `graph` may be given when the network has been traced already.

    Raises:
        ValueError: as `analyse`.
    """
    masked = duplicate(network)
    silence(masked, analyse(graph or trace(network, image_shape), selection))
    return masked


@torch.no_grad()
def silence(network: nn.Module, liveness: Liveness) -> None:
    """Zero, in place, what the selection of `liveness` removes; to be repeated after each step of a masked training.

    Filled, not multiplied: -0.3 times 0 is -0, and 1 / x and atan2 ask for the sign of a zero.
    """
    for node, op in liveness.graph.ops.items():
        live = liveness.live[node]
        if isinstance(op, Weighted):
            _silence_filters(network.get_submodule(op.name), op.layer, live, liveness.selection.get(op.name))
        elif isinstance(op, Norm):
            _silence_norm(network.get_submodule(str(node.target)), liveness.graph.trace.layer(node), live)
        elif isinstance(op, NormOverChannels):
            _silence_tensors(network.get_submodule(str(node.target)), AFFINE, live)


def _silence_filters(layer: nn.Module, plain: nn.Module, live: Flags, kernels: torch.Tensor | None) -> None:
    """Of `layer`, as far as torch's plain one that stands for it has them, weight and bias of what does not work."""
    working = live[:, None] if kernels is None else both(kernels, live[:, None])
    weight = filters_first(layer.get_parameter("weight"), layer)
    weight.masked_fill_(~working.to(weight.device)[(...,) + (None,) * (weight.ndim - 2)], 0)
    if plain.bias is not None:
        layer.get_parameter("bias").masked_fill_(~live.to(weight.device), 0)


def _silence_norm(layer: nn.Module, plain: Any, live: Flags) -> None:
    """Scale and shift of dead channels are zero; a norm without them remembers a mean of zero."""
    _silence_tensors(layer, AFFINE if plain.weight is not None else ("running_mean",), live)


def _silence_tensors(layer: nn.Module, names: tuple[str, ...], live: Flags) -> None:
    for name in names:
        value = getattr(layer, name, None)
        if value is not None:
            value.masked_fill_(~live.to(value.device).view(-1, *(1,) * (value.ndim - 1)), 0)
