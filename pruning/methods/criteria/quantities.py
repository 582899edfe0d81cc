"""What may be summed over images: of each filter's feature map, and of the gradient that reaches it.

The gradients are those of single images, also where the loss is a mean over the batch. An image is what has one row of
each tensor, or several of them behind each other (windows, frames).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, fx, nn

from pruning.graph.tables import NORM_ACTIVATIONS_BY_NAME, class_name
from pruning.methods.criteria.taps import Tap
from pruning.repair.joins import is_batch_norm, norm_scale
from pruning.selection import TRANSPOSED, filters_first

PerFilter = Float[Tensor, " _"]


@dataclass(frozen=True)
class Watch:
    """One figure for each filter of a layer, summed over the images of a batch.

    `keep`: given what the node is given and what it makes, the tensor to remember; `figure`: of that, and of the
    gradient of each image's loss with respect to what the node makes (None where no gradient is wanted).
    """

    node: fx.Node
    keep: Callable[[Tensor, Tensor], Tensor]
    figure: Callable[[Tensor, Any], PerFilter]


@dataclass(frozen=True)
class Quantity:
    watch: Callable[[Tap, int], Watch]  # of a layer, in a batch of so many images
    gradients: bool = False


def activation(tap: Tap, images: int) -> Watch:
    """|A|, mean over places."""

    def figure(values: Tensor, _: Any) -> PerFilter:
        return sum_images(rows(values, tap.axis).abs().mean(-1), images, mean=True).sum(0)

    return Watch(tap.active, lambda before, active: active, figure)


def taylor(tap: Tap, images: int) -> Watch:
    """(gamma g_gamma + beta g_beta)^2, which is (sum over places of y dL/dy)^2; without a norm (sum W g_W)^2, which is
    (sum over places of z dL/dz)^2, z without its bias."""
    node, keep, scale, shift = contribution(tap)

    def figure(values: Tensor, gradients: Tensor) -> PerFilter:
        kept, grads = rows(values, tap.axis), rows(gradients, tap.axis)
        sums = scale * torch.linalg.vecdot(kept, grads) + shift * grads.sum(-1)
        return sum_images(sums, images).square().sum(0)

    return Watch(node, keep, figure)


def contribution(tap: Tap) -> tuple[fx.Node, Callable[[Tensor, Tensor], Tensor], Any, Any]:
    """Where gradients are taken, what to keep, and what it is multiplied by and added, to be the filter's own part."""
    norm: Any = tap.norm
    if norm is None:
        bias = tap.layer.bias
        return tap.made, lambda before, made: made.clone(), 1.0, 0.0 if bias is None else -bias
    if is_batch_norm(norm):  # z is what autograd keeps anyway
        scale = norm_scale(norm)
        return tap.normed, lambda made, normed: made, scale, norm.bias - norm.running_mean * scale
    if class_name(norm) in NORM_ACTIVATIONS_BY_NAME:  # y is within: dL/dz is its scale times dL/dy
        shift = norm.bias / norm_scale(norm) - norm.running_mean
        return tap.made, lambda before, made: made, 1.0, shift.nan_to_num(0.0, 0.0, 0.0)
    return tap.normed, lambda made, normed: normed.clone(), 1.0, 0.0


def fisher(tap: Tap, images: int) -> Watch:
    """Sum of w^2 g_w^2 over a filter's weights w."""

    def figure(inputs: Tensor, gradients: Tensor) -> PerFilter:
        parts = zip(inputs.chunk(images), gradients.chunk(images), strict=True)
        changes = (tap.layer.weight * weight_gradient(tap.layer, x, g) for x, g in parts)
        return torch.stack([filters_first(c, tap.layer).flatten(1).square().sum(1) for c in changes]).double().sum(0)

    return Watch(tap.made, lambda before, made: before.clone() if tap.shared else before, figure)


def weight_gradient(layer: Any, inputs: Tensor, gradients: Tensor) -> Tensor:
    """Of a layer's weight, given the gradient of what the layer makes of its inputs."""
    if isinstance(layer, nn.Linear):
        return gradients.flatten(0, -2).T @ inputs.flatten(0, -2)
    padding = layer.padding
    if isinstance(padding, str) or layer.padding_mode != "zeros":
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        inputs, padding = F.pad(inputs, layer._reversed_padding_repeated_twice, mode), [0] * len(layer.stride)
    return torch.ops.aten.convolution_backward(
        gradients, inputs, layer.weight, None, layer.stride, padding, layer.dilation,
        isinstance(layer, TRANSPOSED), layer.output_padding, layer.groups, [False, True, False],
    )[1]  # fmt: skip


def rows(values: Tensor, axis: int) -> Float[Tensor, "rows channels places"]:
    moved = values.movedim(axis, 1)
    return moved.reshape(*moved.shape[:2], -1)


def sum_images(figures: Tensor, images: int, mean: bool = False) -> Float[Tensor, "images channels"]:
    """Of rows that are one image's, in double precision."""
    parts = figures.cpu().double().view(images, -1, figures.shape[1])
    return parts.mean(1) if mean else parts.sum(1)


QUANTITIES = {
    "activation": Quantity(activation),
    "taylor": Quantity(taylor, gradients=True),
    "fisher": Quantity(fisher, gradients=True),
}
