"""Build the graph of the small network, operation by operation."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from pruning.graph.layout import Block, dense_blocks, rectangle
from pruning.graph.liveness import Liveness
from pruning.graph.ops import (
    Broadcast,
    Cat,
    Choose,
    Halves,
    Index,
    Norm,
    NormOverChannels,
    Op,
    Opaque,
    Piece,
    Slopes,
    Source,
    Weighted,
)
from pruning.graph.places import channel_padding
from pruning.graph.tables import SPLITS
from pruning.surgery.align import AddAt, ColumnGroups
from pruning.surgery.narrow import narrow_filters, narrow_grouped, narrow_norm, narrow_norm_over_channels, narrow_prelu
from pruning.surgery.wiring import NOTHING, Carrier, Numbers, Wiring, positions_of


class Builder:
    """One pass over the full-size graph."""

    def __init__(self, network: nn.Module, liveness: Liveness) -> None:
        self.liveness = liveness
        self.wiring = Wiring(network, liveness.graph)
        self.needs: dict[fx.Node, Numbers] = {}

    def build(self) -> tuple[dict[str, Any], fx.Graph]:
        """The layers of the small network by name, and its graph."""
        for node, op in self.liveness.graph.ops.items():
            idle = op.width and not len(self.need(node)) and node.op != "placeholder"
            self.wiring.carriers[node] = NOTHING if idle else self.emit(op)
        return self.wiring.modules, self.wiring.new

    def need(self, node: fx.Node) -> Numbers:
        """The channels that the small network carries at this point."""
        if node not in self.needs:
            self.needs[node] = self.liveness.need(node).nonzero().flatten()
        return self.needs[node]

    def emit(self, op: Op) -> Carrier:
        return next((verb for kind, verb in EMITTERS if isinstance(op, kind)), Builder.channelwise)(self, op)

    def layer(self, op: Op) -> Any:
        return self.wiring.original(str(op.node.target))

    def replace(self, op: Op, layer: nn.Module) -> None:
        self.wiring.modules[str(op.node.target)] = layer

    def apply_layer(self, op: Op, want: Numbers) -> fx.Node:
        """The node of an operation with one input, on these channels of it."""
        return self.wiring.copy_node(op.node, {op.inputs[0]: self.wiring.bring(op.inputs[0], want)})

    def barrier(self, op: Op) -> Carrier:
        return Carrier(self.wiring.copy_node(op.node, {}), torch.arange(op.width))

    def channelwise(self, op: Op) -> Carrier:
        want = self.wiring.order(op.inputs[0], self.need(op.node))
        if isinstance(op, Norm):
            self.replace(op, narrow_norm(self.layer(op), want))
        if isinstance(op, Slopes):
            self.replace(op, narrow_prelu(self.layer(op), want))
        return Carrier(self.apply_layer(op, want), want)

    def norm_over_channels(self, op: NormOverChannels) -> Carrier:
        want = self.liveness.taken(op).nonzero().flatten()
        self.replace(op, narrow_norm_over_channels(self.layer(op), op.segment[want], want))
        return Carrier(self.apply_layer(op, want), want)

    def broadcast(self, op: Broadcast) -> Carrier:
        spread, wiring = dict(zip(op.inputs, op.spread, strict=True)), self.wiring
        need = self.need(op.node)
        full = [n for n in op.inputs if not spread[n]]
        leader = max(full, key=lambda n: wiring.count_held(n, need))  # the first of equals
        want = wiring.order(leader, need)
        if self.is_narrow_sum(op, leader, want):
            return self.scatter_add(op, leader, want)
        held = [n for n in op.inputs if wiring.holds(n)]
        brought = {n: wiring.bring(n, wiring.all_channels(n) if spread[n] else want) for n in held}
        if len(held) < len(spread):
            self.check_size(op, held)
        absent = {n: self.zeros(op, n, next(iter(brought.values()))) for n in op.inputs if n not in brought}
        return Carrier(wiring.copy_node(op.node, brought | absent), want)

    def zeros(self, op: Broadcast, absent: fx.Node, present: fx.Node) -> fx.Node:
        """In the place of an operand of which nothing is left."""
        is_mask = isinstance(op, Choose) and absent is op.inputs[0]
        return self.wiring.new.call_function(torch.zeros_like, (present,), {"dtype": torch.bool} if is_mask else {})

    def piece(self, op: Piece) -> Carrier:
        bundle = self.wiring.carriers[op.inputs[0]]
        assert bundle.node is not None
        return Carrier(self.wiring.copy_node(op.node, {op.inputs[0]: bundle.node}), bundle.channels)

    def halves(self, op: Halves) -> Carrier:
        need = self.need(op.node)
        return Carrier(self.apply_layer(op, torch.cat([need, need + op.width])), need)

    def is_narrow_sum(self, op: Broadcast, leader: fx.Node, want: Numbers) -> bool:
        """Is it a sum of two tensors, of which the other than the leader holds fewer channels, or in another order?"""
        others = [n for n in op.inputs if n is not leader]
        if op.node.target not in SUMS or op.node.kwargs or len(op.node.args) != 2 or len(others) != 1 or any(op.spread):
            return False
        held = self.wiring.carriers[others[0]].channels
        shapes = {self.wiring.old.shape(n) for n in (*op.inputs, op.node)}
        both = self.wiring.holds(leader) and self.wiring.holds(others[0]) and len(shapes) == 1
        return both and not torch.equal(held, want) and bool(self.wiring.among(op.node, held, want).all())

    def check_size(self, op: Broadcast, present: list[fx.Node]) -> None:
        """Raises ValueError where the operand that gave the result its size holds nothing any more."""
        shapes, whole = [self.outer_shape(op, n) for n in present], {self.outer_shape(op, n) for n in op.inputs}
        if len(whole) > 1 and torch.broadcast_shapes(*shapes) != self.outer_shape(op, op.node):
            absent = next(n for n in op.inputs if n not in present)
            raise ValueError(
                f"nothing is left of {absent.name}, which gives {op.node.name} its size; "
                "keep more of the layers before it"
            )

    def outer_shape(self, op: Broadcast, node: fx.Node) -> tuple[int, ...]:
        """The shape of a tensor but for its channels, as the result of `op` counts them from the right."""
        shape, from_right = list(self.wiring.old.shape(node)), len(self.wiring.old.shape(op.node)) - op.axis
        if len(shape) >= from_right:
            shape[-from_right] = 1
        return tuple(shape)

    def scatter_add(self, op: Broadcast, leader: fx.Node, want: Numbers) -> Carrier:
        """The narrow operand goes to its places in the wide one: no copy of it with zeros in between."""
        other, wiring = next(n for n in op.inputs if n is not leader), self.wiring
        module = AddAt(wiring.places(other, want).to(wiring.device), op.axis)
        narrow = wiring.carriers[other].node
        assert narrow is not None
        return Carrier(wiring.insert(op.node, "at", module, wiring.bring(leader, want), narrow), want)

    def cat(self, op: Cat) -> Carrier:
        needs = self.liveness.need(op.node).split([self.wiring.old.ops[n].width for n in op.inputs])
        parts, channels, start = [], [], 0
        for source, need in zip(op.inputs, needs, strict=True):
            want = self.wiring.order(source, need.nonzero().flatten())
            parts += [self.wiring.bring(source, want)] if len(want) else []
            channels.append(want + start)
            start += len(need)
        node = parts[0] if len(parts) == 1 else self.wiring.new.call_function(torch.cat, (parts, op.axis))
        return Carrier(node, torch.cat(channels))

    def weighted(self, op: Weighted) -> Carrier:
        kernels = self.liveness.kernels(op)
        if self.liveness.computes_weight(op):
            return Carrier(self.apply_layer(op, self.wiring.all_channels(op.inputs[0])), torch.arange(op.width))
        if op.groups > 1:
            shape = rectangle(kernels, op.groups)
            self.replace(op, narrow_grouped(self.layer(op), kernels, shape))
            return Carrier(self.apply_layer(op, shape.columns.flatten()), shape.rows.flatten())
        parts = dense_blocks(op.name, kernels)
        one = len(parts) == 1
        used = parts[0].columns if one else torch.cat([part.columns for part in parts]).unique()
        columns = self.wiring.order(op.inputs[0], used)
        self.replace(
            op, narrow_filters(self.layer(op), parts[0].rows, columns) if one else self.groups(op, parts, columns)
        )
        return Carrier(self.apply_layer(op, columns), torch.cat([part.rows for part in parts]))

    def groups(self, op: Weighted, parts: list[Block], columns: Numbers) -> ColumnGroups:
        if len(op.node.args) + len(op.node.kwargs) > 1:
            raise ValueError(f"layer {op.name!r} is called with an output_size and so cannot become several: {REMEDY}")
        position = positions_of(columns, op.weight.shape[1])
        layers = [narrow_filters(self.layer(op), part.rows, part.columns) for part in parts]
        return ColumnGroups(layers, [position[part.columns].to(self.wiring.device) for part in parts], op.axis)

    def index(self, op: Index) -> Carrier:
        source, need, wiring = op.inputs[0], self.need(op.node), self.wiring
        if op.form == "gather":
            bring = wiring.bring_view if _is_view(op) else wiring.bring
            return Carrier(bring(source, op.origin[need]), need)
        if op.form == "pad":
            return Carrier(self.pad(op, wiring.bring(source, op.origin[need])), need)
        if op.form == "opaque":
            want = wiring.all_channels(source)
            return Carrier(wiring.replay(op, wiring.bring(source, want), want), torch.arange(op.width))
        want = op.origin[need].unique()
        x = wiring.bring(source, want)
        node = wiring.new.call_method("flatten", (x, 1)) if op.form == "flatten" else wiring.replay(op, x, want)
        return Carrier(node, torch.isin(op.origin, want).nonzero().flatten())

    def pad(self, op: Index, x: fx.Node) -> fx.Node:
        """Pixels are padded as before; padded channels are zero, and so nobody carries them."""
        pads = list(op.node.args[1] if len(op.node.args) > 1 else op.node.kwargs["pad"])  # type: ignore[arg-type]
        rank = len(self.wiring.old.shape(op.node))
        if any(channel_padding(pads, rank, op.axis)):
            position = 2 * (rank - 1 - op.axis)
            pads[position : position + 2] = 0, 0
        return self.wiring.new.call_function(F.pad, (x, tuple(pads))) if any(pads) else x


def _is_view(op: Index) -> bool:
    """Are its channels a piece or a slice of a tensor, in the same memory?"""

    def is_slice(step: fx.Node) -> bool:
        index = step.args[1] if step.target is operator.getitem else step
        return all(isinstance(part, (int, slice)) for part in (index if isinstance(index, tuple) else (index,)))

    return all(step.target in SPLITS or step.target in NARROWINGS or is_slice(step) for step in op.chain)


REMEDY = "let all its filters read the same channels, or set output_padding where it is built"
NARROWINGS = {torch.narrow, "narrow"}
SUMS = {operator.add, operator.iadd, torch.add, "add", "add_"}

EMITTERS: tuple[tuple[type[Op], Callable[[Builder, Any], Carrier]], ...] = (
    (Source, Builder.barrier),
    (Opaque, Builder.barrier),
    (Piece, Builder.piece),
    (Halves, Builder.halves),
    (NormOverChannels, Builder.norm_over_channels),
    (Broadcast, Builder.broadcast),
    (Cat, Builder.cat),
    (Weighted, Builder.weighted),
    (Index, Builder.index),
)
