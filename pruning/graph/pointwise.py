"""Calls that make one number of one number, or of several tensors' numbers at one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from torch import fx

from pruning.graph import tables
from pruning.graph.calls import Call, keeps_zero
from pruning.graph.ops import (
    Add,
    AddProduct,
    Broadcast,
    Cat,
    Channelwise,
    Choose,
    Divide,
    Follow,
    Mul,
    NotZeroPreserving,
    Op,
    Source,
)

COMBINATIONS: dict[object, type[Broadcast]] = {
    **dict.fromkeys(tables.ADDITIONS, Add),
    **dict.fromkeys(tables.PRODUCTS, Mul),
    **dict.fromkeys(tables.QUOTIENTS, Divide),
    **dict.fromkeys(tables.UNEQUAL, Broadcast),
    **dict.fromkeys(tables.PRODUCTS_ADDED, AddProduct),
    **dict.fromkeys(tables.EXPANSIONS, Follow),
}


def elementwise(call: Call) -> Op | None:
    """A function of one tensor and of constants."""
    if not call.takes_one_tensor or len(call.shape) != call.rank:
        return None
    kind = Channelwise if keeps_zero(call) else NotZeroPreserving
    return kind(call.node, call.tensors, call.axis, call.shape[call.axis])


def zero_preserving(call: Call) -> Op | None:
    """A function of one tensor that keeps zero whatever else it is given."""
    if not call.takes_one_tensor or len(call.shape) != call.rank:
        return None
    return Channelwise(call.node, call.tensors, call.axis, call.shape[call.axis])


def combination(call: Call) -> Op | None:
    """Of several tensors, or of one and constants."""
    return elementwise(call) if len(call.tensors) == 1 else combine(call, COMBINATIONS[call.kind])


def choice(call: Call) -> Op | None:
    """torch.where; a number may stand in a tensor's place."""
    if len(call.tensors) == 1:
        return elementwise(call)
    values = [*call.node.args, *call.node.kwargs.values()]
    if call.node.op == "call_method":  # x.where(mask, y)
        values[:2] = values[1::-1]
    numbers = any(value != 0 for value in values if not is_tensor(value, call))
    return combine(call, Broadcast if numbers else Choose, [value for value in values if is_tensor(value, call)])


def combine(call: Call, kind: type[Broadcast], operands: Sequence[fx.Node] | None = None) -> Op | None:
    """Tensor with tensor, channels facing channels; the operands stand as they are given."""
    if operands is None:
        operands = [value for value in (*call.node.args, *call.node.kwargs.values()) if is_tensor(value, call)]
    shape, axis = call.shape, _aligned_axis(call)
    if axis is None or set(operands) != set(call.tensors):
        return None
    spread = tuple(is_broadcast(call.trace.shapes[t], len(shape) - axis, shape[axis]) for t in operands)
    pairs = zip(operands, spread, strict=True)
    if not all(s or is_aligned(call, t, len(shape) - axis, shape[axis]) for t, s in pairs):
        return None
    return kind(call.node, tuple(operands), axis, shape[axis], spread)


def is_tensor(value: object, call: Call) -> TypeGuard[fx.Node]:
    return isinstance(value, fx.Node) and value in call.trace.shapes


def _aligned_axis(call: Call) -> int | None:
    """Where the channels of the result lie: where those of the operand do that has all its axes."""
    widest = max(call.varying_tensors(), key=lambda t: len(call.trace.shapes[t]), default=None)
    if widest is None or not call.shape or len(call.trace.shapes[widest]) != len(call.shape):
        return None
    return call.ops[widest].axis


def is_broadcast(shape: tuple[int, ...], from_right: int, width: int) -> bool:
    """Does an operand of this shape face the channels with one value for all of them?"""
    return len(shape) < from_right or (shape[-from_right] == 1 and width > 1)


def is_aligned(call: Call, tensor: fx.Node, from_right: int, width: int) -> bool:
    """Do the channels of an operand lie on this axis? Those of a fixed tensor are where its first reader says."""
    shape, readers = call.trace.shapes[tensor], [call.ops.get(user) for user in tensor.users]
    if call.is_constant(tensor) and not any(isinstance(reader, (Broadcast, Cat)) for reader in readers):
        at = len(shape) - from_right
        call.ops[tensor] = Source(tensor, call.ops[tensor].inputs, at, shape[at])
    return len(shape) - call.ops[tensor].axis == from_right and call.ops[tensor].width == width


def concatenation(call: Call) -> Op | None:
    """Channels after channels; or places after places, where each side has all channels."""
    operands, dim = call.argument("tensors", 0), call.argument("dim", 1, 0)
    axis = _aligned_axis(call)
    if axis is None or not isinstance(operands, (list, tuple)) or not isinstance(dim, int):
        return None
    shape = call.shape
    widths = [call.trace.shapes[t][axis] if t in call.trace.shapes else 0 for t in operands]
    if not all(is_aligned(call, t, len(shape) - axis, w) for t, w in zip(operands, widths, strict=True)):
        return None
    if dim % len(shape) == axis:
        return Cat(call.node, tuple(operands), axis, shape[axis])
    whole = dim % len(shape) > 0 and len(set(widths)) == 1
    return Add(call.node, tuple(operands), axis, shape[axis], (False,) * len(operands)) if whole else None


def stack(call: Call) -> Op | None:
    """Tensors of one shape, one beside another on a new axis."""
    operands, dim, varying = call.argument("tensors", 0), call.argument("dim", 1, 0), call.varying_tensors()
    if not isinstance(operands, (list, tuple)) or not isinstance(dim, int) or not varying:
        return None
    axis, new = call.ops[varying[0]].axis, dim % len(call.shape)
    shape = call.trace.shapes[varying[0]]
    if new == 0 or not all(is_aligned(call, t, len(shape) - axis, shape[axis]) for t in operands):
        return None
    return Add(call.node, tuple(operands), axis + (new <= axis), shape[axis], (False,) * len(operands))
