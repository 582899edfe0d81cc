"""What a user brings along, as people write it: it knows nothing of this program."""

import os
from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

from support.tiny_run import quadrants

POWER_CUT = "OWN_POWER_CUT"  # training breaks off within the second epoch


class Cut(TensorDataset):
    """After so many images."""

    read = 0

    def __getitem__(self, index: int) -> Any:
        self.read += 1
        if self.read > 40:
            raise RuntimeError("power cut")
        return super().__getitem__(index)


class MyData(LightningDataModule):
    """The quadrants; `changed` replaces what a test wants otherwise."""

    def __init__(self, batch_size: int = 16, workers: int = 0, **changed: Any) -> None:
        super().__init__()
        self.batch_size, self.workers, self.changed = batch_size, workers, changed

    def setup(self, stage: str) -> None:
        pixels, self.labels = quadrants(120, seed=0)
        self.images = (pixels.permute(0, 3, 1, 2) / 255 - 0.35) / 0.25

    def loader(self, start: int, stop: int, shuffle: bool = False) -> Any:
        images, labels = (self.changed.get(name, getattr(self, name)) for name in ("images", "labels"))
        cut = shuffle and POWER_CUT in os.environ and self.trainer is not None and self.trainer.current_epoch == 1
        data = (Cut if cut else TensorDataset)(images[start:stop], labels[start:stop])
        return DataLoader(data, self.batch_size, shuffle, num_workers=self.workers)

    def train_dataloader(self) -> Any:
        return self.changed.get("train", self.loader(0, 68, shuffle=True))

    def val_dataloader(self) -> Any:
        return self.loader(68, 80)

    def test_dataloader(self) -> Any:
        return self.loader(80, 120)
