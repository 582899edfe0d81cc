"""Norms over channels of which only the live ones are carried: their statistics are those of the full width.

The channels that are gone are zero in the masked network, and count in its norm's mean and variance. With a share r of
the channels carried, of mean m and variance v, those are r m and r (v + (1 - r) m^2).

The forwards name plain tensors: torch.jit.script reads annotations, and knows no shapes in them.
"""

import torch
from torch import Tensor, nn


class LiveLayerNorm(nn.Module):
    """A LayerNorm over `width` channels, the first of the axes that it looks along, that is given the live ones."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, width: int, weight: nn.Parameter, bias: nn.Parameter | None, eps: float) -> None:
        super().__init__()
        self.width, self.eps, self.share = width, eps, len(weight) / width
        self.normalized_shape, self.axes = list(weight.shape), list(range(-weight.ndim, 0))
        self.weight = weight
        self.register_parameter("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        kind = torch.promote_types(x.dtype, torch.float32)  # statistics of half floats are torch's own in floats too
        x, weight, bias = x.to(kind), self.weight.to(kind), self.bias
        shift = torch.zeros_like(weight) if bias is None else bias.to(kind)
        if torch.is_grad_enabled():  # the mean and deviation that torch's own returns have no gradient
            mean = x.mean(self.axes, keepdim=True) * self.share
            centred = x - mean
            square = torch.linalg.vector_norm(centred, dim=self.axes, keepdim=True).square() / weight.numel()
            scale = torch.rsqrt(self.share * square + (1 - self.share) * mean.square() + self.eps)
            return torch.addcmul(shift, centred * scale, weight).to(self.weight.dtype)
        scaled, mean, deviation = torch.native_layer_norm(x, self.normalized_shape, weight, None, self.eps)
        absent = (1 - self.share) * mean
        variance = self.share * (deviation.pow(-2) - self.eps + absent * mean)
        scale = torch.rsqrt(variance + self.eps)
        return scaled.mul_(scale / deviation).addcmul_(absent * scale, weight).add_(shift).to(self.weight.dtype)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape} of {self.width} channels, eps={self.eps}"


class LiveGroupNorm(nn.Module):
    """A GroupNorm, `width` channels to a group, that is given the live ones: `sizes` says how many of each group.

    Sums are taken of whole groups where all have the same size, and else channel by channel: `owner` says whose each
    of these chunks of `chunk` channels is, `segment` whose each channel.
    """

    weight: Tensor
    bias: Tensor | None
    held: Tensor
    segment: Tensor
    owner: Tensor

    def __init__(
        self, sizes: list[int], width: int, weight: nn.Parameter, bias: nn.Parameter | None, eps: float
    ) -> None:
        super().__init__()
        self.sizes, self.width, self.eps = sizes, width, eps
        self.chunk = sizes[0] if len(set(sizes)) == 1 else 1
        self.weight = weight
        self.register_parameter("bias", bias)
        held = torch.tensor(sizes, device=weight.device)
        groups = torch.arange(len(sizes), device=weight.device)
        self.register_buffer("held", held, persistent=False)
        self.register_buffer("segment", groups.repeat_interleave(held), persistent=False)
        self.register_buffer("owner", groups.repeat_interleave(held // self.chunk), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        kind = torch.promote_types(x.dtype, torch.float32)  # as torch's own does with half floats
        weight, bias = self.weight.to(kind), self.bias
        shift = torch.zeros_like(weight) if bias is None else bias.to(kind)
        if torch.is_grad_enabled():  # the gradient of torch's own statistics takes twice as long
            normed = self.norm_by_sums(x.to(kind), weight, shift)
        else:
            normed = self.norm_by_native_statistics(x.to(kind), weight, shift)
        return normed.view(x.shape).to(self.weight.dtype)

    def norm_by_sums(self, x: Tensor, weight: Tensor, shift: Tensor) -> Tensor:
        chunks = x.reshape(x.shape[0], self.owner.shape[0], -1)
        mean = self.sum_groups(chunks.mean(2))
        centred = chunks - mean.index_select(1, self.owner).unsqueeze(2)
        square = torch.linalg.vector_norm(centred, dim=2).square() / chunks.shape[2]
        factor = self.find_scale(mean, square).index_select(1, self.segment) * weight
        return torch.addcmul(shift.unsqueeze(1), centred.view(x.shape[0], x.shape[1], -1), factor.unsqueeze(2))

    def norm_by_native_statistics(self, x: Tensor, weight: Tensor, shift: Tensor) -> Tensor:
        x = x if self.chunk > 1 else x.contiguous()  # torch's own is slow with a group for each of channels_last
        batch, channels, chunks = x.shape[0], x.shape[1], self.owner.shape[0]
        places = x.numel() // max(1, batch * channels)
        scaled, own, deviation = torch.native_group_norm(x, None, None, batch, channels, places, chunks, self.eps)
        mean = self.sum_groups(own)
        moved = own - mean.index_select(1, self.owner)
        scale = self.find_scale(mean, deviation.pow(-2) - self.eps + moved.square()).index_select(1, self.owner)
        factor = (scale / deviation).repeat_interleave(self.chunk, 1) * weight
        shift = (scale * moved).repeat_interleave(self.chunk, 1) * weight + shift
        return scaled.reshape(batch, channels, -1).mul_(factor.unsqueeze(2)).add_(shift.unsqueeze(2))

    def find_scale(self, mean: Tensor, square: Tensor) -> Tensor:
        """[batch, groups]: one over the deviation, given the mean of the full width and chunks' squares about it."""
        absent = 1 - self.held.to(mean.dtype) / self.width
        return torch.rsqrt(self.sum_groups(square) + absent * mean.square() + self.eps)

    def sum_groups(self, of_chunks: Tensor) -> Tensor:
        """[batch, groups]: means over chunks to means over groups, absent channels counted."""
        sums = of_chunks.new_zeros([of_chunks.shape[0], self.held.shape[0]])
        return sums.index_add(1, self.owner, of_chunks * (self.chunk / self.width))

    def extra_repr(self) -> str:
        return f"{self.sizes} channels in groups of {self.width}, eps={self.eps}"


class LiveGlobalResponseNorm(nn.Module):
    """A GlobalResponseNorm over `width` channels that is given the live ones, on axis 1 or on the last."""

    weight: Tensor
    bias: Tensor

    def __init__(self, width: int, weight: nn.Parameter, bias: nn.Parameter, eps: float, channel_dim: int) -> None:
        super().__init__()
        self.width, self.eps, self.channel_dim, self.share = width, eps, channel_dim, len(weight) / width
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        last = self.channel_dim != 1
        size = torch.linalg.vector_norm(x, dim=[1, 2] if last else [2, 3], keepdim=True)
        response = size / (size.mean(self.channel_dim, keepdim=True) * self.share + self.eps)
        shape = [1, 1, 1, -1] if last else [1, -1, 1, 1]
        return x + torch.addcmul(self.bias.view(shape), self.weight.view(shape), x * response)

    def extra_repr(self) -> str:
        return f"{len(self.weight)} of {self.width} channels, eps={self.eps}"


LIVE_NORMS = (LiveLayerNorm, LiveGroupNorm, LiveGlobalResponseNorm)
