"""Residual streams: which filters of different convolutions meet in additions and so must go together."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor, fx

from pruning.arguments import key
from pruning.graph.graph import Graph
from pruning.graph.ops import Add, Broadcast, Cat, Channelwise, Conv, Index, Op


def joined_convolutions(graph: Graph) -> set[str]:
    """Names of the convolutions whose filters meet those of others in an addition."""
    return ChannelUnionFind(graph).joined


def streams(graph: Graph) -> list[tuple[str, ...]]:
    """Names of the convolutions whose filters must go together to make a residual stream narrower, stream by stream.

    Raises:
        ValueError: an addition ties streams of different widths together (option A's padding).
    """
    return ChannelUnionFind(graph).streams()


class ChannelUnionFind:
    """A number for every filter of every convolution, followed through the network; additions tie numbers together."""

    def __init__(self, graph: Graph) -> None:
        self.parent: list[int] = []
        self.own: dict[str, Int[Tensor, " out"]] = {}
        self.joined: set[str] = set()
        self.at: dict[fx.Node, Int[Tensor, " channels"]] = {}
        for node, op in graph.ops.items():
            self.at[node] = self._follow(op)

    def _follow(self, op: Op) -> Int[Tensor, " channels"]:
        ins = [self.at[n] for n in op.inputs]
        if isinstance(op, Conv):
            return self._number_filters(op, ins[0])
        if isinstance(op, Broadcast):
            return self._tie(op, [numbers for numbers, spread in zip(ins, op.spread, strict=True) if not spread])
        if isinstance(op, Index):
            return torch.cat([ins[0], torch.tensor([-1])])[op.origin]
        if isinstance(op, Cat):
            return torch.cat(ins)
        return ins[0] if isinstance(op, Channelwise) else torch.full((op.width,), -1)

    def _number_filters(self, conv: Conv, before: Int[Tensor, " channels"]) -> Int[Tensor, " out"]:
        start, rows = len(self.parent), conv.width
        self.parent += range(start, start + rows)
        numbers = torch.arange(start, start + rows)
        self.own[conv.name] = numbers
        if conv.layer.groups == rows == len(before):  # depthwise: a channel lives and dies with its input
            self._union(numbers, before)
        return numbers

    def _tie(self, op: Op, sides: list[Int[Tensor, " channels"]]) -> Int[Tensor, " channels"]:
        for side in sides[1:]:
            self._union(sides[0], side)
        if isinstance(op, Add) and len(sides) > 1:
            present = set(torch.cat(sides).tolist())
            self.joined |= {name for name, own in self.own.items() if not present.isdisjoint(own.tolist())}
        return torch.stack(sides).amax(0)

    def _union(self, left: Tensor, right: Tensor) -> None:
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            if a >= 0 and b >= 0:
                self.parent[self.find(a)] = self.find(b)

    def find(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = number = self.parent[self.parent[number]]
        return number

    def streams(self) -> list[tuple[str, ...]]:
        classes = {
            name: tuple(self.find(n) for n in own.tolist()) for name, own in self.own.items() if name in self.joined
        }
        groups: list[list[str]] = []
        for name, roots in classes.items():
            home = next((g for g in groups if not set(classes[g[0]]).isdisjoint(roots)), None)
            groups.append([name]) if home is None else home.append(name)
        for group in groups:
            for name in group:
                if classes[name] != classes[group[0]]:
                    raise ValueError(
                        f"{key('joined')}=couple needs streams of one width, but {group[0]!r} and {name!r} meet in an "
                        f"addition with padding or permutation between them; use {key('shortcut')}=B where the network "
                        f"has it, or {key('joined')}=expand"
                    )
        return [tuple(group) for group in groups]
