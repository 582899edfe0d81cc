"""What data offer to training: names, sizes, an identity, and three sized iterables of (images, labels)."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from lightning.pytorch import LightningDataModule

from datamodules.batches import Batch, EpochLoader
from datamodules.counter_rng import epoch_order
from datamodules.dataset_spec import DatasetSpec
from datamodules.shares import Shard, eval_batches, train_batches
from datamodules.split import validation_mask


class ClassificationData(LightningDataModule, ABC):
    """What a run asks of its data, ours or a user's own."""

    name: str
    divisible = True  # whether several processes can share its batches

    def __init__(self) -> None:
        super().__init__()
        self.default_device = torch.device("cpu")  # where batches are made while no Trainer says where

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """In the order of the labels."""

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""

    @property
    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """How many images there are in `train`, `val` and `test`."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Equal exactly when images, labels, class names, split and normalisation are; not of seed, batch or paths."""

    @property
    def verified(self) -> str:
        """What `identity` was made of: the contents of everything, or, of a large set, of a sample."""
        return "contents"

    @property
    def published_spec(self) -> DatasetSpec | None:
        """What is known without the images, for a plan; None when they must be, or can be, read."""
        return None

    @property
    def remarks(self) -> list[str]:
        """What a user should know of the images before they are used, a line each; once they are loaded."""
        return []

    @property
    def left_out(self) -> dict[str, list[str]]:
        """The images that could not be read, by part (`val` is of `train`), as far as anyone has looked."""
        return {"train": [], "test": []}

    def leave_out(self, names: dict[str, list[str]]) -> None:
        """Those that another process, or an earlier one, has met."""

    def sample_batches(self, count: int) -> Iterable[Batch]:
        """`count` training images, drawn by the seed alone and without augmentation; here, of data that has no other
        way, as the first batches of training show them. In one process, and never more than there are."""
        left = count
        for images, labels in self.train_dataloader() if left else ():
            yield images[:left], labels[:left]
            left -= len(images[:left])
            if not left:
                return

    @abstractmethod
    def load(self) -> None:
        """Reads, checks, and fetches what is missing; the second call is free."""

    def prepare_data(self) -> None:
        self.load()

    def setup(self, stage: str | None = None) -> None:
        self.load()

    @property
    def device(self) -> torch.device:
        return self.default_device if self.trainer is None else self.trainer.strategy.root_device


class ImageData(ClassificationData):
    """`batch` counts the images of all processes together; `seed` enters order and augmentation, never the split."""

    def __init__(self, batch: int, val: float | int, seed: int) -> None:
        super().__init__()
        if isinstance(batch, bool) or int(batch) != batch or batch < 1:
            raise ValueError(f"batch must be a whole number of 1 or more, got {batch}: set recipe.batch=128")
        self.batch, self.val, self.seed = int(batch), val, seed
        self._train_loader: EpochLoader | None = None

    @property
    @abstractmethod
    def labels(self) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
        """Of all training images, those held out included, and of the test images."""

    @property
    @abstractmethod
    def content(self) -> str:
        """Hex digest of what the images and their labels are, wherever they lie."""

    @property
    @abstractmethod
    def preparation(self) -> str:
        """What is done to every image alike (normalisation, resizing), in words that change when it changes."""

    @abstractmethod
    def train_batches(self, batches: list[Int[np.ndarray, " _"]], epoch: int) -> EpochLoader:
        """Augmented training images by their numbers."""

    @abstractmethod
    def plain_batches(self, part: str, batches: list[Int[np.ndarray, " _"]]) -> Iterable[Batch]:
        """Images of part `train` or `test` by their numbers, as they are."""

    @property
    def shard(self) -> Shard:
        if self.trainer is None:
            return Shard()
        return Shard(self.trainer.current_epoch, self.trainer.global_rank, self.trainer.world_size)

    @cached_property
    def _indices_by_part(self) -> dict[str, Int[np.ndarray, " n"]]:
        train, test = self.labels
        held_out = validation_mask(train, self.val)
        return {"train": np.flatnonzero(~held_out), "val": np.flatnonzero(held_out), "test": np.arange(len(test))}

    @property
    def sizes(self) -> dict[str, int]:
        return {part: len(indices) for part, indices in self._indices_by_part.items()}

    @cached_property
    def identity(self) -> str:
        parts = (self.content, "\n".join(self.classes), self._indices_by_part["val"].tobytes().hex(), self.preparation)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def train_dataloader(self) -> EpochLoader:
        shard = self.shard
        indices = epoch_order(self.seed, shard.epoch, self._indices_by_part["train"])
        self._train_loader = self.train_batches(train_batches(indices, self.batch, shard), shard.epoch)
        return self._train_loader

    def sample_batches(self, count: int) -> Iterable[Batch]:
        """In the order of epoch 0."""
        drawn = epoch_order(self.seed, 0, self._indices_by_part["train"])[:count]
        starts = range(0, len(drawn), self.batch)
        return self.plain_batches("train", [drawn[start : start + self.batch] for start in starts])

    def val_dataloader(self) -> Iterable[Batch]:
        """Empty when val=0, of which Lightning warns: set its limit_val_batches=0 then."""
        return self._plain_loader("train", self._indices_by_part["val"]) if self.sizes["val"] else []

    def test_dataloader(self) -> Iterable[Batch]:
        return self._plain_loader("test", self._indices_by_part["test"])

    def _plain_loader(self, part: str, indices: Int[np.ndarray, " n"]) -> Iterable[Batch]:
        return self.plain_batches(part, eval_batches(indices, self.batch, self.shard))

    def state_dict(self) -> dict[str, Any]:
        loader_state = {} if self._train_loader is None else self._train_loader.state_dict()
        return {"place": loader_state, "left_out": self.left_out}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Lightning hands the loaders their state only when it makes them; one that a callback's set-up asked for
        (`estimated_stepping_batches`) exists already, and would begin epoch 0 anew."""
        self.leave_out(state_dict.get("left_out", {}))
        if state_dict.get("place") and self._train_loader is not None:
            self._train_loader.load_state_dict(state_dict["place"])
