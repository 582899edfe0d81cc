"""What a layer's filters look at: the windows of its input, at some of its output positions."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

Positions = Int[Tensor, " samples"]  # of all images of a batch, one after another


def count_positions(layer: nn.Module, output: Tensor) -> int:
    """At how many places, over all images, a layer's filters have made this output."""
    return output.numel() // output.shape[channel_axis(layer)]


def channel_axis(layer: nn.Module) -> int:
    return -1 if isinstance(layer, nn.Linear) else 1


def output_rows(layer: nn.Module, output: Tensor, positions: Positions) -> Float[Tensor, "samples out"]:
    """What the filters have made at these places."""
    return output.movedim(channel_axis(layer), -1).flatten(0, -2)[positions]


def input_patches(layer: Any, x: Tensor, output: Tensor, positions: Positions) -> Float[Tensor, "groups samples in"]:
    """What the filters of each group have looked at there: columns in the order of `weight[filter].flatten()`."""
    if isinstance(layer, nn.Linear):
        return x.flatten(0, -2)[positions][None]
    windows = _windows(layer, x, output.shape[2:], positions)
    return windows.unflatten(1, (layer.groups, -1)).flatten(2).transpose(0, 1)


def _windows(layer: Any, x: Tensor, places: torch.Size, positions: Positions) -> Float[Tensor, "samples in *window"]:
    """Channels last for a while: then a sample is one block of memory for each pixel of its window."""
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(x, layer._reversed_padding_repeated_twice, mode=mode).movedim(1, -1).contiguous()
    image, *corner = torch.unravel_index(positions, (len(x), *places))
    rank = len(corner)
    pixels = [image.view(-1, *(1,) * rank)]
    for axis, start in enumerate(corner):
        inside = torch.arange(layer.kernel_size[axis], device=x.device) * layer.dilation[axis]
        shape = [-1 if other == axis else 1 for other in range(rank)]
        pixels.append((start * layer.stride[axis]).view(-1, *(1,) * rank) + inside.view(1, *shape))
    return padded[tuple(pixels)].movedim(-1, 1)


def count_unknowns(layer: Any) -> int:
    """Weights of one filter."""
    return math.prod(layer.weight.shape[1:])
