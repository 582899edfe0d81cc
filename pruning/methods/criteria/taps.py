"""Where in a network's graph a layer is looked at: at what it makes (z), at what the norm that alone reads it makes of
that (y), and at what the activation behind makes (A)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Int
from torch import Tensor, fx, nn

from pruning.graph import tables
from pruning.graph.graph import Graph
from pruning.graph.liveness import analyse
from pruning.graph.ops import Channelwise, Weighted
from pruning.graph.sites import norm_after
from pruning.selection import Selection
from pruning.surgery.compact import build_with_carriers
from pruning.surgery.wiring import Carrier


@dataclass(frozen=True, eq=False)
class Tap:
    """A layer in the graph that is run.

    `made`, `normed`, `active`: the nodes that make z, y and A; the same node where there is no norm or no activation.
    `norm`: the layer that makes y. `shared`: whether others read what the layer reads.
    `axis`: of channels. `channels`: the filters that there are in these tensors, of
    `filters` in all: one that nobody reads is not computed.
    """

    name: str
    layer: Any
    shared: bool
    norm: nn.Module | None
    made: fx.Node
    normed: fx.Node
    active: fx.Node
    axis: int
    channels: Int[Tensor, " channels"]
    filters: int


def watchable(network: nn.Module, graph: Graph, names: Iterable[str]) -> tuple[fx.GraphModule, list[Tap]]:
    """A copy of a network in eval that asks for no gradients of weights, and where these layers are in it."""
    running, carriers = build_with_carriers(network, analyse(graph, Selection({})))
    ops = (graph.weighted()[name] for name in names)
    taps = [_find_tap(network, running, graph, carriers, op) for op in ops if carriers[op.node].node is not None]
    return running.eval().requires_grad_(False), taps


def _find_tap(
    network: nn.Module, running: fx.GraphModule, graph: Graph, carriers: Mapping[fx.Node, Carrier], op: Weighted
) -> Tap:
    norm, normed, active = _behind(graph, op)
    made: Any = carriers[op.node].node
    called = made.op == "call_module"  # else forward computes the weight
    return Tap(
        name=op.name,
        layer=running.get_submodule(str(made.target)) if called else graph.trace.plain(network, op.name),
        shared=len(made.all_input_nodes[0].users) > 1,
        norm=None if norm is None else running.get_submodule(norm),
        made=made,
        normed=carriers[normed].node or made,
        active=carriers[active].node or made,
        axis=op.axis,
        channels=carriers[op.node].channels,
        filters=op.width,
    )


def _behind(graph: Graph, op: Weighted) -> tuple[str | None, fx.Node, fx.Node]:
    """The name of the norm behind a layer, and where norm and activation end."""
    norm = norm_after(graph, op.name)
    normed = op.node if norm is None else next(iter(op.node.users))
    readers = list(normed.users)
    active = readers[0] if len(readers) == 1 and _is_activation(graph, readers[0]) else normed
    return norm, normed, active


def _is_activation(graph: Graph, node: fx.Node) -> bool:
    layer = graph.trace.layer(node)
    known = node.target in tables.ELEMENTWISE if layer is None else type(layer) in tables.ELEMENTWISE_LAYERS
    return known and isinstance(graph.ops.get(node), Channelwise)
