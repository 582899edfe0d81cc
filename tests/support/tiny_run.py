"""A real run in two seconds: 8x8 images of a bright quadrant, a chain of two convolutions, and the same pipeline."""

import os
from functools import partial
from typing import Any

import torch
from hydra import compose
from omegaconf import DictConfig, OmegaConf
from torch import nn

from datamodules.batches import BatchLoader
from datamodules.cache import Bundle
from datamodules.small import Decoded, SmallImages
from experiments.config import schema
from experiments.config.hydra_versions import open_configs
from experiments.config.schema import Settings
from experiments.config.settings import begin_job, load
from experiments.evaluate import measure
from experiments.system.checkout import ROOT
from pruning.models import initialise

PATHS = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])  # for a child process: PYTHONPATH
POWER_CUT = "TINY_POWER_CUT"  # "<stage's epochs>:<epoch>": training batches of that epoch break off
TINY = (
    "data._target_=support.tiny_run.Quadrants",
    "model._target_=support.tiny_run.chain",
    "method=l1",
    "budget=layer",
    "tracking=none",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
    "recipe.batch=16",
    "recipe.baseline.epochs=3",
    "recipe.prune.epochs=0",
    "recipe.finetune.epochs=2",
    "hydra.mode=RUN",
)
GATED = ("method=fcf", "recipe.prune.epochs=38", "method.lr=0.1")
measure.latencies = partial(measure.latencies, seconds=0.0)  # else most of a tiny run, and in no test's numbers


class Quadrants(SmallImages):
    name = "quadrants"

    def __init__(self, batch: int, val: float, seed: int, pad: int, mean: list[float], std: list[float]) -> None:
        super().__init__(batch, val, seed, pad=0, flip=False, mean=mean, std=std)

    def read(self) -> Bundle:
        pixels, labels = quadrants(120, seed=0)
        return Decoded(("a", "b", "c", "d"), pixels[:80], labels[:80], pixels[80:], labels[80:]).to_bundle()

    def train_batches(self, batches: Any, epoch: int) -> BatchLoader:
        epochs = self.trainer.max_epochs if self.trainer else None
        if os.environ.get(POWER_CUT) == f"{epochs}:{epoch}":
            raise RuntimeError("power cut")
        return super().train_batches(batches, epoch)


def quadrants(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 4
    pixels = torch.randint(0, 120, (count, 8, 8, 3), generator=generator, dtype=torch.uint8)
    for image, label in zip(pixels, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 100
    return pixels, labels


class Chain(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for wide, width in ((3, 8), (8, 8)):
            layers += [nn.Conv2d(wide, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten())
        self.head = nn.Linear(32, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images))


def chain(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    return initialise(Chain(classes), seed)


def config(*overrides: str) -> DictConfig:
    """The tiny job's config as `run.py` gets it."""
    return composed(*TINY, *overrides)


def settings(*overrides: str) -> Settings:
    return load(config(*overrides))


def any_settings(*overrides: str) -> Settings:
    return load(composed(*overrides))


def launcher(name: str, *overrides: str) -> dict[str, Any]:
    """What `hydra/launcher=name` gets, without what only Hydra knows at run time."""
    values = whole_config(f"hydra/launcher={name}", *overrides).hydra.launcher
    return dict(OmegaConf.to_container(values, resolve=False))  # type: ignore[call-overload]


def whole_config(*overrides: str) -> DictConfig:
    schema.register()
    with open_configs():
        return compose("config", [*overrides], return_hydra_config=True)


def composed(*overrides: str) -> DictConfig:
    """Any job's."""
    return begin_job(whole_config(*overrides))
