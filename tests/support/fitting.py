"""A method that learns, in a real fit of a small network."""

import warnings
from types import SimpleNamespace

import torch
from lightning import Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from pruning.lightning.steps import MethodSteps
from pruning.methods.base import PruningMethod
from pruning.objectives import CrossEntropy
from pruning.testing import images
from pruning.training.task import ClassificationTask

SHAPE = (3, 8, 8)


def data(count: int = 256, batch: int = 32) -> DataLoader:
    labels = torch.arange(count) % 4
    examples = TensorDataset(images(SHAPE, count).float(), labels)
    return DataLoader(examples, batch, collate_fn=lambda pairs: tuple(default_collate(pairs)))


def fit(method: PruningMethod, network: nn.Module, epochs: int) -> Trainer:
    recipe = SimpleNamespace(
        epochs=epochs, lr=0.05, momentum=0.0, weight_decay=0.0, schedule="step", milestones=[], factor=0.1, warmup=0
    )
    task = ClassificationTask(network, CrossEntropy(), recipe, classes=4, image_shape=SHAPE, seed=0)
    trainer = Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=[MethodSteps(method, SHAPE)], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(many workers|val_dataloader|LeafSpec).*")
        trainer.fit(task, data())
    return trainer
