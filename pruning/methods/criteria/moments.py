"""What batches show of layers: sums over images of a figure for each filter, gathered once for all criteria."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

Sums = Mapping[str, Float[Tensor, " _"]]  # by layer, a number for each of its filters


@dataclass(frozen=True)
class Moments:
    """Sums over `images`, by quantity (`quantities.QUANTITIES`) and layer; float64, on the CPU."""

    images: int = 0
    sums: Mapping[str, Sums] = field(default_factory=dict)

    def mean(self, quantity: str, layer: str) -> Float[Tensor, " filters"]:
        """Over images."""
        return self.sums[quantity][layer] / self.images

    def __add__(self, other: Moments) -> Moments:
        if not (self.images and other.images):
            return self if self.images else other
        sums = {
            quantity: {layer: total + other.sums[quantity][layer] for layer, total in layers.items()}
            for quantity, layers in self.sums.items()
        }
        return Moments(self.images + other.images, sums)

    def all_reduce(self) -> Moments:
        """With what the other processes have seen, added up in their order, so that all have the same."""
        if not dist.is_initialized():
            return self
        gathered = [Moments()] * dist.get_world_size()
        dist.all_gather_object(gathered, self)
        return sum(gathered, Moments())
