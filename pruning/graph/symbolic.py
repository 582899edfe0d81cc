"""torch.fx walks through a network's forward, in both modes where it asks for its mode, and may not meet a draw."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx, nn

from pruning.graph.in_place import bound_argument
from pruning.graph.refusal import OWN_MODULE, RefusalError, UnfitImagesError, failing_place
from pruning.graph.tracer import Example, Tracer


@dataclass(frozen=True)
class Recording:
    """A graph and what was noticed while it was traced."""

    module: fx.GraphModule
    tracer: Tracer


def symbolic_trace(bare: nn.Module, example: Example) -> Recording:
    """The graph of a skeleton in its own mode, called with these inputs and else with its defaults.

    Raises:
        ValueError: no graph can hold what forward does (why, the line and the remedy are given), what it does hangs on
            a training flag that only a graph for each mode could hold, or forward draws random numbers.
    """
    recording = _trace(bare, example)
    _refuse_training_flags(recording.module)
    if recording.tracer.reads_mode:
        _refuse_mode_dependence(recording.module, bare, example)
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
    return Recording(fx.GraphModule(bare, graph, class_name=type(bare).__name__), tracer)


def _refuse_training_flags(module: fx.GraphModule) -> None:
    for node in module.graph.nodes:
        if node.op == "call_function" and bound_argument(node, "training") is True and _flag_has_effect(node):
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


def _refuse_mode_dependence(module: fx.GraphModule, bare: nn.Module, example: Example) -> None:
    """Trace once more in the other mode, which must give the same."""
    modes = {part: part.training for part in bare.modules()}
    try:
        other = _trace(bare.train(not bare.training), example).module
    finally:
        for part, mode in modes.items():
            part.training = mode
    _refuse_training_flags(other)
    nodes, others = list(module.graph.nodes), list(other.graph.nodes)
    for node, twin in zip(nodes, others, strict=False):
        if _describe_call(node) != _describe_call(twin):
            flags = {bound_argument(call, "training") for call in (node, twin)}
            raise ValueError(_flag_message(module, node) if flags == {True, False} else _mode_message(module, node))
    if len(nodes) != len(others):
        raise ValueError(_mode_message(module, nodes[-1]))


def _describe_call(node: fx.Node) -> str:
    """A call in words, but for its training flag where that changes nothing."""
    arguments = {"args": node.args, **node.kwargs}
    if isinstance(bound_argument(node, "training"), bool) and not _flag_has_effect(node):
        arguments["args"] = [value for value in node.args if not isinstance(value, bool)]
        arguments["training"] = None
    return f"{node.op} {node.target} {arguments}"


def _mode_message(module: fx.GraphModule, node: fx.Node) -> str:
    blocks = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values() if path]
    where = f" in {blocks[-1]!r}" if blocks else ""
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
