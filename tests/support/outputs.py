"""A network with one output or two, as a tensor, a tuple or a dict."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Outputs(nn.Module):
    """A class of the whole image, and of every pixel."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem, self.body = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)
        self.first, self.second = nn.Linear(12, 4), nn.Conv2d(12, 2, 1)

    def forward(self, x: Tensor) -> Any:
        x = F.relu(self.body(F.relu(self.stem(x))))
        image, pixels = self.first(x.mean((2, 3))), self.second(x)
        return {"tensor": image, "tuple": (image, pixels), "dict": {"image": image, "pixels": pixels}}[self.kind]
