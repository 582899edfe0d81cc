"""Which filters of different convolutions meet, in additions or one behind the other, and so live and die together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, fx

from pruning.graph.graph import Graph
from pruning.graph.ops import (
    Add,
    AddProduct,
    Broadcast,
    Cat,
    Channelwise,
    Choose,
    Divide,
    Follow,
    Halves,
    Index,
    Mul,
    NotZeroPreserving,
    Op,
    Piece,
    Source,
    Weighted,
)

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
        if isinstance(op, Broadcast):
            ins = [self._renew(op, ins) if spread else side for side, spread in zip(ins, op.spread, strict=True)]
        return next(verb for kind, verb in FOLLOWERS if isinstance(op, kind))(self, op, ins)

    def _renew(self, op: Op, ins: list[Numbers]) -> Numbers:
        """Channels that no selection silences."""
        return torch.full((op.width,), self.alive)

    def _begin(self, op: Source, ins: list[Numbers]) -> Numbers:
        return self._renew(op, ins).masked_fill(~op.live([], {}), DEAD)

    def _keep(self, op: Op, ins: list[Numbers]) -> Numbers:
        return ins[0][: op.width]

    def _piece(self, op: Piece, ins: list[Numbers]) -> Numbers:
        return ins[1] if op.values else self._renew(op, ins)

    def _gather(self, op: Index, ins: list[Numbers]) -> Numbers:
        return torch.cat([ins[0], torch.tensor([DEAD])])[op.origin]

    def _concatenate(self, op: Cat, ins: list[Numbers]) -> Numbers:
        return torch.cat(ins)

    def _filter(self, op: Weighted, ins: list[Numbers]) -> Numbers:
        own, groups = self.own[op.name], op.groups
        if is_depthwise(op):
            self._tie([ins[0].repeat_interleave(op.width // groups), own])
        elif groups > 1:
            self.columns[op.name] = ins[0].view(groups, -1)
            if self.whole_groups:
                self.bound[own] = True
                self._tie([*ins[0].view(groups, -1).T, *own.view(groups, -1).T])
        return own

    def _add(self, op: Broadcast, sides: list[Numbers]) -> Numbers:
        if len(sides) > 1:
            self.added[torch.cat(sides)] = True
        return self._tie(sides)

    def _multiply(self, op: Broadcast, sides: list[Numbers]) -> Numbers:
        """A product is zero where one side is; a side that never is has no say."""
        numbers = torch.stack(sides)
        silent = (numbers == self.alive) & ~(numbers == self.alive).all(0)
        result = self._tie(list(numbers.masked_fill(silent, DEAD)))
        return result.masked_fill((numbers == DEAD).any(0), DEAD)

    def _divide(self, op: Broadcast, sides: list[Numbers]) -> Numbers:
        """What is divided by must not be zero."""
        self.meets_alive[sides[1]] = True
        return sides[0]

    def _choose(self, op: Broadcast, sides: list[Numbers]) -> Numbers:
        return self._add(op, sides[1:])

    def _add_product(self, op: Broadcast, sides: list[Numbers]) -> Numbers:
        return self._add(op, [sides[0], self._multiply(op, sides[1:])])

    def _tie(self, sides: list[Numbers]) -> Numbers:
        """Tie what faces each other; the largest number goes on, so that chains of ties are chains of edges."""
        numbers = torch.stack(sides)
        largest = numbers.amax(0).expand_as(numbers)
        self.meets_alive[numbers[largest == self.alive]] = True
        ties = (numbers != DEAD) & (largest != self.alive) & (numbers != largest)
        self.edges.append(torch.stack([numbers[ties], largest[ties]]))
        return largest[0]


FOLLOWERS: tuple[tuple[type[Op], Callable[[ChannelUnionFind, Any, list[Numbers]], Numbers]], ...] = (
    (Source, ChannelUnionFind._begin),
    (Weighted, ChannelUnionFind._filter),
    (NotZeroPreserving, ChannelUnionFind._renew),
    (Piece, ChannelUnionFind._piece),
    (Index, ChannelUnionFind._gather),
    (Cat, ChannelUnionFind._concatenate),
    (Add, ChannelUnionFind._add),
    (Mul, ChannelUnionFind._multiply),
    (Divide, ChannelUnionFind._divide),
    (Choose, ChannelUnionFind._choose),
    (AddProduct, ChannelUnionFind._add_product),
    (Channelwise, ChannelUnionFind._keep),
    (Halves, ChannelUnionFind._keep),
    (Follow, ChannelUnionFind._keep),
    (Op, ChannelUnionFind._renew),
)


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
