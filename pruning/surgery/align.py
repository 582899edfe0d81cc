"""Modules that a small network needs and a full-size one does not: choosing, spreading and grouping channels.

Their forwards name plain tensors: torch.jit.script reads annotations, and knows no shapes in them.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn


class Choose(nn.Module):
    """The channels `index` of a tensor, in that order."""

    index: Tensor

    def __init__(self, index: Int[Tensor, " channels"], axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(self.axis, self.index)

    def extra_repr(self) -> str:
        return f"{len(self.index)} channels, axis={self.axis}"


class Spread(nn.Module):
    """Channel k of a tensor becomes channel `places[k]` of `width`; the others are zero.

    A channel of zeros is hung on and read wherever none is held: ONNX Runtime copies into zeros 17 times as slowly.
    """

    index: Tensor

    def __init__(self, places: Int[Tensor, " channels"], width: int, axis: int) -> None:
        super().__init__()
        self.width, self.axis, self.held = width, axis, len(places)
        index = torch.full((width,), self.held, device=places.device)
        index[places] = torch.arange(self.held, device=places.device)
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        shape = [1 if d == self.axis else size for d, size in enumerate(x.shape)]
        return torch.cat([x, x.new_zeros(shape)], self.axis).index_select(self.axis, self.index)

    def extra_repr(self) -> str:
        return f"{self.held} -> {self.width} channels, axis={self.axis}"


class AddAt(nn.Module):
    """A wide tensor plus a narrow one, whose channel k is added to channel `places[k]` of the wide one."""

    places: Tensor

    def __init__(self, places: Int[Tensor, " channels"], axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("places", places, persistent=False)

    def forward(self, wide: Tensor, narrow: Tensor) -> Tensor:
        kind = torch.result_type(wide, narrow)
        return wide.to(kind).index_add(self.axis, self.places, narrow.to(kind))

    def extra_repr(self) -> str:
        return f"{len(self.places)} channels, axis={self.axis}"


class ColumnGroups(nn.Module):
    """Groups of filters with input channels of their own: one small layer each, outputs one after another."""

    def __init__(self, convs: Sequence[nn.Module], columns: Sequence[Int[Tensor, " _"]], axis: int = 1) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self.gathers = nn.ModuleList(Choose(index, axis) for index in columns)

    def forward(self, x: Tensor) -> Tensor:
        axis: int = self.gathers[0].axis  # type: ignore[assignment]
        return torch.cat([conv(gather(x)) for conv, gather in zip(self.convs, self.gathers, strict=True)], dim=axis)
