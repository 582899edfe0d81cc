"""torch.fx records a network: its calls, and the shape of every tensor in it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn

from pruning.graph.attachments import attachment_reasons, computed_tensors, refuse_uncopyable
from pruning.graph.copies import copy_module
from pruning.graph.decisions import Decision, holds_tensors
from pruning.graph.generators import preserve_generators
from pruning.graph.in_place import follow_in_place
from pruning.graph.inputs import Shape, Shapes, bind, empty_batch
from pruning.graph.normalise import FUNCTIONS, NormalForm, normalise, read_call
from pruning.graph.symbolic import symbolic_trace
from pruning.graph.tracer import Example
from pruning.selection import CONVOLUTIONS, Convolution

TRACED_IMAGES = 2  # in the batch on which a network is traced


@dataclass
class Trace:
    """The traced network (a skeleton), the shape of every tensor in it (batch of 2), how often each layer is called.

    `values`: what every node gives, tensors without numbers; `decisions`: what Python decided by the images' sizes.
    `bundles` are the nodes that return several tensors at once; `tied` are the layers that share a parameter or a
    buffer; `attached`: why the layers stay whole that carry somebody's hook or parametrisation. `bare` is the skeleton
    of the whole network, also of what forward does not call. `normal`: the layers of `module` that are torch's plain
    ones in place of the network's own.
    """

    module: fx.GraphModule
    bare: nn.Module
    values: dict[fx.Node, Any]
    shapes: dict[fx.Node, Shape]
    bundles: set[fx.Node]
    calls: Counter[str]
    tied: set[str]
    attached: dict[str, str]
    normal: NormalForm
    decisions: tuple[Decision, ...] = ()

    @property
    def nodes(self) -> list[fx.Node]:
        return list(self.module.graph.nodes)

    @cached_property
    def layers(self) -> dict[str, nn.Module]:
        """The modules of the traced network, by dotted name."""
        return dict(self.module.named_modules(remove_duplicate=False))

    def layer(self, node: fx.Node) -> nn.Module | None:
        """The layer that a node calls; None for functions, methods, inputs and outputs."""
        return self.layers[str(node.target)] if node.op == "call_module" else None

    def plain(self, network: nn.Module, name: str) -> Any:
        """A layer of the traced network, or of one with its layers, as torch's plain one with the same tensors."""
        return self.normal.plain(network, name)

    def applied_weight(self, node: fx.Node) -> tuple[type[nn.Module], Shape] | None:
        """Of a node that applies a weight, as a layer or as a function: torch's class of such layers, and its shape."""
        layer: Any = self.layer(node)
        if isinstance(getattr(layer, "weight", None), Tensor):
            return type(layer), tuple(layer.weight.shape)
        weight = read_call(node).tensors.get("weight") if node.target in FUNCTIONS else None
        return (FUNCTIONS[node.target].kind, self.shapes[weight]) if weight in self.shapes else None

    def stands_alone(self, node: fx.Node) -> bool:
        """Is a layer's state its own and read by this call only, and does nobody change what it computes?"""
        name, layer = str(node.target), self.layer(node)
        shared = self.calls[name] > 1 or name in self.tied
        return name not in self.attached and not (shared and layer is not None and _has_state(layer))

    def convolutions(self) -> Iterator[tuple[str, Convolution, fx.Node]]:
        """Name, layer and node of every convolution that is called, in order of execution."""
        for node in self.nodes:
            layer = self.layer(node)
            if type(layer) in CONVOLUTIONS:
                yield str(node.target), layer, node  # type: ignore[misc]


def record(network: nn.Module, image_shape: Shapes) -> Trace:
    """Trace a network for images of `image_shape`, of any number of axes; the network itself is left as it is.

    Raises:
        ValueError: torch.fx cannot trace the network (its words and the line are given), what forward does hangs on the
            training flag or on a draw, it changes tensors of its own, or a hook would be lost.
    """
    refuse_uncopyable(network)
    with preserve_generators():
        bare = skeleton(network)
        inputs = bind(bare, empty_batch(image_shape, TRACED_IMAGES, float_type(bare)))
        recording = symbolic_trace(bare, Example(inputs, device_of(network)))
        module, tracer = recording.module, recording.tracer
        follow_in_place(module)
        _erase_unread(module, tracer.values)
        normal = normalise(module, tracer.values)
    calls = Counter(str(node.target) for node in module.graph.nodes if node.op == "call_module")
    return Trace(
        module=module,
        bare=bare,
        values=tracer.values,
        shapes=tracer.shapes,
        bundles={node for node in module.graph.nodes if _is_bundle(node, tracer.values)},
        calls=calls,
        tied=_tied_layers(module),
        attached=attachment_reasons(bare),
        normal=normal,
        decisions=tuple(tracer.decisions),
    )


def _is_bundle(node: fx.Node, values: dict[fx.Node, Any]) -> bool:
    value = values[node]
    several = isinstance(value, (tuple, list)) and any(isinstance(part, Tensor) for part in value)
    made = isinstance(node.target, type) and (isinstance(value, dict) or dataclasses.is_dataclass(value))
    return (several or made) and node.op != "output"


def _erase_unread(module: fx.GraphModule, values: dict[fx.Node, Any]) -> None:
    """Sizes that were only decided by, and assertions: whoever reads a size keeps the tensor that it is of."""
    for node in reversed(module.graph.nodes):
        number = node.op in ("call_function", "call_method") and not holds_tensors(values[node])
        if number and not node.users:
            module.graph.erase_node(node)


def _has_state(layer: nn.Module) -> bool:
    return any(True for _ in layer.parameters()) or any(True for _ in layer.buffers())


def _tied_layers(module: fx.GraphModule) -> set[str]:
    """Layers whose parameters or buffers another layer has too, or that forward reads besides calling the layer."""
    owners: dict[int, set[str]] = {}
    for name, layer in module.named_modules():
        for tensor in (*layer.parameters(recurse=False), *layer.buffers(recurse=False)):
            owners.setdefault(id(tensor), set()).add(name)
    read = {str(node.target).rpartition(".")[0] for node in module.graph.nodes if node.op == "get_attr"}
    called = {str(node.target) for node in module.graph.nodes if node.op == "call_module"}
    return (read & called).union(*(names for names in owners.values() if len(names) > 1))


def skeleton(network: nn.Module) -> nn.Module:
    """A copy of a network with shapes and types but no numbers (meta device); it shares nothing with the network."""
    memo: dict[Any, Any] = {}
    for tensor in [*network.parameters(), *network.buffers(), *computed_tensors(network)]:
        empty = torch.empty_like(tensor, device="meta", requires_grad=False)
        is_parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    return copy_module(network, memo)


def float_type(module: nn.Module) -> torch.dtype:
    """The type of number that a network computes in."""
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)


def device_of(network: nn.Module) -> torch.device:
    """Where a network is."""
    return next((p.device for p in network.parameters()), torch.device("cpu"))
