"""Calls that look along places, channel by channel: pooling, resizing, padding, reductions."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from pruning.graph import tables
from pruning.graph.calls import Call, keeps_zero
from pruning.graph.ops import Add, Channelwise, Follow, Halves, Index, NotZeroPreserving, Op, Piece
from pruning.graph.pointwise import combine


def pooling(call: Call) -> Op | None:
    """Pooling, resizing, reflecting: zero stays zero whatever the window."""
    return _along_last(call, tables.POOLINGS[call.kind])


def constant_padding(call: Call) -> Op | None:
    """A padding layer, by its value."""
    op = _along_last(call, tables.CONSTANT_PADS[call.kind])
    return op if op is None or not getattr(call.layer, "value", 0) else _not_preserving(op)


def _not_preserving(op: Op) -> Op:
    return NotZeroPreserving(op.node, op.inputs, op.axis, op.width)


def _along_last(call: Call, axes: int) -> Op | None:
    """A call that looks along this many of the last axes, or along all but the first two (0)."""
    first = call.rank - axes if axes else 2
    if not call.takes_one_tensor or call.axis >= first or not _is_first(call):
        return None
    width = call.ops[call.source].width
    if call.node in call.trace.bundles:
        return NotZeroPreserving(call.node, call.tensors, call.axis, width) if _is_taken_apart(call) else None
    return Channelwise(call.node, call.tensors, call.axis, width) if len(call.shape) == call.rank else None


def _is_first(call: Call) -> bool:
    return bool(call.node.args) and call.node.args[0] is call.source


def along_axes(call: Call) -> Op | None:
    """A reduction, a softmax, a running sum: over axes that its `dim` names."""
    return _along_dims(call, call.argument("dim", tables.ALONG_AXES[call.kind]))


def extremum(call: Call) -> Op | None:
    """torch.max and torch.min, of several tensors or over axes."""
    return _along_dims(call, call.argument("dim", 1)) if len(call.tensors) == 1 else combine(call, Add)


def softmax_layer(call: Call) -> Op | None:
    return _along_dims(call, getattr(call.layer, "dim", None))


def _along_dims(call: Call, dims: Any) -> Op | None:
    if not call.takes_one_tensor or not _is_first(call):
        return None
    axes = _axes(dims, call.rank)
    if axes is None or call.axis in axes or 0 in axes:
        return None
    width = call.ops[call.source].width
    if call.node in call.trace.bundles:
        axis = call.axis - sum(d < call.axis for d in axes) * _drops_axes(call)
        return NotZeroPreserving(call.node, call.tensors, axis, width) if _is_taken_apart(call) else None
    axis = call.axis - sum(d < call.axis for d in axes) * (len(call.shape) < call.rank)
    kind = Channelwise if keeps_zero(call) else NotZeroPreserving
    return kind(call.node, call.tensors, axis, width)


def _drops_axes(call: Call) -> bool:
    return any(len(call.trace.shapes[user]) < call.rank for user in call.node.users if user in call.trace.shapes)


def _axes(dims: Any, rank: int) -> set[int] | None:
    """The axes that a `dim` names; None where it names none, or by a number that is not known."""
    listed = [dims] if isinstance(dims, int) else dims
    if not isinstance(listed, (list, tuple)) or not listed or not all(isinstance(d, int) for d in listed):
        return None
    return {int(d) % rank for d in listed}


def _is_taken_apart(call: Call) -> bool:
    """Are the tensors that a call returns together read one by one only?"""
    return all(_place(user) is not None for user in call.node.users)


def _place(node: fx.Node) -> int | None:
    """Which tensor of several a node takes: the values (0), or where they were (1)."""
    index = node.args[1] if node.target in (operator.getitem, getattr) else None
    return {0: 0, 1: 1, "values": 0, "indices": 1}.get(index) if isinstance(index, (int, str)) else None


def piece(call: Call) -> Op | None:
    """One of the tensors that a channel-wise call has returned."""
    bundle, place = call.node.args[0], _place(call.node)
    op = call.ops.get(bundle)  # type: ignore[arg-type]
    if not isinstance(op, NotZeroPreserving) or place is None:
        return None
    return Piece(call.node, (op.node, op.inputs[0]), op.axis, op.width, values=place == 0)


def unpooling(call: Call) -> Op | None:
    """Values put back to where the largest were."""
    fits = len(call.tensors) == 2 and call.axis < call.rank - tables.UNPOOLINGS[call.kind]
    return combine(call, Follow) if fits else None


def halves(call: Call) -> Op | None:
    """A gated linear unit, over channels or over places."""
    dim = call.layer.dim if call.layer is not None else call.argument("dim", 1, -1)
    if not call.takes_one_tensor or not isinstance(dim, int) or not _is_first(call):
        return None
    if dim % call.rank == call.axis:
        return Halves(call.node, call.tensors, call.axis, call.shape[call.axis])
    return Channelwise(call.node, call.tensors, call.axis, call.shape[call.axis]) if dim % call.rank else None


def padding(call: Call) -> Op | None:
    """F.pad: of pixels by zeros or by pixels it keeps zero; of channels by zeros it shifts them."""
    pads, mode, value = call.argument("pad", 1), call.argument("mode", 2, "constant"), call.argument("value", 3)
    if not call.takes_one_tensor or not _is_first(call) or not isinstance(pads, (list, tuple)):
        return None
    of_channels = channel_padding(list(pads), call.rank, call.axis)
    if of_channels == (0, 0) and len(pads) <= 2 * (call.rank - 1):
        kind = NotZeroPreserving if mode == "constant" and value not in (None, 0) else Channelwise
        return kind(call.node, call.tensors, call.axis, call.shape[call.axis])
    shifts = mode == "constant" and not value and all(isinstance(p, int) for p in pads) and min(of_channels) >= 0
    return _channel_shift(call, of_channels[0]) if shifts else None


def _channel_shift(call: Call, before: int) -> Op:
    wide, width = call.trace.shapes[call.source][call.axis], call.shape[call.axis]
    origin = torch.full((width,), -1)
    origin[before : before + wide] = torch.arange(wide)
    return Index(call.node, call.tensors, call.axis, width, origin, "pad")


def channel_padding(pads: list[Any], rank: int, axis: int) -> tuple[Any, Any]:
    """The two entries of F.pad's list that speak of the channel axis; it runs from the last axis backwards."""
    position = 2 * (rank - 1 - axis)
    return (pads[position], pads[position + 1]) if position + 1 < len(pads) else (0, 0)
