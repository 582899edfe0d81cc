"""What goes wrong in the tests, as classes that a config names."""

import os
from typing import Any

import torch
import torch.distributed as dist
from tiny_run import Quadrants
from torch import nn

from pruning.methods.l1 import L1
from pruning.models import initialise
from pruning.selection import Selection


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


class Plain(nn.Sequential):
    """Two convolutions without norms: one process and two compute the same."""

    def __init__(self, classes: int) -> None:
        body = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        super().__init__(*body, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(32, classes))


def plain(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    return initialise(Plain(classes), seed)


class OneSided(L1):
    """Decides otherwise in the second process."""

    def select(self, network: nn.Module) -> Selection:
        choice = super().select(network)
        if rank() == 1:
            choice = Selection({**choice, "2": choice["2"].roll(1, 0)})
        return choice


class OneMasked(L1):
    """While its stage trains, silences a filter in the second process only."""

    needs_training = True

    def settle(self, network: nn.Module) -> None:
        if rank() == 1:
            with torch.no_grad():
                network.get_submodule("2").weight[0] = 0


class Poisoned(Quadrants):
    """POISON=<rank>:<batch>: an image of that batch of epoch 1 is no number, in that process."""

    def train_batches(self, batches: Any, epoch: int) -> Any:
        loader = super().train_batches(batches, epoch)
        place, _, batch = os.environ.get("POISON", "-1:0").partition(":")
        return spoilt(loader, int(batch)) if epoch == 1 and rank() == int(place) else loader


def spoilt(loader: Any, at: int) -> Any:
    deliver = loader.deliver

    def poison(batches: Any) -> Any:
        for number, (images, labels) in enumerate(deliver(batches)):
            if number == at:
                images[0, 0, 0, 0] = float("nan")
            yield images, labels

    loader.deliver = poison
    return loader
