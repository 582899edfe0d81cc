"""A network before and after a cut, as two graphs of the same operations: which layers of the two belong together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Int
from torch import Tensor, fx, nn

from pruning.graph.liveness import Liveness, analyse
from pruning.repair.joins import Carriers, Join, find_join
from pruning.selection import SELECTABLE, TRANSPOSED, Selection
from pruning.surgery.align import ColumnGroups
from pruning.surgery.compact import build_with_carriers
from pruning.surgery.wiring import positions_of


@dataclass(frozen=True)
class LayerPair:
    """A layer of the small network and the one that it was cut from, by the nodes that call them.

    `axis`: of the channels that they make. `rows`: for each small filter its number among those of the dense layer;
    `works`: false for one that only fills up its group, and stays zero. `join`: the addition that the layer ends in.
    """

    name: str
    layer: Any
    small: fx.Node
    dense: fx.Node
    axis: int
    rows: Int[Tensor, " out"]
    works: Bool[Tensor, " out"]
    join: Join | None


@dataclass(frozen=True)
class Pair:
    """`dense` computes what the network does, `small` is what is left of it, to be repaired in place.

    `layers`: those whose weights may be fitted, in order of execution; `left`: the names of the others.
    """

    dense: fx.GraphModule
    small: fx.GraphModule
    layers: tuple[LayerPair, ...]
    left: tuple[str, ...]


def make_pair(network: nn.Module, start: nn.Module, after: Liveness) -> Pair:
    """Of a plain network and its cut; the small one is cut out of `start`: of the network, or of its merged copy."""
    dense, of_dense = build_with_carriers(network, analyse(after.graph, Selection({})))
    small, of_small = build_with_carriers(start, after)
    layers = tuple(_match_layers(after, small, of_dense, of_small))
    fitted = {part for pair in layers for part in pair.layer.modules()}
    left = [name for name, m in small.named_modules() if isinstance(m, SELECTABLE) and m not in fitted]
    return Pair(dense, small, layers, tuple(left))


def _match_layers(
    after: Liveness, small: fx.GraphModule, of_dense: Carriers, of_small: Carriers
) -> Iterator[LayerPair]:
    called = set(small.graph.nodes)
    for op in after.graph.weighted().values():
        (dense, wide), (node, held) = ((c.node, c.channels) for c in (of_dense[op.node], of_small[op.node]))
        if node is None or node not in called or dense is None:
            continue
        layer = small.get_submodule(str(node.target))
        if type(layer) in (*SELECTABLE, ColumnGroups) and not isinstance(op.layer, TRANSPOSED):
            join = find_join(after.graph, op, of_dense, of_small)
            rows, works = positions_of(wide, op.width)[held].clamp(min=0), after.need(op.node)[held]
            yield LayerPair(op.name, layer, node, dense, op.axis, rows, works, join)
