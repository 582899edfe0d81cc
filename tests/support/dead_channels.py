"""What liveness says, against numbers: a channel that is said to be dead is zero in the masked network."""

from typing import Any

import torch
from torch import Tensor, fx, nn

from pruning.graph.graph import Graph
from pruning.graph.liveness import analyse
from pruning.selection import Selection
from pruning.surgery import mask
from pruning.surgery.wiring import Wiring
from pruning.testing import images


class Values(fx.Interpreter):
    """Every tensor that a network makes, by the node of its graph."""

    def __init__(self, network: nn.Module, graph: Graph) -> None:
        super().__init__(network, garbage_collect_values=False, graph=graph.trace.module.graph)
        self.original = Wiring(network, graph).original

    def fetch_attr(self, target: str) -> Any:
        return self.original(target)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        return value.clone() if isinstance(value, Tensor) else value  # what is changed in place later


@torch.no_grad()
def channel_values(
    network: nn.Module, choice: Selection, graph: Graph, shape: tuple[int, ...]
) -> dict[fx.Node, Tensor]:
    """[channels, numbers] of every tensor of the masked network, on some images."""
    values = Values(mask(network, choice, shape, graph), graph)
    values.run(images(shape))
    tensors = {node: values.env[node] for node, op in graph.ops.items() if op.width and node in graph.trace.shapes}
    return {n: t.movedim(graph.ops[n].axis, 0).flatten(1) for n, t in tensors.items() if t.ndim > 1}


def assert_dead_is_zero(network: nn.Module, choice: Selection, graph: Graph, shape: tuple[int, ...]) -> None:
    live = analyse(graph, choice).live
    for node, value in channel_values(network, choice, graph, shape).items():
        dead = ~live[node]
        assert not dead.any() or not value[dead].any(), f"{node.name} has numbers where it is said to be dead"
