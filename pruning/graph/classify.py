"""Give every node of a traced network its operation on channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import fx, nn

from pruning.graph import tables
from pruning.graph.ops import (
    Add,
    Broadcast,
    Cat,
    Channelwise,
    Conv,
    Index,
    Linear,
    Mul,
    Norm,
    NotZeroPreserving,
    Op,
    Opaque,
    Source,
)
from pruning.graph.reshaping import index_of, is_reshaping
from pruning.graph.tracing import Trace
from pruning.selection import CONVOLUTIONS

CHANNELS = 1  # where images and convolutions have their channels


def classify(trace: Trace) -> dict[fx.Node, Op]:
    """The operation of every node that makes a tensor, in order of execution."""
    ops: dict[fx.Node, Op] = {}
    for node in trace.nodes:
        if node.op == "output":
            ops[node] = Opaque(node, _input_tensors(node, trace), 0, 0)
        elif node in trace.shapes:
            ops[node] = _classify_node(node, trace, ops)
        elif node in trace.bundles and not is_reshaping(node, trace):
            ops[node] = Opaque(node, _input_tensors(node, trace), 0, 0)
    return ops


def _classify_node(node: fx.Node, trace: Trace, ops: dict[fx.Node, Op]) -> Op:
    tensors = _input_tensors(node, trace)
    if node.op == "placeholder" or all(_is_constant(tensor, ops) for tensor in tensors):
        return _default_axis_op(Source, node, trace, tensors)
    if is_reshaping(node, trace):
        return index_of(node, trace, ops) or _default_axis_op(Opaque, node, trace, tensors)
    layer = trace.layer(node)
    op = _layer_op(node, layer, trace, ops) if layer is not None else _function_op(node, trace, ops)
    return op if op is not None and _accepts_inputs(op, trace, ops) else _opaque_op(node, trace, ops)


def _is_constant(tensor: fx.Node, ops: dict[fx.Node, Op]) -> bool:
    """Is a tensor the same for all images: a parameter, a constant, or made of such alone?"""
    return isinstance(ops[tensor], Source) and tensor.op != "placeholder"


def _accepts_inputs(op: Op, trace: Trace, ops: dict[fx.Node, Op]) -> bool:
    """Does an operation find as many channels as it takes, on an axis that it does not look along?"""
    widths = [ops[n].width for n in op.inputs]
    if isinstance(op, Conv):
        return widths == [op.layer.in_channels] and len(trace.shapes[op.node]) == op.layer.weight.ndim
    if isinstance(op, Broadcast):
        return all(spread or width == op.width for width, spread in zip(widths, op.spread, strict=True))
    if not isinstance(op, (Channelwise, NotZeroPreserving)):
        return True
    along = tables.SPATIAL_AXES.get(op.node.target if trace.layer(op.node) is None else type(trace.layer(op.node)))
    rank = len(trace.shapes[op.inputs[0]])
    return widths == [op.width] and (along is None or op.axis < (rank - along if along else 2))


def _opaque_op(node: fx.Node, trace: Trace, ops: dict[fx.Node, Op]) -> Op:
    """Where its channels are said to lie is only a name, for it gives all; most functions leave them on their axis."""
    tensors, shape = _input_tensors(node, trace), trace.shapes[node]
    alike = [t for t in tensors if len(trace.shapes.get(t, ())) == len(shape) and not _is_constant(t, ops)]
    if alike and shape:
        axis = ops[alike[0]].axis
        return Opaque(node, tensors, axis, shape[axis])
    return _default_axis_op(Opaque, node, trace, tensors)


def _default_axis_op(kind: type[Op], node: fx.Node, trace: Trace, inputs: tuple[fx.Node, ...]) -> Op:
    """An operation whose channels lie on the usual axis (the last one of tensors without any other)."""
    shape = trace.shapes[node]
    axis = min(CHANNELS, len(shape) - 1)
    return kind(node, inputs, axis, shape[axis] if shape else 1)


def _input_tensors(node: fx.Node, trace: Trace) -> tuple[fx.Node, ...]:
    """The tensors that a node takes; a tuple of pieces counts as the tensor that it was cut from."""
    tensors: dict[fx.Node, None] = {}
    for source in node.all_input_nodes:
        if source in trace.bundles and is_reshaping(source, trace):
            tensors |= dict.fromkeys(_input_tensors(source, trace))
        elif source in trace.shapes or source in trace.bundles:
            tensors[source] = None
    return tuple(tensors)


def _layer_op(node: fx.Node, layer: nn.Module, trace: Trace, ops: dict[fx.Node, Op]) -> Op | None:
    (source, *others), kind = node.all_input_nodes, type(layer)
    if others or source not in trace.shapes or not trace.stands_alone(node):
        return None
    if kind in CONVOLUTIONS:
        _reset_axis(source, trace, ops)
    axis, shape = ops[source].axis, trace.shapes[node]
    if kind in CONVOLUTIONS and axis == CHANNELS:
        return Conv(node, (source,), CHANNELS, shape[CHANNELS], layer)  # type: ignore[arg-type]
    if kind is nn.Linear and axis == len(shape) - 1:
        return Linear(node, (source,), axis, shape[axis], layer)  # type: ignore[arg-type]
    if axis == CHANNELS and _is_norm(layer):
        return Norm(node, (source,), axis, shape[axis])
    if _preserves_zero(layer):
        return Channelwise(node, (source,), axis, shape[axis])
    return NotZeroPreserving(node, (source,), axis, shape[axis]) if kind in tables.NOT_ZERO_PRESERVING_LAYERS else None


def _reset_axis(source: fx.Node, trace: Trace, ops: dict[fx.Node, Op]) -> None:
    """A tensor that is whole whatever is cut may be said to have its channels where a convolution looks for them."""
    unread = not any(user in ops for user in source.users)
    if ops[source].axis != CHANNELS and unread and _is_never_cut(source, ops):
        ops[source] = _default_axis_op(Opaque, source, trace, _input_tensors(source, trace))


def _is_never_cut(node: fx.Node, ops: dict[fx.Node, Op]) -> bool:
    op = ops[node]
    if isinstance(op, (Channelwise, NotZeroPreserving, Index)):
        return all(_is_never_cut(n, ops) for n in op.inputs)
    return isinstance(op, (Opaque, Source))


def _is_norm(layer: nn.Module) -> bool:
    """A per-channel norm, or one with an activation behind it that keeps what the norm has silenced."""
    if tables.class_name(layer) in tables.NORM_ACTIVATIONS_BY_NAME:
        return all(_preserves_zero(part) for part in layer.children())
    return type(layer) in tables.NORMS


def _preserves_zero(layer: nn.Module) -> bool:
    if type(layer) is nn.Hardtanh:
        return layer.min_val <= 0 <= layer.max_val
    return type(layer) in tables.ZERO_PRESERVING_LAYERS or tables.class_name(layer) in tables.ZERO_PRESERVING_BY_NAME


def _function_op(node: fx.Node, trace: Trace, ops: dict[fx.Node, Op]) -> Op | None:
    target, tensors = node.target, _input_tensors(node, trace)
    if len(trace.shapes[node]) < 2 or not all(tensor in trace.shapes for tensor in tensors):
        return None  # no channels, or several tensors at once
    axis, width = ops[tensors[0]].axis, trace.shapes[node][ops[tensors[0]].axis]
    if target in tables.CONCATENATIONS:
        return _cat_op(node, trace, ops, tensors)
    if target in tables.ADDITIONS or target in tables.PRODUCTS:
        return _arithmetic_op(node, trace, ops, tensors)
    if len(tensors) != 1 or tensors[0] is not node.args[0]:
        return None
    if target is F.pad:
        return _pad_op(node, trace, axis)
    if target in tables.REDUCTIONS:
        return _mean_op(node, trace, axis)
    if target in tables.ZERO_PRESERVING or target in tables.DIVISIONS:
        return Channelwise(node, tensors, axis, width)
    return NotZeroPreserving(node, tensors, axis, width) if target in tables.NOT_ZERO_PRESERVING else None


def _cat_op(node: fx.Node, trace: Trace, ops: dict[fx.Node, Op], tensors: tuple[fx.Node, ...]) -> Op | None:
    axis = ops[next(t for t in tensors if not _is_constant(t, ops))].axis
    operands = node.args[0] if node.args else None
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    from_right = len(trace.shapes[node]) - axis
    aligned = isinstance(operands, (list, tuple)) and all(_is_aligned(t, from_right, trace, ops) for t in operands)  # type: ignore[arg-type]
    if not aligned or not isinstance(dim, int) or dim % len(trace.shapes[node]) != axis:
        return None
    return Cat(node, tuple(operands), axis, trace.shapes[node][axis])  # type: ignore[arg-type]


def _arithmetic_op(node: fx.Node, trace: Trace, ops: dict[fx.Node, Op], tensors: tuple[fx.Node, ...]) -> Op | None:
    """Tensor with tensor, channels facing channels; or tensor with number."""
    shape = trace.shapes[node]
    widest = max((t for t in tensors if not _is_constant(t, ops)), key=lambda t: len(trace.shapes[t]))
    if len(trace.shapes[widest]) != len(shape):
        return None
    axis = ops[widest].axis
    operands = tuple(a for a in node.args if isinstance(a, fx.Node) and a in trace.shapes)
    if set(operands) != set(tensors):
        return None  # one is given by name
    if len(operands) < 2:
        number_moves_zero = node.target in tables.ADDITIONS
        return (NotZeroPreserving if number_moves_zero else Channelwise)(node, tensors[:1], axis, shape[axis])
    spread = tuple(_is_broadcast(trace.shapes[t], len(shape) - axis, shape[axis]) for t in operands)
    aligned = (s or _is_aligned(t, len(shape) - axis, trace, ops) for t, s in zip(operands, spread, strict=True))
    if not all(aligned) or (node.target in tables.PRODUCTS and len(operands) > 2):
        return None
    kind = Add if node.target in tables.ADDITIONS else Mul
    return kind(node, operands, axis, shape[axis], spread)


def _is_broadcast(shape: tuple[int, ...], from_right: int, width: int) -> bool:
    """Does an operand of this shape face the channels with one value for all of them?"""
    return len(shape) < from_right or (shape[-from_right] == 1 and width > 1)


def _is_aligned(tensor: fx.Node, from_right: int, trace: Trace, ops: dict[fx.Node, Op]) -> bool:
    """Do the channels of an operand lie on this axis? Those of a fixed tensor are where its first reader says."""
    shape = trace.shapes[tensor]
    if _is_constant(tensor, ops) and not any(isinstance(ops.get(user), (Broadcast, Cat)) for user in tensor.users):
        ops[tensor] = Source(tensor, ops[tensor].inputs, len(shape) - from_right, shape[-from_right])
    return len(shape) - ops[tensor].axis == from_right


def _mean_op(node: fx.Node, trace: Trace, axis: int) -> Op | None:
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    source = node.all_input_nodes[0]
    rank = len(trace.shapes[source])
    if dims is None:
        return None
    reduced = {int(d) % rank for d in ((dims,) if isinstance(dims, int) else dims)}  # type: ignore[union-attr, arg-type]
    keep = bool(node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False))
    if axis in reduced or 0 in reduced:
        return None
    new_axis = axis if keep else axis - sum(d < axis for d in reduced)
    return Channelwise(node, (source,), new_axis, trace.shapes[node][new_axis])


def _pad_op(node: fx.Node, trace: Trace, axis: int) -> Op | None:
    """Constant padding: of pixels it keeps zero when it adds zeros; of channels it shifts them."""
    source = node.all_input_nodes[0]
    pads = node.args[1] if len(node.args) > 1 else node.kwargs["pad"]
    mode = node.args[2] if len(node.args) > 2 else node.kwargs.get("mode", "constant")
    value = node.args[3] if len(node.args) > 3 else node.kwargs.get("value", 0)
    if mode != "constant" or value or not all(isinstance(p, int) for p in pads):  # type: ignore[union-attr]
        return None
    before, after = channel_padding(list(pads), len(trace.shapes[source]), axis)  # type: ignore[arg-type]
    wide, width = trace.shapes[source][axis], trace.shapes[node][axis]
    if before < 0 or after < 0:
        return None
    origin = torch.full((width,), -1)
    origin[before : before + wide] = torch.arange(wide)
    return Index(node, (source,), axis, width, origin, "pad")


def channel_padding(pads: list[int], rank: int, axis: int) -> tuple[int, int]:
    """The two entries of F.pad's list that speak of the channel axis; it runs from the last axis backwards."""
    position = 2 * (rank - 1 - axis)
    return (pads[position], pads[position + 1]) if position + 1 < len(pads) else (0, 0)
