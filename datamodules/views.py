"""What of a large image is shown: a random part, perhaps mirrored, or its middle."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

Planes = UInt8[Tensor, "3 h w"]


class Views:
    """torchvision's transforms on bytes; what of them is random comes from a seed alone."""

    def __init__(self, size: int, resize: int) -> None:
        self.size = size
        self._part = v2.RandomResizedCrop(size)
        self._middle = v2.Compose([v2.Resize(resize, antialias=True), v2.CenterCrop(size)])

    def random_view(self, planes: Planes, seed: int) -> UInt8[Tensor, "3 size size"]:
        """RandomResizedCrop, then RandomHorizontalFlip."""
        with _seed_generator(seed):
            crop, mirrored = self._part.make_params([planes]), bool(torch.rand(1) < 0.5)
        part = functional.crop(planes, **crop).permute(1, 2, 0).contiguous().permute(2, 0, 1)
        view = functional.resize(part, [self.size, self.size], antialias=True)  # a sixth faster on interleaved colours
        return functional.horizontal_flip(view) if mirrored else view

    def middle_view(self, planes: Planes) -> UInt8[Tensor, "3 size size"]:
        return self._middle(planes)


@contextmanager
def _seed_generator(seed: int) -> Iterator[None]:
    """The transforms draw from the one generator that dropout uses too: lend it, and give it back as it was."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)
