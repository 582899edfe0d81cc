"""Data sets of small images: all pixels in memory, on the device that trains."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from datamodules.base import ImageData
from datamodules.batches import Augment, Batch, BatchLoader
from datamodules.cache import Bundle
from datamodules.crops import Crops, Normalise


@dataclass(frozen=True)
class Decoded:
    """A data set as bytes, training images and test images."""

    classes: tuple[str, ...]
    train_pixels: UInt8[Tensor, "train h w 3"]
    train_labels: Int[Tensor, " train"]
    test_pixels: UInt8[Tensor, "test h w 3"]
    test_labels: Int[Tensor, " test"]

    def to_bundle(self) -> Bundle:
        tensors = ("train_pixels", "train_labels", "test_pixels", "test_labels")
        return Bundle(self.classes, {name: getattr(self, name) for name in tensors})


class SmallImages(ImageData):
    """`pad`: how far a training crop may move, in pixels; `flip`: whether it may be mirrored."""

    def __init__(
        self,
        batch: int,
        val: float | int,
        seed: int,
        pad: int,
        flip: bool,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__(batch, val, seed)
        self.pad, self.flip, self.mean, self.std = pad, flip, tuple(mean), tuple(std)
        self._crops: dict[tuple[str, torch.device], Crops] = {}

    @abstractmethod
    def read(self) -> Bundle:
        """All images, checked, as `Decoded.to_bundle` names them."""

    @cached_property
    def _bundle(self) -> Bundle:
        return self.read()

    @cached_property
    def decoded(self) -> Decoded:
        return Decoded(self._bundle.classes, **self._bundle.tensors)

    def load(self) -> None:
        _ = self._indices_by_part  # reads the images, and checks `val` against their number

    @property
    def classes(self) -> tuple[str, ...]:
        return self.decoded.classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width = self.decoded.train_pixels.shape[1:3]
        return 3, height, width

    @cached_property
    def labels(self) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
        return self.decoded.train_labels.numpy(), self.decoded.test_labels.numpy()

    @property
    def content(self) -> str:
        return self._bundle.digest

    @property
    def preparation(self) -> str:
        return f"mean {self.mean} std {self.std}"

    def train_batches(self, batches: list[Int[np.ndarray, " _"]], epoch: int) -> BatchLoader:
        return self._loader("train", batches, Augment(self.seed, self.flip), epoch)

    def plain_batches(self, part: str, batches: list[Int[np.ndarray, " _"]]) -> Iterable[Batch]:
        return self._loader(part, batches)

    def _loader(
        self, part: str, batches: list[Int[np.ndarray, " _"]], augment: Augment | None = None, epoch: int = 0
    ) -> BatchLoader:
        crops = self._crops_of(part)
        normalise = Normalise(self.mean, self.std, crops.width, crops.device)
        labels = self.decoded.train_labels if part == "train" else self.decoded.test_labels
        return BatchLoader(crops, normalise, labels, batches, augment, epoch)

    def _crops_of(self, part: str) -> Crops:
        """Copied, padded and moved once; the padded training images serve validation too, cropped in the middle."""
        key = (part, self.device)
        if key not in self._crops:
            pixels = self.decoded.train_pixels if part == "train" else self.decoded.test_pixels
            moving = part == "train"
            self._crops[key] = Crops(pixels, self.pad * moving, self.flip and moving, self.device)
        return self._crops[key]
