"""torch.fx records a network: its calls, and the shape of every tensor in it."""

from __future__ import annotations

import copy
import operator
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from pruning import tables
from pruning.selection import CONVOLUTIONS

Shape = tuple[int, ...]


class Tracer(fx.Tracer):
    """Leaves: torch's own layers, and parameter-free modules that read `self.training` (StochasticDepth, DropPath).

    So are those that surgery has put into a network which is pruned once more.
    """

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = _reads_training(m) or type(m).__module__ == "pruning.surgery.align"
        bare = not any(True for _ in m.parameters())
        known = tables.name_of(m) in tables.NORM_ACTIVATIONS_BY_NAME
        return known or super().is_leaf_module(m, module_qualified_name) or (whole and bare)


def _reads_training(module: nn.Module) -> bool:
    return "training" in getattr(type(module).forward, "__code__", _reads_training.__code__).co_names


@dataclass
class Trace:
    """The traced network (a skeleton), the shape of every tensor in it (batch of 2), how often each layer is called.

    `bundles` are the nodes that return several tensors at once; `tied` are the layers that share a parameter.
    """

    module: fx.GraphModule
    shapes: dict[fx.Node, Shape]
    bundles: set[fx.Node]
    calls: Counter[str]
    tied: set[str]

    @property
    def nodes(self) -> list[fx.Node]:
        return list(self.module.graph.nodes)

    def layer(self, node: fx.Node) -> nn.Module | None:
        """The layer that a node calls; None for functions, methods, inputs and outputs."""
        return self.module.get_submodule(str(node.target)) if node.op == "call_module" else None

    def convolutions(self) -> Iterator[tuple[str, nn.Conv2d, fx.Node]]:
        """Name, layer and node of every convolution that is called, in order of execution."""
        for node in self.nodes:
            layer = self.layer(node)
            if type(layer) in CONVOLUTIONS:
                yield str(node.target), layer, node  # type: ignore[misc]


def record(network: nn.Module, image_shape: tuple[int, int, int]) -> Trace:
    """Trace a network for images of `image_shape` (channels, height, width); the network itself is left as it is.

    Raises:
        ValueError: torch.fx cannot trace the network (its words and the line are given), or a training flag is
            baked into a function call.
    """
    module = _traced(skeleton(network))
    recorder = _recorded(module, image_shape)
    calls = Counter(str(node.target) for node in module.graph.nodes if node.op == "call_module")
    return Trace(module, recorder.shapes, recorder.bundles, calls, _tied(module))


def _tied(module: nn.Module) -> set[str]:
    owners: dict[int, set[str]] = {}
    for name, layer in module.named_modules():
        for parameter in layer.parameters(recurse=False):
            owners.setdefault(id(parameter), set()).add(name)
    return set().union(*(names for names in owners.values() if len(names) > 1))


def skeleton(network: nn.Module) -> nn.Module:
    """A copy of a network with shapes and types but no numbers (meta device); it shares nothing with the network."""
    memo: dict[int, object] = {}
    for tensor in [*network.parameters(), *network.buffers()]:
        empty = torch.empty_like(tensor, device="meta")
        is_parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    return copy.deepcopy(network, memo)


def _traced(network: nn.Module) -> fx.GraphModule:
    try:
        module = fx.GraphModule(network, Tracer().trace(network))
    except Exception as error:  # fx raises whatever the network's own forward raises on a proxy
        raise ValueError(_untraceable(network, error)) from error
    _follow_in_place(module)
    for node in module.graph.nodes:
        if node.op == "call_function" and node.kwargs.get("training") is True:
            raise ValueError(
                f"{type(network).__name__}: {node.name} has its training flag written into the graph "
                "(a function such as F.dropout(x, training=self.training)); use the module form, nn.Dropout"
            )
    return module


def _follow_in_place(module: fx.GraphModule) -> None:
    """Whoever reads a tensor after it was changed in place reads the changed one; let the graph say so."""
    seen: set[fx.Node] = set()
    for node in module.graph.nodes:
        seen.add(node)
        if _in_place(node, module) and node.all_input_nodes:
            source = node.all_input_nodes[0]
            _refuse_changed_view(node, source, seen, module)
            for user in [u for u in source.users if u not in seen]:
                user.replace_input_with(source, node)


def _refuse_changed_view(node: fx.Node, view: fx.Node, seen: set[fx.Node], module: fx.GraphModule) -> None:
    """What changes a part of a tensor in place changes the whole for later readers, and the graph cannot say so."""
    base = view
    while base.target in tables.RESHAPING and base.all_input_nodes:
        base = base.all_input_nodes[0]
    if base is not view and any(user not in seen for user in base.users):
        where = type(module).__name__
        raise ValueError(
            f"{where}: {node.name} changes a part of {base.name} in place, and {base.name} is read later; "
            f"write x = x + y instead of x += y there, or inplace=False"
        )


def _in_place(node: fx.Node, module: fx.GraphModule) -> bool:
    if node.op == "call_module":
        return bool(getattr(module.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    return node.kwargs.get("inplace") is True or node.target in (
        operator.iadd,
        operator.isub,
        operator.imul,
        torch.relu_,
    )


def _untraceable(network: nn.Module, error: Exception) -> str:
    whole = traceback.extract_tb(error.__traceback__)
    frames = [f for f in whole if "torch/fx" not in f.filename and "/pruning/tracing.py" not in f.filename]
    words = " ".join(str(error).split())
    where = f" at {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    return (
        f"torch.fx cannot trace {type(network).__name__}{where} ({words}); forward may not branch or loop on the "
        "values of tensors: move that part into a module of its own without parameters, or rewrite it"
    )


def _recorded(module: fx.GraphModule, image_shape: tuple[int, int, int]) -> _Recorder:
    """Shapes of all tensors, by one pass without arithmetic."""
    recorder = _Recorder(module)
    try:
        with torch.no_grad():
            recorder.run(torch.empty(2, *image_shape, device="meta", dtype=float_type(module)))
    except Exception as error:  # any layer may refuse the image in its own words
        raise ValueError(f"the network does not take images of {image_shape}: {str(error).splitlines()[0]}") from error
    return recorder


def float_type(module: nn.Module) -> torch.dtype:
    """The type of number that a network computes in."""
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)


class _Recorder(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=True)
        self.shapes: dict[fx.Node, Shape] = {}
        self.bundles: set[fx.Node] = set()

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """A norm gives the shape it takes: asking it on the meta device took most of a trace's time."""
        layer, given = self.fetch_attr(target), (*args, *kwargs.values(), None)[0]
        images = type(layer) is nn.BatchNorm2d and given.shape[1:-2] == (layer.num_features,)
        return torch.empty_like(given) if images else super().call_module(target, args, kwargs)

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.shapes[n] = tuple(value.shape)
        elif isinstance(value, (tuple, list)) and any(isinstance(part, Tensor) for part in value) and n.op != "output":
            self.bundles.add(n)
        return value
