"""Normal form: whatever applies a weight of the network's own is a call of torch's plain layer, however it was written.

`F.conv2d(x, self.weight, self.bias, ...)` in a class of the user's becomes a call of an nn.Conv2d that has these
tensors, and so does a subclass that changes nothing of what its base does. Who reads the graph meets torch's layers.
A weight that forward computes from the layer's own tensors, filter by filter, is one too: `ComputedWeight`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from pruning.graph.computed import ComputedWeight, FilterWise, extract, making_nodes

TENSORS = ("weight", "bias")
# What a subclass of torch's layers may have of its own while its forward does the same.
HARMLESS = frozenset(
    {
        *("__init__", "__repr__", "extra_repr", "reset_parameters", "_load_from_state_dict", "_version", "__module__"),
        *("__doc__", "__dict__", "__weakref__", "__annotations__", "__annotate_func__", "__annotations_cache__"),
        *("__constants__", "__parameters__", "__orig_bases__", "__firstlineno__", "__static_attributes__"),
    }
)


@dataclass(frozen=True)
class NormalForm:
    """`layers`: torch's plain ones, without numbers, that stand for another class or for a call, by dotted name.
    `reasons`: why a convolution has stayed the call of a function, by the module that owns its weight, or by the
    weight's own name. `computed`: how forward makes the weight, of layers that do not apply it as it lies."""

    layers: dict[str, nn.Module] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    computed: dict[str, ComputedWeight] = field(default_factory=dict)

    def plain(self, network: nn.Module, name: str) -> nn.Module:
        """A layer of a network as torch's plain one. It shares the network's tensors, but for a weight that forward
        computes: that is a new one, as forward would make it now."""
        layer = network.get_submodule(name)
        if name not in self.layers:
            return layer
        plain = _dress(self.layers[name], layer)
        if name in self.computed:
            self.computed[name].fold_into(plain, layer)
        return plain


def _dress(template: nn.Module, layer: nn.Module) -> nn.Module:
    """A plain layer as `template`, with the tensors and the mode of `layer`."""
    plain = copy.copy(template)
    for table in ("_parameters", "_buffers"):
        tensors = getattr(template, table)
        setattr(plain, table, {key: None if own is None else getattr(layer, key) for key, own in tensors.items()})
    plain._modules, plain.training = {}, layer.training
    return plain


def normalise(module: fx.GraphModule) -> NormalForm:
    """Bring a recorded network into normal form, in place: its graph and its layers."""
    form, nodes = NormalForm(), list(module.graph.nodes)
    for name in dict.fromkeys(str(node.target) for node in nodes if node.op == "call_module"):
        _replace_subclass(module, name, form)
    calls: dict[str, list[Call]] = {}
    for node in nodes:
        call = read_call(node) if node.op == "call_function" and node.target in FUNCTIONS else None
        if call is not None and call.parameter is not None:
            calls.setdefault(call.parameter, []).append(call)
    readers, is_filter_wise = _readers(nodes) if calls else {}, FilterWise()
    for parameter, alike in calls.items():
        _replace_calls(module, parameter, alike, readers, form, is_filter_wise)
    return form


def _readers(nodes: list[fx.Node]) -> dict[str, set[fx.Node]]:
    """Who reads each tensor of the network's own, or calls a layer, by its name."""
    readers: dict[str, set[fx.Node]] = {}
    for node in nodes:
        if node.op in ("get_attr", "call_module"):
            readers.setdefault(str(node.target), set()).update(node.users if node.op == "get_attr" else (node,))
    return readers


# -- subclasses --------------------------------------------------------------------------------------------------------


def is_plain_subclass(layer: nn.Module) -> bool:
    """Does a layer of another class than torch's do what torch's does, and nothing else?"""
    kind: Any = type(layer)
    plain = plain_class(kind)
    if plain in (None, kind, nn.Sequential):
        return False
    return not any(callable(getattr(plain, name, None)) for name in vars(layer))  # layer.forward = another


@lru_cache(maxsize=1024)
def plain_class(kind: type[Any]) -> type[nn.Module] | None:
    """Torch's class whose forward is all that a layer of class `kind` does; None where `kind` changes something."""
    for place, base in enumerate(kind.__mro__):
        if base.__module__.startswith("torch.nn.modules.") and base is not nn.Module:
            return base
        if any(_overrides(kind.__mro__[place + 1 :], name, vars(base)[name]) for name in vars(base).keys() - HARMLESS):
            return None
    return None


def _overrides(bases: tuple[type, ...], name: str, value: object) -> bool:
    """Does a class hide by this name what its bases have, or (a property) what an instance holds?"""
    return hasattr(type(value), "__set__") or any(name in vars(base) for base in bases)


def _replace_subclass(module: fx.GraphModule, name: str, form: NormalForm) -> None:
    layer = module.get_submodule(name)
    if is_plain_subclass(layer) and not layer._forward_hooks and not layer._forward_pre_hooks:
        plain: Any = copy.copy(layer)
        kind: Any = type(layer)
        plain.__class__ = plain_class(kind)
        form.layers[name] = plain
        module.set_submodule(name, plain)


# -- functions ---------------------------------------------------------------------------------------------------------


def _conv(kind: type[Any], weight: Tensor, **arguments: Any) -> nn.Module:
    groups = arguments.get("groups", 1)
    return kind(weight.shape[1] * groups, weight.shape[0], weight.shape[2:], device="meta", **arguments)


def _conv_transpose(kind: type[Any], weight: Tensor, **arguments: Any) -> nn.Module:
    groups = arguments.get("groups", 1)
    return kind(weight.shape[0], weight.shape[1] * groups, weight.shape[2:], device="meta", **arguments)


def _linear(kind: type[Any], weight: Tensor) -> nn.Module:
    return kind(weight.shape[1], weight.shape[0], device="meta")


def _layer_norm(kind: type[Any], weight: Tensor, **arguments: Any) -> nn.Module:
    return kind(device="meta", **arguments)


def _group_norm(kind: type[Any], weight: Tensor, **arguments: Any) -> nn.Module:
    return kind(num_channels=len(weight), device="meta", **arguments)


@dataclass(frozen=True)
class Function:
    """A function that applies a weight: names of its arguments, torch's layer that calls it, and how that is made."""

    names: tuple[str, ...]
    kind: type[nn.Module]
    make: Callable[..., nn.Module]


CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
CONV_TRANSPOSE = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
FUNCTIONS: dict[Any, Function] = {
    F.conv1d: Function(CONV, nn.Conv1d, _conv),
    F.conv2d: Function(CONV, nn.Conv2d, _conv),
    F.conv3d: Function(CONV, nn.Conv3d, _conv),
    F.conv_transpose1d: Function(CONV_TRANSPOSE, nn.ConvTranspose1d, _conv_transpose),
    F.conv_transpose2d: Function(CONV_TRANSPOSE, nn.ConvTranspose2d, _conv_transpose),
    F.conv_transpose3d: Function(CONV_TRANSPOSE, nn.ConvTranspose3d, _conv_transpose),
    F.linear: Function(("input", "weight", "bias"), nn.Linear, _linear),
    F.layer_norm: Function(("input", "normalized_shape", "weight", "bias", "eps"), nn.LayerNorm, _layer_norm),
    F.group_norm: Function(("input", "num_groups", "weight", "bias", "eps"), nn.GroupNorm, _group_norm),
}


@dataclass(frozen=True, eq=False)
class Call:
    """A node that calls such a function: what it is applied to, the tensors it takes, and its other arguments."""

    node: fx.Node
    input: Any
    tensors: Mapping[str, Any]
    arguments: Mapping[str, Any]

    @property
    def function(self) -> Function:
        return FUNCTIONS[self.node.target]

    @cached_property
    def making(self) -> list[fx.Node]:
        """The nodes that make the weight, if it is made of tensors of the network's own; else none."""
        weight = self.tensors.get("weight")
        return (making_nodes(weight) or []) if isinstance(weight, fx.Node) else []

    @property
    def own(self) -> list[str]:
        """The dotted names of the tensors that the weight is made of."""
        return [str(node.target) for node in self.making if node.op == "get_attr"]

    @property
    def parameter(self) -> str | None:
        """The one of them that counts as the weight."""
        return next((name for name in self.own if name.rpartition(".")[2] == "weight"), next(iter(self.own), None))


def read_call(node: fx.Node) -> Call:
    bound: dict[str, Any] = {**dict(zip(FUNCTIONS[node.target].names, node.args, strict=False)), **node.kwargs}
    tensors = {name: bound.pop(name) for name in TENSORS if bound.get(name) is not None}
    return Call(node, bound.pop("input"), tensors, {name: v for name, v in bound.items() if name not in TENSORS})


def _replace_calls(
    module: fx.GraphModule,
    parameter: str,
    calls: list[Call],
    readers: Mapping[str, set[fx.Node]],
    form: NormalForm,
    is_filter_wise: FilterWise,
) -> None:
    """Calls with one weight become calls of its owner, where torch's layer can say what they do."""
    owner, _, last = parameter.rpartition(".")
    call, holder = calls[0], module.get_submodule(owner)
    reason = _reason(owner, last, calls, readers)
    computed = _computed_weight(call) if reason is None and len(call.making) > 1 else None
    if computed is not None and not is_filter_wise(computed, holder):
        reason = "computed: forward makes its weight anew, and not each filter by itself with zeros from zeros"
    if reason is None:
        form.layers[owner] = _plain_layer(call, holder)
        if computed is not None:
            form.computed[owner] = computed
        module.set_submodule(owner, _with_children(form.layers[owner], holder))
        for node in calls:
            _call_layer(node, owner)
    elif issubclass(call.function.kind, nn.modules.conv._ConvNd):
        form.reasons[owner if last == "weight" and owner else parameter] = reason


def _computed_weight(call: Call) -> ComputedWeight:
    return ComputedWeight(extract(call.making), call.node.target, call.arguments)


def _plain_layer(call: Call, holder: Any) -> nn.Module:
    """Torch's layer with the tensors that `holder` has."""
    layer = call.function.make(call.function.kind, holder.weight, **call.arguments)
    for name in TENSORS:
        layer.register_parameter(name, getattr(holder, name) if name in call.tensors else None)
    layer.training = holder.training
    return layer


def _with_children(plain: nn.Module, holder: nn.Module) -> nn.Module:
    """The layer that stands in the graph: all that `holder` has hangs on it too."""
    layer = copy.copy(plain)
    layer._modules, layer._buffers = holder._modules, {**holder._buffers}
    layer._parameters = {**holder._parameters, **plain._parameters}
    return layer


def _call_layer(call: Call, owner: str) -> None:
    """The node calls a layer from now on; it stays the node that it is. What only made its tensors goes."""
    node = call.node
    made = dict.fromkeys((*call.tensors.values(), *reversed(call.making)))
    node.op, node.target, node.args, node.kwargs = "call_module", owner, (call.input,), {}
    for tensor in made:
        if not tensor.users:
            node.graph.erase_node(tensor)


def _reason(owner: str, last: str, calls: list[Call], readers: Mapping[str, set[fx.Node]]) -> str | None:
    """Why torch's layer cannot stand for these calls; None where it can."""
    if last != "weight":
        return f"named: its weight is called {last!r}; call it 'weight' in a module of its own, and it may be cut"
    if not owner:
        return "bare: its weight belongs to the network itself; put it into a module of its own, and it may be cut"
    call = calls[0]
    if any(name.rpartition(".")[0] != owner for name in call.own):
        return "computed: its weight is made of tensors of several modules; put them into one, and it may be cut"
    bias = call.tensors.get("bias")
    if bias is not None and (bias.op != "get_attr" or bias.target != f"{owner}.bias"):
        return "bias: what it adds is not the bias beside its weight; put both into one module, and it may be cut"
    if unknown := [name for name, value in call.arguments.items() if _has_node(value)]:
        return f"dynamic: its {unknown[0]} is computed in forward; give a number, and it may be cut"
    return None if _stand_alone(owner, calls, readers) else "shared: forward reads its weight or bias elsewhere too"


def _stand_alone(owner: str, calls: list[Call], readers: Mapping[str, set[fx.Node]]) -> bool:
    """Does nobody else read what they read, and do they all do the same?"""
    call, *others = calls
    makers = {node for each in calls for node in each.making} | {each.node for each in calls}
    names = {owner, f"{owner}.bias", *call.own}
    outside = {user for name in names for user in readers.get(name, ())} - makers
    outside |= {user for node in call.making for user in node.users} - makers
    return not outside and not any(_settings(other) != _settings(call) or len(other.making) > 1 for other in others)


def _settings(call: Call) -> tuple[Any, ...]:
    return call.node.target, tuple(call.tensors), dict(call.arguments)


def _has_node(value: Any) -> bool:
    nodes: list[fx.Node] = []
    fx.map_arg(value, nodes.append)
    return bool(nodes)
