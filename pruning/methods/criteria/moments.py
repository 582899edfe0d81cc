"""What batches show of a network's layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

Sums = Mapping[str, Float[Tensor, " filters"]]


@dataclass(frozen=True)
class Moments:
    """Sums over images of a figure for each filter, by quantity and layer; float64, on the CPU."""

    images: int = 0
    sums: Mapping[str, Sums] = field(default_factory=dict)

    def mean(self, quantity: str, layer: str) -> Float[Tensor, " filters"]:
        return self.sums[quantity][layer] / self.images
