"""What a method would cut from a network, and what it must leave alone, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from pruning.graph.attachments import duplicate
from pruning.graph.cost import Cost, authors_ops, kernels_and_filters, predict
from pruning.graph.graph import Graph, trace
from pruning.graph.liveness import Liveness, analyse
from pruning.graph.ops import Conv, Linear, Op, Opaque
from pruning.methods.base import PruningMethod
from pruning.selection import Selection

LEFT_BY_METHOD = "whole: the method leaves it so"


@dataclass(frozen=True)
class Row:
    """One convolution: what may become of it and why not, who reads it, and its cost before and after.

    `rows` and `columns`: filters and input channels that work, after liveness, of how many.
    """

    name: str
    shape: tuple[int, ...]
    verdict: str
    readers: tuple[str, ...]
    rows: tuple[int, int]
    columns: tuple[int, int]
    before: Cost
    after: Cost


@dataclass(frozen=True)
class Plan:
    """`least` is the cost when every site keeps the least that the method can leave it; `operations`, before and after,
    are those of the FCF authors' count."""

    rows: tuple[Row, ...]
    before: Cost
    after: Cost
    least: Cost
    operations: tuple[int, int]
    barriers: tuple[str, ...]


def plan(network: nn.Module, method: PruningMethod, image_shape: tuple[int, int, int], steps: int) -> Plan:
    """The plan of a method for a plain network and a prune stage of `steps` steps; the network stays as it is.

    A method that learns may choose other filters than shown, but not more or fewer.

    Raises:
        ValueError: whatever would be refused before training.
    """
    graph, attached = trace(network, image_shape), duplicate(network)
    method.begin_stage(attached, image_shape, steps)
    smallest = method.choose(attached, dict.fromkeys(method.widths(), 1))
    before, after, least = (analyse(graph, s) for s in (Selection({}), method.select(attached), smallest))
    verdicts, readers = method.exclusion_reasons(), channel_readers(graph)
    cuttable = [_cuttable_row(conv, before, after, verdicts, readers) for conv in graph.convolutions().values()]
    uncuttable = [_uncuttable_row(network, name, reason) for name, reason in graph.uncuttable().items()]
    operations = authors_ops(before), authors_ops(after)
    return Plan((*cuttable, *uncuttable), predict(before), predict(after), predict(least), operations, barriers(graph))


def _cuttable_row(
    conv: Conv, before: Liveness, after: Liveness, verdicts: dict[str, str | None], readers: dict[str, tuple[str, ...]]
) -> Row:
    working_kernels = after.kernels(conv)
    return Row(
        conv.name,
        tuple(conv.layer.weight.shape),
        verdicts.get(conv.name, LEFT_BY_METHOD) or "cut",
        readers[conv.name],
        (int(working_kernels.any(1).sum()), len(working_kernels)),
        (int(working_kernels.any(0).sum()), working_kernels.shape[1]),
        _cost(before, conv),
        _cost(after, conv),
    )


def _cost(liveness: Liveness, conv: Conv) -> Cost:
    kernels, rows = kernels_and_filters(liveness, conv)
    size = conv.layer.weight[0, 0].numel()
    positions = torch.Size(liveness.graph.shape(conv.node)[2:]).numel()
    return Cost(kernels * size * positions, kernels * size + (rows if conv.layer.bias is not None else 0))


def _uncuttable_row(network: Any, name: str, reason: str) -> Row:
    weight = network.get_submodule(name).weight
    rows, columns = weight.shape[:2]
    cost = Cost(0, weight.numel())
    return Row(name, tuple(weight.shape), reason, (), (rows, rows), (columns, columns), cost, cost)


def channel_readers(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Who takes in the channels of each convolution, through channel-wise operations, additions and slices."""
    makers: dict[fx.Node, frozenset[str]] = {}
    readers: dict[str, list[str]] = {name: [] for name in graph.convolutions()}
    for node, op in graph.ops.items():
        sources = frozenset[str]().union(*(makers[n] for n in op.inputs))
        if isinstance(op, (Conv, Linear, Opaque)):
            for name in sources:
                readers[name].append(_op_name(op))
        makers[node] = frozenset({op.name}) if isinstance(op, Conv) else frozenset() if _mixes_channels(op) else sources
    return {name: tuple(dict.fromkeys(names)) for name, names in readers.items()}


def _mixes_channels(op: Op) -> bool:
    return isinstance(op, (Linear, Opaque))


def _op_name(op: Op) -> str:
    return "output" if op.node.op == "output" else str(op.node.target if op.node.op == "call_module" else op.node.name)


def barriers(graph: Graph) -> tuple[str, ...]:
    """Operations that read all channels at full width, by name."""
    names = (_op_name(op) for op in graph.ops.values() if isinstance(op, Opaque) and op.width)
    return tuple(dict.fromkeys(names))
