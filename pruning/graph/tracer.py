"""torch.fx made to record what a forward does: nodes with their values, tensors it makes, draws, reads of its mode."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from threading import get_ident
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, fx, nn
from torch.utils._device import _device_constructors

from pruning.graph import tables
from pruning.graph.decisions import Decision, Rerun, reads_type
from pruning.graph.generators import generator_states
from pruning.graph.inputs import Inputs, Shape
from pruning.graph.meta import FACTORIES, FACTORY_FUNCTIONS, NUMBER_FIRST, NUMBER_FIRST_FUNCTIONS, MetaRun
from pruning.graph.normalise import is_plain_subclass
from pruning.graph.proxies import SequenceProxy, ValueProxy, make_proxy
from pruning.graph.refusal import (
    AUTOGRAD_FUNCTION,
    BATCH_DECIDES,
    VALUE_BRANCH,
    VALUE_READ,
    Place,
    RefusalError,
    calling_place,
)

RECORDED_FUNCTIONS = FACTORY_FUNCTIONS | NUMBER_FIRST_FUNCTIONS
CHUNKS = frozenset({torch.chunk, "chunk"})
OTHER_BATCH = 1009  # as many images as nothing else counts


@dataclass(frozen=True)
class Example:
    """What a network is given: its inputs without numbers, and the device that it is really on."""

    inputs: Inputs
    device: torch.device

    def tensors(self) -> dict[str, Tensor]:
        return self.inputs[0] | self.inputs[1]

    def resize(self, count: int, scale: int) -> dict[str, Tensor]:
        """Batches of `count`, `scale` times as large on every axis but that of the channels."""
        return {name: value.new_empty(_resize(value.shape, count, scale)) for name, value in self.tensors().items()}


def _resize(shape: torch.Size, count: int, scale: int) -> tuple[int, ...]:
    return (count, *shape[1:2], *(scale * size for size in shape[2:]))


class Tracer(fx.Tracer):
    """Leaves: torch's own layers and subclasses that change nothing, norms of other classes, and parameter-free modules
    that read `self.training` (StochasticDepth, DropPath). So are those that surgery has put into a network which is
    pruned once more.

    `open`: buffers and tensors made in forward are nodes of the graph, and not numbers. `drawing_module`: the innermost
    module whose forward has drawn from a random generator, looked for while `blaming`. `reads_mode`: forward has asked
    for its mode. `values`: what every node gives; `shapes`: of those that give a tensor.
    """

    def __init__(self, example: Example, open: bool, blaming: bool = False) -> None:
        super().__init__(autowrap_functions=tuple(RECORDED_FUNCTIONS))
        self.example = example
        self.open = self.proxy_buffer_attributes = open
        self.drawing_module: str | None = None
        self.blaming, self.reads_mode = blaming, False
        self.values: dict[fx.Node, Any] = {}
        self.shapes: dict[fx.Node, Shape] = {}
        self.decisions: dict[Decision, None] = {}

    def trace_graph(self, network: nn.Module) -> fx.Graph:
        before, self.images = generator_states(network), self.example.tensors()
        self.other_images, self.other_batch = (self.example.resize(OTHER_BATCH, scale) for scale in (2, 1))
        self.run = MetaRun(network, self.example.device)
        with self._record_factories(), self._record_mode_reads(), _refuse_autograd_functions():
            graph = self.trace(network)
        _forget_wrapping(graph)
        if self.drawing_module is None and generator_states(network) != before:
            self.drawing_module = "it" if self.blaming else self._find_drawing_module(network)
        return graph

    # -- what torch.fx asks --------------------------------------------------------------------------------------------

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        norm = isinstance(m, nn.modules.batchnorm._NormBase) or tables.class_name(m) in tables.NORMS_BY_NAME
        plain = super().is_leaf_module(m, module_qualified_name) or is_plain_subclass(m)
        hooked = bool(m._forward_hooks or m._forward_pre_hooks)  # a block that somebody watches stays as it is
        return norm or plain or hooked or _stays_whole(m)

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """A placeholder for each input that is given; all other arguments of forward have their defaults."""
        args, kwargs = (
            {name: self.create_proxy("placeholder", name, (), {}) for name in given} for given in self.example.inputs
        )
        return lambda: self.root.forward(*args.values(), **kwargs), []

    def create_node(self, kind: str, target: Any, *arguments: Any, **options: Any) -> fx.Node:
        node = super().create_node(kind, target, *arguments, **options)
        value = self.images[target] if kind == "placeholder" else self.run.compute(node, self.values)
        self.values[node] = value
        if isinstance(value, Tensor):
            self.shapes[node] = tuple(value.shape)
        return node

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, fx.Proxy):
            return a.node
        own = isinstance(a, dict) and not type(a).__module__.startswith(("builtins", "collections", "torch."))
        return self.create_own_dict(a) if own else super().create_arg(a)

    def create_own_dict(self, a: Any) -> fx.Node:
        """Outputs of a library's own kind of dict stay of that kind; fields of a dataclass are its arguments."""
        if dataclasses.is_dataclass(a):
            fields = {field.name: self.create_arg(getattr(a, field.name)) for field in dataclasses.fields(a)}
            return self.create_node("call_function", type(a), (), fields)
        return self.create_node("call_function", type(a), (self.create_arg(dict(a)),), {})

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return make_proxy(node, self, self.values[node])

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        return attr_val if self.run.busy else super().getattr(attr, attr_val, parameter_proxy_cache)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        own = m in (self.submodule_paths or ()) or next(chain(m.parameters(), m.buffers()), None) is not None
        if self.run.busy or not own:  # made in forward, such as nn.ReLU()(x)
            return forward(*args, **kwargs)
        if not self.blaming or self.is_leaf_module(m, self.path_of_module(m)):
            return super().call_module(m, forward, args, kwargs)
        before = generator_states(m)
        output = super().call_module(m, forward, args, kwargs)
        if self.drawing_module is None and generator_states(m) != before:
            self.drawing_module = repr(self.path_of_module(m))
        return output

    # -- what Python decides -------------------------------------------------------------------------------------------

    def decide(self, proxy: ValueProxy, convert: Callable[[Any], Any]) -> Any:
        """The value that Python asks for, which is baked.

        Raises:
            RefusalError: it hangs on numbers in a tensor, or on how many images there are.
        """
        if isinstance(proxy.value, Tensor):
            raise RefusalError(*(VALUE_BRANCH if convert is bool else VALUE_READ))
        value, place = convert(proxy.value), calling_place()
        if self._hangs_on_images(proxy.node, place) or reads_type(proxy.node, self.values):
            self.decisions[Decision(value, place.file, place.line, place.text)] = None
        return value

    def _hangs_on_images(self, node: fx.Node, place: Place) -> bool:
        """Does a number hang on the size of the images? An assertion that holds decides nothing."""
        if place.is_assertion or not self._of_other_images.differs(node):
            return False
        if self._of_other_batch.differs(node):
            raise RefusalError(*BATCH_DECIDES)
        return True

    @cached_property
    def _of_other_images(self) -> Rerun:
        return self._rerun(self.other_images)

    @cached_property
    def _of_other_batch(self) -> Rerun:
        return self._rerun(self.other_batch)

    def _rerun(self, images: dict[str, Tensor]) -> Rerun:
        placeholders = {node: images[str(node.target)] for node in self.graph.nodes if node.op == "placeholder"}
        return Rerun(self.values, placeholders, self.run.compute)

    def count(self, proxy: SequenceProxy) -> int:
        """How many parts Python may take one by one: of a size as many as axes, of a tensor as its first axis has."""
        value, node = proxy.value, proxy.node
        fixed = isinstance(value, torch.Size) or (node.target in CHUNKS and len(value) in node.args[1:2])
        return len(value) if fixed else operator.index(self.create_proxy("call_function", len, (proxy,), {}))  # type: ignore[arg-type]

    # -- what is noticed beside the nodes ------------------------------------------------------------------------------

    def _find_drawing_module(self, network: nn.Module) -> str | None:
        """Which module draws: asked in a trace of its own, for asking module by module takes time."""
        tracer = Tracer(self.example, self.open, blaming=True)
        tracer.trace_graph(network)
        return tracer.drawing_module

    @contextmanager
    def _record_mode_reads(self) -> Iterator[None]:
        """For a while it is noticed who asks for `self.training`: a property comes before what a module holds."""

        def training(module: nn.Module) -> bool:
            self.reads_mode |= not self.run.busy
            return bool(vars(module)["training"])

        nn.Module.training = property(training, lambda module, mode: vars(module).update(training=mode))  # type: ignore
        try:
            yield
        finally:
            del nn.Module.training

    @contextmanager
    def _record_factories(self) -> Iterator[None]:
        """For a while this thread's torch.arange, torch.pow and their like are recorded."""
        _device_constructors()  # torch lists them at the first call and keeps the list: not of what stands in for them
        originals, thread = {name: getattr(torch, name) for name in FACTORIES + NUMBER_FIRST}, get_ident()

        def record_calls(original: Callable[..., Any]) -> Callable[..., Any]:
            makes_tensor = original in FACTORY_FUNCTIONS

            def call_or_record(*args: Any, **kwargs: Any) -> Any:
                forward_calls = get_ident() == thread and not self.run.busy
                if forward_calls and ((self.open and makes_tensor) or _has_proxy((args, kwargs))):
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


def _forget_wrapping(graph: fx.Graph) -> None:
    """A graph's code would wrap the name "torch.pow", which no module has: every later trace would look for it.
    math.ceil and its like are wrapped in every trace anyhow."""
    for node in graph.nodes:
        if node.target in RECORDED_FUNCTIONS or getattr(node.target, "__module__", None) == "math":
            node.meta.pop("is_wrapped", None)


@contextmanager
def _refuse_autograd_functions() -> Iterator[None]:
    """For a while none is given a proxy, which torch's C code would take for a tensor in memory, and crash."""
    original: Any = vars(torch.autograd.Function)["apply"]
    checkpoint, ask_device = torch.utils.checkpoint, torch.utils.checkpoint._infer_device_type

    def refuse_checkpoint(*args: Any) -> Any:
        if _has_proxy(args):
            raise RefusalError(*AUTOGRAD_FUNCTION)
        return ask_device(*args)

    def apply(kind: type, *args: Any, **kwargs: Any) -> Any:
        if _has_proxy((args, kwargs)):
            raise RefusalError(*AUTOGRAD_FUNCTION)
        return original.__get__(None, kind)(*args, **kwargs)

    torch.autograd.Function.apply = classmethod(apply)  # type: ignore[assignment]
    checkpoint._infer_device_type = refuse_checkpoint  # use_reentrant=False begins by asking, and calls no Function
    try:
        yield
    finally:
        torch.autograd.Function.apply = original
        checkpoint._infer_device_type = ask_device


def _has_proxy(values: Any) -> bool:
    proxies: list[fx.Proxy] = []
    fx.node.map_aggregate(values, lambda value: proxies.append(value) if isinstance(value, fx.Proxy) else None)
    return bool(proxies)


def _stays_whole(module: nn.Module) -> bool:
    stays = _reads_training(module) or type(module).__module__ == "pruning.surgery.align"
    return stays and not any(True for _ in module.parameters())


def _reads_training(module: nn.Module) -> bool:
    return "training" in getattr(type(module).forward, "__code__", _reads_training.__code__).co_names
