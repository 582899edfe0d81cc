"""What a method would cut from a network, and what it must leave alone, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from pruning.deploy.latency import Latency, Met
from pruning.graph.attachments import duplicate
from pruning.graph.cost import Cost, authors_ops, predict
from pruning.graph.decisions import Decision, list_decisions
from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import analyse
from pruning.graph.ops import Opaque
from pruning.layers import Row, layer_rows, op_name, print_table
from pruning.methods.base import PruningMethod
from pruning.selection import Selection


@dataclass(frozen=True)
class Plan:
    """What would be left of a network, printed as a table.

    `least` is the cost when every site keeps the least that the method can leave it; `operations`, before and after,
    are those of the FCF authors' count; `barriers`: operations that read all channels at full width; `decisions`: what
    the small network takes for granted of the images' size, and of their type of number, because Python has decided by
    them in forward; `remarks`: what else is to be known; `time`: of a budget of time what it came to, and a curve.
    """

    rows: tuple[Row, ...]
    before: Cost
    after: Cost
    least: Cost
    operations: tuple[int, int]
    barriers: tuple[str, ...]
    decisions: tuple[Decision, ...] = ()
    remarks: tuple[str, ...] = ()
    time: Met | None = None

    def __str__(self) -> str:
        table = print_table(self.rows, self.before, self.after)
        return "\n".join([table, *(f"{'decided':<12}{line}" for line in list_decisions(self.decisions)), *self.remarks])


def make_plan(network: nn.Module, method: PruningMethod, image_shape: Shapes, steps: int) -> Plan:
    """The plan of a method for a plain network and a prune stage of `steps` steps; the network stays as it is.

    A method that learns may choose other filters than shown, but not more or fewer.

    Raises:
        ValueError: whatever would be refused before training.
    """
    attached = duplicate(network)
    method.begin_stage(attached, image_shape, steps)
    graph = method.graph or trace(network, image_shape)
    before, after = (analyse(graph, selection) for selection in (Selection({}), method.preview(attached)))
    rows = layer_rows(network, before, after, method.exclusion_reasons())
    operations = authors_ops(before), authors_ops(after)
    costs = predict(before), predict(after), least_cost(method, attached, graph)
    unseen = method.observes and not method.needs_training
    remarks = (f"{'scores':<12}{method} is made of batches; until it sees them mean |W| stands in",) if unseen else ()
    time = method.budget.draw_curve() if isinstance(method.budget, Latency) else None
    return Plan(rows, *costs, operations, barriers(graph), graph.trace.decisions, remarks, time)


def least_cost(method: PruningMethod, attached: nn.Module, graph: Graph) -> Cost:
    """What it costs when every site of an attached network keeps one unit; or two, four, ... where fewer would leave
    nothing for a layer that reads a part of them.
    """
    widths, kept = method.widths(), 1
    while True:
        try:
            return predict(
                analyse(graph, method.choose(attached, {n: min(kept, width) for n, width in widths.items()}))
            )
        except ValueError:
            if kept >= max(widths.values(), default=1):
                raise
            kept *= 2


def barriers(graph: Graph) -> tuple[str, ...]:
    """Operations that read all channels at full width, by name."""
    names = (op_name(op) for op in graph.ops.values() if isinstance(op, Opaque) and op.width)
    return tuple(dict.fromkeys(names))
