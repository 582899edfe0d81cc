"""A small network's own graph as JSON, for networks that no name builds: nodes, layers, shapes; the weights lie beside.

Nothing is called but what `allowed` lists, no constructor is run, and no tensor has memory until its weights are read.
"""

from __future__ import annotations

import keyword
import re
from typing import Any

import torch
from torch import Tensor, fx, nn

from pruning.files import allowed, values
from pruning.surgery.compact import copy_order

PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
BASE = frozenset(vars(nn.Module()))
OPS = frozenset({"placeholder", "get_attr", "call_function", "call_method", "call_module", "output"})
Program = dict[str, Any]


def describe(network: nn.Module) -> Program:
    """Raises ValueError, with its name, for a node or a layer that a file may not hold."""
    if not isinstance(network, fx.GraphModule):
        raise ValueError(f"a {type(network).__name__} is no network that compact has made: {REMEDY}")
    layers = {name: _describe_layer(name, layer) for name, layer in network.named_modules(remove_duplicate=False)}
    return {
        "name": type(network).__name__,
        "nodes": [_describe_node(node) for node in network.graph.nodes],
        "layers": layers,
    }


REMEDY = "give save() dense=, the full-size network, and load() too"


def is_describable(network: nn.Module) -> bool:
    """Whether a file may hold all that its graph does."""
    try:
        describe(network)
    except ValueError:
        return False
    return True


def _describe_node(node: fx.Node) -> list[Any]:
    target = allowed.FUNCTION_NAMES.get(node.target) if node.op == "call_function" else str(node.target)
    try:
        if target is None or (node.op == "call_method" and target not in allowed.METHODS):
            raise ValueError(f"a call of {getattr(node.target, '__name__', node.target)}")
        return [node.op, node.name, target, values.encode(tuple(node.args)), values.encode(dict(node.kwargs))]
    except ValueError as error:
        raise ValueError(f"{node.name} holds {error}, which a file may not hold: {REMEDY}") from error


def _describe_layer(name: str, layer: nn.Module) -> Program:
    kind = "torch.nn.Module" if type(layer) is nn.Module or not name else allowed.layer_name(layer)
    own = {key: value for key, value in vars(layer).items() if key not in BASE and not key.startswith("__")}
    try:
        if kind is None:
            raise ValueError(f"a {type(layer).__name__}")
        if layer._forward_hooks or layer._forward_pre_hooks:
            raise ValueError("a hook")
        return {
            "class": kind,
            "attributes": {key: values.encode(value) for key, value in own.items()} if name else {},
            "parameters": {key: _describe_tensor(value) for key, value in layer._parameters.items()},
            "buffers": {key: _describe_tensor(value) for key, value in layer._buffers.items()},
            "temporary": sorted(layer._non_persistent_buffers_set),
        }
    except ValueError as error:
        raise ValueError(f"layer {name!r} holds {error}, which a file may not hold: {REMEDY}") from error


def _describe_tensor(tensor: Tensor | None) -> list[Any] | None:
    return (
        tensor if tensor is None else [list(tensor.shape), values.encode(tensor.dtype)["dtype"], tensor.requires_grad]
    )


def build(program: Program) -> fx.GraphModule:
    """The network of a description, all its tensors on the meta device.

    Raises:
        ValueError: it holds something else than `describe` writes.
    """
    try:
        root = _build_layers(dict(program["layers"]))
        small = fx.GraphModule(root, _build_graph(list(program["nodes"]), root), _checked_word(program["name"]))
    except (LookupError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"the graph is damaged: {type(error).__name__} {str(error)[:100]!r}") from error
    copy_order(small, root)
    return small


def _build_layers(layers: dict[str, Program]) -> nn.Module:
    root = _build_layer(layers.pop(""))
    for name, described in layers.items():
        parent, _, last = _checked_path(name).rpartition(".")
        holder = root.get_submodule(parent)
        if last in holder._modules or (hasattr(holder, last) and not last.isdigit()):
            raise ValueError(f"layer {name[:60]!r} has the name of something else")
        holder._modules[last] = _build_layer(described)
    return root


def _build_layer(described: Program) -> nn.Module:
    kind = nn.Module if described["class"] == "torch.nn.Module" else allowed.layer_class(described["class"])
    layer: nn.Module = kind.__new__(kind)
    nn.Module.__init__(layer)
    for name, value in described["attributes"].items():
        if not name.isidentifier() or name.startswith("__") or name in BASE or _is_behaviour(kind, name):
            raise ValueError(f"no attribute of a {described['class']} may be {name[:60]!r}")
        layer.__dict__[name] = values.decode(value, {})
    for name, tensor in described["parameters"].items():
        empty = _empty_tensor(tensor)
        parameter = None if empty is None else nn.Parameter(empty, bool(tensor[2]))
        layer.register_parameter(name, parameter)
    for name, tensor in described["buffers"].items():
        layer.register_buffer(name, _empty_tensor(tensor), persistent=name not in described["temporary"])
    return layer


def _is_behaviour(kind: type, name: str) -> bool:
    value = getattr(kind, name, None)
    return callable(value) or isinstance(value, property)


def _empty_tensor(described: list[Any] | None) -> Tensor | None:
    if described is None:
        return None
    shape, kind, _ = described
    if kind not in values.DTYPES or not all(type(size) is int and 0 <= size <= values.MOST for size in shape):
        raise ValueError(f"no tensor of {str(kind)[:20]} and {str(shape)[:60]}")
    return torch.empty(shape, dtype=values.DTYPES[kind], device="meta")


def _build_graph(described: list[list[Any]], root: nn.Module) -> fx.Graph:
    if [op for op, *_ in described].count("output") != 1 or described[-1][0] != "output":
        raise ValueError("the graph does not end in one output")
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for op, name, target, args, kwargs in described:
        arguments, by_name = values.decode(args, nodes), values.decode(kwargs, nodes)
        if op not in OPS or not isinstance(arguments, tuple) or not all(_is_word(key) for key in by_name):
            raise ValueError(f"no node of a graph: {str(op)[:60]!r} {str(name)[:60]!r}")
        called = _target(op, target, arguments, root)
        node = graph.create_node(op, called, arguments, by_name, name=_checked_word(name))
        nodes[name] = node
    return graph


def _target(op: str, name: str, arguments: tuple[Any, ...], root: nn.Module) -> Any:
    """What a node calls, looked up in the lists."""
    if op == "call_function" and name in allowed.FUNCTIONS:
        if name == "builtins.getattr" and (len(arguments) != 2 or arguments[1] not in allowed.ATTRIBUTES):
            raise ValueError(f"no attribute of a tensor that may be read: {str(arguments[1:])[:60]}")
        return allowed.FUNCTIONS[name]
    if op == "call_method" and name in allowed.METHODS:
        return name
    if op == "call_module" and root.get_submodule(_checked_path(name)) is not None:
        return name
    if op == "get_attr" and _is_tensor(root, _checked_path(name)):
        return name
    if op in ("placeholder", "output") and _checked_word(name):
        return name
    raise ValueError(f"no {op} may be {str(name)[:60]!r}")


def _is_tensor(root: nn.Module, path: str) -> bool:
    parent, _, last = path.rpartition(".")
    holder = root.get_submodule(parent)
    return last in holder._parameters or last in holder._buffers


def _checked_path(name: Any) -> str:
    """A dotted name; it becomes part of a program's text, and so nothing else may be in it."""
    if not isinstance(name, str) or not PATH.fullmatch(name):
        raise ValueError(f"no name of a layer: {str(name)[:60]!r}")
    return name


def _is_word(name: Any) -> bool:
    return isinstance(name, str) and name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def _checked_word(name: Any) -> str:
    if not _is_word(name):
        raise ValueError(f"no name of a node: {str(name)[:60]!r}")
    return str(name)
