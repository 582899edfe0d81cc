"""torch.fx walks through a network's forward, in both modes where it asks for its mode, and may not meet a draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import fx, nn

from pruning.graph.computed import is_made_of_own_tensors
from pruning.graph.in_place import bound_argument
from pruning.graph.normalise import FOLLOWS_MODE
from pruning.graph.refusal import OWN_MODULE, RefusalError, UnfitImagesError, failing_place
from pruning.graph.tracer import Example, Tracer

RESERVED = ("code", "graph")  # of every graph module
DROPOUTS: dict[Any, type[Any]] = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.dropout3d: nn.Dropout3d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
}


@dataclass(frozen=True)
class Recording:
    """A graph and what was noticed while it was traced."""

    module: fx.GraphModule
    tracer: Tracer


class TracedModule(fx.GraphModule):
    """Graphs of a trace are read, and never run: no code is written for them."""

    def recompile(self) -> Any:
        return None


def symbolic_trace(bare: nn.Module, example: Example) -> Recording:
    """The graph of a skeleton in its own mode, called with these inputs and else with its defaults.

    Raises:
        ValueError: no graph can hold what forward does (why, the line and the remedy are given), what it does hangs on
            a training flag that only a graph for each mode could hold, or forward draws random numbers.
    """
    recording = _trace(bare, example)
    if recording.tracer.reads_mode:
        _follow_mode(recording.module, bare, example)
    _refuse_training_flags(recording.module)
    return recording


def _trace(bare: nn.Module, example: Example) -> Recording:
    """With tensors made in forward as nodes; where that cannot be traced (numbers of them are read), as constants."""
    tracer = Tracer(example, open=True)
    try:
        graph = tracer.trace_graph(bare)
    except Exception as error:  # whatever the network's own forward raises on a proxy
        tracer = Tracer(example, open=False)
        try:
            graph = tracer.trace_graph(bare)
        except Exception as second:
            last = second if isinstance(second, (RefusalError, UnfitImagesError)) else error
            raise ValueError(_untraceable_message(bare, example, last)) from last
    if tracer.drawing_module is not None:
        raise ValueError(
            f"{type(bare).__name__}: {tracer.drawing_module} draws random numbers in forward, and a graph would hold "
            "that one draw for ever; put the draw into a module of its own without parameters that reads "
            "self.training, as torchvision.ops.StochasticDepth"
        )
    _refuse_reserved_names(bare, graph)
    return Recording(TracedModule(bare, graph, class_name=type(bare).__name__), tracer)


def _refuse_reserved_names(bare: nn.Module, graph: fx.Graph) -> None:
    for node in graph.nodes:
        first = str(node.target).partition(".")[0]
        if node.op in ("call_module", "get_attr") and first in RESERVED:
            raise ValueError(
                f"{type(bare).__name__}: a layer or tensor of it is called {first!r}, a name that torch.fx keeps for "
                "itself; give it another"
            )


def _refuse_training_flags(module: fx.GraphModule) -> None:
    for node in module.graph.nodes:
        flagged = node.op == "call_function" and bound_argument(node, "training") is True
        if flagged and _flag_has_effect(node) and not is_made_of_own_tensors(node) and FOLLOWS_MODE not in node.meta:
            raise ValueError(_flag_message(module, node))


def _flag_message(module: fx.GraphModule, node: fx.Node) -> str:
    return (
        f"{type(module).__name__}: {node.name} has its training flag written into the graph "
        "(a function such as F.dropout(x, training=self.training)); use the module form, nn.Dropout"
    )


def _flag_has_effect(node: fx.Node) -> bool:
    """Does a training flag change anything? Not where all that it turns on has the share zero."""
    shares = [bound_argument(node, name) for name in ("p", "dropout", "dropout_p", "attention_dropout")]
    turned_on = [share for share in shares if share is not None]
    return not turned_on or any(share != 0 for share in turned_on)


def _follow_mode(module: fx.GraphModule, bare: nn.Module, example: Example) -> None:
    """Trace once more in the other mode, which must give the same, but for dropouts: torch's layers become of them."""
    modes = {part: part.training for part in bare.modules()}
    try:
        other = _trace(bare.train(not bare.training), example).module
    finally:
        for part, mode in modes.items():
            part.training = mode
    nodes, others = list(module.graph.nodes), list(other.graph.nodes)
    for node, twin in zip(nodes, others, strict=False):
        if _describe_call(node) != _describe_call(twin):
            flags = {bound_argument(call, "training") for call in (node, twin)}
            if flags != {True, False} or node.target is not twin.target:
                raise ValueError(_mode_message(module, node))
            if node.target in DROPOUTS:
                _call_dropout(module, node)
            elif node.target is F.batch_norm and bound_argument(node, "training") is bare.training:
                node.meta[FOLLOWS_MODE] = True
            else:
                raise ValueError(_flag_message(module, node))
    if len(nodes) != len(others):
        raise ValueError(_mode_message(module, nodes[-1]))


def _call_dropout(module: fx.GraphModule, node: fx.Node) -> None:
    """F.dropout(x, p, self.training) becomes the call of a layer, which has its module's mode; the node stays."""
    layer = DROPOUTS[node.target](bound_argument(node, "p"), bool(bound_argument(node, "inplace")))
    name = ".".join(filter(None, [_module_path(node), node.name]))
    while _has_attribute(module, name):
        name += "_"
    module.add_submodule(name, layer)
    image = bound_argument(node, "input")
    node.op, node.target, node.args, node.kwargs = "call_module", name, (image,), {}


def _has_attribute(module: nn.Module, name: str) -> bool:
    for part in name.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True


def _module_path(node: fx.Node) -> str:
    """Of the innermost module whose forward made a node, by its dotted name."""
    paths = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values() if path]
    return paths[-1] if paths else ""


def _describe_call(node: fx.Node) -> str:
    """A call in words, but for its training flag where that changes nothing."""
    arguments = {"args": node.args, **node.kwargs}
    if isinstance(bound_argument(node, "training"), bool) and not _flag_has_effect(node):
        arguments["args"] = [value for value in node.args if not isinstance(value, bool)]
        arguments["training"] = None
    return f"{node.op} {node.target} {arguments}"


def _mode_message(module: fx.GraphModule, node: fx.Node) -> str:
    block = _module_path(node)
    where = f" in {block!r}" if block else ""
    return (
        f"{type(module).__name__}: forward does something else in training than in eval, at {node.name}{where}, and a "
        "graph holds one way only; put that step into a module of its own without parameters"
    )


def _untraceable_message(network: nn.Module, example: Example, error: Exception) -> str:
    name, place = type(network).__name__, failing_place(error)
    where = f" at {place}" if place else ""
    words = " ".join(str(error).split())
    if isinstance(error, UnfitImagesError):
        shapes = [tuple(tensor.shape[1:]) for tensor in example.tensors().values()]
        return f"{name} does not take images of {', '.join(map(str, shapes))}{where}: {words}"
    remedy = error.remedy if isinstance(error, RefusalError) else f"rewrite it, or {OWN_MODULE}"
    return f"torch.fx cannot trace {name}{where} ({words}); {remedy}"
