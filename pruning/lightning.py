"""Any pruning method as a callback of a Lightning Trainer: the verbs, each at its moment.

Structure changes in `setup` alone, before the optimiser exists and a checkpoint is restored; gradients are whole and
unscaled in `on_before_optimizer_step`; and where gradients are accumulated not every batch is a step.
"""

from __future__ import annotations

from typing import Any, final

from lightning import Callback, Trainer

from pruning.methods.base import PruningMethod
from pruning.methods.own_groups import check_own_groups
from pruning.training.task import ClassificationTask


@final
class PruningCallback(Callback):
    """attach, steer and settle while the Trainer fits; select and detach are for whoever asked for the training."""

    def __init__(self, method: PruningMethod) -> None:
        self.method = method

    def setup(self, trainer: Trainer, pl_module: ClassificationTask, stage: str) -> None:  # type: ignore[override]
        if stage != "fit":
            return
        self.method.refuse_scaled(str(trainer.precision))
        self.method.begin_stage(pl_module.network, pl_module.image_shape, int(trainer.estimated_stepping_batches))
        pl_module.extra_groups = self.method.groups(pl_module.network)

    def on_fit_start(self, trainer: Trainer, pl_module: ClassificationTask) -> None:  # type: ignore[override]
        check_own_groups(self.method.groups(pl_module.network), trainer.optimizers, trainer.gradient_clip_val)

    def on_train_start(self, trainer: Trainer, pl_module: ClassificationTask) -> None:  # type: ignore[override]
        self._settled = trainer.global_step

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: ClassificationTask, optimizer: Any) -> None:  # type: ignore[override]
        self.method.steer(pl_module.network)

    def on_train_batch_end(self, trainer: Trainer, pl_module: ClassificationTask, *_: Any) -> None:  # type: ignore[override]
        if trainer.global_step > self._settled:  # with accumulated gradients not every batch is a step
            self._settled = trainer.global_step
            self.method.settle(pl_module.network)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: ClassificationTask) -> None:  # type: ignore[override]
        for name, figure in self.method.report(pl_module.network).items():
            pl_module.log(name, figure)
