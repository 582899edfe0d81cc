"""A layer that ends in an addition: what the addition lacks because its other side is not what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pruning.graph import tables
from pruning.graph.graph import Graph
from pruning.graph.ops import Add, Norm, Op, Weighted
from pruning.surgery.builder import SUMS
from pruning.surgery.wiring import Carrier, positions_of

Carriers = Mapping[fx.Node, Carrier]
DROPOUTS = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
LEAST_SCALE = 0.01  # of the mean scale of a norm: what it squashes more than that can make up for nothing


@dataclass(frozen=True)
class Side:
    """The other operand of an addition in one network; `places`: where it holds each filter's channel, -1: nowhere."""

    node: fx.Node
    places: Int[Tensor, " out"]

    def values(self, value: Tensor, axis: int) -> Tensor:
        """Of the channels that a layer's filters are added to; zero where there is none."""
        taken = value.index_select(axis, self.places.clamp(min=0).to(value.device))
        return taken * along(self.places.to(value.device) >= 0, axis, value.ndim)


@dataclass(frozen=True)
class Join:
    """`norm`: between the layer and the addition, in the small network; its channels are the layer's filters."""

    dense: Side
    small: Side
    norm: str | None
    axis: int

    def scale(self, network: nn.Module) -> Float[Tensor, " out"] | None:
        """By how much the norm multiplies; infinite where it squashes what it is given."""
        if self.norm is None:
            return None
        norm = network.get_submodule(self.norm)
        scale = norm_scale(norm)
        return scale.masked_fill(scale.abs() < LEAST_SCALE * scale.abs().mean(), torch.inf)


def norm_scale(norm: nn.Module) -> Float[Tensor, " channels"]:
    """What a batch norm in eval multiplies each channel by."""
    scale = (norm.running_var + norm.eps).rsqrt()  # type: ignore[operator, union-attr]
    return scale if norm.weight is None else scale * norm.weight  # type: ignore[operator]


def is_batch_norm(layer: nn.Module | None) -> bool:
    """With statistics of its own, and nothing but a batch norm."""
    return isinstance(layer, _BatchNorm) and layer.track_running_stats and type(layer) in tables.NORMS


def along(values: Tensor, axis: int, rank: int) -> Tensor:
    """One value for each channel, to be multiplied with a tensor that has its channels there."""
    return values.view([-1 if d == axis % rank else 1 for d in range(rank)])


def find_join(graph: Graph, layer: Weighted, of_dense: Carriers, of_small: Carriers) -> Join | None:
    """The addition that a layer ends in, if nothing but a batch norm and dropout lies between."""
    path = list(_path_to_addition(graph, layer))
    addition = path.pop() if path else None
    if not isinstance(addition, Add) or not _is_plain_sum(graph, addition):
        return None
    last = path[-1] if path else layer
    other = next((n for n in addition.inputs if n is not last.node), None)
    norms = [str(op.node.target) for op in path if isinstance(op, Norm)]
    channels = of_small[layer.node].channels
    if other is None or len(norms) > 1 or not torch.equal(of_small[last.node].channels, channels):
        return None  # also where a norm has left out what only fills up a group
    dense, small = (_find_side(carriers[other], channels, layer.width) for carriers in (of_dense, of_small))
    return Join(dense, small, norms[0] if norms else None, layer.axis) if dense and small else None


def _path_to_addition(graph: Graph, op: Op) -> Iterator[Op]:
    while len(op.node.users) == 1:
        op = graph.ops.get(next(iter(op.node.users)))  # type: ignore[assignment]
        if isinstance(op, Add):
            yield op
        if op is None or isinstance(op, Add) or not _keeps_scale(graph.trace.layer(op.node)):
            return
        yield op


def _keeps_scale(layer: nn.Module | None) -> bool:
    """Does a layer, in eval, only scale and shift its channels?"""
    if layer is None or is_batch_norm(layer):
        return layer is not None
    return type(layer) in DROPOUTS or tables.class_name(layer) in tables.ZERO_PRESERVING_BY_NAME


def _is_plain_sum(graph: Graph, op: Add) -> bool:
    """Of two tensors of one shape, neither of them scaled."""
    shapes = {graph.shape(node) for node in (*op.inputs, op.node)}
    return op.node.target in SUMS and not op.node.kwargs and len(op.inputs) == 2 and len(shapes) == 1


def _find_side(carrier: Carrier, channels: Tensor, width: int) -> Side | None:
    """None where nothing is left of it."""
    return None if carrier.node is None else Side(carrier.node, positions_of(carrier.channels, width)[channels])
