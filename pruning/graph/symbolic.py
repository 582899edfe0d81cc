"""torch.fx walks through a network's forward, in both modes where it asks for its mode, and may not meet a draw."""

from __future__ import annotations

import traceback

from torch import fx, nn

from pruning.graph.in_place import bound_argument
from pruning.graph.inputs import Inputs
from pruning.graph.tracer import Tracer


def symbolic_trace(bare: nn.Module, inputs: Inputs) -> fx.GraphModule:
    """The graph of a skeleton in its own mode, called with these inputs and else with its defaults.

    Raises:
        ValueError: torch.fx cannot trace it (its words and the line are given), what it does hangs on a training flag
            that only a graph for each mode could hold, or forward draws random numbers.
    """
    module, reads_mode = _trace(bare, inputs)
    _refuse_training_flags(module)
    if reads_mode:
        _refuse_mode_dependence(module, bare, inputs)
    return module


def _trace(bare: nn.Module, inputs: Inputs) -> tuple[fx.GraphModule, bool]:
    """With tensors made in forward as nodes; where that cannot be traced (numbers of them are read), as constants. Also
    whether forward has asked for its mode."""
    try:
        tracer = Tracer(inputs, open=True)
        graph = tracer.trace_graph(bare)
    except Exception as error:  # fx raises whatever the network's own forward raises on a proxy
        tracer = Tracer(inputs, open=False)
        try:
            graph = tracer.trace_graph(bare)
        except Exception:
            raise ValueError(_untraceable_message(bare, error)) from error
    if tracer.drawing_module is not None:
        raise ValueError(
            f"{type(bare).__name__}: {tracer.drawing_module} draws random numbers in forward, and a graph would hold "
            "that one draw for ever; put the draw into a module of its own without parameters that reads "
            "self.training, as torchvision.ops.StochasticDepth"
        )
    return fx.GraphModule(bare, graph, class_name=type(bare).__name__), tracer.reads_mode


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


def _refuse_mode_dependence(module: fx.GraphModule, bare: nn.Module, inputs: Inputs) -> None:
    """Trace once more in the other mode, which must give the same."""
    modes = {part: part.training for part in bare.modules()}
    try:
        other, _ = _trace(bare.train(not bare.training), inputs)
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


def _untraceable_message(network: nn.Module, error: Exception) -> str:
    stack = traceback.extract_tb(error.__traceback__)
    hidden = ("torch/fx", "/pruning/graph/symbolic.py", "/pruning/graph/tracer.py")
    frames = [f for f in stack if not any(part in f.filename for part in hidden)]
    words = " ".join(str(error).split())
    where = f" at {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    return (
        f"torch.fx cannot trace {type(network).__name__}{where} ({words}); forward may not branch or loop on the "
        "values of tensors: move that part into a module of its own without parameters, or rewrite it"
    )
