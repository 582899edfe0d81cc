"""Slices, shuffles and flattenings, resolved by running them on a tensor of element numbers."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, fx, nn

from pruning.graph import tables
from pruning.graph.inputs import Shape
from pruning.graph.ops import Index, Op
from pruning.graph.tracing import Trace

Elements = Int[Tensor, "..."]


def is_reshaping(node: fx.Node, trace: Trace) -> bool:
    """Does a node only move elements of one tensor about?"""
    layer = trace.layer(node)
    if layer is not None:
        return type(layer) in tables.RESHAPING_LAYERS
    moves = node.target in tables.RESHAPING or node.target in tables.COPYING
    return moves and bool(node.args) and isinstance(node.args[0], fx.Node)


def index_of(node: fx.Node, trace: Trace, ops: dict[fx.Node, Op]) -> Index | None:
    """The index operation that the chain of reshapings up to `node` is; None when no one axis has the channels."""
    steps = _reshaping_chain(node, trace)
    source = steps[0].args[0]
    if not isinstance(source, fx.Node) or source not in ops or source not in trace.shapes:
        return None
    if any(_indexes_batch(step) or _indexes_by_tensor(step, trace) for step in steps):
        return None
    if min(len(trace.shapes[n]) for n in (source, node)) < 2:
        return None  # no channels
    chain = Chain(steps, source, ops[source].axis, trace.shapes[source])
    try:
        ids = replay(node, {source: chain.elements()}, trace)
    except (RuntimeError, IndexError, TypeError):  # a batch size of the trace is written into the chain
        return None
    axis = chain.axis_of_channels(ids)
    if axis is None or ids.ndim != len(trace.shapes[node]) or trace.shapes[node][0] != trace.shapes[source][0]:
        return None  # also when it chooses among the images
    if len(ids) != 1:
        return None  # a number of images is written into an expand
    origin = chain.channels(ids).movedim(axis, 0).flatten(1)[:, 0]
    op = Index(node, (source,), axis, len(origin), origin, "opaque", steps)
    return replace(op, form=_index_form(op, chain, ids, trace, ops))


def _reshaping_chain(node: fx.Node, trace: Trace) -> tuple[fx.Node, ...]:
    """The reshaping nodes from the first one to `node`, through tuples of pieces."""
    steps = [node]
    while isinstance(before := steps[0].args[0], fx.Node) and is_reshaping(before, trace):
        steps.insert(0, before)
    return tuple(steps)


def _indexes_batch(step: fx.Node) -> bool:
    """Does an indexing touch the batch? A slice that is longer than the traced batch would look like all of it."""
    index = step.args[1] if step.target is operator.getitem else slice(None)
    if isinstance(index, int):  # a piece of a tuple, or one image
        return False
    batch_index = index[0] if isinstance(index, tuple) and index else index
    return batch_index != slice(None) and batch_index is not Ellipsis


def _indexes_by_tensor(step: fx.Node, trace: Trace) -> bool:
    """Does it move elements to where another tensor says?"""
    return any(source in trace.shapes for source in step.all_input_nodes[1:])


@dataclass(frozen=True)
class Chain:
    """Reshapings, one after another, of a tensor of this shape with its channels on this axis."""

    steps: tuple[fx.Node, ...]
    source: fx.Node
    axis: int
    shape: Shape

    def elements(self) -> Elements:
        """The source of one image, every element by its number."""
        return torch.arange(torch.Size(self.shape[1:]).numel()).view(1, *self.shape[1:])

    def channels(self, ids: Elements) -> Elements:
        """The channel that each element belongs to."""
        return (ids // torch.Size(self.shape[self.axis + 1 :]).numel()) % self.shape[self.axis]

    def axis_of_channels(self, ids: Elements) -> int | None:
        """The one axis along which the channel changes; None when it changes along several."""
        channels = self.channels(ids)
        if channels.ndim < 2 or channels.numel() == 0:
            return None
        varying = [d for d in range(1, channels.ndim) if (channels != channels.narrow(d, 0, 1)).any()]
        return None if len(varying) > 1 else (varying[0] if varying else 1)


def _index_form(op: Index, chain: Chain, ids: Elements, trace: Trace, ops: dict[fx.Node, Op]) -> str:
    elements = chain.elements()
    if op.axis == chain.axis and torch.equal(ids, elements.index_select(op.axis, op.origin)):
        return "gather"
    results = [op if step is op.node else ops.get(step) for step in chain.steps]
    befores = [ops[chain.source], *results[:-1]]
    triples = zip(chain.steps, befores, results, strict=True)
    if all(_means_the_same_when_narrow(step, before, after, trace) for step, before, after in triples):
        return "replay"
    in_order = torch.equal(ids.flatten(), elements.flatten())
    return "flatten" if in_order and ids.ndim == 2 and chain.axis == 1 else "opaque"


def _means_the_same_when_narrow(step: fx.Node, before: Op | None, after: Op | None, trace: Trace) -> bool:
    """May a step run on fewer channels: does it name no number of them, or one that is known to be theirs?"""
    layer = trace.layer(step)
    kind = step.target if layer is None else type(layer)
    if kind in tables.SIZE_INDEPENDENT:
        return True
    if before is None or after is None:
        return False
    if kind is operator.getitem:
        return isinstance(step.args[1], tuple) and _keeps_channel_axis(
            step.args[1], before.axis, len(trace.shapes[before.node])
        )
    if kind in tables.OF_ONE_AXIS:
        dim = layer.dim if isinstance(layer, nn.Unflatten) else (*step.args[1:], step.kwargs.get("dim"))[0]
        return isinstance(dim, int) and dim % len(trace.shapes[before.node]) != before.axis
    known = kind in tables.COPYING or (kind in tables.SIZED and sizes(step) is not None)
    return known and isinstance(after, Index) and torch.equal(after.origin, _origin(before))


def _origin(op: Op) -> Tensor:
    """Which channel of the tensor that a chain starts from each channel is."""
    return op.origin if isinstance(op, Index) and op.chain else torch.arange(op.width)


def sizes(step: fx.Node) -> list[Any] | None:
    """The size of every axis that a view or an expansion is given; None where they come as one value."""
    given = step.args[1:] if len(step.args) != 2 else step.args[1]
    return list(given) if isinstance(given, (tuple, list)) else None


def _keeps_channel_axis(index: tuple[Any, ...], axis: int, rank: int) -> bool:
    """Does an indexing leave the channel axis alone?"""
    items = [item for item in index if item is not None]
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (rank - len(items) + 1)
    plain = all(isinstance(item, (slice, int)) and not isinstance(item, bool) for item in items)
    return plain and (len(items) <= axis or items[axis] == slice(None, None, None))


def replay(node: fx.Node, known: dict[fx.Node, Any], trace: Trace) -> Any:
    """The value of a node, computed from known values; tensors that are not known count only by their shape."""
    if node in known:
        return known[node]
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: _argument_value(n, known, trace))
    if node.op == "call_method":
        known[node] = getattr(args[0], str(node.target))(*args[1:], **kwargs)
    elif node.op == "call_module":
        known[node] = trace.module.get_submodule(str(node.target))(*args, **kwargs)
    else:
        known[node] = node.target(*args, **kwargs)  # type: ignore[operator]
    return known[node]


def _argument_value(node: fx.Node, known: dict[fx.Node, Any], trace: Trace) -> Any:
    if node in known or node not in trace.shapes or is_reshaping(node, trace):
        return replay(node, known, trace)
    return torch.empty(1, *trace.shapes[node][1:], device="meta")
