"""Layer by layer what a selection leaves of a network, why not less, and what that costs; as rows and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import fx, nn

from pruning.graph.cost import Cost, layer_cost
from pruning.graph.graph import Graph
from pruning.graph.liveness import Liveness
from pruning.graph.ops import Conv, Op, Opaque, Weighted
from pruning.selection import any_of, count, weight_of

LEFT_BY_METHOD = "whole: the method leaves it so"
CUT = "cut"  # the verdict on a layer that may be cut


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


def layer_rows(
    network: nn.Module, before: Liveness, after: Liveness, verdicts: Mapping[str, str | None]
) -> tuple[Row, ...]:
    """Every convolution of a plain network, those that cannot be cut last; `verdicts`: a method's reasons, of linear
    layers too if it may cut them.
    """
    graph, readers = before.graph, channel_readers(before.graph)
    shown = [op for op in graph.weighted().values() if isinstance(op, Conv) or op.name in verdicts]
    cuttable = [_cuttable_row(op, before, after, verdicts, readers) for op in shown]
    return *cuttable, *(_uncuttable_row(network, name, reason) for name, reason in graph.uncuttable().items())


def _cuttable_row(
    op: Weighted,
    before: Liveness,
    after: Liveness,
    verdicts: Mapping[str, str | None],
    readers: dict[str, tuple[str, ...]],
) -> Row:
    working_kernels = after.kernels(op)
    return Row(
        op.name,
        tuple(op.weight.shape),
        verdicts.get(op.name, LEFT_BY_METHOD) or CUT,
        readers[op.name],
        (count(any_of(working_kernels, 1)), len(working_kernels)),
        (count(any_of(working_kernels, 0)), working_kernels.shape[1]),
        layer_cost(before, op),
        layer_cost(after, op),
    )


def _uncuttable_row(network: nn.Module, name: str, reason: str) -> Row:
    weight = weight_of(network, name)
    assert weight is not None
    rows, columns = weight.shape[:2]
    cost = Cost(0, weight.numel())
    return Row(name, tuple(weight.shape), reason, (), (rows, rows), (columns, columns), cost, cost)


def channel_readers(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Who takes in the channels of each layer, through channel-wise operations, additions and slices."""
    makers: dict[fx.Node, frozenset[str]] = {}
    readers: dict[str, list[str]] = {name: [] for name in graph.weighted()}
    for node, op in graph.ops.items():
        sources = frozenset[str]().union(*(makers[n] for n in op.inputs))
        if isinstance(op, (Weighted, Opaque)):
            for name in sources:
                readers[name].append(op_name(op))
        opaque = isinstance(op, Opaque)
        makers[node] = frozenset({op.name}) if isinstance(op, Weighted) else frozenset() if opaque else sources
    return {name: tuple(dict.fromkeys(names)) for name, names in readers.items()}


def op_name(op: Op) -> str:
    return "output" if op.node.op == "output" else str(op.node.target if op.node.op == "call_module" else op.node.name)


def print_table(rows: Sequence[Row], before: Cost, after: Cost) -> str:
    """Layers, and under them what the whole network costs."""
    cells = [("layer", "filters", "inputs", "MACs", "", "")]
    cells += [
        (r.name, share(r.rows), share(r.columns), si(r.before.macs), change(r.before.macs, r.after.macs), r.verdict)
        for r in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:]), row[-1]]) for row in cells]
    lines += [cost_line("MACs", before.macs, after.macs), cost_line("parameters", before.params, after.params)]
    return "\n".join(line.rstrip() for line in lines)


def cost_line(name: str, before: int, after: int) -> str:
    return f"{name:<12}{si(before)} -> {si(after)}  {change(before, after)}"


def share(numbers: tuple[int, int]) -> str:
    kept, total = numbers
    return f"{kept}/{total}"


def change(before: int, after: int) -> str:
    return "same" if after == before else f"{100 * (after / before - 1):+.1f} %"


def si(number: float | int) -> str:
    """1234567 as 1.23 M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:.0f}"
