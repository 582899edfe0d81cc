"""Images on their way through two networks, layer by layer; what is read later is kept as far as memory allows."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx

from pruning.graph import tables
from pruning.repair.pairs import LayerPair, Pair
from pruning.surgery.align import Choose, Spread
from pruning.surgery.certificate import flatten_output

MEMORY = 2 << 30  # bytes of activations to remember; where they would be more, the walk starts again from further back

Values = dict[fx.Node, Any]


class Route:
    """The nodes of one network in order, and after which of them each value is no longer read."""

    def __init__(self, network: fx.GraphModule) -> None:
        self.network = network
        self.interpreter = fx.Interpreter(network, garbage_collect_values=False)
        self.nodes = list(network.graph.nodes)
        self.first = sum(node.op == "placeholder" for node in self.nodes)
        self.number = {node: number for number, node in enumerate(self.nodes)}
        self.expired: list[list[fx.Node]] = [[] for _ in self.nodes]
        for node in self.nodes:
            self.expired[max(map(self.number.__getitem__, (node, *node.users)))].append(node)

    def begin(self, images: Tensor) -> Values:
        self.interpreter.args_iter = iter((images,))
        return self.run({}, 0, self.first)

    def run(self, values: Values, start: int, stop: int) -> Values:
        """The values after the nodes from `start` to before `stop`; those given stay as they are, whatever is done in
        place."""
        self.interpreter.env = dict(zip(values, copy.deepcopy(list(values.values())), strict=True))
        for number in range(start, stop):
            node = self.nodes[number]
            self.interpreter.env[node] = self.interpreter.run_node(node)
            for unread in self.expired[number]:
                del self.interpreter.env[unread]
        return self.interpreter.env

    def peek(self, values: Values, node: fx.Node) -> Tensor | None:
        """A value that has been made, or that only slices and padding are missing of; else None."""
        if node not in values:
            if not self._is_reshaping(node) or any(self.peek(values, n) is None for n in node.all_input_nodes):
                return None
            self.interpreter.env = values
            values[node] = self.interpreter.run_node(node)
        value: Tensor = values[node]
        return value

    def _is_reshaping(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            return isinstance(self.network.get_submodule(str(node.target)), (Choose, Spread))
        return node.target in tables.RESHAPING or node.target is F.pad


class Walk:
    """Batches of images at one place in both networks."""

    def __init__(self, pair: Pair, batches: Sequence[Tensor]) -> None:
        self.dense, self.small = Route(pair.dense), Route(pair.small)
        self.at = self.dense.first, self.small.first
        self.values = [(self.dense.begin(images), self.small.begin(images)) for images in batches]

    def visit(self, layer: LayerPair) -> Iterator[tuple[Values, Values]]:
        """For each batch the values when the dense layer has run, and when the small one is about to."""
        stops = self.dense.number[layer.dense] + 1, self.small.number[layer.small]
        remember = None
        for number, (of_dense, of_small) in enumerate(self.values):
            values = self.dense.run(of_dense, self.at[0], stops[0]), self.small.run(of_small, self.at[1], stops[1])
            if remember is None:
                remember = count_bytes(values) * len(self.values) <= MEMORY
            if remember:
                self.values[number] = values
            yield values
        self.at = stops if remember else self.at


def count_bytes(values: tuple[Values, Values]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in flatten_output(values))
