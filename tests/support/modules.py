"""LightningModules of other people: their own losses, optimisers and schedules, and no word about pruning."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import OneCycleLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from pruning.models import initialise
from pruning.testing.samples import Chain, Residual

SHAPE = (3, 8, 8)


class MultiLabel(LightningModule):
    """Several labels an image; Adam, whose bias-free weights decay in a group of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.example_input_array = initialise(Residual(), 0), torch.zeros(1, *SHAPE)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = F.binary_cross_entropy_with_logits(
            self.net(batch[0]), (batch[0].mean((2, 3))[:, [0, 1, 2, 0]] > 0).float()
        )
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        kernels = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        optimizer = Adam([{"params": kernels, "weight_decay": 1e-4}, {"params": others, "lr": 2e-3}], lr=1e-3)
        return [optimizer], [StepLR(optimizer, 1, 0.5)]


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)
        )
        self.up = nn.Sequential(nn.Conv2d(24, 8, 3, padding=1), nn.ReLU())
        self.classes = nn.Conv2d(8, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        wide = self.down(images)
        return self.classes(self.up(torch.cat([wide, self.deep(wide)], 1)))


class Segmentation(LightningModule):
    """Every pixel has a class; AdamW with one cycle, stepped after every batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.unet = UNet()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return F.cross_entropy(self.unet(batch[0]), (batch[0][:, 0] > 0).long())

    def configure_optimizers(self) -> Any:
        optimizer = AdamW(self.parameters(), 1e-3)
        schedule = OneCycleLR(optimizer, 1e-2, total_steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Regression(LightningModule):
    """A backbone and a head, each with an optimiser of its own, stepped by hand: the head twice a batch."""

    def __init__(self, bypass: bool = False) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"backbone": initialise(Chain(), 0), "head": nn.Linear(4, 1)})
        self.automatic_optimization, self.bypass = False, bypass

    def training_step(self, batch: list[Tensor], index: int) -> None:
        first, second = self.optimizers(use_pl_optimizer=not self.bypass)
        for optimizer, times in ((first, 1), (second, 2)):
            for _ in range(times):
                optimizer.zero_grad()
                answer = self.parts["head"](self.parts["backbone"](batch[0]))
                self.manual_backward(F.mse_loss(answer[:, 0], batch[0].mean((1, 2, 3))))
                optimizer.step()

    def configure_optimizers(self) -> Any:
        return [
            SGD(self.parts["head"].parameters(), 0.01),
            SGD(self.parts["backbone"].parameters(), 0.01, momentum=0.9),
        ]


def batches(count: int, size: int = 8) -> DataLoader:
    """All alike, so that an epoch which is resumed in its middle meets what the uninterrupted one met."""
    images = torch.randn(size, *SHAPE, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(images.repeat(count, 1, 1, 1)), size)
