"""What a user brings along, as people write it: it knows nothing of this program."""

import os
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningDataModule
from torch import Tensor
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


class Focal:
    """Cross-entropy that counts what is easy for less (Lin et al. 2017)."""

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, labels, reduction="none")
        return ((1 - torch.exp(-losses)) ** self.gamma * losses).mean()


class Unreduced(Focal):
    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, reduction="none")


class EMA(Callback):
    """Validates and keeps the running average of the weights."""

    def __init__(self, decay: float) -> None:
        self.decay, self.average, self.trained = decay, dict[str, Tensor](), dict[str, Tensor]()

    def on_train_epoch_start(self, trainer: Any, task: Any) -> None:
        task.network.load_state_dict(self.trained or task.network.state_dict())

    def on_train_batch_end(self, trainer: Any, task: Any, *_: Any) -> None:
        for name, value in task.network.state_dict().items():
            mean = self.average.setdefault(name, value.clone())
            mean.copy_(mean.lerp(value, 1 - self.decay) if value.is_floating_point() else value)

    def on_validation_start(self, trainer: Any, task: Any) -> None:
        self.trained = {name: value.clone() for name, value in task.network.state_dict().items()}
        task.network.load_state_dict(self.average)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "trained": self.trained}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.average, self.trained = state_dict["average"], state_dict["trained"]
