"""Weights that forward computes, from tensors of the layer's own alone: weight standardisation and its like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

TOLERANCE = 1e-9  # of the largest number; in float64


@dataclass(frozen=True, eq=False)
class ComputedWeight:
    """`graph` makes the weight from tensors of the layer that owns them; `function` applies it, with `arguments`."""

    graph: fx.Graph
    function: Any
    arguments: Mapping[str, Any]

    @property
    def tensors(self) -> tuple[str, ...]:
        """The layer's own tensors that it is made from."""
        return tuple(dict.fromkeys(str(node.target) for node in self.graph.nodes if node.op == "get_attr"))

    @torch.no_grad()
    def compute(self, layer: nn.Module) -> Tensor:
        weight: Tensor = fx.Interpreter(layer, graph=self.graph).run()
        return weight

    def fold_into(self, plain: nn.Module, layer: nn.Module) -> None:
        """Give a plain layer the weight as it is now; it is the plain layer's own from then on."""
        own = layer.get_parameter("weight")
        plain.register_parameter("weight", nn.Parameter(self.compute(layer), own.requires_grad))

    def apply(self, graph: fx.Graph, name: str, x: Any, bias: bool) -> fx.Node:
        """In another graph the nodes that make the weight of layer `name`, and apply it to `x`."""
        known: dict[fx.Node, fx.Node] = {}
        for node in self.graph.nodes:
            if node.op == "output":
                break
            known[node] = graph.node_copy(node, known.__getitem__)
            if node.op == "get_attr":
                known[node].target = f"{name}.{node.target}"
        tensors = {"bias": graph.get_attr(f"{name}.bias")} if bias else {}
        weight = known[node.args[0]]  # type: ignore[index]
        return graph.call_function(self.function, (x, weight), {**tensors, **self.arguments})


def making_nodes(weight: fx.Node) -> list[fx.Node] | None:
    """The nodes that make a tensor, in order, if they start from tensors of the network's own alone; else None."""
    nodes, todo = {weight}, [weight]
    while todo:
        node = todo.pop()
        if node.op not in ("get_attr", "call_function", "call_method"):
            return None
        todo += [source for source in node.all_input_nodes if source not in nodes]
        nodes.update(node.all_input_nodes)
    return [node for node in weight.graph.nodes if node in nodes] if len(nodes) > 1 else [weight]


def is_made_of_own_tensors(node: fx.Node) -> bool:
    """Is a tensor the same for all images, because it is computed from tensors of the network's own?"""
    return making_nodes(node) is not None


def extract(nodes: list[fx.Node]) -> fx.Graph:
    """A graph of its own for the nodes that make a weight; tensors have the names that their owner gives them."""
    graph = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        own = node.op == "get_attr"
        last = str(node.target).rpartition(".")[2]
        args, kwargs = fx.map_arg((node.args, node.kwargs), known.__getitem__)
        known[node] = graph.create_node(node.op, last if own else node.target, args, kwargs)  # named by what it calls
    graph.output(known[nodes[-1]])
    return graph


class FilterWise:
    """Whether weights are computed filter by filter: asked of random numbers, once for each computation and shape."""

    def __init__(self) -> None:
        self.known: dict[str, bool] = {}

    def __call__(self, computed: ComputedWeight, owner: nn.Module) -> bool:
        shapes = {name: (getattr(owner, name).shape, getattr(owner, name).dtype) for name in computed.tensors}
        key = f"{computed.graph} {shapes}"
        if key not in self.known:
            self.known[key] = _is_filter_wise(computed, {name: shape for name, (shape, _) in shapes.items()})
        return self.known[key]


def _is_filter_wise(computed: ComputedWeight, shapes: Mapping[str, torch.Size]) -> bool:
    """Does a filter of zeros give a filter of zeros, and leave the others as they were?"""
    draws = torch.Generator().manual_seed(0)
    layer = nn.Module()
    for name, shape in shapes.items():
        layer.register_buffer(name, torch.rand(shape, generator=draws, dtype=torch.double) + 0.5)
    raw: Any = layer.weight
    whole = computed.compute(layer)
    if whole.shape != raw.shape or not whole.any():
        return False
    half = torch.rand(len(raw), generator=draws) < 0.5
    half[0] = False
    return all(_keeps_others(computed, layer, raw, whole, kept) for kept in (half, ~half))


def _keeps_others(computed: ComputedWeight, layer: nn.Module, raw: Tensor, whole: Tensor, kept: Tensor) -> bool:
    layer.register_buffer("weight", raw * kept.view(-1, *(1,) * (raw.ndim - 1)))
    silenced = computed.compute(layer)
    wanted = whole * kept.view(-1, *(1,) * (raw.ndim - 1))
    exact_zeros = not silenced[~kept].any()
    return exact_zeros and bool((silenced - wanted).abs_().max() <= TOLERANCE * whole.abs().max())
