"""A method's verbs in a Trainer, each at its moment, on a network of any LightningModule.

Structure changes in `setup`, before the optimiser exists and a checkpoint is restored; gradients are whole and unscaled
in `on_before_optimizer_step`, where the method moves its own parameters; and not every batch is a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer

from pruning.methods.base import PruningMethod


class MethodSteps(Callback):
    """The verbs from attach to end_epoch while the Trainer fits; select and detach are for whoever asked for training.

    Args:
        method: what learns.
        image_shape: (channels, height, width).
        network: dotted name of the module's attribute that is the network.
    """

    def __init__(self, method: PruningMethod, image_shape: tuple[int, int, int], network: str = "network") -> None:
        self.method, self.image_shape, self.network_name = method, image_shape, network
        self.gates: list[nn.Parameter] = []  # parameters that attach has added
        self.has_stepped = False  # and the method has yet to settle

    def network(self, pl_module: LightningModule) -> nn.Module:
        return pl_module.get_submodule(self.network_name)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self.method.refuse_scaled(str(trainer.precision))
            self.attach(self.network(pl_module), int(trainer.estimated_stepping_batches))

    def attach(self, network: nn.Module, steps: int) -> None:
        weights = set(network.parameters())
        self.method.begin_stage(network, self.image_shape, steps)
        self.gates = [parameter for parameter in network.parameters() if parameter not in weights]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        remove_parameters(trainer.optimizers, self.gates)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        self.method.steer(self.network(pl_module))
        self.has_stepped = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self.has_stepped:
            self.has_stepped = False
            self.method.settle(self.network(pl_module))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.method.end_epoch(self.network(pl_module), trainer.current_epoch)
        for name, figure in self.method.report(self.network(pl_module)).items():
            pl_module.log(name, figure)


def remove_parameters(optimizers: Iterable[Optimizer], parameters: Iterable[nn.Parameter]) -> None:
    """In place; groups stay, even empty ones, so that schedules still fit."""
    removed = set(parameters)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if parameter not in removed]
        for parameter in removed & optimizer.state.keys():
            del optimizer.state[parameter]
