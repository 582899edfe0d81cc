"""The small network's graph while it is being built: which node holds which channels, and bringing them together.

Invariant: the tensor that a new node makes holds, at place k, channel `channels[k]` of the masked network's tensor;
a channel that is not held is zero there, or nobody reads it.
"""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, fx, nn

from pruning.graph.attachments import deepcopy_memo
from pruning.graph.copies import copy_module
from pruning.graph.graph import Graph
from pruning.graph.ops import Flags, Index, Op
from pruning.graph.reshaping import sizes
from pruning.graph.tables import SIZED
from pruning.selection import count
from pruning.surgery.align import Choose, Spread

Numbers = Int[Tensor, " _"]


@dataclass(frozen=True)
class Carrier:
    """A node of the new graph and the channels it holds; no node when there are none."""

    node: fx.Node | None
    channels: Numbers


def flags_of(channels: Numbers, width: int) -> Flags:
    """Of each of `width` channels: is it one of these?"""
    flags = torch.zeros(width, dtype=torch.bool)
    flags[channels] = True
    return flags


def positions_of(channels: Numbers, width: int) -> Numbers:
    """Where each of `width` channels stands among these; -1: nowhere."""
    position = torch.full((width,), -1)
    position[channels] = torch.arange(len(channels))
    return position


NOTHING = Carrier(None, torch.empty(0, dtype=torch.long))


class Wiring:
    """The new graph; `modules` are its layers by name; `carriers`: what stands for each node of the old one."""

    def __init__(self, network: nn.Module, graph: Graph) -> None:
        self.network, self.old = network, graph
        self.new = fx.Graph()
        self.modules: dict[str, Any] = {}
        self.carriers: dict[fx.Node, Carrier] = {}
        self.sizes: dict[fx.Node, fx.Node] = {}
        self.layers = dict(network.named_modules(remove_duplicate=False))
        self.memo = deepcopy_memo(network)  # layers that share a parameter go on sharing it
        first = next(network.parameters(), None)
        self.device = torch.device("cpu") if first is None or first.is_meta else first.device

    # -- channels ------------------------------------------------------------------------------------------------------

    def holds(self, source: fx.Node) -> bool:
        return self.carriers[source].node is not None

    def all_channels(self, source: fx.Node) -> Numbers:
        """All channels of the full-size network at this point."""
        return torch.arange(self.old.ops[source].width)

    def order(self, source: fx.Node, want: Numbers) -> Numbers:
        """The wanted channels in the order in which the source holds them, if it holds them all; else ascending."""
        held = self.carriers[source].channels
        if len(held) < len(want) or torch.equal(held, want):
            return want
        ordered = held[self.among(source, held, want)]
        return ordered if len(ordered) == len(want) else want

    def among(self, source: fx.Node, numbers: Numbers, others: Numbers) -> Flags:
        """Of each of these channels of a tensor: is it one of the others? torch.isin takes ten times as long."""
        return flags_of(others, self.old.ops[source].width)[numbers]

    def bring(self, source: fx.Node, want: Numbers) -> fx.Node:
        """A node with exactly the wanted channels of a source; those it does not hold are zero."""
        node, held = self.carriers[source].node, self.carriers[source].channels
        if node is None:
            node, held = self._zero_channel(source), want[:1]
        if torch.equal(held, want):
            return node
        position = positions_of(held, self.old.ops[source].width)[want]
        is_held = position >= 0
        positions = position[is_held]
        if not torch.equal(positions, torch.arange(len(held))):
            node = self.insert(source, "choose", Choose(positions.to(self.device), self.old.ops[source].axis), node)
        if is_held.all():
            return node
        places = is_held.nonzero().flatten().to(self.device)
        return self.insert(source, "spread", Spread(places, len(want), self.old.ops[source].axis), node)

    def _zero_channel(self, source: fx.Node) -> fx.Node:
        """One channel of a piece of which nothing is held: it has the size of the tensor that it is a piece of.

        Raises:
            ValueError: nothing that has its size is held.
        """
        op = self.old.ops[source]
        if not (isinstance(op, Index) and op.form == "gather" and self.holds(op.inputs[0])):
            raise ValueError(
                f"nothing is left of {source.name} but its size is needed; keep more of the layers before it"
            )
        channel = self.new.call_function(torch.narrow, (self.carriers[op.inputs[0]].node, op.axis, 0, 1))
        return self.new.call_function(torch.zeros_like, (channel,))

    def bring_view(self, source: fx.Node, want: Numbers) -> fx.Node:
        """As `bring`, but neighbours as a view, as in the full-size network: a copy may be summed in another order."""
        node, held = self.carriers[source].node, self.carriers[source].channels
        places = positions_of(held, self.old.ops[source].width)[want]
        start = int(places[0])
        if (
            node is None
            or start < 0
            or len(want) == len(held)
            or not torch.equal(places - start, torch.arange(len(want)))
        ):
            return self.bring(source, want)
        return self.new.call_function(torch.narrow, (node, self.old.ops[source].axis, start, len(want)))

    def count_held(self, source: fx.Node, want: Numbers) -> int:
        """How many of the wanted channels a source holds."""
        return count(self.among(source, want, self.carriers[source].channels))

    def places(self, source: fx.Node, among: Numbers) -> Numbers:
        """Where in `among` each channel stands that the source holds; all must be there."""
        return positions_of(among, self.old.ops[source].width)[self.carriers[source].channels]

    def insert(self, source: fx.Node, verb: str, module: nn.Module, *nodes: fx.Node) -> fx.Node:
        """A module of our own after some nodes, under a name that nobody has."""
        name = f"{source.name}_{verb}"
        while name in self.modules or hasattr(self.network, name):
            name += "_"
        self.modules[name] = module
        return self.new.call_module(name, nodes)

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def copy_node(self, node: fx.Node, brought: dict[fx.Node, fx.Node]) -> fx.Node:
        """The node in the new graph, on the tensors that are given and otherwise on full-width ones."""
        if node.op in ("call_module", "get_attr") and node.target not in self.modules:
            if node.target in self.old.trace.normal.computed:
                source = node.all_input_nodes[0]
                return self.compute_weight(str(node.target), brought.get(source) or self.full_width(source))
            self.copy_original(str(node.target))
        return self.new.node_copy(node, lambda n: brought[n] if n in brought else self.full_width(n))

    def copy_original(self, name: str) -> None:
        original = self.original(name)
        is_layer = isinstance(original, nn.Module)
        self.modules[name] = copy_module(original, self.memo) if is_layer else copy.deepcopy(original, self.memo)

    def compute_weight(self, name: str, x: fx.Node) -> fx.Node:
        """A layer that stays whole goes on to compute its weight in forward."""
        normal = self.old.trace.normal
        bias = () if normal.layers[name].bias is None else ("bias",)
        for tensor in (*normal.computed[name].tensors, *bias):
            self.copy_original(f"{name}.{tensor}")
        return normal.computed[name].apply(self.new, name, x, bool(bias))

    def replay(self, op: Index, x: fx.Node, held: Numbers) -> fx.Node:
        """A chain of reshapings run anew on `x`, which holds these channels; it asks `x` for its sizes, but for the
        number of channels: of that others may be made, such as how many a group has."""
        known = {op.inputs[0]: x}

        def argument(node: fx.Node) -> Any:
            if self._asks_width(node):
                return self.old.trace.values[node]
            if node not in known and not self._asks(node, known):
                return self.full_width(node)
            if node not in known:
                known[node] = self.new.node_copy(node, argument)
            return known[node]

        for step in op.chain:
            if step.op == "call_module":
                self.copy_original(str(step.target))
            known[step] = self.new.node_copy(step, argument)
            if op.form == "replay" and step.target in SIZED:
                self._set_size(known[step], self.old.ops[step], held)
        return known[op.chain[-1]]

    def _asks(self, node: fx.Node, known: dict[fx.Node, fx.Node]) -> bool:
        """Is a number made of the sizes of these tensors?"""
        is_number = node not in self.old.ops and node not in self.old.trace.bundles
        return is_number and any(n in known or self._asks(n, known) for n in node.all_input_nodes)

    def _asks_width(self, node: fx.Node) -> bool:
        """Is a number how many channels a tensor has?"""
        asked = node.all_input_nodes[0] if node.target is operator.getitem else node
        is_size = asked.target == "size" or (asked.target is getattr and asked.args[1:] == ("shape",))
        source = asked.all_input_nodes[0] if is_size else None
        index = node.args[1] if is_size and len(node.args) > 1 else None
        if source not in self.old.ops or not isinstance(index, int):
            return False
        return index % len(self.old.shape(source)) == self.old.ops[source].axis

    def _set_size(self, copied: fx.Node, step: Op, held: Numbers) -> None:
        """A view or an expansion is given the number of channels that are held."""
        assert isinstance(step, Index)
        shape = sizes(copied)
        assert shape is not None
        shape[step.axis] = int(torch.isin(step.origin, held).sum())
        copied.args = (copied.args[0], *shape) if copied.op == "call_method" else (copied.args[0], tuple(shape))

    def full_width(self, node: fx.Node) -> fx.Node:
        """A full-width tensor, several tensors at once, or a size."""
        if node not in self.old.ops:
            return self.size(node)
        bundle = self.carriers[node].node
        return bundle if node in self.old.trace.bundles and bundle else self.bring(node, self.all_channels(node))

    def size(self, node: fx.Node) -> fx.Node:
        """A question about any axis but that of the channels is put to the narrow tensor itself."""
        if node not in self.sizes:
            source = node.all_input_nodes[0]
            narrow = source in self.old.ops and self.holds(source) and reads_other_axes(node, self.old.ops[source].axis)
            brought = {source: self.carriers[source].node} if narrow else {}
            self.sizes[node] = self.copy_node(node, brought)  # type: ignore[arg-type]
        return self.sizes[node]

    def original(self, name: str) -> Any:
        """A layer, parameter or buffer of the network that is being copied, or what its forward has made."""
        if name in self.old.trace.normal.layers:
            return self.old.trace.plain(self.network, name)
        if name in self.layers:
            return self.layers[name]
        parent, _, last = name.rpartition(".")
        if parent in self.layers and hasattr(self.layers[parent], last):
            return getattr(self.layers[parent], last)
        constant = getattr(self.old.trace.layers[parent], last)
        if isinstance(constant, nn.Module):  # a layer in place of a function
            return constant
        if constant.is_meta and not self.device.type == "meta":
            raise ValueError(
                f"forward makes the tensor {name} from others of the network, by numbers that torch.fx cannot follow; "
                "register it as a buffer"
            )
        return constant.clone()


def reads_other_axes(node: fx.Node, axis: int) -> bool:
    """Does a node ask for sizes other than that of `axis`?"""
    if node.target == "size" and len(node.args) > 1:
        return isinstance(node.args[1], int) and 0 <= node.args[1] != axis
    reads_size = node.target == "size" or (node.target is getattr and node.args[1:] == ("shape",))
    return reads_size and all(_indexes_other_axis(user, axis) for user in node.users)


def _indexes_other_axis(user: fx.Node, axis: int) -> bool:
    index = user.args[1] if len(user.args) > 1 else None
    return isinstance(index, int) and 0 <= index != axis
