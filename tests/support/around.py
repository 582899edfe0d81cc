"""A network around any operation on channels."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Around(nn.Module):
    """Convolution with bias, something that moves or changes channels, convolution, linear."""

    def __init__(self, middle: Callable[[Tensor], Tensor], wide: int = 8, then: int = 8, side: int = 6) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, wide, 3, padding=1)
        self.middle = middle
        self.after = nn.Conv2d(then, 5, 3, padding=1)
        self.head = nn.Linear(5 * side * side, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.after(self.middle(self.before(x))), 1))
