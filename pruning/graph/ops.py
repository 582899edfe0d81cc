"""What one node of a network does to channels: which can be non-zero after it, and which it reads.

Every operation is channel-wise, a permutation (an index operation), a mixing of channels by weights (convolution,
linear), or a barrier that reads everything and leaves everything live. What is unknown is a barrier; nothing is
guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, fx, nn

from pruning.selection import Convolution, any_of, both, filters_first

Flags = Bool[Tensor, " _"]  # sizes differ from tensor to tensor
Kernels = Mapping[str, Bool[Tensor, "_ _"]]


@dataclass(frozen=True, eq=False)
class Op:
    """A node, the tensors whose channels it takes, the axis its own channels lie on and how many there are."""

    node: fx.Node
    inputs: tuple[fx.Node, ...]
    axis: int
    width: int

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        """Which output channels can be non-zero, given which input channels can."""
        return torch.ones(self.width, dtype=torch.bool)

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        """Which channels of each input are read to make the output channels in `need`."""
        return [torch.ones_like(flags) for flags in ins]


class Source(Op):
    """An image, a parameter or a constant."""


class Opaque(Op):
    """Mixes channels or is unknown: reads every channel at full width, every output is live."""


class Channelwise(Op):
    """Acts on every channel by itself and keeps zero: activation, pooling, dropout, scaling by a number."""

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        return ins[0].clone()

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        return [need]


class Norm(Channelwise):
    """A per-channel norm: a dead channel that enters it leaves it dead, because its shift is silenced too."""


@dataclass(frozen=True, eq=False)
class NormOverChannels(Channelwise):
    """A norm over the channels of each group (`segment`: whose each is): LayerNorm, GroupNorm,
    GlobalResponseNorm.

    A dead channel leaves it dead, because its scale and its shift are silenced; every live one counts in its group's
    statistics.
    """

    segment: Int[Tensor, " channels"]

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        return [torch.isin(self.segment, self.segment[need])]


class NotZeroPreserving(Channelwise):
    """Acts on every channel by itself but turns zero into something else (sigmoid, adding a number)."""

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        return torch.ones_like(ins[0])


class Slopes(Channelwise):
    """PReLU with a slope for each channel."""


@dataclass(frozen=True, eq=False)
class Piece(Channelwise):
    """One of the tensors that a channel-wise call returns together: the largest values, or where they were.

    `inputs`: the call, and the tensor that the call takes. Values keep zero; the place of a zero is no zero.
    """

    values: bool

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        return ins[1].clone() if self.values else torch.ones_like(ins[0])

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        return [need, torch.zeros_like(ins[1])]


class Halves(Op):
    """Gated linear units: output channel k is input channel k times the sigmoid of input channel k + `width`."""

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        return ins[0][: self.width].clone()

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        return [torch.cat([need, need])]


@dataclass(frozen=True, eq=False)
class Broadcast(Op):
    """Several tensors, channel by channel; an operand that is `spread` has one channel, or none, for all of them."""

    spread: tuple[bool, ...]

    def combine(self, sides: list[Flags]) -> Flags:
        """Which channels of the result can be non-zero, given which of each operand can; all, unless it is known."""
        return torch.ones(self.width, dtype=torch.bool)

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        pairs = zip(ins, self.spread, strict=True)
        return self.combine([flags.any().expand(self.width) if spread else flags for flags, spread in pairs])

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        return [torch.ones_like(flags) if spread else need for flags, spread in zip(ins, self.spread, strict=True)]


class Add(Broadcast):
    """A sum, a difference, the larger of two, a stack: live where any side is."""

    def combine(self, sides: list[Flags]) -> Flags:
        return torch.stack(sides).any(0)


class Mul(Broadcast):
    """A product: dead where any side is."""

    def combine(self, sides: list[Flags]) -> Flags:
        return torch.stack(sides).all(0)


class Divide(Broadcast):
    """A quotient: dead where only the dividend is (0 / 0 is no number)."""

    def combine(self, sides: list[Flags]) -> Flags:
        return sides[0] | ~sides[1]


class Choose(Broadcast):
    """torch.where, a mask first: live where anything is that it may choose."""

    def combine(self, sides: list[Flags]) -> Flags:
        return torch.stack(sides[1:]).any(0)


class AddProduct(Broadcast):
    """The first operand plus the product of the others."""

    def combine(self, sides: list[Flags]) -> Flags:
        return sides[0] | torch.stack(sides[1:]).all(0)


class Follow(Broadcast):
    """The first operand, put where the others say: expand_as, unpooling."""

    def combine(self, sides: list[Flags]) -> Flags:
        return sides[0].clone()


@dataclass(frozen=True, eq=False)
class Index(Op):
    """Output channel k is input channel `origin[k]`, or zero where that is -1: slices, shuffles, flattening, padding.

    `form` says how a narrow network performs it: "gather" (choosing channels is all there is to it), "replay" (the
    nodes of `chain` name no channel count and run as they are), "flatten", "pad", or "opaque" (run at full width).
    """

    origin: Int[Tensor, " channels"]
    form: str
    chain: tuple[fx.Node, ...] = ()

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        return torch.cat([ins[0], ins[0].new_zeros(1)])[self.origin]

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        read = ins[0].new_zeros(len(ins[0]) + 1)
        read[self.origin[need]] = True
        return [read[:-1]]


class Cat(Op):
    """Channels of one tensor after those of another."""

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        return torch.cat(ins)

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        return list(need.split([len(flags) for flags in ins]))


@dataclass(frozen=True, eq=False)
class Weighted(Op):
    """A layer of filters, of which a Selection may speak: row r is live when one of its kept kernels has a live input.

    `weight` is [out, in / groups, ...], and what the last axes hold is one kernel.
    """

    layer: Any

    @property
    def name(self) -> str:
        return str(self.node.target)

    @property
    def weight(self) -> Tensor:
        weight: Tensor = self.layer.weight
        return weight

    @property
    def groups(self) -> int:
        return 1

    @property
    def kernel_size(self) -> int:
        """Numbers in one kernel."""
        return self.weight.shape[2:].numel()

    def kernels(self, live: Flags, kernels: Kernels) -> Bool[Tensor, "out in"]:
        """The kept kernels whose input channel is live."""
        rows, columns = self.weight.shape[:2]
        by_group = live.view(self.groups, 1, columns).expand(-1, rows // self.groups, -1)
        live_kernels = by_group[0] if self.groups == 1 else by_group.reshape(rows, columns)
        return both(kernels[self.name], live_kernels) if self.name in kernels else live_kernels

    def live(self, ins: list[Flags], kernels: Kernels) -> Flags:
        return any_of(self.kernels(ins[0], kernels), 1)

    def reads(self, need: Flags, ins: list[Flags], kernels: Kernels) -> list[Flags]:
        used = both(self.kernels(ins[0], kernels), need[:, None])
        return [any_of(used.view(self.groups, -1, used.shape[1]), 1).flatten()]


@dataclass(frozen=True, eq=False)
class Conv(Weighted):
    """A convolution or a transposed one, its channels on axis 1."""

    layer: Convolution

    @property
    def weight(self) -> Tensor:
        return filters_first(self.layer.weight, self.layer)

    @property
    def groups(self) -> int:
        return self.layer.groups


@dataclass(frozen=True, eq=False)
class Linear(Weighted):
    """A linear layer on the last axis: a 1x1 convolution of whatever lies on the others."""

    layer: nn.Linear
