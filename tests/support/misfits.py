"""Networks and a data set that a run must refuse before it trains, as classes and factories that a config names."""

import random
from typing import Any

import numpy as np
import torch
from torch import nn

from datamodules.cache import Bundle
from datamodules.small import Decoded
from support.tiny_run import Chain, Quadrants, chain


class Misfit(nn.Module):
    """The tiny chain with one thing wrong."""

    def __init__(self, classes: int, image_shape: tuple[int, int, int], seed: int) -> None:
        super().__init__()
        self.chain = chain(classes, image_shape, seed)

    def forward(self, images: torch.Tensor) -> Any:
        return self.chain(images)


class Several(Misfit):
    def forward(self, images: torch.Tensor) -> Any:
        logits = self.chain(images)
        return logits, logits


class Named(Misfit):
    def forward(self, images: torch.Tensor) -> Any:
        return {"out": self.chain(images), "aux": None}


class Restless(Misfit):
    def forward(self, images: torch.Tensor) -> Any:
        return self.chain(images) + torch.randn_like(images[:, 0, 0, :4])


class Deaf(Misfit):
    def forward(self, images: torch.Tensor) -> Any:
        return self.chain(images * 0)


class Overflowing(Misfit):
    def forward(self, images: torch.Tensor) -> Any:
        return self.chain(images).mul(1e30).mul(1e30)


class Drawer(nn.Module):
    """A leaf of the graph, since it reads its mode."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        for draw in (lambda: torch.rand(1), np.random.rand, random.random):
            draw()
        return logits.clone() if self.training else logits


class Picky(nn.Module):
    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        if self.training and not logits.is_meta:
            raise RuntimeError("no training here")
        return logits


class Ending(Misfit):
    """The chain, and a layer that its logits go through."""

    last: type[nn.Module] = nn.Identity

    def __init__(self, classes: int, image_shape: tuple[int, int, int], seed: int) -> None:
        super().__init__(classes, image_shape, seed)
        self.chain = nn.Sequential(Chain(classes), self.last())


class Drawing(Ending):
    """Draws from every generator of a CPU in each call, and answers as the chain does."""

    last = Drawer


class Raising(Ending):
    """Can be traced, and fails in training."""

    last = Picky


def too_many(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    return chain(classes + 2, image_shape, seed)


def frozen(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    return chain(classes, image_shape, seed).requires_grad_(False)


def half_frozen(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    network = chain(classes, image_shape, seed)
    network.body[0].requires_grad_(False)
    return network


def without_norms(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    network = chain(classes, image_shape, seed)
    network.body[1] = network.body[4] = nn.Identity()
    return network


class OneClass(Quadrants):
    def read(self) -> Bundle:
        pixels = torch.randint(0, 255, (40, 8, 8, 3), dtype=torch.uint8)
        labels = torch.zeros(40, dtype=torch.long)
        return Decoded(("a",), pixels[:30], labels[:30], pixels[30:], labels[30:]).to_bundle()


class Detached:
    """A loss that training cannot follow."""

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(logits.detach(), labels)
