"""A gate learns by the rule that its method gives, or its stage does not begin."""

import warnings
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from lightning import Trainer
from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.utils.data import DataLoader

from pruning.lightning import PruningCallback
from pruning.models import initialise
from pruning.objectives import CrossEntropy
from pruning.training.task import ClassificationTask
from support.promise import images
from support.rows import Chain, fcf

SHAPE = (3, 8, 8)
RECIPE = SimpleNamespace(
    epochs=1, lr=0.05, momentum=0.9, weight_decay=1e-4, schedule="constant", milestones=[], factor=0.1, warmup=0
)


class UsersTask(ClassificationTask):
    """A module of the user's own, with an optimiser of the user's own."""

    build: Callable[["UsersTask"], Optimizer]

    def configure_optimizers(self) -> Optimizer:  # type: ignore[override]
        return self.build()


def fit(build: Callable[[UsersTask], Optimizer], **asked: object) -> nn.Module:
    network = initialise(Chain(), 0)
    task = UsersTask(network, CrossEntropy(), RECIPE, classes=4, image_shape=SHAPE, seed=0)
    task.build = lambda: build(task)  # type: ignore[method-assign, assignment]
    batch = images(SHAPE, 4).float(), torch.arange(4)
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[PruningCallback(fcf(0.5))], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0, **asked,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(many workers|val_dataloader|LeafSpec|not binary).*")
        trainer.fit(task, DataLoader([batch] * 150, batch_size=None, collate_fn=tuple))
    return network


def with_weight_decay(task: UsersTask) -> Optimizer:
    main, gates = task.groups()
    return SGD([main, gates | {"weight_decay": 1e-4}], lr=0.1)


def forgotten(task: UsersTask) -> Optimizer:
    return SGD(task.groups()[0]["params"], lr=0.1)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda task: Adam(task.parameters(), 1e-3), r"they are in Adam: "),
        (lambda task: Adam(task.groups(), 1e-3), r"they are in Adam: "),
        (lambda task: SGD(task.parameters(), 0.1), "their group holds others"),
        (lambda task: SGD(task.groups(), 0.1, maximize=True), "their group has maximize=True"),
        (with_weight_decay, r"their group has weight_decay=0\.0001"),
        (forgotten, "they are in no group of an optimiser"),
    ],
)
def test_gates_in_an_optimiser_that_is_not_theirs_are_refused(
    build: Callable[[UsersTask], Optimizer], said: str
) -> None:
    with pytest.raises(ValueError, match=rf"\(lr=0\.1, momentum=0, weight_decay=0\) and no clipping, but {said}"):
        fit(build)


def test_clipping_is_refused_too() -> None:
    with pytest.raises(ValueError, match=r"gradients are clipped at 0\.5"):
        fit(lambda task: SGD(task.groups(), 0.1), gradient_clip_val=0.5)


def test_plain_sgd_over_the_tasks_groups_is_taken() -> None:
    gates = [p for name, p in fit(lambda task: SGD(task.groups(), 0.1)).named_parameters() if name.endswith(".v")]
    assert gates
    assert not any(torch.equal(gate, torch.ones_like(gate)) for gate in gates)
