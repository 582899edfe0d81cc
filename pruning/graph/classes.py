"""Filters of a network, sorted into classes that go as one and classes into units."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pruning.graph.streams import ChannelUnionFind
from pruning.graph.units import Unit

Numbers = Int[Tensor, " numbers"]
Flags = Bool[Tensor, " numbers"]


def build_units(channels: ChannelUnionFind, cut: Flags, coupled: Flags, equal_groups: bool) -> Iterator[Unit]:
    """The units of the filters that are `cut`, by their first filters.

    A filter that is `coupled` goes with its component, any other alone. With `equal_groups`, classes are in the same
    unit if the same grouped convolutions make and read them, and in blocks by the groups of these.
    """
    label = torch.where(coupled, channels.component, torch.arange(len(coupled)))
    signature = members_of(channels, cut, coupled, label)
    block = torch.zeros_like(label)
    if equal_groups:
        readers, block = groups_of(channels, label)
        signature = pair(signature, readers)
    labels = label[cut].unique()
    _, unit, sizes = signature[labels].unique(return_inverse=True, return_counts=True)
    pieces = labels[unit.argsort(stable=True)].split(sizes.tolist())
    place, home = torch.full((2, len(label)), -1)
    for number, piece in enumerate(pieces):
        place[piece], home[piece] = torch.arange(len(piece)), number
    classes: list[dict[str, Int[Tensor, " filters"]]] = [{} for _ in pieces]
    for name, own in channels.own.items():
        homes = home[label[own]].masked_fill(~cut[own], -1)
        for number in homes[cut[own]].unique().tolist():
            classes[number][name] = place[label[own]].masked_fill(homes != number, -1)
    first = sorted(range(len(pieces)), key=lambda number: int(pieces[number][0]))
    return (Unit(classes[number], equal_blocks(block[pieces[number]])) for number in first)


def members_of(channels: ChannelUnionFind, cut: Flags, coupled: Flags, label: Numbers) -> Numbers:
    """For every label a number for the convolutions that it stands in."""
    members = Partition(len(label))
    for own in channels.own.values():
        stream = coupled[own] & cut[own]
        if stream.any():
            members.split(label[own[stream]][None])
    widths = torch.tensor([*map(len, channels.own.values()), 1])
    alone = members.parts + torch.arange(len(widths)).repeat_interleave(widths)
    return torch.where(coupled, members.part, alone)


def groups_of(channels: ChannelUnionFind, label: Numbers) -> tuple[Numbers, Numbers]:
    """For every label a number for the grouped convolutions that read it, and one for the groups that it stands in."""
    readers, columns, rows = (Partition(len(label)) for _ in range(3))
    for name, read in channels.columns.items():
        readers.split(channels.component[read].view(1, -1))
        columns.split(channels.component[read])
        rows.split(label[channels.own[name]].view(len(read), -1))
    return readers.part[channels.component], pair(columns.part[channels.component], rows.part)


def equal_blocks(block: Int[Tensor, " classes"]) -> Int[Tensor, "blocks width"]:
    """The classes by their blocks; where these are not of one size, or one class each, all are one block."""
    _, sizes = block.unique(return_counts=True)
    equal = int(sizes[0]) > 1 and bool((sizes == sizes[0]).all())
    return block.argsort(stable=True).view(len(sizes), -1) if equal else torch.arange(len(block))[None]


class Partition:
    """Numbers in parts that are split again and again."""

    def __init__(self, count: int) -> None:
        self.part, self.parts = torch.zeros(count, dtype=torch.long), 1

    def split(self, rows: Int[Tensor, "rows columns"]) -> None:
        """Take these numbers from all others, and those of one row from those of others; the first row counts."""
        numbers, places = rows.unique(return_inverse=True)
        row = torch.arange(len(rows))[:, None].expand_as(rows)
        first = torch.full_like(numbers, len(rows)).scatter_reduce(0, places.flatten(), row.flatten(), "amin")
        _, new = pair(self.part[numbers], first).unique(return_inverse=True)
        self.part[numbers] = self.parts + new
        self.parts += len(numbers)


def pair(left: Numbers, right: Numbers) -> Numbers:
    """A number for each two that stand together, different for different ones."""
    return left * (right.max() + 1) + right if len(right) else left
