"""Narrow copies of single layers. Every copy keeps mode, device, dtype and requires_grad; the original is untouched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor, nn

from pruning.graph.copies import copy_module
from pruning.graph.layout import Rectangle
from pruning.selection import Convolution, filters_first
from pruning.surgery.norms import LIVE_NORMS, LiveGlobalResponseNorm, LiveGroupNorm, LiveLayerNorm

Numbers = Int[Tensor, " _"]


def narrow_filters(layer: Any, rows: Numbers, columns: Numbers) -> nn.Module:
    """Filters `rows` and input channels `columns` of a convolution without groups, or of a linear layer."""
    small = _copy_without_parameters(layer)
    features = isinstance(layer, nn.Linear)
    names = ("in_features", "out_features") if features else ("in_channels", "out_channels")
    vars(small).update(zip(names, (len(columns), len(rows)), strict=True))
    weight = _take(filters_first(layer.weight, layer), rows)
    if not _is_everything(columns, weight.shape[1]):
        weight = _take(weight, columns, axis=1)
    _set_parameters(small, layer, weight=filters_first(weight, layer), bias=_take_rows(layer.bias, rows))
    return small


def narrow_grouped(layer: Convolution, kernels: Bool[Tensor, "out in"], shape: Rectangle) -> Convolution:
    """The surviving rectangle of a grouped convolution; what does no work in it is stored as zeros."""
    small = _copy_without_parameters(layer)
    small.groups, small.in_channels, small.out_channels = len(shape.rows), shape.columns.numel(), shape.rows.numel()
    rows = shape.rows.flatten()
    local = (shape.columns % kernels.shape[1]).repeat_interleave(shape.rows.shape[1], 0)
    weight, bias = _take_rows(layer.weight, rows), _take_rows(layer.bias, rows)
    if not _is_everything(local, kernels.shape[1]):
        weight = weight[torch.arange(len(rows), device=weight.device)[:, None], _index_on(weight, local)]
    working = kernels[rows[:, None], local]
    if not working.all():  # asked where the flags are: the network may have no numbers
        weight = weight * _index_on(weight, working)[(...,) + (None,) * (weight.ndim - 2)]
        bias = None if bias is None else bias * _index_on(bias, kernels[rows].any(1))
    _set_parameters(small, layer, weight=weight, bias=bias)
    return small


def join_groups(convs: Sequence[Convolution], rows: int) -> Convolution:
    """One grouped convolution, `rows` filters in each group, for several that are alike in all but their sizes; padding
    is stored as zeros.
    """
    first, joined = convs[0], _copy_without_parameters(convs[0])
    columns = max(conv.in_channels for conv in convs)
    joined.groups, joined.in_channels, joined.out_channels = len(convs), len(convs) * columns, len(convs) * rows
    window = (0, 0) * len(first.kernel_size)
    missing = [(columns - conv.in_channels, rows - conv.out_channels) for conv in convs]
    padding = [(*window, 0, wide, 0, high) for wide, high in missing]
    weights = [filters_first(F.pad(filters_first(c.weight, c), p), c) for c, p in zip(convs, padding, strict=True)]
    biases = [F.pad(c.bias, (0, high)) for c, (_, high) in zip(convs, missing, strict=True) if c.bias is not None]
    _set_parameters(joined, first, weight=torch.cat(weights), bias=torch.cat(biases) if biases else None)
    return joined


def narrow_norm(layer: Any, channels: Numbers) -> nn.Module:
    """The channels of a per-channel norm, running statistics included; a frozen one has nothing but buffers."""
    small = _copy_without_parameters(layer, layer._buffers.values())
    if hasattr(layer, "num_features"):
        small.num_features = len(channels)
    _set_parameters(small, layer, **{name: _take_rows(value, channels) for name, value in layer._parameters.items()})
    for name, value in layer._buffers.items():
        if value is not None:
            small._buffers[name] = _take_rows(value, channels) if value.ndim else value.clone()
    return small


def widen_filters(layer: Convolution, places: Numbers, width: int) -> nn.Module:
    """A convolution without groups whose filter k becomes filter `places[k]` of `width`; the others are zero."""
    wide = _copy_without_parameters(layer)
    wide.out_channels = width  # type: ignore[assignment]
    weight, bias = (_scatter_rows(value, places, width, 0.0) for value in (layer.weight, layer.bias))
    _set_parameters(wide, layer, weight=weight, bias=bias)
    return wide


def widen_columns(layer: Convolution, places: Numbers, width: int) -> nn.Module:
    """A convolution without groups that reads its input channel k as channel `places[k]` of `width`, and no other."""
    wide = _copy_without_parameters(layer)
    wide.in_channels = width  # type: ignore[assignment]
    columns: Any = _scatter_rows(layer.weight.transpose(0, 1), places, width, 0.0)
    _set_parameters(wide, layer, weight=columns.transpose(0, 1), bias=layer.bias)
    return wide


def widen_norm(layer: Any, places: Numbers, width: int) -> nn.Module:
    """A per-channel norm whose channel k becomes channel `places[k]` of `width`; the others give zero."""
    wide = _copy_without_parameters(layer)
    wide.num_features = width  # type: ignore[assignment]
    values = {name: _scatter_rows(getattr(layer, name), places, width, 0.0) for name in ("weight", "bias")}
    _set_parameters(wide, layer, **values)
    wide.running_mean = _scatter_rows(layer.running_mean, places, width, 0.0)
    wide.running_var = _scatter_rows(layer.running_var, places, width, 1.0)
    return wide


def narrow_norm_over_channels(layer: Any, segment: Numbers, channels: Numbers) -> nn.Module:
    """The channels of a LayerNorm, GroupNorm or GlobalResponseNorm, ascending; `segment`: the group of each.

    Where a group is not whole its statistics are corrected; a group that is gone is no longer counted.
    """
    sizes = [size for size in segment.bincount().tolist() if size]
    width = _channels_of_a_group(layer)
    if set(sizes) == {width} and not isinstance(layer, LIVE_NORMS):
        return _whole_groups(layer, len(sizes), channels)
    weight, bias = (_fresh_parameter(_take_rows(old, channels), old) for old in (layer.weight, layer.bias))
    if isinstance(layer, (nn.GroupNorm, LiveGroupNorm)):
        return LiveGroupNorm(sizes, width, weight, bias, layer.eps)
    if isinstance(layer, (nn.LayerNorm, LiveLayerNorm)):
        return LiveLayerNorm(width, weight, bias, layer.eps)
    return LiveGlobalResponseNorm(width, weight, bias, layer.eps, layer.channel_dim)


def _channels_of_a_group(layer: Any) -> int:
    """At full width."""
    if isinstance(layer, nn.GroupNorm):
        return layer.num_channels // layer.num_groups
    return layer.width if isinstance(layer, LIVE_NORMS) else len(layer.weight)


def _whole_groups(layer: Any, groups: int, channels: Numbers) -> nn.Module:
    """The norm itself, of as many groups."""
    small = _copy_without_parameters(layer)
    if isinstance(layer, nn.GroupNorm):
        small.num_groups, small.num_channels = groups, len(channels)
    _set_parameters(small, layer, weight=_take_rows(layer.weight, channels), bias=_take_rows(layer.bias, channels))
    return small


def narrow_prelu(layer: nn.PReLU, channels: Numbers) -> nn.PReLU:
    """The channels of a PReLU that has a slope for each."""
    small = _copy_without_parameters(layer)
    small.num_parameters = len(channels)
    _set_parameters(small, layer, weight=_take_rows(layer.weight, channels))
    return small


def _copy_without_parameters(layer: nn.Module, others: Iterable[Tensor | None] = ()) -> Any:
    """A copy of a layer; it shares only its parameters and `others` of its tensors, which are about to be replaced."""
    return copy_module(layer, {id(tensor): tensor for tensor in (*layer._parameters.values(), *others)})


def _set_parameters(small: nn.Module, layer: nn.Module, **values: Tensor | None) -> None:
    """Values that nobody else has become the parameters of these names."""
    for name, value in values.items():
        small._parameters[name] = _fresh_parameter(value, layer._parameters[name])


def _fresh_parameter(value: Tensor | None, own: Tensor | None) -> Any:
    """A parameter of this value, which nobody else has, trained if `own` is; None for None."""
    if value is None or own is None:
        return None
    return nn.Parameter(value.detach().contiguous(memory_format=_memory_format(own)), requires_grad=own.requires_grad)


def _memory_format(own: Tensor) -> torch.memory_format:
    """Channels last stays so; rows and columns that were taken lie anyhow."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(own.ndim)
    keep = last is not None and not own.is_contiguous() and own.is_contiguous(memory_format=last)
    return last if last is not None and keep else torch.contiguous_format


def _take(value: Tensor, numbers: Numbers, axis: int = 0) -> Tensor:
    """A copy of these slices; a third of the time that indexing by two lists takes."""
    return value.detach().index_select(axis, _index_on(value, numbers))


def _is_everything(numbers: Int[Tensor, "*groups _"], width: int) -> bool:
    """Are these all numbers below `width`, in order?"""
    return numbers.shape[-1] == width and torch.equal(numbers, torch.arange(width).expand_as(numbers))


def _take_rows(value: Any, rows: Numbers) -> Any:
    return None if value is None else _take(value, rows)


def _scatter_rows(value: Tensor | None, places: Numbers, width: int, otherwise: float) -> Tensor | None:
    if value is None:
        return None
    return value.new_full((width, *value.shape[1:]), otherwise).index_copy(0, _index_on(value, places), value.detach())


def _index_on(value: Tensor, numbers: Tensor) -> Tensor:
    return numbers.to(value.device)
