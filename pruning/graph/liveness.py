"""Which channels of every tensor can be non-zero, and which of those anyone reads: dead-channel elimination.

Forward, a channel is live unless what makes it is silenced; backward, a channel is read when something that is needed
looks at it. A small network carries the channels that are both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, fx

from pruning.graph.graph import Graph
from pruning.graph.ops import Flags, Index, NotZeroPreserving, Op, Opaque, Weighted
from pruning.selection import SELECTABLE, Selection, any_of, both

FAULT = "a fault of this library, please report it"


@dataclass(frozen=True)
class Liveness:
    """The two-way analysis of one network under one selection."""

    graph: Graph
    selection: Selection
    live: dict[fx.Node, Flags]
    read: dict[fx.Node, Flags]

    def need(self, node: fx.Node) -> Flags:
        """The channels a small network carries at this point."""
        return self.live[node] & self.read[node]

    def taken(self, op: Op) -> Flags:
        """The channels that an operation with one input takes of it."""
        (source,) = op.inputs
        (read,) = op.reads(self.need(op.node), [self.live[source]], self.selection)
        return read & self.live[source]

    def kernels(self, op: Weighted) -> Bool[Tensor, "out in"]:
        """The kernels of a layer that do any work."""
        return both(op.kernels(self.live[op.inputs[0]], self.selection), self.need(op.node)[:, None])

    def computes_weight(self, op: Weighted) -> bool:
        """Does a layer go on to compute its weight in forward? Not once a part of it is gone."""
        return op.name in self.graph.trace.normal.computed and bool(self.kernels(op).all())


def analyse(graph: Graph, selection: Selection) -> Liveness:
    """Both passes.

    Raises:
        ValueError: the selection does not fit the network, speaks of a layer that cannot be cut, leaves a layer
            without a live filter, or leaves nothing of a tensor that makes something out of zeros.
    """
    selection.check(graph.trace.bare)
    _refuse_uncuttable(graph, selection)
    _refuse_single_kernels(graph, selection)
    live = _propagate_live(graph, selection)
    _refuse_emptied(graph, live)
    liveness = Liveness(graph, selection, live, _propagate_read(graph, live, selection))
    _refuse_vanished(liveness)
    return liveness


def _propagate_live(graph: Graph, selection: Selection) -> dict[fx.Node, Flags]:
    live: dict[fx.Node, Flags] = {}
    for node, op in graph.ops.items():
        live[node] = op.live([live[n] for n in op.inputs], selection)
        if len(live[node]) != op.width:
            raise ValueError(
                f"{node.name} has {op.width} channels, of which {len(live[node])} are accounted for: {FAULT}"
            )
    return live


def _propagate_read(graph: Graph, live: dict[fx.Node, Flags], selection: Selection) -> dict[fx.Node, Flags]:
    read = {node: torch.zeros_like(flags) for node, flags in live.items()}
    used = {node for node in graph.ops if node.op == "output"}
    for node, op in reversed(graph.ops.items()):
        if node not in used and _is_size_read(graph, node):
            read[node], used = live[node].clone(), used | {node}
        need = read[node] & live[node]
        if node not in used or (op.width and not need.any()):
            continue
        ins = [live[n] for n in op.inputs]
        for source, flags in zip(op.inputs, op.reads(need, ins, selection), strict=True):
            if flags.shape != read[source].shape:
                raise ValueError(
                    f"{node.name} reads {len(flags)} channels of {len(read[source])} of {source.name}: {FAULT}"
                )
            read[source] |= flags
            used.add(source)
    return read


def _is_size_read(graph: Graph, node: fx.Node) -> bool:
    """Does anything that makes no tensor look at this one? It must be there then, though nobody reads its values."""
    return any(user not in graph.ops and user not in graph.trace.bundles for user in node.users)


def _refuse_uncuttable(graph: Graph, selection: Selection) -> None:
    cuttable = graph.weighted()
    for name in [name for name, kernels in selection.items() if name not in cuttable and not kernels.all()]:
        reason = graph.uncuttable(SELECTABLE).get(name, "it is no layer of filters")
        raise ValueError(f"layer {name!r} cannot be cut ({reason}); let the selection keep it whole")


def _refuse_single_kernels(graph: Graph, selection: Selection) -> None:
    """Of a weight that forward computes from a filter as a whole."""
    for name in graph.trace.normal.computed:
        if name in selection and not any_of(selection[name], 1).equal(~any_of(~selection[name], 1)):
            raise ValueError(
                f"layer {name!r} computes its weight from each filter as a whole (weight standardisation), so that "
                "kernels set to zero would not stay zero: let the selection keep or drop whole filters"
            )


def _refuse_emptied(graph: Graph, live: dict[fx.Node, Flags]) -> None:
    for name, op in graph.weighted().items():
        if not live[op.node].any():
            raise ValueError(
                f"layer {name!r} is emptied: none of its kept kernels has a live input; "
                "keep more of this layer or of the layers before it"
            )


def _refuse_vanished(liveness: Liveness) -> None:
    for node, op in liveness.graph.ops.items():
        if not isinstance(op, (NotZeroPreserving, Opaque)) or not liveness.need(node).any():
            continue
        for source in op.inputs:
            if len(liveness.live[source]) and not liveness.need(source).any() and not _is_piece(liveness, source):
                raise ValueError(
                    f"nothing is left of {source.name}, but {node.name} makes something out of its zeros; "
                    "keep more of the layers before it"
                )


def _is_piece(liveness: Liveness, node: fx.Node) -> bool:
    """Is it a piece of a tensor of which something is left? Its zeros have that one's size."""
    op = liveness.graph.ops[node]
    return isinstance(op, Index) and op.form == "gather" and bool(liveness.need(op.inputs[0]).any())
