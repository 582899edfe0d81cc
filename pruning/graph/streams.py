"""Which filters of different convolutions meet, in additions or one behind the other, and so live and die together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Int
from torch import Tensor, fx

from pruning.graph.graph import Graph
from pruning.graph.ops import Add, Broadcast, Cat, Channelwise, Index, Mul, NotZeroPreserving, Op, Source, Weighted

Numbers = Int[Tensor, " _"]  # sizes differ from tensor to tensor
DEAD = -1  # the number of a channel that is zero whatever is selected


class ChannelUnionFind:
    """A number for every filter of every layer that has filters, followed through the network.

    An addition ties the numbers that meet in it, so does a product; a depthwise convolution is tied to what it reads.
    `whole_groups` ties all that a group of a grouped convolution reads and makes.

    `own`: by layer, the numbers of its filters. `columns`: by grouped convolution that is not depthwise, those
    that each group reads. By number: `component`, the smallest that it is tied to; `added`, whether its channel itself
    enters an addition; `bound`, whether it is of a group that is whole; `meets_alive`, whether it is tied to a channel
    that no selection silences (of the image, a constant, or what an operation makes of zero).
    """

    component: Int[Tensor, " numbers"]
    added: Bool[Tensor, " numbers"]
    bound: Bool[Tensor, " numbers"]
    meets_alive: Bool[Tensor, " numbers"]

    def __init__(self, graph: Graph, whole_groups: bool = False) -> None:
        self.whole_groups = whole_groups
        self.own = _number_filters(graph)
        self.alive = sum(map(len, self.own.values()))  # the number of every channel that no selection silences
        self.added, self.bound, self.meets_alive = torch.zeros(3, self.alive + 1, dtype=torch.bool)
        self.columns: dict[str, Int[Tensor, "groups columns"]] = {}
        self.edges: list[Int[Tensor, "2 edges"]] = [torch.empty(2, 0, dtype=torch.long)]
        at: dict[fx.Node, Numbers] = {}
        for node, op in graph.ops.items():
            at[node] = self._follow(op, [at[n] for n in op.inputs])
        self.component = connect(self.alive + 1, torch.cat(self.edges, 1))

    def of_component(self, flags: Bool[Tensor, " numbers"]) -> Bool[Tensor, " numbers"]:
        """For every number whether one of its component is set."""
        roots = torch.zeros_like(flags)
        roots[self.component[flags]] = True
        return roots[self.component]

    def flags(self, names: Iterable[str]) -> Bool[Tensor, " numbers"]:
        """By number, whether it is a filter of one of these convolutions."""
        flags = torch.zeros(self.alive + 1, dtype=torch.bool)
        for name in names:
            flags[self.own[name]] = True
        return flags

    def joined(self) -> set[str]:
        """Names of the convolutions whose filters meet those of others in an addition."""
        return {name for name, numbers in self.own.items() if self.added[numbers].any()}

    def _follow(self, op: Op, ins: list[Numbers]) -> Numbers:
        """The numbers of the channels that an operation makes."""
        if isinstance(op, Weighted):
            return self._filter(op, ins[0])
        if isinstance(op, Broadcast):
            facing = [numbers for numbers, spread in zip(ins, op.spread, strict=True) if not spread]
            return self._multiply(facing) if isinstance(op, Mul) else self._add(op, facing)
        if isinstance(op, Index):
            return torch.cat([ins[0], torch.tensor([DEAD])])[op.origin]
        if isinstance(op, Cat):
            return torch.cat(ins)
        if isinstance(op, Channelwise) and not isinstance(op, NotZeroPreserving):
            return ins[0]
        zero = ~op.live([], {}) if isinstance(op, Source) else torch.zeros(op.width, dtype=torch.bool)
        return torch.full((op.width,), self.alive).masked_fill(zero, DEAD)

    def _filter(self, op: Weighted, before: Numbers) -> Numbers:
        own, groups = self.own[op.name], op.groups
        if is_depthwise(op):
            self._tie(torch.stack([before.repeat_interleave(op.width // groups), own]))
        elif groups > 1:
            self.columns[op.name] = before.view(groups, -1)
            if self.whole_groups:
                self.bound[own] = True
                self._tie(torch.cat([before.view(groups, -1), own.view(groups, -1)], 1).T)
        return own

    def _add(self, op: Broadcast, sides: list[Numbers]) -> Numbers:
        if any(op.spread):
            sides = [*sides, torch.full((op.width,), self.alive)]  # one value for all channels
        numbers = torch.stack(sides)
        if isinstance(op, Add) and len(sides) > 1:
            self.added[numbers] = True
        return self._tie(numbers)

    def _multiply(self, sides: list[Numbers]) -> Numbers:
        """A product is zero where one side is; a side that never is has no say."""
        numbers = torch.stack(sides)
        silent = (numbers == self.alive) & ~(numbers == self.alive).all(0)
        result = self._tie(numbers.masked_fill(silent, DEAD))
        return result.masked_fill((numbers == DEAD).any(0), DEAD)

    def _tie(self, numbers: Int[Tensor, "sides channels"]) -> Numbers:
        """Tie what lies above each other; the largest number goes on, so that chains of ties are chains of edges."""
        largest = numbers.amax(0).expand_as(numbers)
        self.meets_alive[numbers[largest == self.alive]] = True
        ties = (numbers != DEAD) & (largest != self.alive) & (numbers != largest)
        self.edges.append(torch.stack([numbers[ties], largest[ties]]))
        return largest[0]


def is_depthwise(op: Weighted) -> bool:
    """Does every filter read one channel, and so live and die with it?"""
    return op.groups > 1 and op.weight.shape[1] == 1


def _number_filters(graph: Graph) -> dict[str, Numbers]:
    numbers, start = {}, 0
    for name, op in graph.weighted().items():
        numbers[name] = torch.arange(start, start + op.width)
        start += op.width
    return numbers


def connect(count: int, edges: Int[Tensor, "2 edges"]) -> Numbers:
    """The smallest number that each of `count` numbers is connected to by edges."""
    smallest = torch.arange(count)
    while True:
        roots = smallest[edges]
        low, high = roots.amin(0), roots.amax(0)
        if torch.equal(low, high):
            return smallest
        smallest = smallest.scatter_reduce(0, high, low, "amin")
        while not torch.equal(smallest, further := smallest[smallest]):
            smallest = further
