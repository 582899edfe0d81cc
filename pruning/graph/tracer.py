"""torch.fx made to record what a forward does: tensors it makes, changes in place, draws, and reads of its mode."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from threading import get_ident
from typing import Any

import torch
from torch import fx, nn

from pruning.graph import tables
from pruning.graph.generators import generator_states
from pruning.graph.in_place import IN_PLACE
from pruning.graph.inputs import Inputs
from pruning.graph.normalise import is_plain_subclass

# Functions that make a tensor of numbers and sizes: torch.fx by itself runs them while it traces, and fails on a size.
FACTORIES = (
    *("arange", "as_tensor", "empty", "eye", "full", "linspace", "logspace", "normal", "ones", "rand", "randint"),
    *("randn", "randperm", "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros"),
)
FACTORY_FUNCTIONS = frozenset(getattr(torch, name) for name in FACTORIES)


class InPlaceProxy(fx.Proxy):
    """A tensor in the graph. torch.fx by itself records `x += y` as a sum: other readers of x would see the old one."""

    def __setitem__(self, index: object, value: object) -> None:
        raise TypeError("a part of a tensor is assigned to: make the whole with torch.cat or torch.where instead")


def _record_in_place(name: str) -> None:
    def record(self: fx.Proxy, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, other), {})

    setattr(InPlaceProxy, f"__{name}__", record)


for _name in IN_PLACE:
    _record_in_place(_name)


class Tracer(fx.Tracer):
    """Leaves: torch's own layers and subclasses that change nothing, norms of other classes, and parameter-free modules
    that read `self.training` (StochasticDepth, DropPath). So are those that surgery has put into a network which is
    pruned once more.

    `open`: buffers and tensors made in forward are nodes of the graph, and not numbers. `drawing_module`: the innermost
    module whose forward has drawn from a random generator, looked for while `blaming`. `reads_mode`: forward has asked
    for its mode.
    """

    def __init__(self, inputs: Inputs, open: bool, blaming: bool = False) -> None:
        super().__init__(autowrap_functions=tuple(FACTORY_FUNCTIONS))
        self.inputs = inputs
        self.open = self.proxy_buffer_attributes = open
        self.drawing_module: str | None = None
        self.blaming, self.reads_mode = blaming, False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        stays = _reads_training(m) or type(m).__module__ == "pruning.surgery.align"
        parameter_free = not any(True for _ in m.parameters())
        norm = isinstance(m, nn.modules.batchnorm._NormBase) or tables.class_name(m) in tables.NORM_ACTIVATIONS_BY_NAME
        plain = super().is_leaf_module(m, module_qualified_name) or is_plain_subclass(m)
        return norm or plain or (stays and parameter_free)

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[[], Any], list[Any]]:
        """A placeholder for each input that is given; all other arguments of forward have their defaults."""
        args, kwargs = (
            {name: self.create_proxy("placeholder", name, (), {}) for name in given} for given in self.inputs
        )
        return lambda: self.root.forward(*args.values(), **kwargs), []

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return InPlaceProxy(node, self)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if m not in (self.submodule_paths or ()) and next(chain(m.parameters(), m.buffers()), None) is None:
            return forward(*args, **kwargs)  # made in forward, such as nn.ReLU()(x)
        if not self.blaming or self.is_leaf_module(m, self.path_of_module(m)):
            return super().call_module(m, forward, args, kwargs)
        before = generator_states(m)
        output = super().call_module(m, forward, args, kwargs)
        if self.drawing_module is None and generator_states(m) != before:
            self.drawing_module = repr(self.path_of_module(m))
        return output

    def trace_graph(self, network: nn.Module) -> fx.Graph:
        before = generator_states(network)
        with self._record_factories(), self._record_mode_reads():
            graph = self.trace(network)
        if self.drawing_module is None and generator_states(network) != before:
            self.drawing_module = "it" if self.blaming else self._find_drawing_module(network)
        return graph

    def _find_drawing_module(self, network: nn.Module) -> str | None:
        """Which module draws: asked in a trace of its own, for asking module by module takes time."""
        tracer = Tracer(self.inputs, self.open, blaming=True)
        tracer.trace_graph(network)
        return tracer.drawing_module

    @contextmanager
    def _record_mode_reads(self) -> Iterator[None]:
        """For a while it is noticed who asks for `self.training`: a property comes before what a module holds."""

        def training(module: nn.Module) -> bool:
            self.reads_mode = True
            return bool(vars(module)["training"])

        nn.Module.training = property(training, lambda module, mode: vars(module).update(training=mode))  # type: ignore
        try:
            yield
        finally:
            del nn.Module.training

    @contextmanager
    def _record_factories(self) -> Iterator[None]:
        """For a while this thread's torch.arange and its like are recorded."""
        originals, thread = {name: getattr(torch, name) for name in FACTORIES}, get_ident()

        def record_calls(original: Callable[..., Any]) -> Callable[..., Any]:
            def call_or_record(*args: Any, **kwargs: Any) -> Any:
                if get_ident() == thread and (self.open or _has_proxy((args, kwargs))):
                    return self.create_proxy("call_function", original, args, kwargs)
                return original(*args, **kwargs)

            return call_or_record

        try:
            for name, original in originals.items():
                setattr(torch, name, record_calls(original))
            yield
        finally:
            for name, original in originals.items():
                setattr(torch, name, original)


def _has_proxy(values: Any) -> bool:
    proxies: list[fx.Proxy] = []
    fx.node.map_aggregate(values, lambda value: proxies.append(value) if isinstance(value, fx.Proxy) else None)
    return bool(proxies)


def _reads_training(module: nn.Module) -> bool:
    return "training" in getattr(type(module).forward, "__code__", _reads_training.__code__).co_names
