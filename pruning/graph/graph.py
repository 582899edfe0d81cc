"""A network as a graph of operations on channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx, nn

from pruning.graph.classify import classify
from pruning.graph.inputs import Shape, Shapes
from pruning.graph.ops import Conv, Op, Weighted
from pruning.graph.tracing import Trace, record
from pruning.selection import CONVOLUTIONS


@dataclass(frozen=True)
class Graph:
    """What torch.fx recorded, and the operation of every node that makes tensors, in order of execution."""

    trace: Trace
    ops: dict[fx.Node, Op]

    def weighted(self) -> dict[str, Weighted]:
        """The layers that a selection may cut, by name, in order of execution."""
        return {op.name: op for op in self.ops.values() if isinstance(op, Weighted)}

    def convolutions(self) -> dict[str, Conv]:
        """Those of them that are convolutions."""
        return {op.name: op for op in self.ops.values() if isinstance(op, Conv)}

    def shape(self, node: fx.Node) -> Shape:
        """Shape of the tensor that a node makes, for a batch of 2."""
        return self.trace.shapes[node]

    def uncuttable(self, kinds: tuple[type[nn.Module], ...] = CONVOLUTIONS) -> dict[str, str]:
        """Name and reason of every layer of these kinds that no selection may touch."""
        cuttable, trace = self.weighted(), self.trace
        layers = (*trace.bare.named_modules(), *trace.module.named_modules())
        names = dict.fromkeys((*(name for name, layer in layers if isinstance(layer, kinds)), *trace.normal.reasons))
        return {name: self._reason(name) for name in names if name not in cuttable}

    def _reason(self, name: str) -> str:
        known = {**self.trace.normal.reasons, **self.trace.attached}
        if name in known:
            return known[name]
        for block, why in self.trace.attached.items():
            if name.startswith(f"{block}."):
                return f"inside {block!r}, which stays whole: {why}"
        if not self.trace.calls[name]:
            reads = any(node.op == "get_attr" and node.target == f"{name}.weight" for node in self.trace.nodes)
            return "rewritten: forward uses its weight in another way" if reads else "unused: forward does not call it"
        if self.trace.calls[name] > 1:
            return f"shared: called {self.trace.calls[name]} times with one weight"
        if name in self.trace.tied:
            return "shared: another layer or forward itself has the same weight"
        layer = self.trace.module.get_submodule(name)
        if not type(layer).__module__.startswith("torch.nn.modules."):
            return f"opaque: what a {type(layer).__module__}.{type(layer).__name__} computes is not known here"
        return "stuck: its input does not carry channels on the axis that it mixes"


def trace(network: nn.Module, image_shape: Shapes) -> Graph:
    """The graph of a network for images of `image_shape` (channels, height, width); the network is left as it is.

    Raises:
        ValueError: torch.fx cannot trace the network (its words and the line are given), a training flag is baked
            into a function call, or the network does not take such images.
    """
    recorded = record(network, image_shape)
    return Graph(recorded, classify(recorded))
