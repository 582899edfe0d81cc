"""torch.fx walks through a network's forward, in both modes where it asks for its mode, and may not meet a draw."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import fx, nn

from pruning import tables
from pruning.draws import generator_states
from pruning.in_place import IN_PLACE, bound_argument

# Functions that make a tensor of numbers and sizes: torch.fx by itself runs them while it traces, and fails on a size.
FACTORIES = (
    *("arange", "as_tensor", "empty", "eye", "full", "linspace", "logspace", "normal", "ones", "rand", "randint"),
    *("randn", "randperm", "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros"),
)


class InPlaceProxy(fx.Proxy):
    """A tensor in the graph. torch.fx by itself records `x += y` as a sum: other readers of x would see the old one."""

    def __setitem__(self, place: object, value: object) -> None:
        raise TypeError("a part of a tensor is assigned to: make the whole with torch.cat or torch.where instead")


def _record_in_place(name: str) -> None:
    def record(self: fx.Proxy, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, other), {})

    setattr(InPlaceProxy, f"__{name}__", record)


for _name in IN_PLACE:
    _record_in_place(_name)


class Tracer(fx.Tracer):
    """Leaves: torch's own layers, norms of other classes, and parameter-free modules that read `self.training`
    (StochasticDepth, DropPath). So are those that surgery has put into a network which is pruned once more.

    `open`: buffers and tensors made in forward are nodes of the graph, and not numbers. `drawn`: the innermost module
    whose forward has drawn from a random generator. `asked`: forward has asked for its mode.
    """

    def __init__(self, open: bool) -> None:
        super().__init__(autowrap_functions=tuple(getattr(torch, name) for name in FACTORIES))
        self.open = self.proxy_buffer_attributes = open
        self.drawn: str | None = None
        self.asked = False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = _reads_training(m) or type(m).__module__ == "pruning.surgery.align"
        bare = not any(True for _ in m.parameters())
        norm = isinstance(m, nn.modules.batchnorm._NormBase) or tables.name_of(m) in tables.NORM_ACTIVATIONS_BY_NAME
        return norm or super().is_leaf_module(m, module_qualified_name) or (whole and bare)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return InPlaceProxy(node, self)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self.is_leaf_module(m, self.path_of_module(m)):
            return super().call_module(m, forward, args, kwargs)
        before = generator_states(m)
        made = super().call_module(m, forward, args, kwargs)
        if self.drawn is None and generator_states(m) != before:
            self.drawn = repr(self.path_of_module(m))
        return made

    def graph_of(self, network: nn.Module) -> fx.Graph:
        before = generator_states(network)
        with self._factories(), self._mode():
            graph = self.trace(network)
        if self.drawn is None and generator_states(network) != before:
            self.drawn = "it"
        return graph

    @contextmanager
    def _mode(self) -> Iterator[None]:
        """For a while it is noticed who asks for `self.training`: a property comes before what a module holds."""

        def training(module: nn.Module) -> bool:
            self.asked = True
            return bool(vars(module)["training"])

        nn.Module.training = property(training, lambda module, mode: vars(module).update(training=mode))  # type: ignore
        try:
            yield
        finally:
            del nn.Module.training

    @contextmanager
    def _factories(self) -> Iterator[None]:
        """For a while this thread's torch.arange and its like are recorded."""
        originals, thread = {name: getattr(torch, name) for name in FACTORIES}, get_ident()

        def recording(original: Callable[..., Any]) -> Callable[..., Any]:
            def made(*args: Any, **kwargs: Any) -> Any:
                if get_ident() == thread and (self.open or _has_proxy((args, kwargs))):
                    return self.create_proxy("call_function", original, args, kwargs)
                return original(*args, **kwargs)

            return made

        try:
            for name, original in originals.items():
                setattr(torch, name, recording(original))
            yield
        finally:
            for name, original in originals.items():
                setattr(torch, name, original)


def _has_proxy(values: Any) -> bool:
    found: list[fx.Proxy] = []
    fx.node.map_aggregate(values, lambda value: found.append(value) if isinstance(value, fx.Proxy) else None)
    return bool(found)


def symbolic(bare: nn.Module) -> fx.GraphModule:
    """The graph of a skeleton in its own mode.

    Raises:
        ValueError: torch.fx cannot trace it (its words and the line are given), what it does hangs on a training flag
            that only a graph for each mode could hold, or forward draws random numbers.
    """
    module, asked = _traced(bare)
    _refuse_flags(module)
    if asked:
        _refuse_other_way(module, bare)
    return module


def _traced(bare: nn.Module) -> tuple[fx.GraphModule, bool]:
    """With tensors made in forward as nodes; where that cannot be traced (numbers of them are read), as constants. Also
    whether forward has asked for its mode."""
    try:
        tracer = Tracer(open=True)
        graph = tracer.graph_of(bare)
    except Exception as error:  # fx raises whatever the network's own forward raises on a proxy
        tracer = Tracer(open=False)
        try:
            graph = tracer.graph_of(bare)
        except Exception:
            raise ValueError(_untraceable(bare, error)) from error
    if tracer.drawn is not None:
        raise ValueError(
            f"{type(bare).__name__}: {tracer.drawn} draws random numbers in forward, and a graph would hold that one "
            "draw for ever; put the draw into a module of its own without parameters that reads self.training, as "
            "torchvision.ops.StochasticDepth"
        )
    return fx.GraphModule(bare, graph, class_name=type(bare).__name__), tracer.asked


def _reads_training(module: nn.Module) -> bool:
    return "training" in getattr(type(module).forward, "__code__", _reads_training.__code__).co_names


def _refuse_flags(module: fx.GraphModule) -> None:
    for node in module.graph.nodes:
        if node.op == "call_function" and bound_argument(node, "training") is True and _matters(node):
            raise ValueError(_flagged(module, node))


def _flagged(module: fx.GraphModule, node: fx.Node) -> str:
    return (
        f"{type(module).__name__}: {node.name} has its training flag written into the graph "
        "(a function such as F.dropout(x, training=self.training)); use the module form, nn.Dropout"
    )


def _matters(node: fx.Node) -> bool:
    """Does a training flag change anything? Not where all that it turns on has the share zero."""
    shares = [bound_argument(node, name) for name in ("p", "dropout", "dropout_p", "attention_dropout")]
    given = [share for share in shares if share is not None]
    return not given or any(share != 0 for share in given)


def _refuse_other_way(module: fx.GraphModule, bare: nn.Module) -> None:
    """Trace once more in the other mode, which must give the same."""
    modes = {part: part.training for part in bare.modules()}
    try:
        other, _ = _traced(bare.train(not bare.training))
    finally:
        for part, mode in modes.items():
            part.training = mode
    _refuse_flags(other)
    mine, theirs = list(module.graph.nodes), list(other.graph.nodes)
    for node, twin in zip(mine, theirs, strict=False):
        if _described(node) != _described(twin):
            flags = {bound_argument(each, "training") for each in (node, twin)}
            raise ValueError(_flagged(module, node) if flags == {True, False} else _other_way(module, node))
    if len(mine) != len(theirs):
        raise ValueError(_other_way(module, mine[-1]))


def _described(node: fx.Node) -> str:
    """A call in words, but for its training flag where that changes nothing."""
    given = {"args": node.args, **node.kwargs}
    if isinstance(bound_argument(node, "training"), bool) and not _matters(node):
        given = {"args": [value for value in node.args if not isinstance(value, bool)], **node.kwargs, "training": None}
    return f"{node.op} {node.target} {given}"


def _other_way(module: fx.GraphModule, node: fx.Node) -> str:
    blocks = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values() if path]
    where = f" in {blocks[-1]!r}" if blocks else ""
    return (
        f"{type(module).__name__}: forward does something else in training than in eval, at {node.name}{where}, and a "
        "graph holds one way only; put that step into a module of its own without parameters"
    )


def _untraceable(network: nn.Module, error: Exception) -> str:
    whole = traceback.extract_tb(error.__traceback__)
    ours = ("torch/fx", "/pruning/symbolic.py")
    frames = [f for f in whole if not any(part in f.filename for part in ours)]
    words = " ".join(str(error).split())
    where = f" at {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    return (
        f"torch.fx cannot trace {type(network).__name__}{where} ({words}); forward may not branch or loop on the "
        "values of tensors: move that part into a module of its own without parameters, or rewrite it"
    )
