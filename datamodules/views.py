"""What of a large image is shown: a random part, perhaps mirrored, or its middle."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms import v2

from datamodules.draws import Purpose, draw


class Views:
    """torchvision's transforms on bytes; a training view is a pure function of (seed, epoch, index)."""

    def __init__(self, size: int, resize: int, seed: int) -> None:
        self.seed = seed
        self._random = v2.Compose([v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()])
        self._middle = v2.Compose([v2.Resize(resize, antialias=True), v2.CenterCrop(size)])

    def random(self, planes: UInt8[Tensor, "3 h w"], epoch: int, index: int) -> UInt8[Tensor, "3 size size"]:
        with _generator_at(int(draw(self.seed, epoch, Purpose.TRANSFORM, np.array([index]))[0] >> np.uint64(1))):
            return self._random(planes)

    def middle(self, planes: UInt8[Tensor, "3 h w"]) -> UInt8[Tensor, "3 size size"]:
        return self._middle(planes)


@contextmanager
def _generator_at(seed: int) -> Iterator[None]:
    """The transforms draw from the one generator that dropout uses too: lend it, and give it back as it was."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)
