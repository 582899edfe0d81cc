"""Loaders that can be resumed in the middle of an epoch, and the one of small images."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from datamodules.counter_rng import crop_offsets, flip_mask
from datamodules.crops import Crops, Normalise

Batch = tuple[Float[Tensor, "b 3 h w"], Int[Tensor, " b"]]


@dataclass(frozen=True)
class Augment:
    """A random crop out of the padding, and a coin for the mirror image."""

    seed: int
    flip: bool

    def corners(self, crops: Crops, epoch: int, indices: Int[np.ndarray, " n"]) -> Int[Tensor, " n"]:
        top, left = crop_offsets(self.seed, epoch, indices, crops.choices)
        return crops.corners(indices, top, left, flip_mask(self.seed, epoch, indices) if self.flip else False)


class EpochLoader(ABC):
    """The batches of one epoch. `load_state_dict` moves the beginning of the next pass; later passes are whole."""

    def __init__(self, batches: list[Int[np.ndarray, " _"]], epoch: int) -> None:
        self.epoch = epoch
        self._batches = batches
        self._start = self._delivered = 0

    @abstractmethod
    def deliver(self, batches: list[Int[np.ndarray, " _"]]) -> Iterator[Batch]:
        """One batch for each list of image numbers; at least one list."""

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        start, self._start = self._start, 0
        self._delivered = start
        if start < len(self):
            for batch in self.deliver(self._batches[start:]):
                self._delivered += 1
                yield batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "delivered": self._delivered}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """A position of another epoch is no position in this one."""
        self._start = self._delivered = state["delivered"] if state["epoch"] == self.epoch else 0


@final
class BatchLoader(EpochLoader):
    """Small images, whole batches at once, no worker processes."""

    def __init__(
        self,
        crops: Crops,
        normalise: Normalise,
        labels: Int[Tensor, " images"],
        batches: list[Int[np.ndarray, " _"]],
        augment: Augment | None = None,
        epoch: int = 0,
    ) -> None:
        super().__init__(batches, epoch)
        self._crops, self._normalise, self._labels, self._augment = crops, normalise, labels, augment

    def deliver(self, batches: list[Int[np.ndarray, " _"]]) -> Iterator[Batch]:
        """Corners and labels of the whole epoch first: what is left for each batch is two calls on the device."""
        indices, sizes = np.concatenate(batches), [len(batch) for batch in batches]
        labels = self._labels[torch.from_numpy(indices)].to(self._crops.device)
        for corners, batch_labels in zip(self._corners(indices).split(sizes), labels.split(sizes), strict=True):
            yield self._normalise(self._crops.gather(corners)), batch_labels

    def _corners(self, indices: Int[np.ndarray, " n"]) -> Int[Tensor, " n"]:
        if self._augment is None:
            return self._crops.corners(indices, self._crops.choices // 2, self._crops.choices // 2)
        return self._augment.corners(self._crops, self.epoch, indices)
