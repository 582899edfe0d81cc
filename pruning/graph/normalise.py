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
from pruning.selection import CONVOLUTIONS

TENSORS = ("weight", "bias", "running_mean", "running_var")
FOLLOWS_MODE = "follows_mode"  # in `meta` of an F.batch_norm that is given its module's mode
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


def normalise(module: fx.GraphModule, values: Mapping[fx.Node, Any]) -> NormalForm:
    """Bring a recorded network into normal form, in place: its graph and its layers. `values`: what each node gives.

    Raises:
        ValueError: a batch norm follows its module's mode by a function, and no layer can stand for it.
    """
    form = NormalForm()
    _write_sizes_of_weights(module, values)
    for name in dict.fromkeys(str(node.target) for node in module.graph.nodes if node.op == "call_module"):
        _replace_subclass(module, name, form)
    calls: dict[str, list[Call]] = {}
    for call in _calls(module):
        if call.parameter is not None:
            calls.setdefault(call.parameter, []).append(call)
    if calls:
        replacing = _Replacing(module, values, form)
        for parameter, alike in calls.items():
            replacing.replace(parameter, alike)
    _refuse_written_modes(module)
    return form


def _write_sizes_of_weights(module: fx.GraphModule, values: Mapping[fx.Node, Any]) -> None:
    """Numbers that forward asks of the network's own tensors, such as weight.shape[-2:], are numbers in the graph."""
    numbers: dict[fx.Node, Any] = {}
    for node in module.graph.nodes:
        sources = node.all_input_nodes
        asks = bool(sources) and node.op in ("call_function", "call_method") and _is_size(values[node])
        if asks and all(source.op == "get_attr" or source in numbers for source in sources):
            numbers[node] = values[node]
        elif not numbers.keys().isdisjoint(sources):
            node.args, node.kwargs = fx.map_arg((node.args, node.kwargs), lambda n: numbers.get(n, n))
    for node in reversed(numbers):
        module.graph.erase_node(node)


def _is_size(value: Any) -> bool:
    return type(value) is int or (isinstance(value, (tuple, list)) and all(type(size) is int for size in value))


def _calls(module: fx.GraphModule) -> list[Call]:
    """Of functions that apply a weight; a batch norm is none where it is always in one mode."""
    nodes = [node for node in module.graph.nodes if node.op == "call_function" and node.target in FUNCTIONS]
    return [read_call(node) for node in nodes if node.target is not F.batch_norm or FOLLOWS_MODE in node.meta]


def _refuse_written_modes(module: fx.GraphModule) -> None:
    for node in module.graph.nodes:
        if node.op == "call_function" and FOLLOWS_MODE in node.meta:
            raise ValueError(
                f"{type(module).__name__}: {node.name} is F.batch_norm with its training flag written into the graph, "
                "and its tensors are not weight, bias, running_mean and running_var of one module; use the module "
                "form, nn.BatchNorm2d"
            )


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


def _batch_norm(kind: type[Any], weight: Tensor, training: bool = False, **arguments: Any) -> nn.Module:
    """It has its module's mode, and nobody counts the batches."""
    layer: nn.Module = kind(len(weight), device="meta", **arguments)
    layer.register_buffer("num_batches_tracked", None)
    return layer


@dataclass(frozen=True)
class Function:
    """A function that applies a weight: names of its arguments, torch's layer that calls it, and how that is made."""

    names: tuple[str, ...]
    kind: type[nn.Module]
    make: Callable[..., nn.Module]


CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
CONV_TRANSPOSE = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
BATCH_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}  # by their inputs' rank
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
    F.batch_norm: Function(BATCH_NORM, nn.BatchNorm2d, _batch_norm),
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


class _Replacing:
    """Calls of functions become calls of layers, in place."""

    def __init__(self, module: fx.GraphModule, values: Mapping[fx.Node, Any], form: NormalForm) -> None:
        self.module, self.values, self.form = module, values, form
        self.is_filter_wise = FilterWise()
        self.readers: dict[str, set[fx.Node]] = {}  # of each tensor of the network's own; and calls of layers
        for node in module.graph.nodes:
            if node.op in ("get_attr", "call_module"):
                readers = self.readers.setdefault(str(node.target), set())
                readers.update(node.users if node.op == "get_attr" else (node,))

    def replace(self, parameter: str, calls: list[Call]) -> None:
        """Calls with one weight become calls of its owner, where torch's layer can say what they do."""
        owner, _, last = parameter.rpartition(".")
        call = calls[0]
        reason = self.reason(owner, last, calls)
        if reason is None:
            self.install(owner, call)
            for each in calls:
                _call_layer(each, owner)
        elif issubclass(call.function.kind, nn.modules.conv._ConvNd):
            self.form.reasons[owner if last == "weight" and owner else parameter] = reason

    def install(self, owner: str, call: Call) -> None:
        """Torch's layer in the place of the module that owns the weight; all else that this has hangs on it too."""
        holder = self.module.get_submodule(owner)
        plain = self.plain_layer(call, holder)
        self.form.layers[owner] = plain
        if len(call.making) > 1:
            self.form.computed[owner] = _computed_weight(call)
        layer = copy.copy(plain)
        layer._modules, layer._buffers = holder._modules, {**holder._buffers, **plain._buffers}
        layer._parameters = {**holder._parameters, **plain._parameters}
        self.module.set_submodule(owner, layer)

    def plain_layer(self, call: Call, holder: Any) -> nn.Module:
        """Torch's layer with the tensors that `holder` has."""
        kind = call.function.kind
        if call.node.target is F.batch_norm:
            kind = BATCH_NORMS[self.values[call.node].ndim]
        layer = call.function.make(kind, holder.weight, **call.arguments)
        for name in TENSORS:
            if name in call.function.names:
                register = layer.register_buffer if name in layer._buffers else layer.register_parameter
                register(name, getattr(holder, name) if name in call.tensors else None)
        return layer

    def reason(self, owner: str, last: str, calls: list[Call]) -> str | None:
        """Why torch's layer cannot stand for these calls; None where it can."""
        call = calls[0]
        if last != "weight":
            return f"named: its weight is called {last!r}; call it 'weight' in a module of its own, and it may be cut"
        if not owner:
            return "bare: its weight belongs to the network itself; put it into a module of its own, and it may be cut"
        if any(name.rpartition(".")[0] != owner for name in call.own):
            return "computed: its weight is made of tensors of several modules; put them into one, and it may be cut"
        if not all(_is_beside(call.tensors[name], f"{owner}.{name}") for name in call.tensors.keys() - {"weight"}):
            return "bias: what it adds is not the bias beside its weight; put both into one module, and it may be cut"
        if unknown := [name for name, value in call.arguments.items() if _has_node(value)]:
            return f"dynamic: its {unknown[0]} is computed in forward; give a number, and it may be cut"
        if not self.stand_alone(owner, calls):
            return "shared: forward reads its weight or bias elsewhere too"
        return None if len(call.making) == 1 or self.is_cut_by_filters(owner, call) else COMPUTED

    def stand_alone(self, owner: str, calls: list[Call]) -> bool:
        """Does nobody else read what they read, and do they all do the same?"""
        call, *others = calls
        makers = {node for each in calls for node in (*each.making, each.node)}
        names = {owner, *call.own, *(f"{owner}.{name}" for name in call.tensors)}
        outside = {user for name in names for user in self.readers.get(name, ())}
        outside |= {user for node in call.making for user in node.users}
        alike = all(_settings(other) == _settings(call) and len(other.making) == 1 for other in others)
        return alike and not outside - makers

    def is_cut_by_filters(self, owner: str, call: Call) -> bool:
        """Can a filter go from a weight that forward computes?"""
        by_rows = call.function.kind in (*CONVOLUTIONS, nn.Linear)
        return by_rows and self.is_filter_wise(_computed_weight(call), self.module.get_submodule(owner))


COMPUTED = "computed: forward makes its weight anew, and not each filter by itself with zeros from zeros"


def _computed_weight(call: Call) -> ComputedWeight:
    return ComputedWeight(extract(call.making), call.node.target, call.arguments)


def _is_beside(tensor: Any, name: str) -> bool:
    return isinstance(tensor, fx.Node) and tensor.op == "get_attr" and tensor.target == name


def _call_layer(call: Call, owner: str) -> None:
    """The node calls a layer from now on; it stays the node that it is. What only made its tensors goes."""
    node = call.node
    made = dict.fromkeys((*call.tensors.values(), *reversed(call.making)))
    node.op, node.target, node.args, node.kwargs = "call_module", owner, (call.input,), {}
    for tensor in made:
        if not tensor.users:
            node.graph.erase_node(tensor)


def _settings(call: Call) -> tuple[Any, ...]:
    return call.node.target, tuple(call.tensors), dict(call.arguments)


def _has_node(value: Any) -> bool:
    nodes: list[fx.Node] = []
    fx.map_arg(value, nodes.append)
    return bool(nodes)
