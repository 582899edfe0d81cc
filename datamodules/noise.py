"""Random images with random labels: for smoke tests and timings, where nothing can be learned."""

from typing import final

import numpy as np
import torch

from datamodules.cache import Bundle
from datamodules.small import Decoded, SmallImages


@final
class Noise(SmallImages):
    """The same noise in every run: the run's seed shuffles it only."""

    name = "noise"

    def __init__(
        self,
        size: int,
        classes: int,
        train: int,
        test: int,
        batch: int,
        val: float | int,
        seed: int,
        pad: int,
        flip: bool,
        mean: list[float],
        std: list[float],
    ) -> None:
        super().__init__(batch, val, seed, pad, flip, mean, std)
        for key, value in {"size": size, "classes": classes, "train": train, "test": test}.items():
            if value < 1:
                raise ValueError(f"data.{key} must be 1 or more, got {value}")
        self._size, self._labels, self._counts = size, classes, {"train": train, "test": test}

    def read(self) -> Bundle:
        draws = np.random.Generator(np.random.Philox(0))
        pixels = {
            part: torch.from_numpy(draws.integers(0, 256, (images, self._size, self._size, 3), np.uint8))
            for part, images in self._counts.items()
        }
        labels = {part: torch.arange(images) % self._labels for part, images in self._counts.items()}
        names = tuple(f"class {number}" for number in range(self._labels))
        return Decoded(names, pixels["train"], labels["train"], pixels["test"], labels["test"]).to_bundle()
