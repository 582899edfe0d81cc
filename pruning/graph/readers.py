"""Where the channels of a layer's filters go: the layers that read them, the norms and depthwise layers on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, fx

from pruning.graph.graph import Graph
from pruning.graph.ops import Broadcast, Cat, Channelwise, Halves, Index, Norm, NormOverChannels, Op, Piece, Weighted
from pruning.graph.streams import is_depthwise

NOBODY = -1  # the origin of a channel that is of none of the filters
Origin = Int[Tensor, " _"]  # sizes differ from tensor to tensor


@dataclass(frozen=True)
class Reach:
    """By layer, for every channel that it takes, the filter whose it is; -1 for none of these filters.

    `readers` mix channels, and so end them; `depthwise` layers (by what they make) and `norms` hand them on, and so do
    additions and products.
    """

    past_depthwise: bool = True
    readers: dict[str, Origin] = field(default_factory=dict)
    depthwise: dict[str, Origin] = field(default_factory=dict)
    norms: dict[str, Origin] = field(default_factory=dict)


def follow_filters(graph: Graph, name: str, past_depthwise: bool = True) -> Reach:
    """Of the filters of a layer, from where they are made to the end of their channels.

    `past_depthwise`: whether depthwise layers hand channels on; else they are readers like others.
    """
    start, reach = graph.weighted()[name], Reach(past_depthwise)
    at: dict[fx.Node, Origin] = {start.node: torch.arange(start.width)}
    for node, op in graph.ops.items():
        if node is start.node or not any(source in at for source in op.inputs):
            continue
        ins = [at[n] if n in at else torch.full((graph.ops[n].width,), NOBODY) for n in op.inputs]
        origin = _follow(op, ins, reach)
        if origin is not None and (origin != NOBODY).any():
            at[node] = origin
    return reach


def _follow(op: Op, ins: list[Origin], reach: Reach) -> Origin | None:
    """Whose the channels are that an operation makes; None where they are mixed."""
    return next((verb(op, ins, reach) for kind, verb in FOLLOWERS if isinstance(op, kind)), None)


def _read(op: Weighted, ins: list[Origin], reach: Reach) -> Origin | None:
    if not (reach.past_depthwise and is_depthwise(op)):
        reach.readers[op.name] = ins[0]
        return None
    reach.depthwise[op.name] = ins[0].repeat_interleave(op.width // op.groups)
    return reach.depthwise[op.name]


def _pass_norm(op: Op, ins: list[Origin], reach: Reach) -> Origin:
    if op.node.op == "call_module":
        reach.norms[str(op.node.target)] = ins[0]
    return ins[0]


def _combine(op: Broadcast, ins: list[Origin], reach: Reach) -> Origin:
    """An operand that is one channel for all is nobody's; where two meet, the later filter counts."""
    sides = [torch.full((op.width,), NOBODY) if spread else side for side, spread in zip(ins, op.spread, strict=True)]
    return torch.stack(sides).amax(0)


FOLLOWERS: tuple[tuple[type[Op], Callable[[Any, list[Origin], Reach], Origin | None]], ...] = (
    (Weighted, _read),
    (Norm, _pass_norm),
    (NormOverChannels, _pass_norm),
    (Piece, lambda op, ins, reach: ins[1]),
    (Channelwise, lambda op, ins, reach: ins[0][: op.width]),
    (Halves, lambda op, ins, reach: torch.maximum(ins[0][: op.width], ins[0][op.width :])),
    (Index, lambda op, ins, reach: torch.cat([ins[0], torch.tensor([NOBODY])])[op.origin]),
    (Cat, lambda op, ins, reach: torch.cat(ins)),
    (Broadcast, _combine),
)


def sum_columns(figures: Float[Tensor, "out in *kernel"], groups: int) -> Float[Tensor, " channels"]:
    """Figures of a layer's kernels (filters first), added up for each channel that it takes."""
    columns = figures.shape[1]
    return figures.reshape(groups, -1, columns, figures.shape[2:].numel()).sum((1, 3)).flatten()


def sum_origins(figures: Float[Tensor, " _"], origin: Origin, filters: int) -> Float[Tensor, " filters"]:
    """Figures of channels, added up for each of the filters whose they are."""
    own = origin != NOBODY
    return figures.new_zeros(filters).index_add(0, origin[own], figures[own])
