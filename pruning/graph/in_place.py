"""What a network changes in place: later readers are led to the changed tensor, or the network is refused."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from torch import fx, nn

from pruning.graph import tables

Layers = Mapping[str, nn.Module]

IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul", "iand", "ior", "ixor")
OPERATORS = frozenset(getattr(operator, name) for name in IN_PLACE)
HANDING_ON = tables.RESHAPING | tables.VIEWS
METADATA = frozenset({"size", "dim", "numel", "shape", "device", "dtype", "ndim"})  # about a tensor, not its values


def follow_in_place(module: fx.GraphModule) -> None:
    """Whoever reads a tensor after it was changed in place reads the changed one; let the graph say so.

    Raises:
        ValueError: a parameter, a buffer or another view of a tensor that is read later is changed, or `out=` is given.
    """
    layers = dict(module.named_modules(remove_duplicate=False))
    views: dict[fx.Node, list[fx.Node]] = {}  # by the tensor that owns the memory, so far
    chains: dict[fx.Node, list[fx.Node]] = {}  # of what is visited: from that tensor through views of it
    for node in module.graph.nodes:
        source = node.all_input_nodes[0] if node.all_input_nodes else None
        path = chains[source] if source is not None and _shares_memory(node, layers) else []
        chains[node] = [*path, node]
        views.setdefault(chains[node][0], []).append(node)
        if isinstance(node.kwargs.get("out"), fx.Node):
            words = f"{node.name} writes to out=; write y = f(x) instead of f(x, out=y)"
            raise ValueError(f"{_class_name(module)}: {words}")
        if source is not None and _is_in_place(node, layers):
            _refuse_own_state(node, chains[source][0], module)
            others = [view for view in views[chains[source][0]] if view is not node]
            _refuse_changed_view(node, chains[source], others, chains, module)
            for user in [u for u in source.users if u not in chains]:
                user.replace_input_with(source, node)


def _class_name(module: fx.GraphModule) -> str:
    return type(module).__name__


def _is_in_place(node: fx.Node, layers: Layers) -> bool:
    if node.op == "call_module":
        return bool(getattr(layers[str(node.target)], "inplace", False))
    if node.op not in ("call_method", "call_function"):
        return False
    if node.target in OPERATORS or bound_argument(node, "inplace") is True:
        return True
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return name.endswith("_") and not name.endswith("__")


def bound_argument(node: fx.Node, name: str) -> Any:
    """The argument that a function is called with under this name, given by place, by name or by default."""
    if name in node.kwargs or node.op != "call_function":
        return node.kwargs.get(name)
    parameters = _parameters(node.target)
    if name not in parameters:
        return None
    position = list(parameters).index(name)
    return node.args[position] if position < len(node.args) else parameters[name]


@lru_cache(maxsize=1024)
def _parameters(function: Any) -> dict[str, Any]:
    """Names and defaults of a function's parameters; none of a builtin, which does not tell."""
    try:
        return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    except (ValueError, TypeError):
        return {}


def _refuse_own_state(node: fx.Node, root: fx.Node, module: fx.GraphModule) -> None:
    if root.op == "get_attr":
        raise ValueError(
            f"{_class_name(module)}: {node.name} changes {root.target!r}, a tensor of the network's own, in forward; "
            "put that step into a module of its own without parameters"
        )


def _refuse_changed_view(
    node: fx.Node,
    path: list[fx.Node],
    views: list[fx.Node],
    chains: Mapping[fx.Node, list[fx.Node]],
    module: fx.GraphModule,
) -> None:
    """Views of one tensor share its memory: a change of one is a change of all, and the graph cannot say so."""
    for other in views:
        read_later = any(user not in chains and not _reads_metadata(user) for user in other.users)
        if other is not path[-1] and read_later and not _are_disjoint(path, chains[other]):
            raise ValueError(
                f"{_class_name(module)}: {node.name} changes a part of {other.name} in place, and {other.name} is read "
                f"later; write x = x + y instead of x += y there, or inplace=False"
            )


def _reads_metadata(user: fx.Node) -> bool:
    return user.target in METADATA or (user.target is getattr and user.args[1] in METADATA)


def _shares_memory(node: fx.Node, layers: Layers) -> bool:
    """Is what a node gives in the memory of what it takes?"""
    if node.op == "call_module":
        layer = layers[str(node.target)]
        known = type(layer) in tables.VIEW_LAYERS or tables.class_name(layer) in tables.ZERO_PRESERVING_BY_NAME
        return known or bool(getattr(layer, "inplace", False))
    if node.target is getattr:
        return node.args[1] in ("data", "T", "mT")
    return node.target in HANDING_ON or _is_in_place(node, layers)


def _are_disjoint(path: list[fx.Node], other: list[fx.Node]) -> bool:
    """Are these different pieces of one chunk, split or unbind?"""
    for node, twin in zip(path, other, strict=False):
        if node is not twin:
            pieces = _piece_index(node), _piece_index(twin)
            return None not in pieces and pieces[0] != pieces[1]
    return False


def _piece_index(node: fx.Node) -> int | None:
    source = node.args[0] if node.target is operator.getitem else None
    is_piece = isinstance(source, fx.Node) and source.target in tables.SPLITS
    return node.args[1] if is_piece and isinstance(node.args[1], int) else None  # type: ignore[return-value]
