"""A convolution once its idle kernels are gone: whole rows and columns, or groups of rows with columns of their own.

Both the count of MACs and the surgery read this, so that what is predicted is what is built.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pruning.selection import any_of, count

MAX_PATTERNS = 32  # more small convolutions than this in a layer's place are slower than the layer


@dataclass(frozen=True)
class Block:
    """Filters `rows` that all read exactly the input channels `columns` (numbers in the full-size layer, ascending)."""

    rows: Int[Tensor, " rows"]
    columns: Int[Tensor, " columns"]

    @property
    def kernels(self) -> int:
        return len(self.rows) * len(self.columns)


def dense_blocks(name: str, kernels: Bool[Tensor, "out in"]) -> list[Block]:
    """The pattern of working kernels as dense blocks, one for each set of columns that rows share.

    Raises:
        ValueError: the pattern is irregular, so that no small form exists.
    """
    rows, columns = any_of(kernels, 1).nonzero().flatten(), any_of(kernels, 0).nonzero().flatten()
    if count(kernels) == len(rows) * len(columns):  # nearly every layer; looking for patterns takes longer
        return [Block(rows, columns)]
    patterns, member = torch.unique(kernels[rows], dim=0, return_inverse=True)
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(
            f"layer {name!r} has an irregular pattern of kernels ({len(patterns)} different patterns in {len(rows)} "
            f"filters) and so no small form; let its filters share {MAX_PATTERNS} patterns at most"
        )
    first = sorted(range(len(patterns)), key=lambda p: int((member == p).nonzero()[0]))
    return [Block(rows[member == p], patterns[p].nonzero().flatten()) for p in first]


@dataclass(frozen=True)
class Rectangle:
    """A grouped convolution after cutting: the groups that stay, with the same number of rows and columns each.

    `rows` and `columns` are numbers in the full-size layer; those of a group that do no work are padding, stored as
    zeros.
    """

    rows: Int[Tensor, "groups rows"]
    columns: Int[Tensor, "groups columns"]

    @property
    def kernels(self) -> int:
        return self.rows.numel() * self.columns.shape[1]


def rectangle(kernels: Bool[Tensor, "out in"], groups: int) -> Rectangle:
    """The largest surviving rectangle over the groups of a grouped convolution; groups without work go."""
    working = kernels.view(groups, -1, kernels.shape[1])
    alive = any_of(working.flatten(1), 1).nonzero().flatten()
    rows, columns = _padded_indices(any_of(working[alive], 2)), _padded_indices(any_of(working[alive], 1))
    return Rectangle(rows + alive[:, None] * working.shape[1], columns + alive[:, None] * working.shape[2])


def _padded_indices(flags: Bool[Tensor, "groups n"]) -> Int[Tensor, "groups most"]:
    """Per group the numbers that are set, filled up with the first that are not, ascending."""
    most = int(flags.sum(1).max())
    return flags.float().sort(dim=1, descending=True, stable=True).indices[:, :most].sort(1).values
