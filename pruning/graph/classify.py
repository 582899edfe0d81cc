"""Give every node of a traced network its operation on channels.

A recogniser takes a call and says which operation it is, or None: an unknown one, a barrier. `RECOGNISERS` has one for
everything in the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, fx, nn

from pruning.graph import places, pointwise, tables
from pruning.graph.calls import Call, input_tensors, layer_keeps_zero
from pruning.graph.ops import (
    Channelwise,
    Conv,
    Index,
    Linear,
    Norm,
    NormOverChannels,
    NotZeroPreserving,
    Op,
    Opaque,
    Slopes,
    Source,
)
from pruning.graph.reshaping import index_of, is_reshaping
from pruning.graph.tracing import Trace
from pruning.selection import CONVOLUTIONS, TRANSPOSED

CHANNELS = 1  # where images and convolutions have their channels
Recogniser = Callable[[Call], Op | None]


def classify(trace: Trace) -> dict[fx.Node, Op]:
    """The operation of every node that makes a tensor, in order of execution."""
    ops: dict[fx.Node, Op] = {}
    for node in trace.nodes:
        if node.op == "output":
            ops[node] = _opaque_bundle(node, trace)
        elif node in trace.shapes:
            ops[node] = _classify_node(Call(node, trace, ops))
        elif node in trace.bundles and not is_reshaping(node, trace):
            ops[node] = _recognise(Call(node, trace, ops)) or _opaque_bundle(node, trace)
    return ops


def _classify_node(call: Call) -> Op:
    if call.node.op == "placeholder" or all(call.is_constant(tensor) for tensor in call.tensors):
        return _default_axis_op(Source, call.node, call.trace)
    if is_reshaping(call.node, call.trace):
        op = places.piece(call) or index_of(call.node, call.trace, call.ops)
        return op or _default_axis_op(Opaque, call.node, call.trace)
    return _recognise(call) or _opaque_op(call)


def _recognise(call: Call) -> Op | None:
    """What the tables make of a call."""
    by_name = None if call.layer is None else RECOGNISERS.get(tables.class_name(call.layer))
    recogniser = by_name or RECOGNISERS.get(call.kind)
    has_channels = call.node in call.trace.bundles or len(call.shape) >= 2
    op = recogniser(call) if recogniser is not None and has_channels else None
    return op if op is not None and _accepts_inputs(op, call) else None


def _accepts_inputs(op: Op, call: Call) -> bool:
    """Does an operation find as many channels as it takes, and is its layer nobody else's, or without parameters?"""
    if call.layer is not None and not call.trace.stands_alone(call.node):
        return False
    widths = [call.ops[n].width for n in op.inputs]
    if isinstance(op, Conv):
        return widths == [op.layer.in_channels] and len(call.shape) == op.layer.weight.ndim
    return not isinstance(op, (Channelwise, NotZeroPreserving)) or widths[0] == op.width


def _opaque_bundle(node: fx.Node, trace: Trace) -> Op:
    return Opaque(node, input_tensors(node, trace), 0, 0)


def _opaque_op(call: Call) -> Op:
    """Where its channels are said to lie is only a name, for it gives all; most functions leave them on their axis."""
    alike = [t for t in call.varying_tensors() if len(call.trace.shapes[t]) == len(call.shape)]
    if alike and call.shape:
        axis = call.ops[alike[0]].axis
        return Opaque(call.node, call.tensors, axis, call.shape[axis])
    return _default_axis_op(Opaque, call.node, call.trace)


def _default_axis_op(kind: type[Op], node: fx.Node, trace: Trace) -> Op:
    """An operation whose channels lie on the usual axis (the last one of tensors without any other)."""
    shape = trace.shapes[node]
    axis = min(CHANNELS, len(shape) - 1)
    return kind(node, input_tensors(node, trace), axis, shape[axis] if shape else 1)


# -- layers with parameters --------------------------------------------------------------------------------------------


def _conv(call: Call) -> Op | None:
    if not call.takes_one_tensor or not _may_be_cut(call):
        return None
    _reset_axis(call.source, call.trace, call.ops)
    at_channels = call.axis == CHANNELS
    return Conv(call.node, call.tensors, CHANNELS, call.shape[CHANNELS], call.layer) if at_channels else None  # type: ignore[arg-type]


def _may_be_cut(call: Call) -> bool:
    """Of a transposed convolution: is its weight stored where a selection looks for it, its filters on one axis?"""
    layer, owner = call.layer, call.trace.bare.get_submodule(str(call.node.target))
    if not isinstance(layer, TRANSPOSED):
        return True
    depthwise = layer.groups == layer.in_channels == layer.out_channels
    return isinstance(owner, TRANSPOSED) and (layer.groups == 1 or depthwise)


def _reset_axis(source: fx.Node, trace: Trace, ops: dict[fx.Node, Op]) -> None:
    """A tensor that is whole whatever is cut may be said to have its channels where a convolution looks for them."""
    unread = not any(user in ops for user in source.users)
    if ops[source].axis != CHANNELS and unread and _is_never_cut(source, ops):
        ops[source] = _default_axis_op(Opaque, source, trace)


def _is_never_cut(node: fx.Node, ops: dict[fx.Node, Op]) -> bool:
    op = ops[node]
    if isinstance(op, (Channelwise, NotZeroPreserving, Index)):
        return all(_is_never_cut(n, ops) for n in op.inputs)
    return isinstance(op, (Opaque, Source))


def _linear(call: Call) -> Op | None:
    at_channels = call.takes_one_tensor and call.axis == len(call.shape) - 1
    return Linear(call.node, call.tensors, call.axis, call.shape[call.axis], call.layer) if at_channels else None  # type: ignore[arg-type]


def _norm(call: Call) -> Op | None:
    at_channels = call.takes_one_tensor and call.axis == CHANNELS
    return Norm(call.node, call.tensors, call.axis, call.shape[call.axis]) if at_channels else None


def _norm_activation(call: Call) -> Op | None:
    """A norm with an activation behind it that keeps what the norm has silenced."""
    assert call.layer is not None
    return _norm(call) if all(_keeps_zero(part) for part in call.layer.children()) else None


def _keeps_zero(layer: nn.Module) -> bool:
    known = type(layer) in tables.ZERO_PRESERVING_LAYERS or tables.class_name(layer) in tables.ZERO_PRESERVING_BY_NAME
    return known or (type(layer) in tables.ELEMENTWISE_LAYERS and layer_keeps_zero(layer))


def _layer_norm(call: Call) -> Op | None:
    """One whose channels are the first of the axes that it looks along, with a scale for each of them."""
    weight: Any = call.layer.weight  # type: ignore[union-attr]
    if not call.takes_one_tensor or not isinstance(weight, Tensor) or weight.ndim != len(call.shape) - call.axis:
        return None
    return _norm_over_channels(call, torch.zeros(len(weight), dtype=torch.long))


def _group_norm(call: Call) -> Op | None:
    layer: Any = call.layer
    if not call.takes_one_tensor or call.axis != CHANNELS or layer.weight is None:
        return None
    return _norm_over_channels(call, torch.arange(layer.num_channels) // (layer.num_channels // layer.num_groups))


def _live_group_norm(call: Call) -> Op | None:
    """Of a network that has been cut already."""
    sizes: list[int] = call.layer.sizes  # type: ignore[union-attr, assignment]
    segment = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return _norm_over_channels(call, segment) if call.takes_one_tensor and call.axis == CHANNELS else None


def _global_response_norm(call: Call) -> Op | None:
    at_channels = call.takes_one_tensor and call.axis == call.layer.channel_dim % len(call.shape)  # type: ignore
    return _norm_over_channels(call, torch.zeros(call.shape[call.axis], dtype=torch.long)) if at_channels else None


def _norm_over_channels(call: Call, segment: Int[Tensor, " channels"]) -> Op:
    return NormOverChannels(call.node, call.tensors, call.axis, call.shape[call.axis], segment)


def _prelu(call: Call) -> Op | None:
    """One slope for all channels, or one for each."""
    one_slope = call.layer.num_parameters == 1  # type: ignore[union-attr]
    if not call.takes_one_tensor or (call.axis != CHANNELS and not one_slope):
        return None
    return (Channelwise if one_slope else Slopes)(call.node, call.tensors, call.axis, call.shape[call.axis])


def _by(recogniser: Recogniser, kinds: Iterable[object]) -> dict[object, Recogniser]:
    return dict.fromkeys(kinds, recogniser)


RECOGNISERS: dict[object, Recogniser] = {
    **_by(_conv, CONVOLUTIONS),
    **_by(_linear, [nn.Linear]),
    **_by(_norm, tables.NORMS | tables.FROZEN_NORMS_BY_NAME),
    **_by(_layer_norm, [nn.LayerNorm, tables.LIVE_LAYER_NORM]),
    **_by(_group_norm, [nn.GroupNorm]),
    **_by(_live_group_norm, [tables.LIVE_GROUP_NORM]),
    **_by(_global_response_norm, tables.GLOBAL_RESPONSE_NORMS),
    **_by(_norm_activation, tables.NORM_ACTIVATIONS_BY_NAME),
    **_by(_prelu, [nn.PReLU]),
    **_by(pointwise.elementwise, tables.ELEMENTWISE_LAYERS | tables.ELEMENTWISE),
    **_by(pointwise.zero_preserving, tables.ZERO_PRESERVING_LAYERS | tables.ZERO_PRESERVING),
    **_by(pointwise.zero_preserving, tables.ZERO_PRESERVING_BY_NAME),
    **_by(pointwise.combination, pointwise.COMBINATIONS),
    **_by(pointwise.choice, tables.CHOICES),
    **_by(pointwise.concatenation, tables.CONCATENATIONS),
    **_by(pointwise.stack, tables.STACKS),
    **_by(places.pooling, tables.POOLINGS),
    **_by(places.constant_padding, tables.CONSTANT_PADS),
    **_by(places.padding, [F.pad]),
    **_by(places.unpooling, tables.UNPOOLINGS),
    **_by(places.along_axes, tables.ALONG_AXES),
    **_by(places.softmax_layer, tables.SOFTMAX_LAYERS),
    **_by(places.halves, tables.HALVINGS),
    **_by(places.extremum, tables.EXTREMA),
    **_by(places.piece, [getattr]),
}
